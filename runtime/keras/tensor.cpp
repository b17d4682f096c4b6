#include <algorithm>

#include "dwconv/keras/tensor.hpp"
#include "errors.hpp"

namespace dwconv::keras {

std::string to_string(const Shape& shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); ++i) {
        text += (i ? ", " : "") + (shape[i] < 0 ? std::string("None") : std::to_string(shape[i]));
    }
    return text + (shape.size() == 1 ? ",)" : ")");
}

std::int64_t element_count(const Shape& shape) {
    std::int64_t count = 1;
    for (const std::int64_t dimension : shape) {
        if (dimension < 0) detail::fail_value("shape " + to_string(shape) + " has a negative dimension");
        if (__builtin_mul_overflow(count, std::max<std::int64_t>(dimension, 1), &count) ||
            count > (std::int64_t{1} << 60)) {
            detail::fail_value("shape " + to_string(shape) + " has more elements than any memory holds");
        }
    }
    return std::find(shape.begin(), shape.end(), 0) != shape.end() ? 0 : count;
}

}  // namespace dwconv::keras
