// float32 values as the bytes of a file.
#pragma once

#include <string>
#include <vector>

#include "dwconv/keras/tensor.hpp"

namespace dwconv::keras::detail {

// Little-endian, rounded to nearest where the type is narrower. dtype: "float16", "bfloat16", "float32", "float64";
// throws value_error for another.
std::vector<unsigned char> encode(const Tensor& tensor, const std::string& dtype);

}  // namespace dwconv::keras::detail
