// Shapes, arrays and .npy files.
#ifndef DWCONV_KERAS_TENSOR_HPP
#define DWCONV_KERAS_TENSOR_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dwconv/dwconv.hpp"

#if defined(_WIN32)
#define DWC_KERAS_API
#else
#define DWC_KERAS_API __attribute__((visibility("default")))
#endif

namespace dwconv {
namespace keras {

using Shape = std::vector<std::int64_t>;

/// "(4, 10, 12)", "(3,)", "()"; a negative dimension prints as None.
DWC_KERAS_API std::string to_string(const Shape& shape);
/// Product of the dimensions; value_error where one is negative or the product does not fit 62 bits.
DWC_KERAS_API std::int64_t element_count(const Shape& shape);

/// A dense float32 array, last axis fastest: data.size() == element_count(shape).
struct Tensor {
    Shape shape;
    std::vector<float> data;
};

/// How an array was stored in its file.
struct DWC_KERAS_API NpyInfo {
    std::string dtype;  ///< NumPy's name: "float32", "float64", "float16"
    bool big_endian = false;
    bool fortran_order = false;
    /// "float64, Fortran order"
    std::string describe() const;
    /// False for little-endian float32 in C order, which is read as it lies.
    bool converted() const { return dtype != "float32" || big_endian || fortran_order; }
};

/// Reads an array (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1 to 3). float64,
/// float16, big-endian and Fortran-order data are converted to float32 in C order (`info` tells). Throws value_error
/// for other types, for a file that is not an array, and where header and file size do not fit; nothing is allocated
/// for an array that the file does not hold.
DWC_KERAS_API Tensor read_npy(const std::string& path, NpyInfo* info = nullptr);
/// The same from memory; `name` stands for the file in messages.
DWC_KERAS_API Tensor parse_npy(const void* bytes, std::size_t size, const std::string& name, NpyInfo* info = nullptr);
/// Writes little-endian float32 in C order, version 1.0, under a temporary name in the same directory which is then
/// renamed: there is never half a file under `path`. Throws value_error for a path that cannot be written to, error
/// (DWC_ERROR_INTERNAL) where writing fails.
DWC_KERAS_API void write_npy(const std::string& path, const Tensor& tensor);

}  // namespace keras
}  // namespace dwconv

#endif
