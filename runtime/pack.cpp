#include "pack.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace dwc {
namespace {

// Copies every weight (tap j, channel c, multiple m) and bias (c, m) to its place; bits only, so any type of that size.
template <typename T>
void fill(const PackedLayout& l, const T* w, const T* bias, dwc_weights_order order, T* packed, T* packed_bias) {
    const int64_t K = l.taps, C = l.channels, M = l.multiplier;
    const auto weight = [&](int64_t j, int64_t c, int64_t m) {
        return order == DWC_WEIGHTS_KERAS ? w[(j * C + c) * M + m] : w[(c * M + m) * K + j];
    };
    const auto start = [&](int64_t c, int64_t m) { return bias ? bias[c * M + m] : T{}; };
    switch (l.family) {
        case Family::width:  // (c, m, k)
        case Family::gpuncl:
            for (int64_t c = 0; c < C; ++c)
                for (int64_t m = 0; m < M; ++m) {
                    for (int64_t j = 0; j < K; ++j) packed[(c * M + m) * K + j] = weight(j, c, m);
                    packed_bias[c * M + m] = start(c, m);
                }
            break;
        case Family::channels:  // (k, m, c)
        case Family::gpunlc:
        case Family::flat: {    // (k, m, p), position p of a period has channel p mod C
            const int64_t P = l.family == Family::flat ? l.period : C;
            for (int64_t m = 0; m < M; ++m)
                for (int64_t p = 0; p < P; ++p) {
                    for (int64_t j = 0; j < K; ++j) packed[(j * M + m) * P + p] = weight(j, p % C, m);
                    packed_bias[m * P + p] = start(p % C, m);
                }
            break;
        }
    }
}

// dwc_weights::zeros_add_nothing, from the bits: all ones in the exponent, which is in the upper half, is no finite number.
template <typename T>
bool zeros_add_nothing(const T* w, int64_t weights, const T* bias, int64_t biases) {
    constexpr int low = 8 * (static_cast<int>(sizeof(T)) - 2);
    constexpr T exponent = T{0x7f80} << low, negative_zero = T{0x8000} << low;
    bool all_finite = true, no_negative_zero = true;
    for (int64_t i = 0; i < weights; ++i) all_finite &= (w[i] & exponent) != exponent;
    for (int64_t i = 0; i < biases; ++i) no_negative_zero &= bias[i] != negative_zero;
    return all_finite && no_negative_zero;
}

template <typename T>
void pack_as(const PackedLayout& l, const void* w, const void* bias, dwc_weights_order order, dwc_weights* result) {
    T* packed = reinterpret_cast<T*>(result->data.get());
    const T *weights = static_cast<const T*>(w), *biases = static_cast<const T*>(bias);
    fill(l, weights, biases, order, packed, reinterpret_cast<T*>(result->data.get() + result->bias_offset));
    const int64_t outputs = l.channels * l.multiplier;
    result->zeros_add_nothing = zeros_add_nothing(weights, l.taps * outputs, biases, biases ? outputs : 0);
}

}  // namespace

dwc_weights* pack(const PackedLayout& layout, const void* w, const void* bias, dwc_weights_order order) {
    const int64_t element = element_size(layout.dtype);
    const int64_t per_tap = (layout.family == Family::flat ? layout.period : layout.channels) * layout.multiplier;
    const auto aligned = [](int64_t bytes) { return (bytes + 63) / 64 * 64; };
    const int64_t bias_offset = aligned(layout.taps * per_tap * element);
    auto result = std::unique_ptr<dwc_weights>(new (std::nothrow) dwc_weights);
    if (!result) return nullptr;
    // A load waits for an older store at the same place of another page, and outputs mostly start at the beginning of a
    // page or near its middle: weights a quarter into one stay away from both.
    constexpr int64_t page = 4096, into_page = 1024;
    const int64_t bytes = into_page + aligned(bias_offset + per_tap * element) + 64;
    void* memory = std::aligned_alloc(page, static_cast<size_t>((bytes + page - 1) / page * page));
    if (!memory) return nullptr;
    result->data = {static_cast<char*>(memory) + into_page,
                    [](void* data) { std::free(static_cast<char*>(data) - into_page); }};
    result->bias_offset = bias_offset;
    if (element == 4)
        pack_as<uint32_t>(layout, w, bias, order, result.get());
    else
        pack_as<uint16_t>(layout, w, bias, order, result.get());
    return result.release();
}

}  // namespace dwc
