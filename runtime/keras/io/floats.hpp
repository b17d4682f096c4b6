// Other floating-point formats widened or rounded to float32, and bytes put in order.
#pragma once

#include <cstdint>
#include <cstring>

namespace dwconv::keras::detail {

inline float float_from_bits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// IEEE binary16, exactly; a NaN keeps its payload.
inline float float_from_half(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 0x1fu;
    const uint32_t fraction = half & 0x3ffu;
    if (exponent == 0x1f) return float_from_bits(sign | 0x7f800000u | (fraction << 13));
    if (exponent != 0) return float_from_bits(sign | ((exponent + 112) << 23) | (fraction << 13));
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormals and zero
    return sign ? -magnitude : magnitude;
}

inline float float_from_bfloat16(uint16_t bits) { return float_from_bits(static_cast<uint32_t>(bits) << 16); }

// The unsigned integer stored at `bytes` in either byte order; T decides the width.
template <typename T>
T load_unsigned(const unsigned char* bytes, bool big_endian) {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
        const size_t shift = 8 * (big_endian ? sizeof(T) - 1 - i : i);
        value = static_cast<T>(value | (static_cast<T>(bytes[i]) << shift));
    }
    return value;
}

}  // namespace dwconv::keras::detail
