// float32 values rounded to what a narrower type can hold: to nearest, ties to even.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace dwconv::keras::detail {

inline float rounded_to_bfloat16(float value) {
    if (std::isnan(value)) return value;
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
    std::memcpy(&value, &bits, sizeof bits);
    return value;
}

inline float rounded_to_float16(float value) {
    const float magnitude = std::fabs(value);
    if (!(magnitude > 0) || std::isinf(value)) return value;  // zero, NaN, infinity
    // Added and taken off again, a number whose last place is that of the result rounds the sum to it. The last place
    // of binary16 is 2^-10 of the leading one, at least 2^-24.
    int exponent;
    std::frexp(magnitude, &exponent);
    const float unit = std::ldexp(1.0f, exponent - 11 < -24 ? -24 : exponent - 11);
    const float shift = unit * 0x1p23f;
    const volatile float sum = magnitude + shift;
    const float result = sum - shift;
    return std::copysign(result > 65504.0f ? HUGE_VALF : result, value);
}

// dtype: "float16" or "bfloat16"; other types hold every float32, or are computed in it.
inline bool is_narrow(const std::string& dtype) { return dtype == "float16" || dtype == "bfloat16"; }

inline void round_to(const std::string& dtype, std::vector<float>* values) {
    if (dtype == "float16") {
        for (float& value : *values) value = rounded_to_float16(value);
    } else if (dtype == "bfloat16") {
        for (float& value : *values) value = rounded_to_bfloat16(value);
    }
}

}  // namespace dwconv::keras::detail
