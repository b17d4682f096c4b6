// .npy files as bytes, written here so that readers are not tested with their own writer.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace dwc_test {

struct Array {
    std::vector<int64_t> shape;
    std::vector<float> values;  // last axis fastest
};

// Eighths between -4 and 4, none zero: exact in every float type, and so are their sums of products.
inline Array some_array(const std::vector<int64_t> &shape, uint32_t seed) {
    int64_t count = 1;
    for (const int64_t dimension : shape) count *= dimension;
    Array array{shape, {}};
    for (int64_t i = 0; i < count; ++i) {
        seed = seed * 1664525U + 1013904223U;
        const int eighths = static_cast<int>(seed >> 26) - 32;
        array.values.push_back(static_cast<float>(eighths == 0 ? 32 : eighths) / 8);
    }
    return array;
}

inline std::string shape_text(const std::vector<int64_t> &shape) {
    std::string text = "(";
    for (const int64_t dimension : shape) text += std::to_string(dimension) + ", ";
    return text.size() == 1 ? "()" : text.substr(0, text.size() - (shape.size() == 1 ? 1 : 2)) + ")";
}

// Version 1.0, padded as NumPy does; `descr`, `fortran` and `shape` stand in the header as they are.
inline std::string npy_file(const std::string &descr, const std::string &fortran, const std::string &shape,
                            const std::string &data) {
    std::string header = "{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
    header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
    header += '\n';
    std::string bytes("\x93NUMPY\x01\x00", 8);
    bytes += static_cast<char>(header.size() & 255);
    bytes += static_cast<char>(header.size() >> 8);
    return bytes + header + data;
}

// One value as `descr` ("<f4", ">f2", …) stores it. float16 only for values that it holds exactly and normally.
inline std::string item_bytes(float value, const std::string &descr) {
    uint64_t bits = 0;
    const int size = descr[2] - '0';
    if (size == 8) {
        const double wide = value;
        std::memcpy(&bits, &wide, sizeof wide);
    } else {
        uint32_t single;
        std::memcpy(&single, &value, sizeof single);
        bits = single;
        if (size == 2) bits = (single >> 16 & 0x8000) | ((single >> 23 & 255) - 112) << 10 | (single >> 13 & 1023);
    }
    std::string bytes;
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(bits >> (8 * i) & 255);
    if (descr[0] == '>') std::reverse(bytes.begin(), bytes.end());
    return bytes;
}

inline std::string npy(const Array &array, const std::string &descr = "<f4", bool fortran = false) {
    std::string data;
    std::vector<int64_t> index(array.shape.size(), 0);
    for (size_t i = 0; i < array.values.size(); ++i) {
        size_t from = i;
        if (fortran) {
            from = 0;
            for (size_t axis = 0; axis < index.size(); ++axis) {
                from = from * static_cast<size_t>(array.shape[axis]) + static_cast<size_t>(index[axis]);
            }
            for (size_t axis = 0; axis < index.size() && ++index[axis] == array.shape[axis]; ++axis) index[axis] = 0;
        }
        data += item_bytes(array.values[from], descr);
    }
    return npy_file("'" + descr + "'", fortran ? "True" : "False", shape_text(array.shape), data);
}

}  // namespace dwc_test
