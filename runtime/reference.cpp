// Compiled with -ffp-contract=off: where fma is false, a multiply and an add must round twice.
#include "reference.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <exception>
#include <vector>

#include "activation.hpp"
#include "error.hpp"

namespace dwc {
namespace {

struct Bf16 {
    uint16_t bits;
};

inline float load(float value) { return value; }
inline float load(Bf16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }
inline void store(float value, float& to) { to = value; }
inline void store(float value, Bf16& to) { to.bits = float_to_bf16(value); }

// Weights as float (K, C*M), Keras order, whatever the caller's dtype and order; the bias alike, zeros without one.
struct Parameters {
    std::vector<float> w, bias;
};

template <class T>
Parameters read_parameters(const Problem& r, const T* w, const T* bias, dwc_weights_order order) {
    const int64_t taps = r.given.kernel_size, channels = r.out_channels;
    Parameters result;
    result.w.resize(static_cast<size_t>(taps * channels));
    result.bias.assign(static_cast<size_t>(channels), 0.0f);
    for (int64_t j = 0; j < taps; ++j) {
        for (int64_t q = 0; q < channels; ++q) {
            const int64_t from = order == DWC_WEIGHTS_KERAS ? j * channels + q : q * taps + j;
            result.w[static_cast<size_t>(j * channels + q)] = load(w[from]);
        }
    }
    for (int64_t q = 0; q < channels && bias != nullptr; ++q) result.bias[static_cast<size_t>(q)] = load(bias[q]);
    return result;
}

// ------------------------------------------------------------------- one tap over a contiguous row of accumulators
//
// The rows below are all the arithmetic there is. They are compiled twice on x86: with the FMA instruction, and for
// machines without it, where std::fma is a (correct, slow) call.

template <bool Fma>
[[gnu::always_inline]] inline float step(float x, float w, float sum) {
    if constexpr (Fma)
        return __builtin_fmaf(x, w, sum);
    else
        return sum + x * w;
}

// nlc: sum[c*M + m] += x[c] * w[c*M + m]; x NULL: a literal zero, so that 0 * inf is NaN as in the formula.
template <bool Fma, class X>
[[gnu::always_inline]] inline void tap_channels(float* sum, const X* x, const float* w, int64_t channels, int64_t m) {
    if (x == nullptr) {
        for (int64_t q = 0; q < channels * m; ++q) sum[q] = step<Fma>(0.0f, w[q], sum[q]);
    } else if (m == 1) {
        for (int64_t c = 0; c < channels; ++c) sum[c] = step<Fma>(load(x[c]), w[c], sum[c]);
    } else {
        for (int64_t c = 0; c < channels; ++c) {
            const float value = load(x[c]);
            for (int64_t q = c * m; q < (c + 1) * m; ++q) sum[q] = step<Fma>(value, w[q], sum[q]);
        }
    }
}

// ncl: sum[i] += x[i*stride] * w; x NULL: a literal zero.
template <bool Fma, class X>
[[gnu::always_inline]] inline void tap_time(float* sum, const X* x, float w, int64_t count, int64_t stride) {
    if (x == nullptr) {
        for (int64_t i = 0; i < count; ++i) sum[i] = step<Fma>(0.0f, w, sum[i]);
    } else if (stride == 1) {
        for (int64_t i = 0; i < count; ++i) sum[i] = step<Fma>(load(x[i]), w, sum[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) sum[i] = step<Fma>(load(x[i * stride]), w, sum[i]);
    }
}

// `Rows<Fma, X>` holds the two functions above for this machine.
template <class X>
struct Rows {
    void (*channels)(float*, const X*, const float*, int64_t, int64_t);
    void (*time)(float*, const X*, float, int64_t, int64_t);
};

template <bool Fma, class X>
void channels_portable(float* sum, const X* x, const float* w, int64_t channels, int64_t m) {
    tap_channels<Fma>(sum, x, w, channels, m);
}
template <bool Fma, class X>
void time_portable(float* sum, const X* x, float w, int64_t count, int64_t stride) {
    tap_time<Fma>(sum, x, w, count, stride);
}

#if defined(__x86_64__)
template <class X>
[[gnu::target("avx2,fma")]] void channels_fma(float* sum, const X* x, const float* w, int64_t channels, int64_t m) {
    tap_channels<true>(sum, x, w, channels, m);
}
template <class X>
[[gnu::target("avx2,fma")]] void time_fma(float* sum, const X* x, float w, int64_t count, int64_t stride) {
    tap_time<true>(sum, x, w, count, stride);
}
#endif

template <class X>
Rows<X> choose_rows(bool fma) {
    if (!fma) return {channels_portable<false, X>, time_portable<false, X>};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {channels_fma<X>, time_fma<X>};
#endif
    return {channels_portable<true, X>, time_portable<true, X>};
}

// ------------------------------------------------------------------------------------------------------ the loops

float activate(const dwc_problem& p, float value) {
    if (p.activation == DWC_LINEAR) return value;
    return static_cast<float>(activation_reference(p.activation, p.activation_params, static_cast<double>(value)));
}

template <class X, class Y>
void run_nlc(const Problem& r, const X* x, const Parameters& parameters, Y* y, bool fma) {
    const dwc_problem& p = r.given;
    const Rows<X> rows = choose_rows<X>(fma);
    std::vector<float> sum(static_cast<size_t>(r.out_channels));
    for (int64_t n = 0; n < p.batch; ++n) {
        for (int64_t t = 0; t < r.out_length; ++t) {
            std::copy(parameters.bias.begin(), parameters.bias.end(), sum.begin());
            for (int64_t j = 0; j < p.kernel_size; ++j) {
                const int64_t at = t * p.stride + j * p.dilation - p.pad_left;
                const X* row = at >= 0 && at < p.length ? x + n * r.x.n + at * r.x.t : nullptr;
                rows.channels(sum.data(), row, parameters.w.data() + j * r.out_channels, p.channels,
                              p.depth_multiplier);
            }
            Y* out = y + n * r.y.n + t * r.y.t;
            for (int64_t q = 0; q < r.out_channels; ++q) store(activate(p, sum[static_cast<size_t>(q)]), out[q]);
        }
    }
}

// First t with t*stride + offset >= bound, within [0, count].
int64_t first_at_least(int64_t bound, int64_t offset, int64_t stride, int64_t count) {
    const int64_t distance = bound - offset;
    if (distance <= 0) return 0;
    return std::min(count, (distance - 1) / stride + 1);
}

template <class X, class Y>
void run_ncl(const Problem& r, const X* x, const Parameters& parameters, Y* y, bool fma) {
    const dwc_problem& p = r.given;
    const Rows<X> rows = choose_rows<X>(fma);
    const X* const zero = nullptr;
    std::vector<float> sum(static_cast<size_t>(r.out_length));
    for (int64_t n = 0; n < p.batch; ++n) {
        for (int64_t q = 0; q < r.out_channels; ++q) {
            std::fill(sum.begin(), sum.end(), parameters.bias[static_cast<size_t>(q)]);
            const X* row = x + n * r.x.n + (q / p.depth_multiplier) * r.x.c;
            for (int64_t j = 0; j < p.kernel_size; ++j) {
                const float w = parameters.w[static_cast<size_t>(j * r.out_channels + q)];
                const int64_t offset = j * p.dilation - p.pad_left;
                const int64_t begin = first_at_least(0, offset, p.stride, r.out_length);
                const int64_t end = std::max(begin, first_at_least(p.length, offset, p.stride, r.out_length));
                rows.time(sum.data(), zero, w, begin, 1);
                if (begin < end) {
                    rows.time(sum.data() + begin, row + begin * p.stride + offset, w, end - begin, p.stride);
                }
                rows.time(sum.data() + end, zero, w, r.out_length - end, 1);
            }
            Y* out = y + n * r.y.n + q * r.y.c;
            for (int64_t t = 0; t < r.out_length; ++t) store(activate(p, sum[static_cast<size_t>(t)]), out[t]);
        }
    }
}

template <class X, class Y>
void run(const Problem& r, const void* x, const Parameters& parameters, void* y, bool fma) {
    if (r.given.layout == DWC_NLC) {
        run_nlc(r, static_cast<const X*>(x), parameters, static_cast<Y*>(y), fma);
    } else {
        run_ncl(r, static_cast<const X*>(x), parameters, static_cast<Y*>(y), fma);
    }
}

template <class X>
void run(const Problem& r, const void* x, const Parameters& parameters, void* y, bool fma) {
    if (r.given.y_dtype == DWC_F32)
        run<X, float>(r, x, parameters, y, fma);
    else
        run<X, Bf16>(r, x, parameters, y, fma);
}

bool overlap(const void* a, int64_t a_bytes, const void* b, int64_t b_bytes) {
    const auto a0 = reinterpret_cast<uintptr_t>(a), b0 = reinterpret_cast<uintptr_t>(b);
    return a0 < b0 + static_cast<uintptr_t>(b_bytes) && b0 < a0 + static_cast<uintptr_t>(a_bytes);
}

dwc_status check_pointers(const Problem& r, const void* x, const void* w, const void* bias, const void* y,
                          dwc_error* error) {
    if (x == nullptr && r.x_span > 0) return fail(error, DWC_ERROR_NULL_POINTER, "x is NULL");
    if (w == nullptr) return fail(error, DWC_ERROR_NULL_POINTER, "w is NULL");
    if (y == nullptr) return fail(error, DWC_ERROR_NULL_POINTER, "y is NULL");
    if (bias == nullptr && r.given.has_bias != 0) {
        return fail(error, DWC_ERROR_BIAS, "bias is NULL: the problem has a bias");
    }
    if (bias != nullptr && r.given.has_bias == 0) {
        return fail(error, DWC_ERROR_BIAS, "bias is not NULL: the problem has no bias");
    }
    if (r.x_span > 0 &&
        overlap(x, r.x_span * element_size(r.given.x_dtype), y, r.y_span * element_size(r.given.y_dtype))) {
        return fail(error, DWC_ERROR_ALIAS, "y overlaps x: the output must lie apart from the input");
    }
    return DWC_OK;
}

}  // namespace

float bf16_to_float(uint16_t bits) { return load(Bf16{bits}); }

uint16_t float_to_bf16(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40u);  // quiet, so that it cannot become inf
    return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

dwc_status reference(const Problem& problem, const void* x, const void* w, const void* bias, void* y,
                     dwc_weights_order order, bool fma, dwc_error* error) {
    int order_value;
    std::memcpy(&order_value, &order, sizeof order_value);
    if (order_value != DWC_WEIGHTS_KERAS && order_value != DWC_WEIGHTS_PYTORCH) {
        return fail(error, DWC_ERROR_LAYOUT, "order=%d: must be DWC_WEIGHTS_KERAS (0) or DWC_WEIGHTS_PYTORCH (1)",
                    order_value);
    }
    if (problem.empty_output()) return DWC_OK;
    if (const dwc_status status = check_pointers(problem, x, w, bias, y, error); status != DWC_OK) return status;
    try {
        const Parameters parameters =
            problem.given.w_dtype == DWC_F32
                ? read_parameters(problem, static_cast<const float*>(w), static_cast<const float*>(bias), order)
                : read_parameters(problem, static_cast<const Bf16*>(w), static_cast<const Bf16*>(bias), order);
        if (problem.given.x_dtype == DWC_F32)
            run<float>(problem, x, parameters, y, fma);
        else
            run<Bf16>(problem, x, parameters, y, fma);
    } catch (const std::exception&) {  // bad_alloc, or length_error for what no vector can hold
        return fail(error, DWC_ERROR_OUT_OF_MEMORY, "no memory for the reference's row of sums and copy of weights");
    }
    return DWC_OK;
}

}  // namespace dwc

extern "C" dwc_status dwc_reference(const dwc_problem* problem, const void* x, const void* w, const void* bias, void* y,
                                    dwc_weights_order order, int32_t fma, dwc_error* error) {
    dwc::Problem resolved;
    if (const dwc_status status = dwc::resolve(problem, &resolved, error); status != DWC_OK) return status;
    return dwc::reference(resolved, x, w, bias, y, order, fma != 0, error);
}
