#include "layer_shapes.hpp"

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

std::string incompatible(const ShapeRule& rule) {
    return "Input 0 of layer '" + printable(rule.layer) + "' is incompatible with the layer: ";
}

std::string axis_name(const ShapeRule& rule) { return rule.channels_first ? "1" : "-1"; }

void check_rank(const ShapeRule& rule, const Shape& input) {
    if (input.size() < 3) {
        fail_value(incompatible(rule) + "expected min_ndim=3, found ndim=" + std::to_string(input.size()) +
                   ". Full shape received: " + to_string(input));
    }
    if (input.size() > 3) {
        const Shape kernel = {rule.kernel_size, rule.channels_first ? input[1] : input.back(), rule.depth_multiplier};
        fail_value("Kernel shape must have the same length as input, but received kernel of shape " +
                   to_string(kernel) + " and input of shape " + to_string(input) + ".");
    }
}

std::int64_t checked_channels(const ShapeRule& rule, const Shape& input, std::int64_t built) {
    const std::int64_t channels = input[rule.channels_axis()];
    if (channels < 0) {
        fail_value("The channel dimension of the inputs to `DepthwiseConv1D` should be defined. The input_shape " +
                   ("received is " + to_string(input)) + ", where axis " + axis_name(rule) +
                   " is the channel dimension, which found to be None.");
    }
    if (built > 0 && channels != built) {
        fail_value(incompatible(rule) + "expected axis " + axis_name(rule) + " of input shape to have value " +
                   std::to_string(built) + ", but received input with shape " + to_string(input));
    }
    if (channels == 0) {
        fail_value("The channel dimension of the inputs to `DepthwiseConv1D` must not be 0. Received inputs shape=" +
                   to_string(input));
    }
    return channels;
}

// Steps of the output for `length` >= 0 steps of input; `out_channels` is for the message, which shows the kernel so.
std::int64_t out_length(const ShapeRule& rule, const Shape& input, std::int64_t out_channels, std::int64_t length) {
    if (rule.same) return length == 0 ? 0 : (length - 1) / rule.strides + 1;
    // 128 bits: the effective kernel of absurd arguments does not fit 64.
    const __int128 effective = static_cast<__int128>(rule.kernel_size - 1) * rule.dilation_rate + 1;
    if (effective > length) {
        const Shape kernel = {rule.kernel_size, input[rule.channels_axis()], out_channels};
        fail_value("Computed output size would be zero or negative. Received `inputs shape=" + to_string(input) +
                   "`, `kernel shape=" + to_string(kernel) + "`, `dilation_rate=[" +
                   std::to_string(rule.dilation_rate) + "]`, `strides=(" + std::to_string(rule.strides) +
                   ",)`, `padding=" + (rule.same ? "same" : "valid") + "`.");
    }
    return static_cast<std::int64_t>((length - effective) / rule.strides) + 1;
}

}  // namespace

Shape output_shape(const ShapeRule& rule, const Shape& input, std::int64_t built) {
    check_rank(rule, input);
    const std::int64_t channels = checked_channels(rule, input, built);
    Shape output = input;
    for (std::int64_t& dimension : output) dimension = dimension < 0 ? -1 : dimension;
    std::int64_t& out_channels = output[rule.channels_axis()];
    if (__builtin_mul_overflow(channels, rule.depth_multiplier, &out_channels)) {
        fail_value("channels * depth_multiplier = " + std::to_string(channels) + " * " +
                   std::to_string(rule.depth_multiplier) + " does not fit 64 bits");
    }
    const std::int64_t length = input[rule.steps_axis()];
    if (length >= 0) output[rule.steps_axis()] = out_length(rule, input, out_channels, length);
    return output;
}

}  // namespace dwconv::keras::detail
