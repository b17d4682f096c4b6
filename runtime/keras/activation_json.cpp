// What a config may hold as an activation: https://keras.io/api/layers/activations/,
// https://keras.io/api/layers/activation_layers/ (Keras 3.15).
#include <algorithm>
#include <limits>
#include <string_view>

#include "activation.hpp"
#include "errors.hpp"
#include "objects.hpp"

namespace dwconv::keras {
namespace detail {
namespace {

int axis_value(const Json& axis, const std::string& function) {
    // Keras' Softmax layer takes a list of axes too.
    const Json& value = axis.is_array() && axis.size() == 1 ? axis[0] : axis;
    if (axis.is_array() && axis.size() > 1) {
        fail_unsupported("activation " + function + ": axis=" + python_str(axis) +
                         " is not supported, only one axis at a time");
    }
    if (!value.is_number_integer()) {
        fail_value("activation " + function + ": axis must be an integer. Received: " + python_str(axis));
    }
    // Out of int's range is out of the axes' range, too.
    const double wide = value.get<double>();
    return static_cast<int>(std::clamp(wide, -1e6, 1e6));
}

// A function with parameters by Keras' names.
Activation with_parameters(const std::string& function, const Json& config) {
    Keywords arguments(function, config);
    if (activation_kind(function) == ActivationKind::last_axis) {
        const int axis = axis_value(arguments.value("axis", -1), function);
        arguments.finish();
        return last_axis_activation(function, axis);
    }
    dwc_activation code = activation_code(function);
    if (code == DWC_GELU && truthy(arguments.value("approximate", false))) code = DWC_GELU_TANH;
    ActivationParams params = activation_defaults(code);
    const std::string canonical = dwc_activation_name(code);
    for (const auto& known : kActivationParameters) {
        if (known.function != canonical) continue;
        const bool required = code == DWC_THRESHOLD;
        if (required && !config.contains(known.name)) {
            fail_value("threshold() missing a required argument: '" + std::string(known.name) + "'");
        }
        const bool limit = std::string_view(known.name) == "max_value";
        if (limit && arguments.value(known.name, nullptr).is_null()) continue;
        params[known.slot] = arguments.number(known.name, required ? Json() : Json(params[known.slot])).get<float>();
    }
    arguments.finish();
    return elementwise_activation(code, params);
}

// The parameters of Keras' layers, with the layers' own defaults.
struct LayerParameter {
    std::string_view class_name;
    const char* name;
    std::optional<double> fallback;  // none: None
};
constexpr LayerParameter kLayerParameters[] = {
    {"ReLU", "max_value", std::nullopt},  {"ReLU", "negative_slope", 0.0}, {"ReLU", "threshold", 0.0},
    {"LeakyReLU", "negative_slope", 0.3}, {"ELU", "alpha", 1.0},           {"Softmax", "axis", -1.0},
};
struct LayerClass {
    std::string_view class_name;
    const char *function, *automatic_name;
};
constexpr LayerClass kLayerClasses[] = {{"ReLU", "relu", "re_lu"},
                                        {"LeakyReLU", "leaky_relu", "leaky_re_lu"},
                                        {"ELU", "elu", "elu"},
                                        {"Softmax", "softmax", "softmax"}};

const LayerClass* find_layer(std::string_view class_name) {
    const auto found = std::find_if(std::begin(kLayerClasses), std::end(kLayerClasses),
                                    [&](const LayerClass& known) { return known.class_name == class_name; });
    return found == std::end(kLayerClasses) ? nullptr : found;
}

void check_layer(const std::string& class_name, const std::string& name, const Json& value) {
    const bool negative = value.is_number() && value.get<double>() < 0;
    if (class_name == "ReLU" && name == "max_value" && negative) {
        fail_value("max_value of a ReLU layer cannot be a negative value. Received: max_value=" + python_str(value));
    }
    if (class_name == "ReLU" && name != "max_value" && (negative || value.is_null())) {
        fail_value(name + " of a ReLU layer cannot be None or a negative value. Received: " + name + "=" +
                   python_str(value));
    }
    if (class_name == "LeakyReLU" && (negative || value.is_null())) {
        fail_value(
            "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. Expected a float. "
            "Received: negative_slope=" +
            python_str(value));
    }
}

// A serialized Keras layer in the place of a function.
Activation from_layer(const LayerClass& layer, const Json& given) {
    Json config = given;
    const std::string class_name(layer.class_name);
    if (class_name == "LeakyReLU" && config.contains("alpha")) {  // Keras 2's name
        config["negative_slope"] = config["alpha"];
        config.erase("alpha");
    }
    const Json object = activation_layer(class_name, config);
    Json parameters = object["config"];
    for (const auto& [name, value] : config.items()) parameters[name] = value;
    for (const char* name : {"name", "trainable", "dtype"}) parameters.erase(name);
    for (const auto& [name, value] : parameters.items()) check_layer(class_name, name, value);
    Activation activation = with_parameters(layer.function, parameters);
    activation.json = object.dump();
    return activation;
}

Activation from_object(const std::string& class_name, const Json& config, const Json& whole) {
    if (activation_kind(class_name) != ActivationKind::none) return with_parameters(class_name, config);
    if (const LayerClass* layer = find_layer(class_name)) return from_layer(*layer, config);
    if (class_name == "Activation" && config.contains("activation")) {
        return activation_from_json(config["activation"]).value_or(Activation());
    }
    fail_unsupported("activation " + printable(class_name) +
                     " is not supported (functions, ReLU, LeakyReLU, ELU, Softmax and Activation are): " +
                     printable(python_repr(whole)));
}

}  // namespace

Json activation_layer(const std::string& class_name, const Json& given) {
    Json config = Json::object();
    const auto keep = [&](const char* key, Json fallback) {
        config[key] = given.contains(key) ? given[key] : std::move(fallback);
    };
    keep("name", find_layer(class_name)->automatic_name);
    keep("trainable", true);
    keep("dtype", {{"module", "keras"},
                   {"class_name", "DTypePolicy"},
                   {"config", {{"name", "float32"}}},
                   {"registered_name", nullptr}});
    for (const LayerParameter& known : kLayerParameters) {
        if (known.class_name != class_name) continue;
        Json fallback = known.fallback ? Json(*known.fallback) : Json();
        if (class_name == "Softmax") fallback = -1;
        keep(known.name, std::move(fallback));
    }
    return {{"module", "keras.layers"}, {"class_name", class_name}, {"config", config}, {"registered_name", nullptr}};
}

std::optional<Activation> activation_from_json(const Json& value) {
    if (value.is_null()) return std::nullopt;
    if (value.is_string()) return Activation::by_name(value.get_ref<const std::string&>());
    const std::string class_name = string_member(value, "class_name");
    if (class_name.empty()) not_understood("activation function", value);
    const auto config = value.find("config");
    if (class_name == "function") {
        if (config == value.end() || !config->is_string()) not_understood("activation function", value);
        return Activation::by_name(config->get_ref<const std::string&>());
    }
    const bool given = config != value.end() && !config->is_null();
    if (given && !config->is_object()) {
        fail_value("activation " + printable(class_name) +
                   ": config must be an object. Received: " + python_str(*config));
    }
    return from_object(class_name, given ? *config : Json::object(), value);
}

}  // namespace detail

std::optional<Activation> Activation::from_json(const std::string& json) {
    return detail::activation_from_json(detail::parse_json(json, "activation"));
}

}  // namespace dwconv::keras
