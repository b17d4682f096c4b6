// The table of elementwise activations: names, parameters and their rules, which compiled function serves each, and
// the exact formula in double. The only place of the runtime that enumerates dwc_activation.
#pragma once

#include <optional>

#include "dwconv/dwconv.h"

namespace dwc {

// A compiled elementwise function (the `function` of generators/activation.hpp) and its three arguments.
struct ActivationKernel {
    const char* function;  // static string; "linear" is the identity and needs no kernel
    float p[DWC_MAX_ACTIVATION_PARAMS];
};

struct Clamp {
    float lo, hi;
};

// DWC_OK, or DWC_ERROR_ACTIVATION with the parameter, its value and its rule. `params` holds as many values as
// dwc_activation_params says (may be NULL where that is 0); NaN is refused.
dwc_status activation_check(dwc_activation activation, const float* params, dwc_error* error);

// Copies `params` (NULL: the defaults; further places 0) to `resolved` and checks activation and parameters.
dwc_status activation_resolve(dwc_activation activation, const float* params,
                              float (&resolved)[DWC_MAX_ACTIVATION_PARAMS], dwc_error* error);

// The functions below take parameters that activation_check accepts.
ActivationKernel activation_kernel(dwc_activation activation, const float* params);
// lo and hi where the activation is min(max(v, lo), hi) and nothing else; linear is (-inf, inf).
std::optional<Clamp> as_clamp(dwc_activation activation, const float* params);
// The formula as in Keras 3, in double. Where a formula meets Inf - Inf or 0 * Inf it is the limit (silu(-Inf) = -0),
// and where NaN compares it is what Keras computes (hard_shrink and soft_shrink: 0, threshold: its value).
double activation_reference(dwc_activation activation, const float* params, double v);

}  // namespace dwc
