#include "activation.hpp"

#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <numbers>

#include "error.hpp"

namespace dwc {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kRequired = std::numeric_limits<float>::quiet_NaN();  // a default that activation_check refuses
constexpr double kSeluAlpha = 1.6732632423543772;
constexpr double kSeluScale = 1.0507009873554805;

enum class Rule { kAny, kFinite, kFiniteNonZero, kFiniteNotNegative, kNotNegative };

struct Param {
    const char* name;
    float fallback;
    Rule rule;
};

struct Row {
    const char* name;
    int count;
    Param params[DWC_MAX_ACTIVATION_PARAMS];
};

// In the order of dwc_activation.
constexpr Row kTable[] = {
    {"linear", 0, {}},
    {"relu",
     3,
     {{"negative_slope", 0.0f, Rule::kFinite},
      {"max_value", kInf, Rule::kNotNegative},
      {"threshold", 0, Rule::kFinite}}},
    {"relu6", 0, {}},
    {"leaky_relu", 1, {{"negative_slope", 0.2f, Rule::kFinite}}},
    {"elu", 1, {{"alpha", 1.0f, Rule::kFinite}}},
    {"celu", 1, {{"alpha", 1.0f, Rule::kFiniteNonZero}}},
    {"selu", 0, {}},
    {"gelu", 0, {}},
    {"gelu_tanh", 0, {}},
    {"silu", 0, {}},
    {"hard_silu", 0, {}},
    {"sigmoid", 0, {}},
    {"hard_sigmoid", 0, {}},
    {"sparse_sigmoid", 0, {}},
    {"log_sigmoid", 0, {}},
    {"tanh", 0, {}},
    {"hard_tanh", 0, {}},
    {"tanh_shrink", 0, {}},
    {"softplus", 0, {}},
    {"softsign", 0, {}},
    {"soft_shrink", 1, {{"threshold", 0.5f, Rule::kFinite}}},
    {"hard_shrink", 1, {{"threshold", 0.5f, Rule::kFinite}}},
    {"squareplus", 1, {{"b", 4.0f, Rule::kFiniteNotNegative}}},
    {"sparse_plus", 0, {}},
    {"mish", 0, {}},
    {"exponential", 0, {}},
    {"threshold", 2, {{"threshold", kRequired, Rule::kAny}, {"value", kRequired, Rule::kAny}}},
};
static_assert(std::size(kTable) == DWC_ACTIVATION_COUNT);

struct Alias {
    const char* name;
    dwc_activation activation;
};
constexpr Alias kAliases[] = {{"swish", DWC_SILU}, {"hard_swish", DWC_HARD_SILU}};

const Row* row_of(dwc_activation activation) {
    const int index = static_cast<int>(activation);
    return index >= 0 && index < DWC_ACTIVATION_COUNT ? &kTable[index] : nullptr;
}

// What a value breaks, or NULL.
const char* broken_rule(Rule rule, float v) {
    if (std::isnan(v)) return "must be a number";
    if (rule != Rule::kAny && rule != Rule::kNotNegative && std::isinf(v)) return "must be finite";
    if (rule == Rule::kFiniteNonZero && v == 0) return "must not be 0";
    if ((rule == Rule::kNotNegative || rule == Rule::kFiniteNotNegative) && v < 0) return "must be >= 0";
    return nullptr;
}

double clamped(double v, double lo, double hi) { return v < lo ? lo : v > hi ? hi : v; }

double relu(double v, double slope, double max_value, double threshold) {
    double y = v > threshold ? v : 0;
    if (!std::isinf(max_value)) y = clamped(y, 0, max_value);
    return slope != 0 && v < threshold ? y - slope * (threshold - v) : y;
}

double softplus(double v) { return (v > 0 ? v : 0) + std::log1p(std::exp(-std::fabs(v))); }

double sigmoid_times(double v, double argument) {
    return std::isinf(v) && v < 0 ? -0.0 : v / (1 + std::exp(-argument));
}

double mish(double v) {
    if (v > 40) return v;
    const double e = std::exp(v), w = e * (e + 2);  // tanh(log(1 + e)) = ((1+e)^2 - 1) / ((1+e)^2 + 1)
    return w == 0 ? -0.0 : v * w / (w + 2);
}

double tanh_shrink(double v) {
    if (std::fabs(v) > 0.1) return v - std::tanh(v);
    const double z = v * v;  // the subtraction would cancel: Taylor
    return v * z *
           (1.0 / 3 -
            z * (2.0 / 15 - z * (17.0 / 315 - z * (62.0 / 2835 - z * (1382.0 / 155925 - z * 21844.0 / 6081075)))));
}

double squareplus(double v, double b) {
    const double root = std::hypot(v, std::sqrt(b));
    return v >= 0 ? (v + root) / 2 : b / 2 / (root - v);
}

double shrink(double v, double threshold, double shift) {
    if (v > threshold) return v - shift;
    return v < -threshold ? v + shift : 0;
}

}  // namespace

dwc_status activation_check(dwc_activation activation, const float* params, dwc_error* error) {
    const Row* row = row_of(activation);
    if (!row) {
        return fail(error, DWC_ERROR_ACTIVATION, "activation=%d: must be a dwc_activation, 0 to %d",
                    static_cast<int>(activation), DWC_ACTIVATION_COUNT - 1);
    }
    if (row->count > 0 && !params) {
        return fail(error, DWC_ERROR_NULL_POINTER, "activation_params: is NULL, but %s has %d", row->name, row->count);
    }
    for (int i = 0; i < row->count; ++i) {
        const Param& param = row->params[i];
        if (const char* rule = broken_rule(param.rule, params[i])) {
            const bool missing = std::isnan(params[i]) && std::isnan(param.fallback);
            return fail(error, DWC_ERROR_ACTIVATION, "activation_params[%d]: %s of %s is %g, %s%s", i, param.name,
                        row->name, static_cast<double>(params[i]), rule, missing ? " (it has no default)" : "");
        }
    }
    return DWC_OK;
}

dwc_status activation_resolve(dwc_activation activation, const float* params,
                              float (&resolved)[DWC_MAX_ACTIVATION_PARAMS], dwc_error* error) {
    float values[DWC_MAX_ACTIVATION_PARAMS] = {};
    const int count = dwc_activation_params(activation, values);
    if (params && count > 0) std::memcpy(values, params, sizeof(float) * static_cast<size_t>(count));
    const dwc_status status = activation_check(activation, values, error);
    if (status == DWC_OK) std::memcpy(resolved, values, sizeof(values));
    return status;
}

std::optional<Clamp> as_clamp(dwc_activation activation, const float* params) {
    switch (activation) {
        case DWC_LINEAR:
            return Clamp{-kInf, kInf};
        case DWC_RELU:
            if (params[0] != 0 || params[2] != 0) return std::nullopt;
            return Clamp{0, params[1]};
        case DWC_RELU6:
            return Clamp{0, 6};
        case DWC_LEAKY_RELU:
            if (params[0] != 0) return std::nullopt;
            return Clamp{0, kInf};
        case DWC_HARD_TANH:
            return Clamp{-1, 1};
        default:
            return std::nullopt;
    }
}

ActivationKernel activation_kernel(dwc_activation activation, const float* params) {
    if (activation == DWC_LINEAR) return {"linear", {}};
    if (const auto clamp = as_clamp(activation, params)) return {"clamp", {clamp->lo, clamp->hi, 0}};
    constexpr float kSixth = 1.0f / 6.0f;
    // clang-format off
    switch (activation) {
        case DWC_RELU: return {"relu", {params[0], params[1], params[2]}};
        case DWC_LEAKY_RELU: return {"relu", {params[0], kInf, 0}};
        case DWC_ELU: return {"elu", {params[0], 1, 1}};
        case DWC_CELU: return {"elu", {params[0], params[0], 1}};
        case DWC_SELU: return {"elu", {static_cast<float>(kSeluScale * kSeluAlpha), 1, static_cast<float>(kSeluScale)}};
        case DWC_HARD_SILU: return {"hard_gate", {3, kSixth, 1}};
        case DWC_HARD_SIGMOID: return {"hard_gate", {3, kSixth, 0}};
        case DWC_SPARSE_SIGMOID: return {"hard_gate", {1, 0.5f, 0}};
        case DWC_SPARSE_PLUS: return {"hard_gate", {1, 0.5f, 2}};
        case DWC_LOG_SIGMOID: return {"softplus", {-1, 0, 0}};
        case DWC_SOFTPLUS: return {"softplus", {1, 0, 0}};
        case DWC_TANH_SHRINK: return {"tanh", {1, 0, 0}};
        case DWC_SOFT_SHRINK: return {"shrink", {params[0], params[0], 0}};
        case DWC_HARD_SHRINK: return {"shrink", {params[0], 0, 0}};
        case DWC_SQUAREPLUS: return {"squareplus", {params[0], 0, 0}};
        case DWC_THRESHOLD: return {"threshold", {params[0], params[1], 0}};
        default: return {kTable[activation].name, {}};  // a function of its own name
    }
    // clang-format on
}

double activation_reference(dwc_activation activation, const float* params, double v) {
    const double a = params && kTable[activation].count > 0 ? static_cast<double>(params[0]) : 0;
    const bool compares = activation == DWC_SOFT_SHRINK || activation == DWC_HARD_SHRINK || activation == DWC_THRESHOLD;
    if (std::isnan(v) && !compares) return v;
    if (const auto clamp = as_clamp(activation, params)) return clamped(v, clamp->lo, clamp->hi);
    // clang-format off
    switch (activation) {
        case DWC_RELU: return relu(v, a, params[1], params[2]);
        case DWC_LEAKY_RELU: return v >= 0 ? v : a * v;
        case DWC_ELU: return v > 0 ? v : a * std::expm1(v);
        case DWC_CELU: return v > 0 ? v : a * std::expm1(v / a);
        case DWC_SELU: return kSeluScale * (v > 0 ? v : kSeluAlpha * std::expm1(v));
        case DWC_GELU: return std::isinf(v) && v < 0 ? -0.0 : v * 0.5 * std::erfc(-v * std::numbers::sqrt2 / 2);
        case DWC_GELU_TANH: {
            const double root = std::sqrt(2 * std::numbers::inv_pi);  // v * (1 + tanh(u)) / 2 = v * sigmoid(2u)
            return sigmoid_times(v, 2 * root * (v + 0.044715 * v * v * v));
        }
        case DWC_SILU: return sigmoid_times(v, v);
        case DWC_HARD_SILU: return v <= -3 ? -0.0 : v >= 3 ? v : v * (v + 3) / 6;
        case DWC_SIGMOID: return 1 / (1 + std::exp(-v));
        case DWC_HARD_SIGMOID: return clamped(v + 3, 0, 6) / 6;
        case DWC_SPARSE_SIGMOID: return clamped(v + 1, 0, 2) / 2;
        case DWC_LOG_SIGMOID: return -softplus(-v);
        case DWC_TANH: return std::tanh(v);
        case DWC_TANH_SHRINK: return tanh_shrink(v);
        case DWC_SOFTPLUS: return softplus(v);
        case DWC_SOFTSIGN: return std::isinf(v) ? std::copysign(1.0, v) : v / (1 + std::fabs(v));
        case DWC_SOFT_SHRINK: return shrink(v, a, a);
        case DWC_HARD_SHRINK: return shrink(v, a, 0);
        case DWC_SQUAREPLUS: return squareplus(v, a);
        case DWC_SPARSE_PLUS: return v <= -1 ? 0 : v >= 1 ? v : (v + 1) * (v + 1) / 4;
        case DWC_MISH: return mish(v);
        case DWC_EXPONENTIAL: return std::exp(v);
        case DWC_THRESHOLD: return v > a ? v : static_cast<double>(params[1]);
        default: return v;
    }
    // clang-format on
}

}  // namespace dwc

extern "C" {

const char* dwc_activation_name(dwc_activation activation) {
    const dwc::Row* row = dwc::row_of(activation);
    return row ? row->name : nullptr;
}

int dwc_activation_params(dwc_activation activation, float* defaults) {
    const dwc::Row* row = dwc::row_of(activation);
    if (!row) return 0;
    for (int i = 0; defaults && i < row->count; ++i) defaults[i] = row->params[i].fallback;
    return row->count;
}

dwc_status dwc_activation_from_name(const char* name, dwc_activation* activation, dwc_error* error) {
    if (!name) return dwc::fail(error, DWC_ERROR_NULL_POINTER, "name: is NULL");
    if (!activation) return dwc::fail(error, DWC_ERROR_NULL_POINTER, "activation: is NULL");
    for (int i = 0; i < DWC_ACTIVATION_COUNT; ++i) {
        if (std::strcmp(name, dwc::kTable[i].name) == 0) {
            *activation = static_cast<dwc_activation>(i);
            return DWC_OK;
        }
    }
    for (const dwc::Alias& alias : dwc::kAliases) {
        if (std::strcmp(name, alias.name) == 0) {
            *activation = alias.activation;
            return DWC_OK;
        }
    }
    return dwc::fail(error, DWC_ERROR_PARSE,
                     "activation=\"%.64s\": is no elementwise activation such as linear, relu or silu", name);
}

}  // extern "C"
