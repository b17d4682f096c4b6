// Runner of family `flat` (nlc with few channels): a row is one line of time steps of C elements; the kernel computes
// whole periods of it. As in family `width`, taps are offsets, strided rows are staged by phase, the ends of a row are
// computed on zero-extended copies, and rows shorter than the kernel's tile into a tile of their own.
#include <algorithm>

#include "plan.hpp"
#include "stage.hpp"

namespace dwc {
namespace {

class FlatRunner final : public Runner {
   public:
    FlatRunner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads)
        : Runner(p, k, e), phases_(p.given.stride, p.given.dilation, p.given.kernel_size) {
        steps_ = period_ / p_.given.channels;
        tile_ = steps_ * kernel_.t;
        add_stretches();
        plan_staging();
        cut(threads, {p_.given.channels + 1, 4 * tile_, true});
    }

    int run(const Task& task, const Job& job) const override {
        for (int64_t n = task.n0; n < task.n1; ++n)
            for (int64_t s = task.s0; s < task.s1; ++s) {
                const Stretch& stretch = stretches_[s];
                if (const int code = stretch.staged ? run_staged(stretch, n, job) : run_straight(stretch, n, job))
                    return code;
            }
        return 0;
    }

   private:
    int64_t steps_;      // time steps of one period
    int64_t tile_;       // time steps of the kernel's tile
    int64_t block_ = 0;  // time steps of a staged block
    bool short_row_ = false;
    Phases phases_;
    std::vector<int32_t> taps_;  // on the staged phases, and with stride 1 on the row itself

    int64_t plane(int64_t outputs) const { return outputs + (p_.effective_kernel - 1) / p_.given.stride; }

    void add_stretches() {
        const dwc_problem& g = p_.given;
        const int64_t L = p_.out_length;
        short_row_ = L < tile_;
        cut_row(L, -g.pad_left, g.stride, p_.effective_kernel - 1, g.length, tile_, g.stride == 1, 0, &stretches_);
    }

    void plan_staging() {
        const dwc_problem& g = p_.given;
        bool staged = false;
        for (const Stretch& s : stretches_) staged |= s.staged;
        const int64_t out = short_row_ ? tile_ * p_.out_channels : 0;
        const int64_t fit = (tile_elements() - out) / (phases_.count() * g.channels) - plane(0);
        // What needs a workspace in any case may as well not be staged anew for every tile.
        const int64_t wish = fit < tile_ ? p_.effective_kernel / g.stride : fit;
        block_ = std::max(tile_, std::min(wish, p_.out_length) / steps_ * steps_);
        if (planar()) block_ = std::min(block_, std::max(tile_, activation_tile / p_.out_channels / steps_ * steps_));
        while (block_ > tile_ && !fits(block_)) block_ = std::max(tile_, block_ / 2 / steps_ * steps_);
        if (staged) staging_bytes_ = (phases_.count() * plane(block_) * g.channels + out) * element_;
        taps_ = phases_.offsets(plane(block_), g.channels);
    }

    // Kernels refuse a view whose extents multiply to 2^31, even where it overlaps itself: periods of a staged block
    // times the elements that one of them spans.
    bool fits(int64_t steps) const {
        const int64_t span = period_ + phases_.count() * plane(steps) * p_.given.channels;
        return span <= largest_span / (steps / steps_);
    }

    // `periods` periods of outputs: x at the element tap 0 of the first one reads, y at that output.
    int call(char* x, char* y, int64_t periods, const Job& job) const {
        const dwc_problem& g = p_.given;
        const int64_t M = g.depth_multiplier, K = g.kernel_size, P = period_;
        const int32_t last = *std::max_element(taps_.begin(), taps_.end());
        ConvCall call;
        call.x = {x, {{P + last, 1}, {periods, P}, {1, 0}}};
        call.w = {const_cast<char*>(job.weights), {{M, P}, {P, 1}, {K, M * P}}};
        call.b = {const_cast<char*>(job.bias), {{M, P}, {P, 1}}};
        call.y = {y, {{M, 1}, {P, M}, {periods, P * M}, {1, 0}}};
        call.taps = taps_.data();
        call.tap_count = static_cast<int32_t>(taps_.size());
        call.max_tap = last;
        call.step = 1;
        call.parameters = activation_.p;
        return Runner::call(call, periods * P * M, 1, 0, job);
    }

    // Blocks of at most `most` time steps, whole periods, that cover [begin, end) exactly: the last one overlaps the
    // one before. The stretch holds at least one tile.
    template <typename Body>
    int cover(int64_t begin, int64_t end, int64_t most, Body body) const {
        const int64_t steps =
            std::clamp((end - begin) / steps_ * steps_, tile_, std::max(most / steps_ * steps_, tile_));
        for (int64_t t = begin; t < end; t += steps) {
            int64_t length = steps;
            if (end - t < steps) length = std::max((end - t + steps_ - 1) / steps_ * steps_, tile_);
            if (const int code = body(std::min(t, end - length), length)) return code;
        }
        return 0;
    }

    int run_straight(const Stretch& s, int64_t n, const Job& job) const {
        const int64_t C = p_.given.channels, Q = p_.out_channels;
        const int64_t periods = largest_span / std::max(period_ + taps_.back(), period_ * p_.given.depth_multiplier);
        const int64_t most = epilogue_ || planar() ? activation_tile / Q : periods * steps_;
        return cover(s.begin, s.end, most, [&](int64_t t, int64_t length) {
            const char* x = job.x + (n * p_.x.n + (t - p_.given.pad_left) * C) * element_;
            return call(const_cast<char*>(x), job.y + (n * p_.y.n + t * Q) * element_, length / steps_, job);
        });
    }

    int run_staged(const Stretch& s, int64_t n, const Job& job) const {
        const dwc_problem& g = p_.given;
        const int64_t C = g.channels, Q = p_.out_channels;
        const auto body = [&](int64_t t, int64_t length) {
            // With stride 1 the offsets of the taps do not depend on the block's size.
            const int64_t read = plane(g.stride > 1 ? block_ : length);
            const Piece piece{t * g.stride - g.pad_left, read, &phases_, g.length, C, C, 1, 0};
            fill(job, job.x + n * p_.x.n * element_, piece, {piece.first, g.stride, 0, 0, 0});
            char* y = job.y + (n * p_.y.n + t * Q) * element_;
            if (!short_row_) return call(job.scratch, y, length / steps_, job);
            char* tile = job.scratch + phases_.count() * read * C * element_;
            const int code = call(job.scratch, tile, length / steps_, job);
            copy(job, y, tile, p_.out_length * Q);
            return code;
        };
        if (short_row_) return body(0, tile_);
        return cover(s.begin, s.end, block_, body);
    }
};

}  // namespace

std::unique_ptr<Runner> make_flat_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads) {
    return std::make_unique<FlatRunner>(p, k, e, threads);
}

}  // namespace dwc
