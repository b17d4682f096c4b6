#include <algorithm>
#include <cstdio>

#include "cost.hpp"
#include "plan.hpp"

namespace dwc {

std::string PackedLayout::key() const {
    char text[160];
    std::snprintf(text, sizeof text, "%s_%s_k%lld_c%lld_m%lld_p%lld", family_name(family),
                  dtype == DWC_BF16 ? "bf16" : "f32", static_cast<long long>(taps), static_cast<long long>(channels),
                  static_cast<long long>(multiplier), static_cast<long long>(period));
    return text;
}

void cut_row(int64_t count, int64_t first, int64_t step, int64_t last_tap, int64_t length, int64_t tile,
             bool straight_allowed, int group, std::vector<Stretch>* stretches) {
    // The interior: outputs whose taps all lie inside the row.
    int64_t begin = first >= 0 ? 0 : std::min((-first + step - 1) / step, count);
    const int64_t room = length - 1 - last_tap - first;  // step * t may not exceed it
    int64_t end = room < 0 ? 0 : std::min(room / step + 1, count);
    // A kernel computes at least a tile, so a staged end takes that much of the interior.
    if (begin > 0) begin = std::max(begin, tile);
    if (end < count) end = std::min(end, count - tile);
    if (!straight_allowed || end - begin < tile) {
        stretches->push_back({0, count, true, group});
        return;
    }
    if (begin > 0) stretches->push_back({0, begin, true, group});
    stretches->push_back({begin, end, false, group});
    if (end < count) stretches->push_back({end, count, true, group});
}

Runner::Runner(const Problem& problem, const ConvKernel& kernel, const ActivationRow* epilogue)
    : p_(problem),
      kernel_(kernel),
      epilogue_(epilogue),
      activation_(activation_kernel(problem.given.activation, problem.given.activation_params)),
      element_(element_size(problem.given.x_dtype)) {
    if (kernel.family == Family::flat) period_ = flat_period(problem.given.channels, kernel.v);
}

PackedLayout Runner::packed() const {
    return {kernel_.family,    p_.given.w_dtype,          p_.given.kernel_size,
            p_.given.channels, p_.given.depth_multiplier, period_};
}

void Runner::cut_stretches(int threads, int64_t channel_block, int64_t least) {
    if (p_.given.stateful || threads <= p_.given.batch || threads <= p_.given.channels / channel_block) return;
    std::vector<Stretch> cut;
    for (const Stretch& s : stretches_) {
        const int64_t parts = std::clamp<int64_t>((s.end - s.begin) / std::max<int64_t>(least, 1), 1, threads);
        for (int64_t i = 0; i < parts; ++i) {
            const int64_t length = s.end - s.begin;
            cut.push_back({s.begin + length * i / parts, s.begin + length * (i + 1) / parts, s.staged, s.group});
        }
    }
    stretches_ = std::move(cut);
}

void Runner::cut(int threads, int64_t channel_block) {
    const int64_t N = p_.given.batch, C = p_.given.channels, S = static_cast<int64_t>(stretches_.size());
    const int64_t blocks = C / channel_block;  // the last block takes the rest
    if (p_.given.stateful) threads = static_cast<int>(std::clamp<int64_t>(std::max(N, blocks), 1, threads));
    for (int64_t i = 0; i < threads; ++i) {
        Task t{0, N, 0, C, 0, S};
        if (threads <= N) {
            t.n0 = N * i / threads, t.n1 = N * (i + 1) / threads;
        } else if (threads <= blocks) {
            t.c0 = blocks * i / threads * channel_block;
            if (i + 1 < threads) t.c1 = blocks * (i + 1) / threads * channel_block;
        } else {
            t.s0 = S * i / threads, t.s1 = S * (i + 1) / threads;
        }
        if (t.n0 < t.n1 && t.c0 < t.c1 && t.s0 < t.s1) tasks_.push_back(t);
    }
}

int Runner::activate(float* y, int64_t count, int64_t rows, int64_t row_stride, const Job& job) const {
    return call_activation(*epilogue_, activation_.p, y, count, rows, row_stride, *job.error);
}

}  // namespace dwc
