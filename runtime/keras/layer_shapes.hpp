// Which inputs a depthwise layer takes, and what shape comes out. Throws value_error in Keras' words
// (keras/src/layers/input_spec.py and keras/src/ops/operation_utils.py of Keras 3.15).
#pragma once

#include <cstdint>
#include <string>

#include "dwconv/keras/tensor.hpp"

namespace dwconv::keras::detail {

// What of the layer its shapes depend on.
struct ShapeRule {
    std::string layer;  // its name, for messages
    std::int64_t kernel_size, strides, dilation_rate, depth_multiplier;
    bool same, channels_first;

    std::size_t steps_axis() const { return channels_first ? 2 : 1; }
    std::size_t channels_axis() const { return channels_first ? 1 : 2; }
};

// In which negative dimensions are unknown (-1 in the result). `built`: the layer's channels, 0 before it has weights.
Shape output_shape(const ShapeRule& rule, const Shape& input, std::int64_t built);

}  // namespace dwconv::keras::detail
