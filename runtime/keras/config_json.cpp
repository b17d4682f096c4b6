#include "config_json.hpp"

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

[[noreturn]] void cannot_save(const char* argument) {
    fail_value(std::string(argument) + " is a callable or array of your own, which a config cannot hold");
}

Json object(const char* module, const std::string& class_name, Json config) {
    Json json;
    json["module"] = module;
    json["class_name"] = class_name;
    json["config"] = std::move(config);
    json["registered_name"] = nullptr;
    return json;
}

template <class Object>
Json function_object(const char* argument, const char* module, const std::optional<Object>& given) {
    if (!given) return nullptr;
    if (given->config.empty() || given->class_name.empty()) cannot_save(argument);
    return object(module, given->class_name, parse_json(given->config, argument));
}

// A file's numbers for objects that it holds twice; they mean nothing in another config.
void drop_shared_ids(Json& value) {
    if (value.is_object()) value.erase("shared_object_id");
    if (!value.is_structured()) return;
    for (Json& item : value) drop_shared_ids(item);
}

}  // namespace

Json serialized(const char* argument, const std::optional<Initializer>& initializer) {
    return function_object(argument, "keras.initializers", initializer);
}
Json serialized(const char* argument, const std::optional<Regularizer>& regularizer) {
    return function_object(argument, "keras.regularizers", regularizer);
}
Json serialized(const char* argument, const std::optional<Constraint>& constraint) {
    return function_object(argument, "keras.constraints", constraint);
}
Json serialized(const char* argument, const Activation& activation) {
    if (activation.json.empty()) cannot_save(argument);
    Json json = parse_json(activation.json, argument);
    drop_shared_ids(json);
    return json;
}

Json serialized_dtype(const std::string& policy) { return object("keras", "DTypePolicy", Json{{"name", policy}}); }

Json serialized(const CheckedArguments& arguments) {
    const auto tuple = [](std::int64_t value) { return Json::array({value}); };
    Json config;
    config["name"] = *arguments.name;
    config["trainable"] = arguments.trainable;
    config["dtype"] = serialized_dtype(*arguments.dtype);
    // Keras' base class writes this one where it is set, its subclass where it is not; the first place counts.
    const Json activity = serialized("activity_regularizer", arguments.activity_regularizer);
    if (!activity.is_null()) config["activity_regularizer"] = activity;
    config["depth_multiplier"] = arguments.depth_multiplier;
    config["kernel_size"] = tuple(arguments.kernel_size);
    config["strides"] = tuple(arguments.strides);
    config["padding"] = arguments.padding;
    config["data_format"] = *arguments.data_format;
    config["dilation_rate"] = tuple(arguments.dilation_rate);
    config["activation"] = serialized("activation", arguments.activation);
    config["use_bias"] = arguments.use_bias;
    config["depthwise_initializer"] = serialized("depthwise_initializer", arguments.depthwise_initializer);
    config["bias_initializer"] = serialized("bias_initializer", arguments.bias_initializer);
    config["depthwise_regularizer"] = serialized("depthwise_regularizer", arguments.depthwise_regularizer);
    config["bias_regularizer"] = serialized("bias_regularizer", arguments.bias_regularizer);
    config["activity_regularizer"] = activity;
    config["depthwise_constraint"] = serialized("depthwise_constraint", arguments.depthwise_constraint);
    config["bias_constraint"] = serialized("bias_constraint", arguments.bias_constraint);
    if (arguments.allow_stride_with_dilation) config["allow_stride_with_dilation"] = true;  // ours
    return config;
}

Json envelope(const char* class_name, const Json& config, const Shape& built) {
    Json json = object("keras.layers", class_name, config);
    if (built.empty()) return json;
    Json shape = Json::array();
    for (const std::int64_t dimension : built) shape.push_back(dimension < 0 ? Json() : Json(dimension));
    json["build_config"]["input_shape"] = std::move(shape);
    return json;
}

std::string dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace dwconv::keras::detail
