// Runner of family `width` (ncl): one row a channel, the vector along time. Tap j reads x at a run-time offset, so a
// dilated tap is only another offset; a strided row is staged as its stride phases side by side, which turns tap j into
// an offset into phase (j*d) mod s. Kernels that do not compute the ends of padded rows themselves read zero-extended
// copies there, and rows shorter than the kernel's tile go into a tile of their own.
#include <algorithm>

#include "plan.hpp"
#include "space.hpp"
#include "stage.hpp"

namespace dwc {
namespace {

class WidthRunner final : public Runner {
   public:
    WidthRunner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads)
        : Runner(p, k, e), tile_(int64_t{k.v} * k.t), phases_(p.given.stride, p.given.dilation, p.given.kernel_size) {
        add_stretches();
        plan_staging();
        plan_rows();
        cut(threads, {1, 4 * tile_, false});
    }

    int run(const Task& task, const Job& job) const override {
        const int64_t rows = std::min(rows_, task.c1 - task.c0);
        for (int64_t n = task.n0; n < task.n1; ++n)
            for (int64_t c = task.c0; c < task.c1; c += rows) {
                const Task part{n, n + 1, c, std::min(c + rows, task.c1), task.s0, task.s1};
                for (int64_t s = task.s0; s < task.s1; ++s) {
                    const Stretch& stretch = stretches_[s];
                    if (const int code =
                            stretch.staged ? run_staged(stretch, n, part, job) : run_straight(stretch, n, part, job))
                        return code;
                }
            }
        return 0;
    }

   private:
    int64_t tile_;
    int64_t block_ = 0;  // outputs of a staged block; with stride > 1 all staged blocks have this many
    int64_t rows_;       // that go through all stretches before the next ones do
    Phases phases_;
    // Tap offsets on the row itself and on its staged phases; empty where the kernel's taps are a fixed step apart.
    std::vector<int32_t> straight_taps_, staged_taps_;

    // Elements of one phase that `outputs` outputs read, and of a whole staged row. Phases begin on lines of memory.
    int64_t plane(int64_t outputs) const {
        const int64_t steps = outputs + (p_.effective_kernel - 1) / p_.given.stride;
        const int64_t line = 64 / element_;
        return p_.given.stride > 1 ? (steps + line - 1) / line * line : steps;
    }
    int64_t staged_row(int64_t outputs) const { return phases_.count() * plane(outputs); }

    void add_stretches() {
        const dwc_problem& g = p_.given;
        if (kernel_.ends() && g.stride == 1 && !g.stateful && p_.out_length >= tile_ &&
            p_.effective_kernel - 1 <= max_reach_of_ends) {
            stretches_.push_back({0, p_.out_length, false, 0});
            return;
        }
        cut_row(p_.out_length, -g.pad_left, g.stride, p_.effective_kernel - 1, g.length, tile_, g.stride == 1, 0,
                &stretches_);
    }

    void plan_staging() {
        const dwc_problem& g = p_.given;
        int64_t longest = 0;
        for (const Stretch& s : stretches_)
            if (s.staged) longest = std::max(longest, s.end - s.begin);
        const int64_t room = tile_elements();
        const int64_t fit = room / phases_.count() - plane(0);
        block_ = std::max(tile_, std::min(longest, fit));
        if (longest) {
            const int64_t short_rows = longest < tile_ ? tile_ : 0;  // these need a tile for y as well
            staging_bytes_ = (staged_row(block_) + p_.given.depth_multiplier * short_rows) * element_;
        }
        if (kernel_.k) return;
        staged_taps_ = phases_.offsets(plane(block_), 1);
        if (g.stride == 1) straight_taps_ = staged_taps_;
    }

    // Where the ends are a good part of a short row, they are computed with its middle, whose lines and pages they
    // share: a quarter of a second-level cache of x and y at a time. Where they are not, that only makes more calls.
    void plan_rows() {
        constexpr int64_t block_bytes = int64_t{1} << 18, short_bytes = int64_t{1} << 14;
        const dwc_problem& g = p_.given;
        int64_t staged = 0;
        for (const Stretch& s : stretches_) staged += s.staged ? s.end - s.begin : 0;
        const int64_t row = (g.length + p_.out_length * g.depth_multiplier) * element_;
        rows_ = staged > p_.out_length / 16 && row <= short_bytes
                    ? std::max<int64_t>(block_bytes / std::max<int64_t>(row, 1), 1)
                    : g.channels;
    }

    // How taps lie to each other, as far as the kernel has a form for it: see ConvCall::step.
    int32_t step() const {
        const dwc_problem& g = p_.given;
        if (g.stride == 1) return static_cast<int32_t>(g.dilation);
        return g.stride == 2 && g.dilation == 1 ? -static_cast<int32_t>(plane(block_)) : 0;
    }

    // One kernel call: `outputs` outputs of channels [c, c + channels), of the taps `counted`.
    struct Rows {
        View x;
        const std::vector<int32_t>* taps;
        Taps counted;
        int64_t c, channels, outputs;
        char* y;
        int64_t y_m, y_c;     // elements between outputs of a channel and between channels
        int64_t x_first = 0;  // see ConvCall
    };

    int call(const Rows& r, const Job& job) const {
        const dwc_problem& g = p_.given;
        const int64_t M = g.depth_multiplier, K = g.kernel_size;
        ConvCall call;
        call.x = r.x;
        // Packed (c, m, k): the taps of one output row side by side.
        call.w = {const_cast<char*>(job.weights) + (r.c * M * K + r.counted.first) * element_,
                  {{M, K}, {r.channels, M * K}, {r.counted.count, 1}}};
        call.b = {const_cast<char*>(job.bias) + r.c * M * element_, {{M, 1}, {r.channels, M}}};
        call.y = {r.y, {{M, r.y_m}, {r.outputs, 1}, {r.channels, r.y_c}, {1, 0}}};
        call.taps = r.taps->data();
        call.tap_count = static_cast<int32_t>(r.taps->empty() ? 0 : r.counted.count);
        call.max_tap = static_cast<int32_t>(p_.effective_kernel - 1);
        if (call.tap_count) call.max_tap = *std::max_element(call.taps, call.taps + call.tap_count);
        call.x_first[0] = r.x_first;
        call.step = step();
        call.parameters = activation_.p;
        if (const int code = Runner::call(call, r.outputs, r.channels, r.y_c, job)) return code;
        float* y = reinterpret_cast<float*>(r.y);
        for (int64_t m = 1; epilogue_ && m < M; ++m)
            if (const int code = activate(y + m * r.y_m, r.outputs, r.channels, r.y_c, job)) return code;
        return 0;
    }

    char* y_at(const Job& job, int64_t n, int64_t c, int64_t t) const {
        return job.y + (n * p_.y.n + c * p_.given.depth_multiplier * p_.y.c + t) * element_;
    }

    // Rows of x and of y whose distance a view can span.
    int64_t rows_in_view() const {
        const int64_t apart = std::max({p_.x.c, p_.given.depth_multiplier * p_.y.c, int64_t{1}});
        return std::max<int64_t>(largest_span / 2 / apart, 1);
    }

    int run_straight(const Stretch& s, int64_t n, const Task& task, const Job& job) const {
        const dwc_problem& g = p_.given;
        const int64_t M = g.depth_multiplier, C = task.c1 - task.c0;
        int64_t outputs = std::min(s.end - s.begin, largest_span / 2), channels = C;
        if (epilogue_) outputs = std::clamp(activation_tile, tile_, outputs);
        if (epilogue_) channels = std::clamp<int64_t>(activation_tile / (outputs * M), 1, C);
        channels = std::min(channels, rows_in_view());
        for (int64_t c = task.c0; c < task.c1; c += channels) {
            const int64_t block = std::min(channels, task.c1 - c);
            for (int64_t i = s.begin; i < s.end; i += outputs) {
                const int64_t t = std::min(i, s.end - outputs);
                // What the outputs read of the row, [first, last) counted from their first tap's element on.
                const int64_t from = t - g.pad_left, reach = outputs + p_.effective_kernel - 1;
                const int64_t first = std::clamp<int64_t>(-from, 0, reach);
                const int64_t last = std::clamp<int64_t>(g.length - from, first, reach);
                const int64_t at = std::min(from + first, g.length);
                const char* x = job.x + (n * p_.x.n + c * p_.x.c + at) * element_;
                const View view{const_cast<char*>(x), {{last - first, 1}, {block, p_.x.c}, {1, 0}}};
                const Rows rows{view,
                                &straight_taps_,
                                {0, g.kernel_size},
                                c,
                                block,
                                outputs,
                                y_at(job, n, c, t),
                                p_.y.c,
                                M * p_.y.c,
                                first};
                if (const int code = call(rows, job)) return code;
            }
        }
        return 0;
    }

    // The outputs of a staged piece, whose first element is element `first` of the row: in blocks, each
    // without the taps that read nothing but zeros.
    int call_staged(const Rows& all, int64_t first, const Job& job) const {
        const dwc_problem& g = p_.given;
        if (g.stride > 1) return call(all, job);  // its taps have their places in planes
        const int64_t outputs = outputs_between_clips(tile_, all.outputs);
        for (int64_t i = 0; i < all.outputs; i += outputs) {
            const int64_t at = std::min(i, all.outputs - outputs);
            Rows rows = all;
            rows.outputs = outputs;
            rows.counted = taps_inside({first + at, first + at + outputs - 1, g.dilation, g.length}, job);
            rows.x.data = static_cast<char*>(all.x.data) + (at + rows.counted.first * g.dilation) * element_;
            rows.x.axis[0].extent = outputs + (rows.counted.count - 1) * g.dilation;
            rows.y += at * element_;
            if (const int code = call(rows, job)) return code;
        }
        return 0;
    }

    void copy_out(const char* tile, int64_t outputs, const Stretch& s, int64_t n, int64_t c, int64_t channels,
                  const Job& job) const {
        for (int64_t q = 0; q < channels * p_.given.depth_multiplier; ++q)
            copy(job, y_at(job, n, c, s.begin) + q * p_.y.c * element_, tile + q * outputs * element_, s.end - s.begin);
    }

    int run_staged(const Stretch& s, int64_t n, const Task& task, const Job& job) const {
        const dwc_problem& g = p_.given;
        const int64_t M = g.depth_multiplier, room = std::max(tile_elements(), staging_bytes_ / element_);
        const bool short_rows = s.end - s.begin < tile_;
        const int64_t outputs = std::clamp(s.end - s.begin, tile_, block_);
        // The offsets of the taps are made for planes of a whole block; with stride 1 they do not depend on it.
        const int64_t steps = plane(g.stride > 1 ? block_ : outputs), row = phases_.count() * steps;
        const int64_t out = short_rows ? M * outputs : 0;
        const int64_t channels =
            std::clamp<int64_t>(room / (row + out), 1, std::min(task.c1 - task.c0, rows_in_view()));
        for (int64_t c = task.c0; c < task.c1; c += channels) {
            const int64_t block = std::min(channels, task.c1 - c);
            for (int64_t i = s.begin; i < s.end; i += outputs) {
                const int64_t t = short_rows ? s.begin : std::min(i, s.end - outputs);
                const Piece piece{t * g.stride - g.pad_left, steps, &phases_, g.length, 1, 1, block, p_.x.c};
                fill(job, job.x + (n * p_.x.n + c * p_.x.c) * element_, piece, {piece.first, g.stride, 0, c, 1});
                const View view{job.scratch, {{row, 1}, {block, row}, {1, 0}}};
                Rows rows{view,   &staged_taps_, {0, g.kernel_size}, c, block, outputs, y_at(job, n, c, t),
                          p_.y.c, M * p_.y.c};
                if (short_rows)
                    rows.y = job.scratch + block * row * element_, rows.y_m = outputs, rows.y_c = M * outputs;
                if (const int code = call_staged(rows, piece.first, job)) return code;
                if (short_rows) copy_out(rows.y, outputs, s, n, c, block, job);
            }
        }
        return 0;
    }
};

}  // namespace

std::unique_ptr<Runner> make_width_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads) {
    return std::make_unique<WidthRunner>(p, k, e, threads);
}

}  // namespace dwc
