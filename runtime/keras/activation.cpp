// Names and parameters as in https://keras.io/api/layers/activations/ (Keras 3.15).
#include "activation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "errors.hpp"
#include "last_axis.hpp"
#include "objects.hpp"

namespace dwconv::keras {
namespace detail {
namespace {

struct LastAxis {
    std::string_view name;
    Tensor (*function)(Tensor, int);
};
constexpr LastAxis kLastAxis[] = {{"softmax", softmax},
                                  {"log_softmax", log_softmax},
                                  {"sparsemax", sparsemax},
                                  {"published_sparsemax", published_sparsemax},
                                  {"glu", glu}};

const LastAxis* find_last_axis(std::string_view name) {
    const auto found = std::find_if(std::begin(kLastAxis), std::end(kLastAxis),
                                    [&](const LastAxis& candidate) { return candidate.name == name; });
    return found == std::end(kLastAxis) ? nullptr : found;
}

const float* param(const Activation& activation, std::string_view name) {
    for (const auto& known : kActivationParameters) {
        if (known.function == activation.name && known.name == name) return &activation.params[known.slot];
    }
    return nullptr;
}

// Parameters as a config holds them; Keras writes None for a limit that is not there.
Json parameters_json(const Activation& activation) {
    Json config = Json::object();
    for (const auto& known : kActivationParameters) {
        if (known.function != activation.name) continue;
        const float value = activation.params[known.slot];
        config[known.name] = std::isinf(value) ? Json() : Json(shortest(value));
    }
    if (activation.code == DWC_GELU_TANH) config["approximate"] = true;
    return config;
}

// Keras' layers refuse negative parameters that its functions take; those are written as functions.
bool layer_takes(const Activation& activation) {
    for (const char* name : {"max_value", "negative_slope", "threshold"}) {
        const float* value = param(activation, name);
        if (value && *value < 0) return false;
    }
    return true;
}

std::string elementwise_json(const Activation& activation) {
    const bool named = activation.code != DWC_GELU_TANH && activation.code != DWC_THRESHOLD;
    if (named && activation.params == activation_defaults(activation.code)) return Json(activation.name).dump();
    const Json config = parameters_json(activation);
    if (layer_takes(activation)) {
        if (activation.name == "relu") return activation_layer("ReLU", config).dump();
        if (activation.name == "leaky_relu") return activation_layer("LeakyReLU", config).dump();
        if (activation.name == "elu") return activation_layer("ELU", config).dump();
    }
    return Json{{"class_name", activation.name}, {"config", config}}.dump();
}

}  // namespace

dwc_activation activation_code(const std::string& function) {
    dwc_activation code = DWC_LINEAR;
    dwconv::detail::check([&](dwc_error* e) { return dwc_activation_from_name(function.c_str(), &code, e); });
    return code;
}

ActivationKind activation_kind(const std::string& function) {
    if (find_last_axis(function)) return ActivationKind::last_axis;
    dwc_activation code = DWC_LINEAR;
    // gelu_tanh is this library's name, not Keras'.
    const bool known = function != "gelu_tanh" && function.find('\0') == std::string::npos &&
                       dwc_activation_from_name(function.c_str(), &code, nullptr) == DWC_OK;
    return known ? ActivationKind::elementwise : ActivationKind::none;
}

ActivationParams activation_defaults(dwc_activation code) {
    ActivationParams params{};
    dwc_activation_params(code, params.data());
    return params;
}

Activation elementwise_activation(dwc_activation code, const ActivationParams& params) {
    Activation activation;
    activation.name = code == DWC_GELU_TANH ? "gelu" : dwc_activation_name(code);
    activation.code = code;
    activation.params = params;
    for (const auto& known : kActivationParameters) {
        const float value = params[known.slot];
        const bool unlimited = std::string_view(known.name) == "max_value" && value > 0 && std::isinf(value);
        if (known.function == activation.name && !std::isfinite(value) && !unlimited) {
            fail_value("activation " + activation.name + ": " + known.name +
                       " must be a finite number. Received: " + python_repr(Json(double{value})));
        }
    }
    // Ranges (celu's alpha is not 0) are the kernels' matter.
    dwconv::detail::check(
        [&](dwc_error* e) { return dwc_activation_apply(code, params.data(), nullptr, 0, nullptr, e); });
    activation.json = elementwise_json(activation);
    return activation;
}

Activation last_axis_activation(const std::string& function, int axis) {
    const LastAxis* known = find_last_axis(function);
    if (axis < -3 || axis > 2) {
        fail_value("activation " + function + ": axis=" + std::to_string(axis) +
                   " must lie in -3..2, because the output has three axes");
    }
    Activation activation;
    activation.name = function;
    activation.fused = false;
    activation.function = [compute = known->function, axis](Tensor x) { return compute(std::move(x), axis); };
    const Json config{{"axis", axis}};
    if (axis == -1 && function != "published_sparsemax") {
        activation.json = Json(function).dump();
    } else if (function == "softmax") {
        activation.json = activation_layer("Softmax", config).dump();
    } else {
        activation.json = Json{{"class_name", function}, {"config", config}}.dump();
    }
    return activation;
}

}  // namespace detail

using detail::elementwise_activation;
using detail::last_axis_activation;

Activation::Activation(Function custom) : name(), fused(false), function(std::move(custom)), json() {
    if (!function) detail::fail_value("activation: the callable is empty");
}

Activation Activation::by_name(const std::string& name) {
    if (name == "threshold") {
        detail::fail_value(
            "activation='threshold': threshold() missing 2 required positional arguments: 'threshold' and "
            "'default_value', which a name alone does not give");
    }
    switch (name == "published_sparsemax" ? detail::ActivationKind::none : detail::activation_kind(name)) {
        case detail::ActivationKind::elementwise: {
            const dwc_activation code = detail::activation_code(name);
            return elementwise_activation(code, detail::activation_defaults(code));
        }
        case detail::ActivationKind::last_axis:
            return last_axis_activation(name, -1);
        default:
            detail::not_understood("activation function", name);
    }
}

Activation Activation::relu(float negative_slope, std::optional<float> max_value, float threshold) {
    return elementwise_activation(
        DWC_RELU, {negative_slope, max_value.value_or(std::numeric_limits<float>::infinity()), threshold});
}
Activation Activation::leaky_relu(float negative_slope) {
    return elementwise_activation(DWC_LEAKY_RELU, {negative_slope});
}
Activation Activation::elu(float alpha) { return elementwise_activation(DWC_ELU, {alpha}); }
Activation Activation::celu(float alpha) { return elementwise_activation(DWC_CELU, {alpha}); }
Activation Activation::gelu(bool approximate) {
    return elementwise_activation(approximate ? DWC_GELU_TANH : DWC_GELU, {});
}
Activation Activation::soft_shrink(float threshold) { return elementwise_activation(DWC_SOFT_SHRINK, {threshold}); }
Activation Activation::hard_shrink(float threshold) { return elementwise_activation(DWC_HARD_SHRINK, {threshold}); }
Activation Activation::squareplus(float b) { return elementwise_activation(DWC_SQUAREPLUS, {b}); }
Activation Activation::threshold(float threshold, float default_value) {
    return elementwise_activation(DWC_THRESHOLD, {threshold, default_value});
}
Activation Activation::softmax(int axis) { return last_axis_activation("softmax", axis); }
Activation Activation::log_softmax(int axis) { return last_axis_activation("log_softmax", axis); }
Activation Activation::sparsemax(int axis) { return last_axis_activation("sparsemax", axis); }
Activation Activation::published_sparsemax(int axis) { return last_axis_activation("published_sparsemax", axis); }
Activation Activation::glu(int axis) { return last_axis_activation("glu", axis); }

Tensor Activation::operator()(Tensor x) const {
    detail::check_tensor(x, "activation: the argument");
    if (fused) {
        dwconv::detail::check([&](dwc_error* e) {
            const auto count = static_cast<std::int64_t>(x.data.size());
            return dwc_activation_apply(code, params.data(), x.data.data(), count, nullptr, e);
        });
        return x;
    }
    Tensor y = function(std::move(x));
    detail::check_tensor(y, "activation");
    return y;
}

}  // namespace dwconv::keras
