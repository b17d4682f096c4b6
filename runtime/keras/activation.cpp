// Names and parameters as in https://keras.io/api/layers/activations/ (Keras 3.15).
#include "activation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "errors.hpp"

namespace dwconv::keras {
namespace detail {
namespace {

constexpr std::string_view kLastAxis[] = {"softmax", "log_softmax", "sparsemax", "glu"};
// Names that exist as elementwise kernels; "threshold" is apart because it has no defaults.
constexpr std::string_view kElementwise[] = {
    "linear",      "relu",       "relu6",       "leaky_relu",  "elu",          "celu",           "selu",
    "gelu",        "silu",       "hard_silu",   "sigmoid",     "hard_sigmoid", "tanh",           "mish",
    "hard_tanh",   "softplus",   "tanh_shrink", "softsign",    "soft_shrink",  "sparse_sigmoid", "hard_shrink",
    "exponential", "squareplus", "sparse_plus", "log_sigmoid",
};

template <size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

[[noreturn]] void not_understood(const Json& value) {
    fail_value("Could not interpret activation function identifier: " + python_str(value));
}

// Keras' parameter names and where the compiled kernel takes them; `names` holds alternative spellings per slot.
struct Parameter {
    std::string_view function, name;
    int slot;
};
constexpr Parameter kParameters[] = {
    {"relu", "negative_slope", 0},
    {"relu", "max_value", 1},
    {"relu", "threshold", 2},
    {"leaky_relu", "negative_slope", 0},
    {"elu", "alpha", 0},
    {"celu", "alpha", 0},
    {"soft_shrink", "threshold", 0},
    {"hard_shrink", "threshold", 0},
    {"squareplus", "b", 0},
    {"threshold", "threshold", 0},
    {"threshold", "default_value", 1},
};

float number(const Json& value, const std::string& function, const std::string& key) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
        fail_value("activation " + function + ": " + key + " must be a finite number. Received: " + python_repr(value));
    }
    return value.get<float>();
}

Activation elementwise(std::string_view name, dwc_activation code) {
    Activation activation;
    activation.name = name;
    activation.code = code;
    dwc_activation_params(code, activation.params.data());
    return activation;
}

dwc_activation code_of(const std::string& name) {
    dwc_activation code = DWC_LINEAR;
    dwc_error error{};
    if (dwc_activation_from_name(name.c_str(), &code, &error) != DWC_OK) fail_value(error.message);
    return code;
}

// A function with parameters by Keras' names. Keys that a saved Keras layer carries beside them are in `ignored`.
Activation with_parameters(const std::string& function, const Json& config,
                           std::initializer_list<std::string_view> ignored = {}) {
    if (!config.is_object()) {
        fail_value("activation " + printable(function) +
                   ": config must be an object. Received: " + python_repr(config));
    }
    const bool needs_all = function == "threshold";
    Activation activation = needs_all ? elementwise(function, DWC_THRESHOLD) : Activation::by_name(function);
    int given = 0;
    for (const auto& [key, value] : config.items()) {
        if (std::find(ignored.begin(), ignored.end(), key) != ignored.end()) continue;
        if (activation.last_axis && key == "axis") {
            if (value == -1) continue;
            fail_unsupported("activation " + function + ": axis=" + python_repr(value) + " is not supported, only -1");
        }
        if (function == "gelu" && key == "approximate") {
            if (truthy(value)) activation.code = DWC_GELU_TANH;
            continue;
        }
        const auto known =
            std::find_if(std::begin(kParameters), std::end(kParameters),
                         [&, &name = key](const auto& p) { return p.function == activation.name && p.name == name; });
        if (known == std::end(kParameters)) {
            fail_value("activation " + printable(function) + " has no parameter '" + printable(key) + "'");
        }
        const bool unlimited = known->name == "max_value" && value.is_null();
        activation.params[known->slot] =
            unlimited ? std::numeric_limits<float>::infinity() : number(value, activation.name, key);
        ++given;
    }
    if (needs_all && given != 2) fail_value("activation threshold needs its parameters threshold and default_value");
    return activation;
}

// A serialized Keras layer in the place of a function.
Activation from_layer(const std::string& class_name, const Json& config, const Json& whole) {
    const auto is = [&](const char* name) { return class_name == name; };
    Json defaults = config.is_object() ? config : Json::object();
    // Keras 2 called it alpha, and the layer's default (0.3) is not the function's (0.2).
    if (is("LeakyReLU")) {
        if (defaults.contains("alpha")) {
            defaults["negative_slope"] = defaults["alpha"];
            defaults.erase("alpha");
        }
        if (!defaults.contains("negative_slope")) defaults["negative_slope"] = 0.3;
        return with_parameters("leaky_relu", defaults, {"name", "trainable", "dtype"});
    }
    if (is("ReLU")) return with_parameters("relu", defaults, {"name", "trainable", "dtype"});
    if (is("ELU")) return with_parameters("elu", defaults, {"name", "trainable", "dtype"});
    if (is("Softmax")) return with_parameters("softmax", defaults, {"name", "trainable", "dtype"});
    if (is("Activation") && defaults.contains("activation")) return activation_from_json(defaults["activation"]);
    fail_unsupported("activation object " + printable(class_name) +
                     " is not supported in this version (functions by name, ReLU, LeakyReLU, ELU, Softmax are): " +
                     printable(python_repr(whole)));
}

}  // namespace

Activation activation_from_json(const Json& value) {
    if (value.is_null()) return Activation{};
    if (value.is_string()) return Activation::by_name(value.get_ref<const std::string&>());
    const std::string class_name = string_member(value, "class_name");
    if (class_name.empty()) not_understood(value);
    const auto config = value.find("config");
    if (class_name == "function") {
        if (config == value.end() || !config->is_string()) not_understood(value);
        return Activation::by_name(config->get_ref<const std::string&>());
    }
    const bool is_function = class_name == "threshold" || class_name == "swish" || class_name == "hard_swish" ||
                             contains(kElementwise, class_name) || contains(kLastAxis, class_name);
    if (is_function) return with_parameters(class_name, config == value.end() ? Json::object() : *config);
    return from_layer(class_name, config == value.end() ? Json() : *config, value);
}

}  // namespace detail

Activation Activation::by_name(std::string_view name) {
    if (name == "swish") name = "silu";
    if (name == "hard_swish") name = "hard_silu";
    if (detail::contains(detail::kElementwise, name)) {
        return detail::elementwise(name, detail::code_of(std::string(name)));
    }
    if (detail::contains(detail::kLastAxis, name)) {
        Activation activation;
        activation.name = name;
        activation.last_axis = true;
        return activation;
    }
    if (name == "threshold") {
        detail::fail_value(
            "activation='threshold': threshold() needs its parameters 'threshold' and 'default_value', which a name "
            "alone does not give");
    }
    detail::not_understood(std::string(name));
}

Activation Activation::from_json(const std::string& json) {
    return detail::activation_from_json(detail::parse_json(json, "activation"));
}

}  // namespace dwconv::keras
