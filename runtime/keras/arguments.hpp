// The layer's arguments between the caller and the layer: as given, by JSON or by C++, and as checked.
#pragma once

#include <optional>
#include <string>

#include "dwconv/keras/layer.hpp"
#include "json.hpp"

namespace dwconv::keras::detail {

// As given. Values are Python's, so that one rule serves both origins; null in an optional one means its default.
struct GivenArguments {
    Json kernel_size, strides = 1, dilation_rate = 1, depth_multiplier = 1, padding = "valid", data_format;
    Json use_bias = true, name, dtype, trainable = true, allow_stride_with_dilation = false;
    Json unknown = Json::object();  // keyword arguments that the layer does not have
    Identifier<Activation> activation;
    Identifier<Initializer> depthwise_initializer, bias_initializer;
    Identifier<Regularizer> depthwise_regularizer, bias_regularizer, activity_regularizer;
    Identifier<Constraint> depthwise_constraint, bias_constraint;
};

GivenArguments arguments_of(const LayerConfig& config);
// Of a config object without its envelope.
GivenArguments arguments_of(const Json& config, ConfigSource source);

// As checked and looked up. data_format, name and dtype are still none where they were not given: only a layer that is
// made asks keras.json and draws a name. Initializers that were not given are there.
struct CheckedArguments {
    std::int64_t kernel_size, strides, dilation_rate, depth_multiplier;
    std::string padding;
    std::optional<std::string> data_format, name, dtype;
    bool use_bias, trainable, allow_stride_with_dilation;
    Activation activation;
    Initializer depthwise_initializer = Initializer::glorot_uniform(), bias_initializer = Initializer::zeros();
    std::optional<Regularizer> depthwise_regularizer, bias_regularizer, activity_regularizer;
    std::optional<Constraint> depthwise_constraint, bias_constraint;
};

// In Keras' order. Throws value_error in Keras' words; `class_name` is the layer's that the arguments are for.
CheckedArguments check(const GivenArguments& given, const char* class_name = "DepthwiseConv1D");

}  // namespace dwconv::keras::detail
