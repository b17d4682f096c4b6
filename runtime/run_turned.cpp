// Runner of family `channels` on problems in ncl: tiles of x are turned round into rows of time steps with the rows of
// x side by side, their lanes, and tiles of y back. Where rows are short, strided or of very many taps this takes half
// of what vectors along time take and less: those need a tile for each row, loads across lines of memory or shifts for
// each tap, and phases put in order. A tile slides along time and keeps what the next outputs read again; padding is
// steps of zeros in it.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "cost.hpp"
#include "plan.hpp"
#include "transpose.hpp"

namespace dwc {
namespace {

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Rows of a tile begin on lines of memory.
constexpr int64_t line = 16, merged_lanes = 64;

class TurnedRunner final : public Runner {
   public:
    TurnedRunner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads)
        : Runner(p, k, e),
          merged_(merges_sequences(p, k)),
          lanes_(targets()[k.target].lanes),
          multiples_(k.m == 1 ? 1 : p.given.depth_multiplier),
          stride_(p.given.stride),
          dilation_(p.given.dilation) {
        period_ = p.given.channels;
        // A few periods, so that a tile has enough lanes to keep a CPU busy.
        if (merged_) period_ = round_up(merged_lanes, flat_period(p.given.channels, std::max<int>(k.v, line)));
        stretches_.push_back({0, p.out_length, false, 0});
        cut(threads, {std::max<int64_t>(kernel_.v, line), 4 * int64_t{kernel_.t} * dilation_, false});
        plan_tile();
    }

    PackedLayout packed() const override {
        PackedLayout layout = Runner::packed();
        if (merged_) layout.family = Family::flat, layout.period = period_;
        return layout;
    }

    int run(const Task& task, const Job& job) const override {
        const int64_t C = p_.given.channels, channels = task.c1 - task.c0;
        if (merged_) return run_lanes({task.n0, 0, (task.n1 - task.n0) * C, wide_}, task, job);
        for (int64_t n = task.n0; n < task.n1; ++n)
            if (const int code = run_lanes({n, task.c0, channels, std::min(wide_, channels)}, task, job)) return code;
        return 0;
    }

   private:
    // `count` rows of x from channel c of sequence n on, of which a tile has as many as `wide` says.
    struct Lanes {
        int64_t n, c, count, wide;
    };

    bool merged_;        // lanes go on from sequence to sequence; packed weights are a period of them
    int lanes_;          // of the target's vectors
    int64_t multiples_;  // that a kernel call computes
    int64_t stride_, dilation_;
    int64_t wide_ = 0;  // lanes of a tile
    int64_t most_ = 0;  // outputs of a tile
    int64_t y_at_ = 0;  // where in the scratch memory its part of y begins, in elements

    // Outputs of a tile go by residue modulo the dilation, as many of each and no fewer than a kernel's tile.
    int64_t computed(int64_t outputs) const {
        return std::max<int64_t>((outputs + dilation_ - 1) / dilation_, kernel_.t) * dilation_;
    }
    int64_t steps_read(int64_t outputs) const { return (outputs - 1) * stride_ + p_.effective_kernel; }
    int64_t x_row() const { return round_up(wide_, line); }
    int64_t y_row() const { return round_up(wide_ * multiples_, line); }

    // As many lanes as pay and there is room for whole rows of; where the least have none, as many steps as there is.
    void plan_tile() {
        const int64_t v = kernel_.v, lanes = period_, room = tile_elements();
        int64_t longest = 0;
        for (const Stretch& s : stretches_) longest = std::max(longest, s.end - s.begin);
        const int64_t whole_rows = steps_read(computed(longest)) + computed(longest) * multiples_;
        const int64_t unit = lanes >= line ? std::max(v, line) : v;
        wide_ = unit;
        // The last block of lanes overlaps the one before, a block of merged sequences divides the period, and every
        // block has its calls, which take about as long as 256 outputs.
        int64_t least_work = INT64_MAX;
        for (int64_t wide = unit; wide < lanes + unit && round_up(wide, line) * whole_rows <= room; wide += unit) {
            const int64_t work = (lanes + wide - 1) / wide * (wide + 256 / longest);
            if (work > least_work || (merged_ && lanes % wide)) continue;
            wide_ = wide, least_work = work;
        }
        wide_ = std::min(wide_, lanes);

        const int64_t fit = (room / x_row() - p_.effective_kernel + stride_) / (stride_ + multiples_);
        // Whole lines of y, and whole rounds of the dilation where there is room for both.
        const int64_t both = std::lcm(dilation_, line), round = fit >= both ? both : dilation_, least = computed(1);
        const int64_t limit = std::max({fit, p_.given.kernel_size / 8, least, round}) / round * round;
        const int64_t blocks = (longest + limit - 1) / limit;
        most_ = std::max(round_up((longest + blocks - 1) / blocks, round), least);
        y_at_ = steps_read(computed(most_)) * x_row();
        staging_bytes_ = (y_at_ + computed(most_) * y_row()) * element_;
    }

    int run_lanes(const Lanes& all, const Task& task, const Job& job) const {
        for (int64_t i = 0; i < all.count; i += all.wide) {
            // The last lanes overlap those before them, or where sequences are merged there are zeros beside them.
            const int64_t at = merged_ ? i : std::min(i, all.count - all.wide);
            const Lanes some{all.n, all.c + at, std::min(all.wide, all.count - at), all.wide};
            if (some.count < some.wide) std::memset(job.scratch, 0, static_cast<size_t>(y_at_ * element_));
            for (int64_t s = task.s0; s < task.s1; ++s)
                if (const int code = run_rows(some, stretches_[s], job)) return code;
        }
        return 0;
    }

    int run_rows(const Lanes& lanes, const Stretch& stretch, const Job& job) const {
        const int64_t M = p_.given.depth_multiplier;
        float *x = reinterpret_cast<float*>(job.scratch), *y = x + y_at_;
        int64_t kept = 0;  // steps of the tile that are there already
        for (int64_t i = stretch.begin; i < stretch.end; i += most_) {
            const int64_t outputs = std::min(most_, stretch.end - i), all = computed(outputs);
            const int64_t first = i * stride_ - p_.given.pad_left;
            turn_in(x + kept * x_row(), lanes, first + kept, steps_read(all) - kept, job);
            float* to = reinterpret_cast<float*>(job.y) + lanes.n * p_.y.n + lanes.c * M * p_.y.c + i;
            for (int64_t m = 0; m < M; m += multiples_) {
                if (const int code = compute(lanes, m, first, all, job)) return code;
                transpose(to + m * p_.y.c, p_.y.c * (M / multiples_), y, y_row(), outputs, lanes.count * multiples_,
                          lanes_);
            }
            const int64_t done = most_ * stride_;
            kept = std::max<int64_t>(steps_read(all) - done, 0);
            if (kept && i + most_ < stretch.end)
                std::memmove(x, x + done * x_row(), static_cast<size_t>(kept * x_row() * element_));
        }
        return 0;
    }

    // Puts the steps [first, first + count) into rows of the tile.
    void turn_in(float* to, const Lanes& lanes, int64_t first, int64_t count, const Job& job) const {
        const int64_t row = x_row(), L = p_.given.length;
        const int64_t begin = std::clamp<int64_t>(-first, 0, count), end = std::clamp(L - first, begin, count);
        std::fill_n(to, begin * row, 0.0f);
        if (const Context& before = job.context; before.rows)
            for (int64_t i = 0; i < begin; ++i) {
                const int64_t at = (before.steps + first + i) * before.channels + lanes.c;
                std::memcpy(to + i * row, before.rows + at * element_, static_cast<size_t>(lanes.count * element_));
            }
        if (end > begin) {
            const float* x = reinterpret_cast<const float*>(job.x) + lanes.n * p_.x.n + lanes.c * p_.x.c;
            transpose(to + begin * row, row, x + first + begin, p_.x.c, lanes.count, end - begin, lanes_);
        }
        std::fill_n(to + end * row, (count - end) * row, 0.0f);
    }

    // `outputs` outputs of multiple m on, or of all multiples, whose first tap reads step `first`.
    int compute(const Lanes& lanes, int64_t m, int64_t first, int64_t outputs, const Job& job) const {
        const int64_t M = p_.given.depth_multiplier, channel = lanes.c % period_;
        const int64_t some = outputs_between_clips(computed(1), outputs) / dilation_ * dilation_;
        char* y = job.scratch + y_at_ * element_;
        for (int64_t i = 0; i < outputs; i += some) {
            const int64_t at = std::min(i, outputs - some), from = first + at * stride_;
            const Taps taps = taps_inside({from, from + (some - 1) * stride_, dilation_, p_.given.length}, job);
            const int64_t w_at = (taps.first * M + m) * period_ + channel, rows = some / dilation_;
            ConvCall call;
            call.x = {job.scratch + (at * stride_ + taps.first * dilation_) * x_row() * element_,
                      {{lanes.wide, 1},
                       {(rows - 1) * stride_ + taps.count, dilation_ * x_row()},
                       {dilation_, stride_ * x_row()}}};
            call.w = {const_cast<char*>(job.weights) + w_at * element_,
                      {{multiples_, period_}, {lanes.wide, 1}, {taps.count, M * period_}}};
            call.b = {const_cast<char*>(job.bias) + (m * period_ + channel) * element_,
                      {{multiples_, period_}, {lanes.wide, 1}}};
            call.y = {y + at * y_row() * element_,
                      {{multiples_, 1}, {lanes.wide, multiples_}, {rows, dilation_ * y_row()}, {dilation_, y_row()}}};
            call.step = static_cast<int32_t>(stride_);
            call.parameters = activation_.p;
            if (const int code = call_conv(kernel_, call, Form::plain, *job.error)) return code;
        }
        return epilogue_ ? activate(reinterpret_cast<float*>(y), lanes.wide * multiples_, outputs, y_row(), job) : 0;
    }
};

}  // namespace

std::unique_ptr<Runner> make_turned_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads) {
    return std::make_unique<TurnedRunner>(p, k, e, threads);
}

}  // namespace dwc
