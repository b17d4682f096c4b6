// Activations by function name and parameters, behind Activation's factories and Activation::from_json.
#pragma once

#include "dwconv/keras/functions.hpp"
#include "json.hpp"

namespace dwconv::keras::detail {

// Keras' name of a parameter and where the compiled kernel takes it, in the order in which Keras writes them.
struct ActivationParameter {
    const char* function;
    const char* name;
    int slot;
};
inline constexpr ActivationParameter kActivationParameters[] = {
    {"relu", "max_value", 1},
    {"relu", "negative_slope", 0},
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

enum class ActivationKind { none, elementwise, last_axis };
// Of a Keras name or alias, of "threshold", or of "published_sparsemax".
ActivationKind activation_kind(const std::string& function);

using ActivationParams = std::array<float, DWC_MAX_ACTIVATION_PARAMS>;
// The parameters that the function has when none are given.
ActivationParams activation_defaults(dwc_activation code);
dwc_activation activation_code(const std::string& function);

// An elementwise function. Throws value_error for parameters outside their range.
Activation elementwise_activation(dwc_activation code, const ActivationParams& params);
// softmax, log_softmax, sparsemax, published_sparsemax or glu. Throws value_error for an axis outside -3..2.
Activation last_axis_activation(const std::string& function, int axis);

// Keras' layer object that computes the function: ReLU, LeakyReLU, ELU, Softmax. `given` holds what is known of its
// config; the rest is filled in.
Json activation_layer(const std::string& class_name, const Json& given);

std::optional<Activation> activation_from_json(const Json& value);

}  // namespace dwconv::keras::detail
