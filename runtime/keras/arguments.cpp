#include "arguments.hpp"

#include "errors.hpp"
#include "rules.hpp"

namespace dwconv::keras::detail {
namespace {

Json json_of(const Integer& integer) {
    return integer.is_list() ? Json(integer.given()) : Json(static_cast<std::int64_t>(integer));
}

Json json_of(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

std::optional<std::string> text_of(const Json& value) {
    return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

// What Keras 2 wrote into configs and Keras 3 has no argument for.
bool is_keras_2_key(const std::string& key, const Json& value) {
    return (key == "groups" && value == 1) || key == "batch_input_shape";
}

// Accepted as Keras does, without effect here: inputs are float32, and shapes come with them.
bool is_ignored(const std::string& key) { return key == "autocast" || key == "input_shape" || key == "input_dim"; }

// Takes one keyword argument; false where the layer has none of that name.
bool take(GivenArguments& to, const std::string& key, const Json& value) {
    const auto scalar = [&](const char* name, Json& member) {
        if (key != name) return false;
        member = value;
        return true;
    };
    const auto object = [&](const char* name, auto& member) {
        if (key != name) return false;
        member = std::decay_t<decltype(member)>::from_json(value.dump(-1, ' ', false, Json::error_handler_t::replace));
        return true;
    };
    return scalar("kernel_size", to.kernel_size) || scalar("strides", to.strides) ||
           scalar("dilation_rate", to.dilation_rate) || scalar("depth_multiplier", to.depth_multiplier) ||
           scalar("padding", to.padding) || scalar("data_format", to.data_format) || scalar("use_bias", to.use_bias) ||
           scalar("name", to.name) || scalar("dtype", to.dtype) || scalar("trainable", to.trainable) ||
           scalar("allow_stride_with_dilation", to.allow_stride_with_dilation) || object("activation", to.activation) ||
           object("depthwise_initializer", to.depthwise_initializer) ||
           object("bias_initializer", to.bias_initializer) ||
           object("depthwise_regularizer", to.depthwise_regularizer) ||
           object("bias_regularizer", to.bias_regularizer) || object("activity_regularizer", to.activity_regularizer) ||
           object("depthwise_constraint", to.depthwise_constraint) || object("bias_constraint", to.bias_constraint);
}

}  // namespace

GivenArguments arguments_of(const LayerConfig& config) {
    GivenArguments to;
    to.kernel_size = json_of(config.kernel_size);
    to.strides = json_of(config.strides);
    to.dilation_rate = json_of(config.dilation_rate);
    to.depth_multiplier = config.depth_multiplier;
    to.padding = config.padding;
    to.data_format = json_of(config.data_format);
    to.use_bias = config.use_bias;
    to.name = json_of(config.name);
    to.dtype = json_of(config.dtype);
    to.trainable = config.trainable;
    to.allow_stride_with_dilation = config.allow_stride_with_dilation;
    to.activation = config.activation;
    to.depthwise_initializer = config.depthwise_initializer;
    to.bias_initializer = config.bias_initializer;
    to.depthwise_regularizer = config.depthwise_regularizer;
    to.bias_regularizer = config.bias_regularizer;
    to.activity_regularizer = config.activity_regularizer;
    to.depthwise_constraint = config.depthwise_constraint;
    to.bias_constraint = config.bias_constraint;
    return to;
}

GivenArguments arguments_of(const Json& config, ConfigSource source) {
    if (!config.contains("kernel_size")) {
        fail_value("DepthwiseConv1D() missing 1 required argument: 'kernel_size'");
    }
    GivenArguments to;
    for (const auto& [key, value] : config.items()) {
        if (take(to, key, value) || is_ignored(key)) continue;
        if (source == ConfigSource::saved && is_keras_2_key(key, value)) continue;
        to.unknown[key] = value;
    }
    return to;
}

CheckedArguments check(const GivenArguments& given, const char* class_name) {
    CheckedArguments to;
    to.activity_regularizer = given.activity_regularizer.get();
    check_name(given.name);
    to.name = text_of(given.name);
    check_no_unknown(class_name, given.unknown);
    if (!given.dtype.is_null()) to.dtype = checked_dtype(given.dtype);
    to.trainable = checked_boolean("trainable", given.trainable);
    to.kernel_size = one_integer("kernel_size", given.kernel_size);
    to.strides = one_integer("strides", given.strides);
    to.dilation_rate = one_integer("dilation_rate", given.dilation_rate);
    to.padding = checked_padding(given.padding);
    if (!given.data_format.is_null()) to.data_format = checked_data_format(given.data_format);
    to.activation = given.activation.get().value_or(Activation());
    to.use_bias = truthy(given.use_bias);
    if (auto initializer = given.depthwise_initializer.get()) to.depthwise_initializer = *std::move(initializer);
    if (auto initializer = given.bias_initializer.get()) to.bias_initializer = *std::move(initializer);
    to.depthwise_regularizer = given.depthwise_regularizer.get();
    to.bias_regularizer = given.bias_regularizer.get();
    to.depthwise_constraint = given.depthwise_constraint.get();
    to.bias_constraint = given.bias_constraint.get();
    to.depth_multiplier = checked_depth_multiplier(given.depth_multiplier);
    to.allow_stride_with_dilation = checked_boolean("allow_stride_with_dilation", given.allow_stride_with_dilation);
    check_stride_with_dilation(to.strides, to.dilation_rate, to.allow_stride_with_dilation);
    return to;
}

}  // namespace dwconv::keras::detail
