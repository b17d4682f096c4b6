// The formula as a plain loop: what every kernel is tested against.
#pragma once

#include <cstdint>

#include "dwconv/dwconv.h"
#include "problem.hpp"

namespace dwc {

// bfloat16 is the upper half of a float.
float bf16_to_float(uint16_t bits);
// To nearest, ties to even; overflow to infinity, NaN stays NaN.
uint16_t float_to_bf16(float value);

// Computes y for a resolved problem. x and y as described by problem.x and problem.y, w in `order`, bias (out_channels)
// of the weights' dtype exactly where the problem has one. Allocates; for tests, and for plans that may fall back.
// DWC_ERROR_NULL_POINTER, DWC_ERROR_BIAS, DWC_ERROR_LAYOUT (order), DWC_ERROR_ALIAS, DWC_ERROR_OUT_OF_MEMORY.
dwc_status reference(const Problem& problem, const void* x, const void* w, const void* bias, void* y,
                     dwc_weights_order order, bool fma, dwc_error* error);

}  // namespace dwc
