// Two arrays held against each other, as `run --expect` and every category of `check` do it.
#pragma once

#include <string>

#include "dwconv/keras.hpp"

namespace cli {

inline constexpr double kTolerance = 1e-5;  // of max(1, max|expected|), for float32

// The same for what Keras computed in this type: float16 2e-3, bfloat16 2e-2.
double tolerance_of(const std::string& compute_dtype);

struct Comparison {
    // Largest distance, divided by max(1, the largest finite |expected|); infinite where an infinity is missed.
    double error = 0;
    // What makes the arrays incomparable: another shape, a NaN where there is none or the other way round; else "".
    std::string fault;

    bool within(double tolerance) const { return fault.empty() && error <= tolerance; }
    // "max error 2.1e-07", or the fault.
    std::string text() const;
};

Comparison compare(const dwconv::keras::Tensor& got, const dwconv::keras::Tensor& expected);

}  // namespace cli
