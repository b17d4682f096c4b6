// Runner of family `channels` (nlc). Dilation d is no code of its own: output times of one residue modulo d form a
// dense convolution on every d-th row of x, and residues whose rows have the same ends go together, as the batch axis
// of one kernel call. Outputs next to an end of a row are computed on zero-extended copies, unless the kernel puts the
// zeros itself.
#include <algorithm>

#include "plan.hpp"
#include "stage.hpp"

namespace dwc {
namespace {

// Residues r in [first, first + count) of output time modulo the dilation. Within one, output i reads elements
// s*i + start + k, k < K, of a row of `length` elements, d time steps apart, the first of them at time origin(r).
struct Group {
    int64_t first, count, start, length, outputs;
};

class ChannelsRunner final : public Runner {
   public:
    ChannelsRunner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads) : Runner(p, k, e) {
        x_step_ = saturating_product(p.given.dilation, p.x.t);
        y_step_ = saturating_product(p.given.dilation, p.y.t);
        x_phase_ = saturating_product(p.given.stride, p.x.t);
        make_groups();
        for (size_t g = 0; g < groups_.size(); ++g) add_stretches(static_cast<int>(g));
        cut(threads, {kernel_.v, 4 * int64_t{kernel_.t}, true});
        plan_staging();
        for (const Stretch& s : stretches_)
            blocks_.push_back(s.staged ? staged_blocks(s, p.given.channels) : straight_blocks(s, p.given.channels));
    }

    int run(const Task& task, const Job& job) const override {
        for (int64_t n = task.n0; n < task.n1; ++n)
            for (int64_t s = task.s0; s < task.s1; ++s) {
                const Stretch& stretch = stretches_[s];
                Blocks blocks = blocks_[s];
                blocks.channels = std::min(blocks.channels, task.c1 - task.c0);
                if (const int code = stretch.staged ? run_staged(stretch, blocks, n, task, job)
                                                    : run_straight(stretch, blocks, n, task, job))
                    return code;
            }
        return 0;
    }

   private:
    // A block of outputs: residues [r, r + phases), outputs [i, i + rows) of each, channels [c, c + channels); and the
    // taps that it takes.
    struct Block {
        int64_t n, r, phases, i, rows, c, channels;
        Taps taps;
    };

    // What one kernel call computes of a stretch, at most.
    struct Blocks {
        int64_t rows, channels, phases;
    };

    std::vector<Group> groups_;
    std::vector<Blocks> blocks_;  // one a stretch
    // Elements between neighbours: in one phase of x and of y, and between two phases of x.
    int64_t x_step_, y_step_, x_phase_;
    Phases dense_{1, 1, 1};  // staged rows keep their order

    void make_groups() {
        const int64_t d = p_.given.dilation, s = p_.given.stride, L = p_.given.length;
        for (int64_t r = 0; r < std::min(d, p_.out_length); ++r) {
            const int64_t at = s * r - p_.given.pad_left;
            const int64_t start = at >= 0 ? at / d : -((-at + d - 1) / d);
            const int64_t origin = at - start * d;
            const Group g{r, 1, start, origin < L ? (L - origin + d - 1) / d : 0, (p_.out_length - r + d - 1) / d};
            Group* last = groups_.empty() ? nullptr : &groups_.back();
            if (last && last->start == g.start && last->length == g.length && last->outputs == g.outputs)
                ++last->count;
            else
                groups_.push_back(g);
        }
    }

    void add_stretches(int index) {
        const Group& g = groups_[index];
        const int64_t K = p_.given.kernel_size;
        // A row of K taps must fit a view; kernels with absurd reach work on copies alone.
        const bool fits = saturating_product(K, x_step_) <= largest_span / 4;
        if (kernel_.ends() && !p_.given.stateful && fits && g.outputs >= kernel_.t && g.length > 0) {
            stretches_.push_back({0, g.outputs, false, index, g.count});
            return;
        }
        cut_row(g.outputs, g.start, p_.given.stride, K - 1, g.length, kernel_.t, fits, index, &stretches_);
        for (Stretch& s : stretches_) s.rows = groups_[s.group].count;
    }

    int64_t rows_read(int64_t outputs) const { return rows_read(outputs, p_.given.kernel_size); }
    int64_t rows_read(int64_t outputs, int64_t taps) const { return (outputs - 1) * p_.given.stride + taps; }

    // Copies that the stack's tile cannot hold are of an eighth as many outputs as there are taps, or they would cost
    // as much as the products.
    void plan_staging() {
        const int64_t t = kernel_.t, v = kernel_.v, eighth = p_.given.kernel_size / 8 / t * t;
        for (const Stretch& s : stretches_) {
            if (!s.staged) continue;
            const bool large = rows_read(t) * v > tile_elements();
            const int64_t rows = large ? std::clamp(eighth, t, std::max(s.end - s.begin, t)) : t;
            staging_bytes_ = std::max(staging_bytes_, rows_read(rows) * v * element_);
        }
    }

    // `x` holds `x_rows` rows, of which the first is the x_first-th that the block reads.
    int call(const Block& b, void* x, int64_t x_first, int64_t x_rows, int64_t x_step, int64_t x_phase,
             const Job& job) const {
        const dwc_problem& g = p_.given;
        const int64_t C = g.channels, M = g.depth_multiplier, K = b.taps.count;
        ConvCall call;
        call.x = {x, {{b.channels, 1}, {x_rows, x_step}, {b.phases, x_phase}}};
        call.x_first[1] = x_first;
        call.w = {const_cast<char*>(job.weights) + (b.taps.first * M * C + b.c) * element_,
                  {{M, C}, {b.channels, 1}, {K, M * C}}};
        call.b = {const_cast<char*>(job.bias) + b.c * element_, {{M, C}, {b.channels, 1}}};
        char* y = job.y + (b.n * p_.y.n + (b.r + b.i * g.dilation) * p_.y.t + b.c * M) * element_;
        call.y = {y, {{M, 1}, {b.channels, M}, {b.rows, y_step_}, {b.phases, p_.y.t}}};
        call.step = static_cast<int32_t>(g.stride);
        call.parameters = activation_.p;
        if (const int code = Runner::call(call, b.channels * M, b.rows, y_step_, job)) return code;
        for (int64_t phase = 1; epilogue_ && !planar() && phase < b.phases; ++phase) {
            float* row = reinterpret_cast<float*>(y) + phase * p_.y.t;
            if (const int code = activate(row, b.channels * M, b.rows, y_step_, job)) return code;
        }
        return 0;
    }

    Blocks straight_blocks(const Stretch& s, int64_t C) const {
        const dwc_problem& g = p_.given;
        const int64_t M = g.depth_multiplier, t = kernel_.t, v = kernel_.v;
        int64_t rows = s.end - s.begin, channels = C, phases = groups_[s.group].count;
        // In double: the product of dilation, stride and row length need not fit 64 bits where few rows are left.
        const double span =
            std::max(static_cast<double>(x_step_) * static_cast<double>(g.stride), static_cast<double>(y_step_));
        rows = std::clamp(static_cast<int64_t>(largest_span / 2 / span), t, rows);
        rows = std::clamp(largest_span / 4 / (C * std::max(M, g.stride)), t, rows);
        phases = std::clamp<int64_t>(largest_span / 2 / std::max(x_phase_, p_.y.t), 1, phases);
        phases = std::clamp<int64_t>(largest_span / 2 / std::max(rows_read(rows) * C, rows * C * M), 1, phases);
        if (epilogue_ || planar()) {
            // Blocks of one width and whole tiles: what overlaps is computed twice.
            const int64_t most = std::max(activation_tile / (t * M) / v * v, v), blocks = (C + most - 1) / most;
            channels = std::min(((C + blocks - 1) / blocks + v - 1) / v * v, C);
            rows = std::clamp(activation_tile / (channels * M) / t * t, t, rows);
            phases = 1;
        }
        return {rows, channels, phases};
    }

    Blocks staged_blocks(const Stretch& s, int64_t C) const {
        const dwc_problem& g = p_.given;
        const int64_t t = kernel_.t, v = kernel_.v;
        // Planes of outputs are no larger than what they are computed from.
        const int64_t planes = planar() ? g.depth_multiplier : 1;
        const int64_t room = std::max(tile_elements() / planes, staging_bytes_ / element_);
        // Long stretches first (their rows overlap by K - 1), then wide blocks, then many phases at once.
        const int64_t fit = (room / v - g.kernel_size) / g.stride + 1;
        const int64_t rows = std::clamp(fit, t, s.end - s.begin), read = rows_read(rows);
        const int64_t channels = std::clamp(room / read / v * v, v, C);
        return {rows, channels, std::clamp<int64_t>(room / (read * channels), 1, groups_[s.group].count)};
    }

    int run_straight(const Stretch& s, const Blocks& most, int64_t n, const Task& task, const Job& job) const {
        const dwc_problem& g = p_.given;
        const Group& group = groups_[s.group];
        const int64_t C = task.c1 - task.c0;
        for (int64_t r = 0; r < group.count; r += most.phases)
            for (int64_t i = s.begin; i < s.end; i += most.rows)
                for (int64_t c = 0; c < C; c += most.channels) {
                    const Block b{n,
                                  group.first + r,
                                  std::min(most.phases, group.count - r),
                                  std::min(i, s.end - most.rows),  // the last block overlaps the one before
                                  most.rows,
                                  task.c0 + std::min(c, C - most.channels),
                                  most.channels,
                                  {0, g.kernel_size}};
                    // What the block reads of the residue's row, [first, last) counted from its first tap's on.
                    const int64_t from = group.start + g.stride * b.i, reach = rows_read(b.rows);
                    const int64_t first = std::clamp<int64_t>(-from, 0, reach);
                    const int64_t last = std::clamp(group.length - from, first, reach);
                    const int64_t origin = g.stride * b.r - g.pad_left - group.start * g.dilation;
                    const int64_t time = last > first ? origin + (from + first) * g.dilation : 0;
                    const char* x = job.x + (n * p_.x.n + time * p_.x.t + b.c) * element_;
                    if (const int code = call(b, const_cast<char*>(x), first, last - first, x_step_, x_phase_, job))
                        return code;
                }
        return 0;
    }

    int run_staged(const Stretch& s, const Blocks& most, int64_t n, const Task& task, const Job& job) const {
        const dwc_problem& g = p_.given;
        const Group& group = groups_[s.group];
        const int64_t C = task.c1 - task.c0, read = rows_read(most.rows);
        for (int64_t r = 0; r < group.count; r += most.phases)
            for (int64_t c = 0; c < C; c += most.channels)
                for (int64_t i = s.begin; i < s.end; i += most.rows) {
                    const Block b{n,
                                  group.first + r,
                                  std::min(most.phases, group.count - r),
                                  std::min(i, s.end - most.rows),
                                  most.rows,
                                  task.c0 + std::min(c, C - most.channels),
                                  most.channels,
                                  {}};
                    const Piece piece{group.start + g.stride * b.i,
                                      read,
                                      &dense_,
                                      group.length,
                                      x_step_,
                                      b.channels,
                                      b.phases,
                                      x_phase_};
                    const int64_t origin = g.stride * b.r - g.pad_left - group.start * g.dilation;
                    fill(job, job.x + (n * p_.x.n + origin * p_.x.t + b.c) * element_, piece,
                         {origin + piece.first * g.dilation, g.dilation, g.stride, b.c, 0});
                    if (const int code = call_staged(b, piece, job)) return code;
                }
        return 0;
    }

    // The outputs of a staged piece: in blocks, each without the taps that read nothing but zeros.
    int call_staged(const Block& all, const Piece& piece, const Job& job) const {
        const int64_t s = p_.given.stride, rows = outputs_between_clips(kernel_.t, all.rows);
        for (int64_t i = 0; i < all.rows; i += rows) {
            const int64_t at = std::min(i, all.rows - rows), first = piece.first + s * at;
            Block b = all;
            b.i += at;
            b.rows = rows;
            b.taps = taps_inside({first, first + s * (rows - 1), 1, piece.length}, job);
            char* x = job.scratch + (s * at + b.taps.first) * b.channels * element_;
            const int64_t read = rows_read(rows, b.taps.count);
            if (const int code = call(b, x, 0, read, b.channels, piece.steps * b.channels, job)) return code;
        }
        return 0;
    }
};

}  // namespace

std::unique_ptr<Runner> make_channels_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e,
                                             int threads) {
    return std::make_unique<ChannelsRunner>(p, k, e, threads);
}

}  // namespace dwc
