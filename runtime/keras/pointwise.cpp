#include "pointwise.hpp"

#include <cblas.h>

#include <algorithm>
#include <limits>
#include <string>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

// BLAS takes sizes as 32-bit integers, unless it is a build of its own for 64.
int as_int(const char* what, std::int64_t size) {
    if (size > std::numeric_limits<int>::max()) {
        fail_unsupported(std::string(what) + " = " + std::to_string(size) +
                         " of a separable convolution does not fit the 32 bits that BLAS takes");
    }
    return static_cast<int>(size);
}

}  // namespace

void pointwise_channels_last(const PointwiseShape& shape, const float* x, const float* w, float* y) {
    const int in = as_int("channels * depth_multiplier", shape.in), out = as_int("filters", shape.out);
    // Batch and steps are one axis; a product takes as many of its rows as fit.
    constexpr std::int64_t kMaxRows = std::int64_t{1} << 30;
    const std::int64_t rows = shape.batch * shape.steps;
    for (std::int64_t row = 0; row < rows; row += kMaxRows) {
        const int some = static_cast<int>(std::min(kMaxRows, rows - row));
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, some, out, in, 1.0f, x + row * in, in, w, out, 0.0f,
                    y + row * out, out);
    }
}

void pointwise_channels_first(const PointwiseShape& shape, const float* x, const float* w, float* y) {
    const int in = as_int("channels * depth_multiplier", shape.in), out = as_int("filters", shape.out);
    const int steps = as_int("the number of steps", shape.steps);
    if (steps == 0) return;
    for (std::int64_t n = 0; n < shape.batch; ++n) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, steps, in, 1.0f, w, out, x + n * in * shape.steps,
                    steps, 0.0f, y + n * out * shape.steps, steps);
    }
}

}  // namespace dwconv::keras::detail
