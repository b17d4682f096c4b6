#include "encode.hpp"

#include <cstdint>
#include <cstring>

#include "errors.hpp"
#include "rounding.hpp"

namespace dwconv::keras::detail {
namespace {

template <typename T>
T bits_of(const void* value) {
    T bits;
    std::memcpy(&bits, value, sizeof bits);
    return bits;
}

// Of a value that binary16 holds exactly, or a NaN.
std::uint16_t half_bits(float value) {
    const auto bits = bits_of<std::uint32_t>(&value);
    const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
    const int exponent = static_cast<int>((bits >> 23) & 0xffu) - 127;
    const std::uint32_t fraction = bits & 0x7fffffu;
    if (exponent == 128) {  // a NaN stays one, also where its payload is in the bits that are dropped
        const std::uint32_t payload = fraction == 0 ? 0 : 0x200u | (fraction >> 13);
        return static_cast<std::uint16_t>(sign | 0x7c00u | payload);
    }
    if (exponent >= -14) {
        return static_cast<std::uint16_t>(sign | (static_cast<std::uint32_t>(exponent + 15) << 10) | (fraction >> 13));
    }
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::fabs(value) * 0x1p24f));  // subnormal
}

std::uint16_t bfloat16_bits(float value) {
    const auto bits = bits_of<std::uint32_t>(&value);
    const std::uint32_t quiet = std::isnan(value) ? 0x00400000u : 0;
    return static_cast<std::uint16_t>((bits | quiet) >> 16);
}

template <typename T, typename Bits>
std::vector<unsigned char> packed(const std::vector<float>& values, Bits bits) {
    std::vector<unsigned char> bytes(values.size() * sizeof(T));
    unsigned char* at = bytes.data();
    for (const float value : values) {
        T word = bits(value);
        for (size_t i = 0; i < sizeof(T); ++i) {
            *at++ = static_cast<unsigned char>(word & 0xffu);
            word = static_cast<T>(word >> 8);
        }
    }
    return bytes;
}

}  // namespace

std::vector<unsigned char> encode(const Tensor& tensor, const std::string& dtype) {
    if (element_count(tensor.shape) != static_cast<std::int64_t>(tensor.data.size())) {
        fail_value("a weight of shape " + to_string(tensor.shape) + " holds " + std::to_string(tensor.data.size()) +
                   " values");
    }
    if (dtype == "float32") {
        return packed<std::uint32_t>(tensor.data, [](float value) { return bits_of<std::uint32_t>(&value); });
    }
    if (dtype == "float16") {
        return packed<std::uint16_t>(tensor.data, [](float value) { return half_bits(rounded_to_float16(value)); });
    }
    if (dtype == "bfloat16") {
        return packed<std::uint16_t>(tensor.data,
                                     [](float value) { return bfloat16_bits(rounded_to_bfloat16(value)); });
    }
    if (dtype != "float64") fail_value("weights of dtype " + printable(dtype) + " cannot be saved");
    return packed<std::uint64_t>(tensor.data, [](float value) {
        const double wide = value;
        return bits_of<std::uint64_t>(&wide);
    });
}

}  // namespace dwconv::keras::detail
