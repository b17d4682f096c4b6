// Configs in JSON: read into arguments, which are checked as the layer checks them.
#include "arguments.hpp"
#include "dwconv/keras/layer.hpp"
#include "errors.hpp"
#include "io/files.hpp"
#include "rules.hpp"

namespace dwconv::keras {
namespace {

using detail::CheckedArguments;
using detail::GivenArguments;

LayerConfig to_config(const GivenArguments& given, const CheckedArguments& checked) {
    LayerConfig config;
    config.kernel_size = checked.kernel_size;
    config.strides = checked.strides;
    config.dilation_rate = checked.dilation_rate;
    config.depth_multiplier = checked.depth_multiplier;
    config.padding = checked.padding;
    config.data_format = checked.data_format;
    config.use_bias = checked.use_bias;
    config.name = checked.name;
    config.dtype = checked.dtype;
    config.trainable = checked.trainable;
    config.allow_stride_with_dilation = checked.allow_stride_with_dilation;
    // The objects as given: each layer made from the config looks them up itself, and draws seeds of its own.
    config.activation = given.activation;
    config.depthwise_initializer = given.depthwise_initializer;
    config.bias_initializer = given.bias_initializer;
    config.depthwise_regularizer = given.depthwise_regularizer;
    config.bias_regularizer = given.bias_regularizer;
    config.activity_regularizer = given.activity_regularizer;
    config.depthwise_constraint = given.depthwise_constraint;
    config.bias_constraint = given.bias_constraint;
    return config;
}

}  // namespace

LayerConfig parse_layer_config(const std::string& json, ConfigSource source) {
    const detail::Json whole = detail::parse_json(json, "layer config");
    const GivenArguments given = detail::arguments_of(detail::unwrap_config(whole, "DepthwiseConv1D"), source);
    return to_config(given, detail::check(given));
}

LayerConfig read_layer_config(const std::string& path, ConfigSource source) {
    const std::string text = detail::read_text(path, uint64_t{16} << 20);
    try {
        return parse_layer_config(text, source);
    } catch (const value_error& error) {
        throw value_error(error.status(), detail::printable(path) + ": " + error.what());
    }
}

}  // namespace dwconv::keras
