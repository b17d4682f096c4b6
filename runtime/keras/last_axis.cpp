#include "last_axis.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The tensor as (outer, size, inner), `size` along the axis.
struct View {
    std::int64_t outer = 1, size = 1, inner = 1;
};

View view(const Tensor& x, int axis, const char* function) {
    const int rank = static_cast<int>(x.shape.size());
    if (axis < -rank || axis >= rank) {
        fail_value(std::string(function) + ": axis=" + std::to_string(axis) + " is out of range for shape " +
                   to_string(x.shape));
    }
    const int at = axis < 0 ? axis + rank : axis;
    View result;
    for (int i = 0; i < rank; ++i) (i < at ? result.outer : i == at ? result.size : result.inner) *= x.shape[i];
    return result;
}

// The compiled kernels' functions, so that they are written once.
void apply(dwc_activation function, float* values, std::int64_t count) {
    dwconv::detail::check(
        [&](dwc_error* e) { return dwc_activation_apply(function, nullptr, values, count, nullptr, e); });
}

// For every block of (size, inner): subtracts the maximum of each row from it.
void subtract_maximum(Tensor& x, const View& v) {
    std::vector<float> maximum(v.inner);
    for (std::int64_t o = 0; o < v.outer; ++o) {
        float* block = x.data.data() + o * v.size * v.inner;
        std::copy_n(block, v.inner, maximum.begin());
        for (std::int64_t i = 1; i < v.size; ++i) {
            const float* row = block + i * v.inner;
            for (std::int64_t j = 0; j < v.inner; ++j) maximum[j] = std::max(maximum[j], row[j]);
        }
        for (std::int64_t i = 0; i < v.size; ++i) {
            float* row = block + i * v.inner;
            for (std::int64_t j = 0; j < v.inner; ++j) row[j] -= maximum[j];
        }
    }
}

// Sums along the axis of one block, in double.
void sum_rows(const float* block, const View& v, std::vector<double>& sum) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (std::int64_t i = 0; i < v.size; ++i) {
        const float* row = block + i * v.inner;
        for (std::int64_t j = 0; j < v.inner; ++j) sum[j] += row[j];
    }
}

// tau from the descending values of a row; NaN where there is no support.
using Threshold = double (*)(const std::vector<double>& descending);

double keras_threshold(const std::vector<double>& descending) {
    double cumulative = 0, total = 0, support = 0;
    for (size_t i = 0; i < descending.size(); ++i) {
        cumulative += descending[i];
        if (descending[i] - (cumulative - 1) / static_cast<double>(i + 1) > 0) {
            total += cumulative;
            ++support;
        }
    }
    return support > 0 ? (total - 1) / support : kNan;
}

double published_threshold(const std::vector<double>& descending) {
    double cumulative = 0, total = 0, support = 0;
    for (size_t i = 0; i < descending.size(); ++i) {
        cumulative += descending[i];
        if (1 + static_cast<double>(i + 1) * descending[i] > cumulative) {
            total = cumulative;
            support = static_cast<double>(i + 1);
        }
    }
    return support > 0 ? (total - 1) / support : kNan;
}

Tensor project(Tensor x, const View& v, Threshold threshold) {
    std::vector<double> row(v.size);
    for (std::int64_t o = 0; o < v.outer; ++o) {
        for (std::int64_t j = 0; j < v.inner; ++j) {
            float* first = x.data.data() + o * v.size * v.inner + j;
            bool usable = true;  // NaN has no place in an order, +inf none on the simplex
            for (std::int64_t i = 0; i < v.size; ++i) {
                row[i] = first[i * v.inner];
                usable = usable && row[i] < std::numeric_limits<double>::infinity();
            }
            double tau = kNan;
            if (usable) {
                std::sort(row.begin(), row.end(), std::greater<>());
                tau = threshold(row);
            }
            for (std::int64_t i = 0; i < v.size; ++i) {
                const double over = first[i * v.inner] - tau;
                first[i * v.inner] = static_cast<float>(over <= 0 ? 0.0 : over);
            }
        }
    }
    return x;
}

}  // namespace

Tensor softmax(Tensor x, int axis) {
    const View v = view(x, axis, "softmax");
    if (x.data.empty()) return x;
    subtract_maximum(x, v);
    apply(DWC_EXPONENTIAL, x.data.data(), static_cast<std::int64_t>(x.data.size()));
    std::vector<double> sum(v.inner);
    for (std::int64_t o = 0; o < v.outer; ++o) {
        float* block = x.data.data() + o * v.size * v.inner;
        sum_rows(block, v, sum);
        for (double& value : sum) value = 1 / value;
        for (std::int64_t i = 0; i < v.size; ++i) {
            float* row = block + i * v.inner;
            for (std::int64_t j = 0; j < v.inner; ++j) row[j] = static_cast<float>(row[j] * sum[j]);
        }
    }
    return x;
}

Tensor log_softmax(Tensor x, int axis) {
    const View v = view(x, axis, "log_softmax");
    if (x.data.empty()) return x;
    subtract_maximum(x, v);
    std::vector<float> exponentials(v.size * v.inner);
    std::vector<double> sum(v.inner);
    for (std::int64_t o = 0; o < v.outer; ++o) {
        float* block = x.data.data() + o * v.size * v.inner;
        std::copy_n(block, v.size * v.inner, exponentials.begin());
        apply(DWC_EXPONENTIAL, exponentials.data(), v.size * v.inner);
        sum_rows(exponentials.data(), v, sum);
        for (double& value : sum) value = std::log(value);
        for (std::int64_t i = 0; i < v.size; ++i) {
            float* row = block + i * v.inner;
            for (std::int64_t j = 0; j < v.inner; ++j) row[j] = static_cast<float>(row[j] - sum[j]);
        }
    }
    return x;
}

Tensor sparsemax(Tensor x, int axis) {
    const View v = view(x, axis, "sparsemax");
    return x.data.empty() ? x : project(std::move(x), v, keras_threshold);
}

Tensor published_sparsemax(Tensor x, int axis) {
    const View v = view(x, axis, "published_sparsemax");
    return x.data.empty() ? x : project(std::move(x), v, published_threshold);
}

Tensor glu(Tensor x, int axis) {
    const View v = view(x, axis, "glu");
    if (v.size % 2 != 0) {
        fail_value("axis size must be divisible by 2. Received: x.shape=" + to_string(x.shape) +
                   " with axis=" + std::to_string(axis));
    }
    const std::int64_t half = v.size / 2 * v.inner;
    Tensor y{x.shape, std::vector<float>(x.data.size() / 2)};
    y.shape[axis < 0 ? axis + static_cast<int>(x.shape.size()) : axis] /= 2;
    for (std::int64_t o = 0; o < v.outer && half > 0; ++o) {
        const float* linear = x.data.data() + 2 * o * half;
        float* gate = x.data.data() + (2 * o + 1) * half;
        float* out = y.data.data() + o * half;
        apply(DWC_SIGMOID, gate, half);
        for (std::int64_t i = 0; i < half; ++i) out[i] = linear[i] * gate[i];
    }
    return y;
}

}  // namespace dwconv::keras::detail
