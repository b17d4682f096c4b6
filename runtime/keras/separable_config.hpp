// The arguments of a SeparableConv1D: those that it shares with a DepthwiseConv1D, and its own.
#pragma once

#include <cstdint>
#include <optional>

#include "arguments.hpp"
#include "dwconv/keras/sequential.hpp"

namespace dwconv::keras::detail {

// As checked and looked up. data_format, name and dtype of `common` are none where they were not given.
struct CheckedSeparable {
    CheckedArguments common;
    std::int64_t filters = 0;
    Initializer pointwise_initializer = Initializer::glorot_uniform();
    std::optional<Regularizer> pointwise_regularizer;
    std::optional<Constraint> pointwise_constraint;
};

// In Keras' order. Throws value_error in Keras' words.
CheckedSeparable check(const SeparableConfig& config);

// get_config() of a layer that has its data_format, name and dtype, in the order in which Keras 3.15 writes it. Throws
// value_error where an argument cannot be saved.
Json config_json(const CheckedSeparable& arguments);

}  // namespace dwconv::keras::detail
