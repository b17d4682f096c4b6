// The product over the channels, by BLAS.
#pragma once

#include <cstdint>

namespace dwconv::keras::detail {

// What a 1x1 convolution multiplies: `batch` arrays of `steps` vectors of `in` channels by a matrix in x out.
struct PointwiseShape {
    std::int64_t batch, steps, in, out;
};

// y[n, t, f] = sum over q of x[n, t, q] * w[q, f]; all dense, float32. Throws error (DWC_ERROR_UNSUPPORTED) where a
// size that BLAS takes as int does not fit one.
void pointwise_channels_last(const PointwiseShape& shape, const float* x, const float* w, float* y);
// y[n, f, t] = sum over q of x[n, q, t] * w[q, f].
void pointwise_channels_first(const PointwiseShape& shape, const float* x, const float* w, float* y);

}  // namespace dwconv::keras::detail
