// Elementwise activations through the C interface: names and parameters; values that Keras computed; the exact formula
// over all exponents; special values in every lane and tail, between guard pages, each element treated exactly once.
#include <dwconv/dwconv.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kMax = std::numeric_limits<float>::max();
constexpr double kFlushed = 2e-36;  // kernels may return 0 for results smaller than this
constexpr unsigned kSeed = 20240131;
constexpr size_t kWidest = 64;  // lanes that any kernel works on at a time

float from_bits(uint32_t bits) {
    float v;
    std::memcpy(&v, &bits, sizeof(v));
    return v;
}

struct Case {
    dwc_activation activation;
    std::vector<float> params;  // as many as the activation has
    std::string label;
};

Case make_case(dwc_activation activation, std::vector<float> params = {}) {
    float defaults[DWC_MAX_ACTIVATION_PARAMS] = {};
    const int count = dwc_activation_params(activation, defaults);
    std::string label = dwc_activation_name(activation);
    for (float p : params) label += " " + std::to_string(p);
    if (params.empty()) params.assign(defaults, defaults + count);
    return {activation, params, label};
}

// Every activation at its defaults (threshold has none), then parameters that leave the common path.
std::vector<Case> all_cases() {
    std::vector<Case> cases;
    for (int i = 0; i < DWC_ACTIVATION_COUNT; ++i) {
        if (i != DWC_THRESHOLD) cases.push_back(make_case(static_cast<dwc_activation>(i)));
    }
    for (auto& params : std::vector<std::vector<float>>{
             {0.5f, 6, 1}, {0, kInf, -1}, {0, 3, -1}, {0.25f, kInf, 2}, {0, 6, 0}, {-0.5f, kInf, 0}, {0, 0, 0}}) {
        cases.push_back(make_case(DWC_RELU, params));
    }
    cases.push_back(make_case(DWC_LEAKY_RELU, {0}));
    cases.push_back(make_case(DWC_LEAKY_RELU, {1.5f}));
    for (float alpha : {0.5f, -2.0f, 0.0f}) cases.push_back(make_case(DWC_ELU, {alpha}));
    for (float alpha : {0.3f, 4.0f, 1e-40f}) cases.push_back(make_case(DWC_CELU, {alpha}));
    for (float t : {1.25f, 0.0f, -1.0f}) {
        cases.push_back(make_case(DWC_SOFT_SHRINK, {t}));
        cases.push_back(make_case(DWC_HARD_SHRINK, {t}));
    }
    for (float b : {1.0f, 0.0f, 1e30f}) cases.push_back(make_case(DWC_SQUAREPLUS, {b}));
    cases.push_back(make_case(DWC_THRESHOLD, {0.5f, -2}));
    cases.push_back(make_case(DWC_THRESHOLD, {0, -kInf}));
    return cases;
}

double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }
double softplus(double v) { return v > 0 ? v + std::log1p(std::exp(-v)) : std::log1p(std::exp(v)); }
double clip(double v, double lo, double hi) { return std::fmin(std::fmax(v, lo), hi); }

double relu(double v, const std::vector<float>& p) {
    double y = v > p[2] ? v : 0;
    if (p[1] < kInf) y = clip(y, 0, p[1]);
    return p[0] == 0 ? y : y - p[0] * std::fmax(p[2] - v, 0);
}

double tanh_shrink(double v) {
    if (std::fabs(v) > 0.02) return v - std::tanh(v);
    const double z = v * v;
    return v * z * (1 / 3.0 - z * (2 / 15.0 - z * (17 / 315.0 - z * 62 / 2835)));
}

double squareplus(double v, double b) {
    if (v <= 0 && b == 0) return 0;
    return v > 0 ? (v + std::sqrt(v * v + b)) / 2 : b / 2 / (std::sqrt(v * v + b) - v);
}

// The formulas of dwconv.h in double, written apart from the library's own. Finite v only.
double formula(const Case& c, double v) {
    const double p = c.params.empty() ? 0 : c.params[0];
    // clang-format off
    switch (c.activation) {
        case DWC_RELU: return relu(v, c.params);
        case DWC_RELU6: return clip(v, 0, 6);
        case DWC_LEAKY_RELU: return v >= 0 ? v : p * v;
        case DWC_ELU: return v > 0 ? v : p * std::expm1(v);
        case DWC_CELU: return std::fmax(v, 0) + p * std::expm1(std::fmin(v, 0) / p);
        case DWC_SELU: return 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * std::expm1(v));
        case DWC_GELU: return v * std::erfc(-v / std::sqrt(2.0)) / 2;
        case DWC_GELU_TANH: return v * sigmoid(2 * std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v));
        case DWC_SILU: return v * sigmoid(v);
        case DWC_HARD_SILU: return v * clip(v + 3, 0, 6) / 6;
        case DWC_SIGMOID: return sigmoid(v);
        case DWC_HARD_SIGMOID: return clip(v + 3, 0, 6) / 6;
        case DWC_SPARSE_SIGMOID: return clip((v + 1) / 2, 0, 1);
        case DWC_LOG_SIGMOID: return -softplus(-v);
        case DWC_TANH: return std::tanh(v);
        case DWC_HARD_TANH: return clip(v, -1, 1);
        case DWC_TANH_SHRINK: return tanh_shrink(v);
        case DWC_SOFTPLUS: return softplus(v);
        case DWC_SOFTSIGN: return v / (1 + std::fabs(v));
        case DWC_SOFT_SHRINK: return v > p ? v - p : v < -p ? v + p : 0;
        case DWC_HARD_SHRINK: return std::fabs(v) > p ? v : 0;
        case DWC_SQUAREPLUS: return squareplus(v, p);
        case DWC_SPARSE_PLUS: return v <= -1 ? 0 : v >= 1 ? v : (v + 1) * (v + 1) / 4;
        case DWC_MISH: return v * (v > 30 ? 1 : std::expm1(2 * softplus(v)) / (std::exp(2 * softplus(v)) + 1));
        case DWC_EXPONENTIAL: return std::exp(v);
        case DWC_THRESHOLD: return v > p ? v : c.params[1];
        default: return v;
    }
    // clang-format on
}

// What v must become, NaN and infinities included: their limits, and NaN for NaN but where comparisons say otherwise.
double expected(const Case& c, float v) {
    if (std::isnan(v)) {
        if (c.activation == DWC_SOFT_SHRINK || c.activation == DWC_HARD_SHRINK) return 0;
        return c.activation == DWC_THRESHOLD ? c.params[1] : v;
    }
    if (!std::isinf(v)) return formula(c, v);
    const double y = formula(c, std::copysign(1e100, static_cast<double>(v)));  // beyond floats: Inf, or the limit
    return std::fabs(y) > 1e60 ? std::copysign(kInf, y) : std::fabs(y) < 1e-60 ? 0 : y;
}

// Largest admitted distance to the formula's `y`: 4 units in the last place or 1e-6 relative. In gelu_tanh's tail the
// rounding of the exponent's argument u is multiplied: 3 roundings of u.
double tolerance(const Case& c, double v, double y) {
    double relative = 1e-6;
    if (c.activation == DWC_GELU_TANH && v < 0) {
        relative += 3 * 6e-8 * 1.6 * std::fabs(v + 0.044715 * v * v * v);
    }
    return std::fmax(relative * std::fabs(y), kFlushed);
}

bool matches(const Case& c, float v, float y) {
    const double want = expected(c, v);
    const auto rounded = static_cast<float>(want);
    if (std::isnan(rounded) || std::isnan(y)) return std::isnan(rounded) && std::isnan(y);
    if (std::isinf(rounded) || std::isinf(y)) {
        return y == rounded || (y == std::copysign(kInf, rounded) && std::fabs(want) > 0.999999 * kMax);
    }
    return std::fabs(y - want) <= tolerance(c, v, want);
}

std::vector<std::string> runnable_targets() {
    std::vector<std::string> names;
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) == DWC_OK && info.built && info.supported) names.emplace_back(info.name);
    }
    EXPECT_FALSE(names.empty());  // or every test below would pass without a kernel
    return names;
}

void apply(const Case& c, float* values, int64_t count, const std::string& target) {
    dwc_error error{};
    const dwc_status status =
        dwc_activation_apply(c.activation, c.params.data(), values, count, target.c_str(), &error);
    ASSERT_EQ(status, DWC_OK) << c.label << ": " << error.message;
}

// Special values: NaNs of both signs and several payloads, infinities, zeros, denormals, extremes, ends of ranges.
std::vector<float> specials() {
    std::vector<float> v = {0.0f,    -0.0f,  kInf,   -kInf,  kMax,  -kMax,  1e-40f, -1e-40f, 1e-45f,
                            -1e-45f, 3e38f,  -3e38f, 88.0f,  88.5f, -87.f,  -88.f,  -88.5f,  -104.0f,
                            1e-6f,   -1e-6f, 1.0f,   -1.0f,  3.0f,  -3.0f,  6.0f,   0.5f,    -0.5f,
                            20.0f,   -20.f,  1e19f,  -1e19f, 127.f, -200.f, 0.25f};
    for (uint32_t bits : {0x7fc00000u, 0xffc00000u, 0x7fc00001u, 0xffc12345u, 0x7f800001u, 0x7fffffffu, 0xffffffffu}) {
        v.push_back(from_bits(bits));
    }
    return v;
}

// All exponents with random mantissas, both signs, more of them where functions bend; and a grid.
std::vector<float> sweep() {
    std::mt19937 random(kSeed);
    std::vector<float> v = specials();
    for (uint32_t exponent = 0; exponent < 255; ++exponent) {
        const int count = exponent > 100 && exponent < 136 ? 400 : 20;
        for (int i = 0; i < 2 * count; ++i) {
            const auto mantissa = static_cast<uint32_t>(random() & 0x7fffff);
            v.push_back(from_bits((i % 2 ? 0x80000000u : 0u) | exponent << 23 | mantissa));
        }
    }
    for (float x = -110; x < 110; x += 0.0131f) v.push_back(x);
    return v;
}

// `count` floats that end (or start) exactly at an inaccessible page.
class Guarded {
   public:
    Guarded() : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
        base_ = static_cast<char*>(mmap(nullptr, 3 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (mprotect(base_ + page_, page_, PROT_READ | PROT_WRITE) != 0) std::abort();
    }
    ~Guarded() { munmap(base_, 3 * page_); }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    float* at_end(size_t count) { return reinterpret_cast<float*>(base_ + 2 * page_) - count; }
    float* at_start() { return reinterpret_cast<float*>(base_ + page_); }
    size_t size() const { return page_ / sizeof(float); }

   private:
    size_t page_;
    char* base_;
};

TEST(ActivationNames, RoundTripAndAliases) {
    for (int i = 0; i < DWC_ACTIVATION_COUNT; ++i) {
        const auto activation = static_cast<dwc_activation>(i);
        const char* name = dwc_activation_name(activation);
        ASSERT_NE(name, nullptr) << i;
        dwc_activation found = DWC_ACTIVATION_COUNT;
        EXPECT_EQ(dwc_activation_from_name(name, &found, nullptr), DWC_OK) << name;
        EXPECT_EQ(found, activation) << name;
    }
    for (const auto& [alias, activation] : {std::pair{"swish", DWC_SILU}, {"hard_swish", DWC_HARD_SILU}}) {
        dwc_activation found = DWC_LINEAR;
        EXPECT_EQ(dwc_activation_from_name(alias, &found, nullptr), DWC_OK);
        EXPECT_EQ(found, activation);
    }
}

TEST(ActivationNames, RefusesUnknown) {
    for (const char* name : {"", "ReLU", "relu ", "softmax", "rms", "prelu"}) {
        dwc_activation found = DWC_MISH;
        dwc_error error{};
        EXPECT_EQ(dwc_activation_from_name(name, &found, &error), DWC_ERROR_PARSE) << name;
        EXPECT_EQ(found, DWC_MISH) << name;
        EXPECT_EQ(error.status, DWC_ERROR_PARSE);
        EXPECT_NE(std::string(error.message).find('"' + std::string(name) + '"'), std::string::npos) << error.message;
    }
    dwc_activation found;
    EXPECT_EQ(dwc_activation_from_name(nullptr, &found, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_activation_from_name("relu", nullptr, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_activation_name(static_cast<dwc_activation>(-1)), nullptr);
    EXPECT_EQ(dwc_activation_name(DWC_ACTIVATION_COUNT), nullptr);
    EXPECT_EQ(dwc_activation_params(DWC_ACTIVATION_COUNT, nullptr), 0);
}

TEST(ActivationParams, Defaults) {
    float p[DWC_MAX_ACTIVATION_PARAMS] = {};
    ASSERT_EQ(dwc_activation_params(DWC_RELU, p), 3);
    EXPECT_EQ((std::array{p[0], p[1], p[2]}), (std::array{0.0f, kInf, 0.0f}));
    for (const auto& [activation, value] : {std::pair{DWC_LEAKY_RELU, 0.2f}, {DWC_SQUAREPLUS, 4.0f}, {DWC_ELU, 1.0f}}) {
        EXPECT_EQ(dwc_activation_params(activation, p), 1);
        EXPECT_EQ(p[0], value);
    }
    EXPECT_EQ(dwc_activation_params(DWC_THRESHOLD, p), 2);
    EXPECT_EQ(dwc_activation_params(DWC_SILU, p), 0);
}

TEST(ActivationParams, Refused) {
    const float nan = std::nanf("");
    // clang-format off
    const std::vector<std::pair<dwc_activation, std::vector<float>>> bad = {
        {DWC_CELU, {0}}, {DWC_ELU, {nan}}, {DWC_ELU, {kInf}}, {DWC_RELU, {0, -1, 0}}, {DWC_RELU, {nan, 6, 0}},
        {DWC_RELU, {kInf, 6, 0}}, {DWC_RELU, {0, nan, 0}}, {DWC_LEAKY_RELU, {-kInf}}, {DWC_SQUAREPLUS, {-1}},
        {DWC_THRESHOLD, {nan, 0}}, {DWC_THRESHOLD, {0, nan}}, {DWC_SOFT_SHRINK, {nan}}};
    // clang-format on
    for (const auto& [activation, params] : bad) {
        float value = 1;
        dwc_error error{};
        EXPECT_EQ(dwc_activation_apply(activation, params.data(), &value, 1, nullptr, &error), DWC_ERROR_ACTIVATION)
            << dwc_activation_name(activation);
        EXPECT_NE(std::string(error.message).find(dwc_activation_name(activation)), std::string::npos) << error.message;
        EXPECT_EQ(value, 1.0f);
    }
    float value = 1;
    EXPECT_EQ(dwc_activation_apply(DWC_THRESHOLD, nullptr, &value, 1, nullptr, nullptr), DWC_ERROR_ACTIVATION);
    EXPECT_EQ(dwc_activation_apply(DWC_ACTIVATION_COUNT, nullptr, &value, 1, nullptr, nullptr), DWC_ERROR_ACTIVATION);
    EXPECT_EQ(dwc_activation_apply(DWC_SILU, nullptr, nullptr, 1, nullptr, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_activation_apply(DWC_SILU, nullptr, &value, 1, "z80", nullptr), DWC_ERROR_FORCED_TARGET);
    EXPECT_EQ(dwc_activation_apply(DWC_SILU, nullptr, &value, 0, nullptr, nullptr), DWC_OK);
    EXPECT_EQ(value, 1.0f);
}

// One row of activations.json as a case.
Case case_of(const nlohmann::json& row) {
    const auto& params = row.at("params");
    dwc_activation activation = DWC_LINEAR;
    EXPECT_EQ(dwc_activation_from_name(row.at("name").get<std::string>().c_str(), &activation, nullptr), DWC_OK) << row;
    if (params.value("approximate", false)) return make_case(DWC_GELU_TANH);
    std::vector<float> values;
    for (const char* key : {"negative_slope", "max_value", "alpha", "b", "threshold", "default_value"}) {
        if (params.contains(key)) values.push_back(params.at(key).get<float>());
    }
    return make_case(activation, values);
}

TEST(ActivationValues, Keras) {
    std::ifstream file(std::string(DWC_TEST_DATA) + "/keras_oracle/activations.json");
    ASSERT_TRUE(file) << DWC_TEST_DATA;
    const auto data = nlohmann::json::parse(file);
    const auto grid = data.at("grid").get<std::vector<float>>();
    std::vector<float> special;
    for (const auto& s : data.at("special")) special.push_back(std::strtof(s.get<std::string>().c_str(), nullptr));
    int rows = 0;
    for (const auto& row : data.at("activations")) {
        if (row.at("input") != "grid") continue;  // softmax and its like are no elementwise functions
        ++rows;
        const Case c = case_of(row);
        for (const std::string& target : runnable_targets()) {
            auto y = grid;
            apply(c, y.data(), static_cast<int64_t>(y.size()), target);
            for (size_t i = 0; i < y.size(); ++i) {
                const double want = row.at("y").at(i).get<double>();
                EXPECT_NEAR(y[i], want, 1e-6 * std::fmax(1, std::fabs(want))) << c.label << " at " << grid[i];
            }
            y = special;
            apply(c, y.data(), static_cast<int64_t>(y.size()), target);
            for (size_t i = 0; i < y.size(); ++i) {
                const float want = std::strtof(row.at("y_special").at(i).get<std::string>().c_str(), nullptr);
                // No promise: NaN or Inf where the formula has a finite value or a limit (0 * Inf, v*v overflowing).
                if (!std::isfinite(want) && std::isfinite(expected(c, special[i]))) continue;
                if (std::isnan(want) && !std::isnan(special[i])) continue;
                if (std::isfinite(want)) {
                    // Keras' own rounding where it cancels: an ulp of x for the moderate x.
                    const double cancelled = std::fabs(special[i]) < 128 ? 1.2e-7 * std::fabs(special[i]) : 0;
                    EXPECT_NEAR(y[i], want, 1e-6 * std::fmax(1, std::fabs(want)) + cancelled)
                        << c.label << " at " << special[i];
                } else {
                    EXPECT_TRUE(y[i] == want || (std::isnan(y[i]) && std::isnan(want)))
                        << c.label << " at " << special[i];
                }
            }
        }
    }
    EXPECT_EQ(rows, 34);
}

TEST(ActivationValues, FormulaOverAllExponents) {
    std::printf("seed %u\n", kSeed);
    const std::vector<float> x = sweep();
    for (const std::string& target : runnable_targets()) {
        for (const Case& c : all_cases()) {
            auto y = x;
            apply(c, y.data(), static_cast<int64_t>(y.size()), target);
            double worst_relative = 0, worst_ulp = 0;
            int wrong = 0;
            for (size_t i = 0; i < x.size(); ++i) {
                const double want = expected(c, x[i]);
                if (!matches(c, x[i], y[i]) && wrong++ < 3) {
                    ADD_FAILURE() << target << " " << c.label << " at " << x[i] << ": " << y[i] << " instead of "
                                  << want;
                }
                if (!std::isfinite(y[i]) || !std::isfinite(want) || std::fabs(want) <= kFlushed) continue;
                int exponent;
                std::frexp(want, &exponent);
                worst_ulp = std::fmax(worst_ulp, std::fabs(y[i] - want) / std::ldexp(1.0, exponent - 24));
                worst_relative = std::fmax(worst_relative, std::fabs((y[i] - want) / want));
            }
            EXPECT_EQ(wrong, 0) << target << " " << c.label;
            std::printf("%-16s %-44s %6.1f ulp %.1e relative\n", target.c_str(), c.label.c_str(), worst_ulp,
                        worst_relative);
        }
    }
}

// Every 1021st float from 2^-30 to 2^10, both signs.
std::vector<float> dense() {
    std::vector<float> v;
    for (uint32_t bits = 97u << 23; bits < 137u << 23; bits += 1021) {
        v.push_back(from_bits(bits));
        v.push_back(from_bits(bits | 0x80000000u));
    }
    return v;
}

// Rows `| name | error | error |` of docs/activations.md under a head of target names.
std::map<std::string, std::map<std::string, double>> stated_errors() {
    std::ifstream file(DWC_DOCS "/activations.md");
    std::map<std::string, std::map<std::string, double>> stated;
    std::vector<std::string> head;
    for (std::string line; std::getline(file, line);) {
        std::vector<std::string> cells;
        std::istringstream text(line);
        for (std::string cell; std::getline(text, cell, '|');) {
            const size_t from = cell.find_first_not_of(" `"), to = cell.find_last_not_of(" `");
            cells.push_back(from == std::string::npos ? "" : cell.substr(from, to - from + 1));
        }
        if (cells.size() < 3) {
            head.clear();
        } else if (cells[1] == "largest relative error") {
            head = cells;
        } else if (!head.empty() && cells.size() == head.size() && cells[1].find('-') == std::string::npos) {
            for (size_t i = 2; i < cells.size(); ++i) stated[cells[1]][head[i]] = std::stod(cells[i]);
        }
    }
    return stated;
}

TEST(ActivationValues, ErrorsAsTheDocumentationStates) {
    const auto stated = stated_errors();
    ASSERT_EQ(stated.size(), 4u);
    const std::vector<float> x = dense();
    for (const std::string& target : runnable_targets()) {
        for (const dwc_activation activation : {DWC_SILU, DWC_SIGMOID, DWC_TANH, DWC_GELU}) {
            const Case c = make_case(activation);
            auto y = x;
            apply(c, y.data(), static_cast<int64_t>(y.size()), target);
            double worst = 0;
            for (size_t i = 0; i < x.size(); ++i) {
                const double want = expected(c, x[i]);
                if (std::fabs(want) > kFlushed) worst = std::fmax(worst, std::fabs(y[i] / want - 1));
            }
            std::printf("%-16s %-8s %.2e\n", target.c_str(), c.label.c_str(), worst);
            const auto& row = stated.at(c.label);
            const auto column = row.find(target);  // devices have none
            EXPECT_LE(worst, column == row.end() ? 1e-6 : column->second) << target << " " << c.label;
            if (column == row.end()) continue;
            EXPECT_GE(worst, 0.7 * column->second) << target << " " << c.label << ": state the smaller error";
            EXPECT_LE(column->second, 1e-6);
        }
    }
}

// What rounding must not spoil: bounds, symmetry, exact zeros and limits at the infinities.
TEST(ActivationValues, BoundsAndLimits) {
    const std::vector<float> x = dense();
    for (const std::string& target : runnable_targets()) {
        auto tanh = x, sigmoid = x;
        apply(make_case(DWC_TANH), tanh.data(), static_cast<int64_t>(x.size()), target);
        apply(make_case(DWC_SIGMOID), sigmoid.data(), static_cast<int64_t>(x.size()), target);
        for (size_t i = 0; i < x.size(); ++i) {
            ASSERT_LE(std::fabs(tanh[i]), 1) << target << " at " << x[i];
            ASSERT_EQ(tanh[i], -tanh[i ^ 1]) << target << " at " << x[i];
            ASSERT_TRUE(sigmoid[i] >= 0 && sigmoid[i] <= 1) << target << " at " << x[i];
        }
        for (const auto& [activation, low, high] : {std::tuple{DWC_SILU, 0.0f, kInf},
                                                    {DWC_GELU, 0.0f, kInf},
                                                    {DWC_SIGMOID, 0.0f, 1.0f},
                                                    {DWC_TANH, -1.0f, 1.0f}}) {
            const Case c = make_case(activation);
            std::array v = {-kInf, -kMax, -0.0f, kMax, kInf};
            apply(c, v.data(), v.size(), target);
            EXPECT_EQ(v[0], low) << target << " " << c.label;
            EXPECT_EQ(v[1], low) << target << " " << c.label;
            EXPECT_EQ(v[2], activation == DWC_SIGMOID ? 0.5f : 0.0f) << target << " " << c.label;
            EXPECT_EQ(v[3], std::fmin(high, kMax)) << target << " " << c.label;
            EXPECT_EQ(v[4], high) << target << " " << c.label;
        }
    }
}

// The checker itself: a second application, a lost NaN and an error of 1e-5 must not pass.
TEST(ActivationValues, CheckerBites) {
    const Case silu = make_case(DWC_SILU);
    float y = 1.25f;
    apply(silu, &y, 1, runnable_targets().at(0));
    EXPECT_TRUE(matches(silu, 1.25f, y));
    EXPECT_FALSE(matches(silu, 1.25f, y * 1.00001f));
    apply(silu, &y, 1, runnable_targets().at(0));
    EXPECT_FALSE(matches(silu, 1.25f, y));
    EXPECT_FALSE(matches(make_case(DWC_RELU), std::nanf(""), 0.0f));
}

// Counts around the vector width, both ends at an inaccessible page, the rest of the page poisoned: each element must
// get the bits it gets alone (so it is treated once, whatever its lane), and nothing else may change.
TEST(ActivationValues, EveryLaneAndTail) {
    const std::vector<float> pool = specials();
    const float poison = from_bits(0x4b1dc0de);
    Guarded memory;
    for (const std::string& target : runnable_targets()) {
        for (const Case& c : all_cases()) {
            auto alone = pool;
            for (float& v : alone) apply(c, &v, 1, target);
            int wrong = 0;
            for (size_t count = 1; count <= 2 * kWidest + 5; ++count) {
                for (float* values : {memory.at_start(), memory.at_end(count)}) {
                    std::fill_n(memory.at_start(), memory.size(), poison);
                    for (size_t i = 0; i < count; ++i) values[i] = pool[(i + 3 * count) % pool.size()];
                    apply(c, values, static_cast<int64_t>(count), target);
                    for (float* p = memory.at_start(); p != memory.at_start() + memory.size(); ++p) {
                        const bool inside = p >= values && p < values + count;
                        const float want =
                            inside ? alone[(static_cast<size_t>(p - values) + 3 * count) % pool.size()] : poison;
                        wrong += std::isnan(want) ? !std::isnan(*p) : std::memcmp(p, &want, sizeof(want)) != 0;
                    }
                }
            }
            EXPECT_EQ(wrong, 0) << target << " " << c.label;
        }
    }
}

}  // namespace
