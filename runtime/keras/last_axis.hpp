// The activations that look along an axis: softmax, log_softmax, sparsemax, glu. Formulas of Keras 3.15
// (https://keras.io/api/layers/activations/). Any rank; `axis` as Python counts it. Throw value_error for an axis that
// the tensor does not have. A row (the values along the axis) that holds NaN or +inf becomes NaN, except glu's, which
// follows the arithmetic.
#pragma once

#include "dwconv/keras/tensor.hpp"

namespace dwconv::keras::detail {

// exp(x - max) / sum
Tensor softmax(Tensor x, int axis);
// x - max - log(sum of exp(x - max))
Tensor log_softmax(Tensor x, int axis);
// Keras' tau: (sum over the support of the cumulative sums - 1) / size of the support.
Tensor sparsemax(Tensor x, int axis);
// tau: (sum over the support - 1) / size of the support. Martins and Astudillo, ICML 2016, algorithm 1.
Tensor published_sparsemax(Tensor x, int axis);
// First half times sigmoid of the second; halves the axis. Throws value_error where its size is odd.
Tensor glu(Tensor x, int axis);

}  // namespace dwconv::keras::detail
