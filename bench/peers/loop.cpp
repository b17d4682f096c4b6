// The loop that one writes first, left to the compiler (-O3 for this machine, OpenMP over rows).
#include <cmath>

#include "worker.hpp"

namespace peers {
namespace {

float activated(float v, bool silu) { return silu ? v / (1.0f + std::exp(-v)) : v; }

void channels_last(const Case& c, float* y) {
    const dwc_problem& p = c.problem;
    const int64_t M = p.depth_multiplier, Q = c.channels_out();
#pragma omp parallel for collapse(2) num_threads(c.threads)
    for (int64_t n = 0; n < p.batch; ++n)
        for (int64_t t = 0; t < c.out; ++t) {
            float* row = y + (n * c.out + t) * Q;
            for (int64_t q = 0; q < Q; ++q) row[q] = c.b ? c.b[q] : 0.0f;
            for (int64_t k = 0; k < p.kernel_size; ++k) {
                const int64_t at = t * p.stride + k * p.dilation - p.pad_left;
                if (at < 0 || at >= p.length) continue;
                const float* __restrict x = c.x + (n * p.length + at) * p.channels;
                const float* __restrict w = c.w + k * Q;
                if (M == 1)
                    for (int64_t q = 0; q < Q; ++q) row[q] += x[q] * w[q];
                else
                    for (int64_t i = 0; i < p.channels; ++i)
                        for (int64_t m = 0; m < M; ++m) row[i * M + m] += x[i] * w[i * M + m];
            }
            if (c.silu())
                for (int64_t q = 0; q < Q; ++q) row[q] = activated(row[q], true);
        }
}

void channels_first(const Case& c, float* y) {
    const dwc_problem& p = c.problem;
    const int64_t M = p.depth_multiplier, Q = c.channels_out();
#pragma omp parallel for collapse(2) num_threads(c.threads)
    for (int64_t n = 0; n < p.batch; ++n)
        for (int64_t q = 0; q < Q; ++q) {
            float* __restrict row = y + (n * Q + q) * c.out;
            const float* __restrict x = c.x + (n * p.channels + q / M) * p.length;
            for (int64_t t = 0; t < c.out; ++t) row[t] = c.b ? c.b[q] : 0.0f;
            for (int64_t k = 0; k < p.kernel_size; ++k) {
                const float w = c.w[k * Q + q];
                const int64_t shift = k * p.dilation - p.pad_left;
                // Outputs whose input lies inside the row.
                const int64_t begin = shift >= 0 ? 0 : (-shift + p.stride - 1) / p.stride;
                const int64_t end = std::min(c.out, p.length - shift <= 0 ? 0 : (p.length - 1 - shift) / p.stride + 1);
                if (p.stride == 1)
                    for (int64_t t = begin; t < end; ++t) row[t] += w * x[t + shift];
                else
                    for (int64_t t = begin; t < end; ++t) row[t] += w * x[t * p.stride + shift];
            }
            if (c.silu())
                for (int64_t t = 0; t < c.out; ++t) row[t] = activated(row[t], true);
        }
}

std::vector<Form> forms(const Case& c) {
    return {{"plain", [&c](float* y) { c.ncl() ? channels_first(c, y) : channels_last(c, y); }, ""}};
}

}  // namespace

Peer peer() { return {"loop", "g++ " __VERSION__, forms}; }

}  // namespace peers
