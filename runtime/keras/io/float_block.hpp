// Stored floating-point numbers to float32.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

#include "floats.hpp"

namespace dwconv::keras::detail {

// Bytes of "float16", "bfloat16", "float32", "float64"; 0 for another name.
inline size_t float_size(const std::string& dtype) {
    if (dtype == "float16" || dtype == "bfloat16") return 2;
    if (dtype == "float32") return 4;
    return dtype == "float64" ? 8 : 0;
}

inline float load_float(const unsigned char* bytes, const std::string& dtype, bool big_endian) {
    if (dtype == "float32") return float_from_bits(load_unsigned<uint32_t>(bytes, big_endian));
    if (dtype == "float16") return float_from_half(load_unsigned<uint16_t>(bytes, big_endian));
    if (dtype == "bfloat16") return float_from_bfloat16(load_unsigned<uint16_t>(bytes, big_endian));
    return static_cast<float>(std::bit_cast<double>(load_unsigned<uint64_t>(bytes, big_endian)));
}

// `count` numbers that `fetch(offset, to, bytes)` delivers, a block at a time.
template <typename Fetch>
void load_floats(size_t count, const std::string& dtype, bool big_endian, Fetch fetch, float* to) {
    constexpr size_t kBlock = 8192;
    unsigned char block[kBlock * 8];
    const size_t item = float_size(dtype);
    for (size_t done = 0; done < count; done += kBlock) {
        const size_t now = count - done < kBlock ? count - done : kBlock;
        fetch(done * item, block, now * item);
        for (size_t i = 0; i < now; ++i) to[done + i] = load_float(block + i * item, dtype, big_endian);
    }
}

}  // namespace dwconv::keras::detail
