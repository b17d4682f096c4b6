// (keras/src/layers/convolutional/base_separable_conv.py of Keras 3.15 for order and words.)
#include "separable_config.hpp"

#include <utility>

#include "config_json.hpp"
#include "errors.hpp"
#include "rules.hpp"

namespace dwconv::keras {
namespace detail {
namespace {

constexpr const char* kClass = "SeparableConv1D";

// As given, by JSON or by C++. What is not a DepthwiseConv1D's is none of common's.
struct SeparableArguments {
    GivenArguments common;
    Json filters;
    Identifier<Initializer> pointwise_initializer;
    Identifier<Regularizer> pointwise_regularizer;
    Identifier<Constraint> pointwise_constraint;
};

SeparableArguments separable_arguments_of(const SeparableConfig& config) {
    LayerConfig common;
    common.kernel_size = config.kernel_size;
    common.strides = config.strides;
    common.padding = config.padding;
    common.depth_multiplier = config.depth_multiplier;
    common.data_format = config.data_format;
    common.dilation_rate = config.dilation_rate;
    common.activation = config.activation;
    common.use_bias = config.use_bias;
    common.depthwise_initializer = config.depthwise_initializer;
    common.bias_initializer = config.bias_initializer;
    common.depthwise_regularizer = config.depthwise_regularizer;
    common.bias_regularizer = config.bias_regularizer;
    common.activity_regularizer = config.activity_regularizer;
    common.depthwise_constraint = config.depthwise_constraint;
    common.bias_constraint = config.bias_constraint;
    common.name = config.name;
    common.dtype = config.dtype;
    common.trainable = config.trainable;
    common.allow_stride_with_dilation = config.allow_stride_with_dilation;
    return {arguments_of(common), config.filters, config.pointwise_initializer, config.pointwise_regularizer,
            config.pointwise_constraint};
}

SeparableArguments separable_arguments_of(const Json& config, ConfigSource source) {
    for (const char* required : {"filters", "kernel_size"}) {
        if (!config.contains(required)) {
            fail_value(std::string(kClass) + "() missing 1 required argument: '" + required + "'");
        }
    }
    SeparableArguments to;
    to.common = arguments_of(config, source);
    // What a depthwise layer does not know may be this one's.
    const auto take = [&to](const char* key, auto&& use) {
        const auto found = to.common.unknown.find(key);
        if (found == to.common.unknown.end()) return;
        use(*found);
        to.common.unknown.erase(key);
    };
    take("filters", [&to](const Json& value) { to.filters = value; });
    const auto take_object = [&take](const char* key, auto& member) {
        take(key, [&member](const Json& value) { member = std::decay_t<decltype(member)>::from_json(dump(value)); });
    };
    take_object("pointwise_initializer", to.pointwise_initializer);
    take_object("pointwise_regularizer", to.pointwise_regularizer);
    take_object("pointwise_constraint", to.pointwise_constraint);
    return to;
}

std::int64_t checked_filters(const Json& value) {
    const std::string rule = "Invalid value for argument `filters`. Expected ";
    const std::string received = ". Received filters=" + python_str(value) + ".";
    if (value.is_number() && value.get<double>() <= 0) fail_value(rule + "a strictly positive value" + received);
    if (!value.is_number_integer() || value.get<double>() > 0x1p62) fail_value(rule + "an integer" + received);
    return value.get<std::int64_t>();
}

// What both layers have is checked first.
CheckedSeparable checked_separable(const SeparableArguments& given) {
    CheckedSeparable to;
    to.common = check(given.common, kClass);
    if (auto initializer = given.pointwise_initializer.get()) to.pointwise_initializer = *std::move(initializer);
    to.pointwise_regularizer = given.pointwise_regularizer.get();
    to.pointwise_constraint = given.pointwise_constraint.get();
    to.filters = checked_filters(given.filters);
    return to;
}

}  // namespace

CheckedSeparable check(const SeparableConfig& config) { return checked_separable(separable_arguments_of(config)); }

Json config_json(const CheckedSeparable& arguments) {
    const CheckedArguments& common = arguments.common;
    Json json;
    json["name"] = *common.name;
    json["trainable"] = common.trainable;
    json["dtype"] = serialized_dtype(*common.dtype);
    // Keras' base class writes this one where it is set, its subclass where it is not; the first place counts.
    if (common.activity_regularizer) json["activity_regularizer"] = nullptr;
    json["depth_multiplier"] = common.depth_multiplier;
    json["filters"] = arguments.filters;
    json["kernel_size"] = Json::array({common.kernel_size});
    json["strides"] = Json::array({common.strides});
    json["padding"] = common.padding;
    json["data_format"] = *common.data_format;
    json["dilation_rate"] = Json::array({common.dilation_rate});
    json["activation"] = serialized("activation", common.activation);
    json["use_bias"] = common.use_bias;
    json["depthwise_initializer"] = serialized("depthwise_initializer", common.depthwise_initializer);
    json["pointwise_initializer"] = serialized("pointwise_initializer", arguments.pointwise_initializer);
    json["bias_initializer"] = serialized("bias_initializer", common.bias_initializer);
    json["depthwise_regularizer"] = serialized("depthwise_regularizer", common.depthwise_regularizer);
    json["pointwise_regularizer"] = serialized("pointwise_regularizer", arguments.pointwise_regularizer);
    json["bias_regularizer"] = serialized("bias_regularizer", common.bias_regularizer);
    json["activity_regularizer"] = serialized("activity_regularizer", common.activity_regularizer);
    json["depthwise_constraint"] = serialized("depthwise_constraint", common.depthwise_constraint);
    json["pointwise_constraint"] = serialized("pointwise_constraint", arguments.pointwise_constraint);
    json["bias_constraint"] = serialized("bias_constraint", common.bias_constraint);
    if (common.allow_stride_with_dilation) json["allow_stride_with_dilation"] = true;  // ours
    return json;
}

}  // namespace detail

SeparableConfig parse_separable_config(const std::string& json, ConfigSource source) {
    const detail::Json whole = detail::parse_json(json, "layer config");
    const detail::SeparableArguments given =
        detail::separable_arguments_of(detail::unwrap_config(whole, detail::kClass), source);
    const detail::CheckedSeparable checked = detail::checked_separable(given);
    SeparableConfig config;
    config.filters = checked.filters;
    config.kernel_size = checked.common.kernel_size;
    config.strides = checked.common.strides;
    config.padding = checked.common.padding;
    config.data_format = checked.common.data_format;
    config.dilation_rate = checked.common.dilation_rate;
    config.depth_multiplier = checked.common.depth_multiplier;
    config.use_bias = checked.common.use_bias;
    config.name = checked.common.name;
    config.dtype = checked.common.dtype;
    config.trainable = checked.common.trainable;
    config.allow_stride_with_dilation = checked.common.allow_stride_with_dilation;
    // The objects as given: each layer made from the config looks them up itself, and draws seeds of its own.
    config.activation = given.common.activation;
    config.depthwise_initializer = given.common.depthwise_initializer;
    config.pointwise_initializer = given.pointwise_initializer;
    config.bias_initializer = given.common.bias_initializer;
    config.depthwise_regularizer = given.common.depthwise_regularizer;
    config.pointwise_regularizer = given.pointwise_regularizer;
    config.bias_regularizer = given.common.bias_regularizer;
    config.activity_regularizer = given.common.activity_regularizer;
    config.depthwise_constraint = given.common.depthwise_constraint;
    config.pointwise_constraint = given.pointwise_constraint;
    config.bias_constraint = given.common.bias_constraint;
    return config;
}

}  // namespace dwconv::keras
