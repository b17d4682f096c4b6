#include "check_compare.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common.hpp"

namespace cli {

double tolerance_of(const std::string& compute_dtype) {
    if (compute_dtype == "float16") return 2e-3;
    if (compute_dtype == "bfloat16") return 2e-2;
    return kTolerance;
}

std::string Comparison::text() const { return fault.empty() ? format("max error %.2g", error) : fault; }

Comparison compare(const dwconv::keras::Tensor& got, const dwconv::keras::Tensor& expected) {
    Comparison result;
    if (got.shape != expected.shape) {
        result.fault =
            "shape " + dwconv::keras::to_string(got.shape) + " instead of " + dwconv::keras::to_string(expected.shape);
        return result;
    }
    double scale = 1;
    for (const float value : expected.data) {
        if (std::isfinite(value)) scale = std::max(scale, std::fabs(static_cast<double>(value)));
    }
    for (size_t i = 0; i < expected.data.size(); ++i) {
        const double have = got.data[i], want = expected.data[i];
        if (std::isnan(have) != std::isnan(want)) {
            result.fault = format("element %zu is %g instead of %g", i, have, want);
            return result;
        }
        if (std::isnan(want) || have == want) continue;
        const bool finite = std::isfinite(have) && std::isfinite(want);
        const double distance = finite ? std::fabs(have - want) / scale : std::numeric_limits<double>::infinity();
        result.error = std::max(result.error, distance);
    }
    return result;
}

}  // namespace cli
