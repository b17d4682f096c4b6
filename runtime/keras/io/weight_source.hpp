// Files that hold tensors by name.
#pragma once

#include <string>

#include "dwconv/keras.hpp"

namespace dwconv::keras::detail {

struct StoredTensor {
    Shape shape;
    std::string dtype;  // "float32", "float16", "bfloat16", "float64"
};

class WeightSource {
   public:
    virtual ~WeightSource() = default;
    // Shape and type, checked against what the file stores. Throws value_error.
    virtual StoredTensor describe(const std::string& path) const = 0;
    // The values, widened or rounded to float32. Throws value_error.
    virtual Tensor read(const std::string& path) const = 0;
};

}  // namespace dwconv::keras::detail
