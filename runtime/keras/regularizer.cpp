// Penalties and messages as in https://keras.io/api/layers/regularizers/ (Keras 3.15).
#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "dwconv/keras/layer.hpp"
#include "errors.hpp"
#include "objects.hpp"

namespace dwconv::keras {
namespace detail {
namespace {

// A factor as a config or a factory gives it.
double factor_of(const Json& value, const std::string& name) {
    const bool number = value.is_number() || value.is_boolean();
    const double factor = value.is_boolean() ? value.get<bool>() : number ? value.get<double>() : 0;
    if (!number || !std::isfinite(factor) || factor < 0) {
        fail_value("Invalid value for argument " + name + ": expected a non-negative float.Received: " + name + "=" +
                   python_str(value));
    }
    return factor;
}

Json factor_argument(Keywords& arguments, const char* name, double fallback) {
    const Json value = arguments.value(name, fallback);
    return value.is_null() ? Json(fallback) : value;
}

// Sums are kept in double, whatever the size of x.
double sum_absolute(const Tensor& x) {
    double sum = 0;
    for (const float value : x.data) sum += std::fabs(value);
    return sum;
}

double sum_squares(const Tensor& x) {
    double sum = 0;
    for (const float value : x.data) sum += double{value} * value;
    return sum;
}

Regularizer make(const char* class_name, const Json& config, Regularizer::Function function) {
    Regularizer regularizer(std::move(function));
    regularizer.class_name = class_name;
    regularizer.config = config.dump();
    return regularizer;
}

// Keras keeps this factor as a float32 tensor, and its config shows that.
Regularizer make_l1(const Json& l1) {
    const auto factor = static_cast<float>(factor_of(l1, "l1"));
    return make("L1", {{"l1", double{factor}}},
                [factor](const Tensor& x) { return static_cast<float>(factor * sum_absolute(x)); });
}

Regularizer make_l2(const Json& l2) {
    const double factor = factor_of(l2, "l2");
    return make("L2", {{"l2", factor}},
                [factor](const Tensor& x) { return static_cast<float>(factor * sum_squares(x)); });
}

Regularizer make_l1_l2(const Json& l1, const Json& l2) {
    const double first = factor_of(l1, "l1"), second = factor_of(l2, "l2");
    return make("L1L2", {{"l1", first}, {"l2", second}}, [first, second](const Tensor& x) {
        // A factor of 0 switches its sum off, be it infinite or not.
        return static_cast<float>((first != 0 ? first * sum_absolute(x) : 0) +
                                  (second != 0 ? second * sum_squares(x) : 0));
    });
}

// Half the mean of |cosine| between different rows (or columns), each pair counted twice, times the factor. A single
// row has no pairs: NaN, as in Keras.
float orthogonal_penalty(const Tensor& x, float factor, bool rows) {
    if (x.shape.size() != 2) {
        fail_value("Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape=" + to_string(x.shape));
    }
    const std::int64_t size = rows ? x.shape[0] : x.shape[1], length = rows ? x.shape[1] : x.shape[0];
    const std::int64_t step = rows ? 1 : x.shape[1], next = rows ? x.shape[1] : 1;
    const auto dot = [&](std::int64_t a, std::int64_t b) {
        double sum = 0;
        for (std::int64_t i = 0; i < length; ++i) {
            sum += double{x.data[a * next + i * step]} * x.data[b * next + i * step];
        }
        return sum;
    };
    const double largest = 1 / settings().epsilon;
    std::vector<double> inverse(size);
    for (std::int64_t a = 0; a < size; ++a) inverse[a] = std::min(1 / std::sqrt(dot(a, a)), largest);
    double sum = 0;
    for (std::int64_t a = 0; a < size; ++a) {
        for (std::int64_t b = 0; b < a; ++b) sum += 2 * std::fabs(dot(a, b) * inverse[a] * inverse[b]);
    }
    const double pairs = static_cast<double>(size) * (static_cast<double>(size) - 1) / 2;
    return static_cast<float>(factor * 0.5 * sum / pairs);
}

Regularizer make_orthogonal(const Json& factor, const Json& mode) {
    const auto value = static_cast<float>(factor_of(factor, "factor"));
    if (mode != "rows" && mode != "columns") {
        fail_value("Invalid value for argument `mode`. Expected one of {\"rows\", \"columns\"}. Received: mode=" +
                   python_str(mode));
    }
    return make("OrthogonalRegularizer", {{"factor", double{value}}, {"mode", mode}},
                [value, rows = mode == "rows"](const Tensor& x) { return orthogonal_penalty(x, value, rows); });
}

// Keras' base class by name: no penalty, and no config.
Regularizer base_class() {
    return Regularizer([](const Tensor&) { return 0.0f; });
}

struct Name {
    std::string_view name, class_name;
};
constexpr Name kNames[] = {{"l1", "L1"},
                           {"L1", "L1"},
                           {"l2", "L2"},
                           {"L2", "L2"},
                           {"l1l2", "L1L2"},
                           {"L1L2", "L1L2"},
                           {"orthogonal_regularizer", "OrthogonalRegularizer"},
                           {"OrthogonalRegularizer", "OrthogonalRegularizer"},
                           {"regularizer", "Regularizer"},
                           {"Regularizer", "Regularizer"}};

Regularizer from_value(const Json& value) {
    SerializedObject object = serialized_object("regularizer", value);
    const auto known = std::find_if(std::begin(kNames), std::end(kNames),
                                    [&](const Name& candidate) { return candidate.name == object.class_name; });
    if (known == std::end(kNames)) not_understood("regularizer", value);
    Keywords arguments(std::string(known->class_name), object.config);
    const auto finish = [&](Regularizer regularizer) {
        arguments.finish();
        return regularizer;
    };
    if (known->class_name == "L1") return finish(make_l1(factor_argument(arguments, "l1", 0.01)));
    if (known->class_name == "L2") return finish(make_l2(factor_argument(arguments, "l2", 0.01)));
    if (known->class_name == "L1L2") {
        const Json l1 = factor_argument(arguments, "l1", 0), l2 = factor_argument(arguments, "l2", 0);
        return finish(make_l1_l2(l1, l2));
    }
    if (known->class_name == "Regularizer") return finish(base_class());
    const Json factor = arguments.value("factor", 0.01), mode = arguments.value("mode", "rows");
    return finish(make_orthogonal(factor, mode));
}

}  // namespace
}  // namespace detail

Regularizer::Regularizer(Function custom) : function(std::move(custom)) {
    if (!function) detail::fail_value("regularizer: the callable is empty");
}

Regularizer Regularizer::by_name(const std::string& name) { return detail::from_value(name); }

std::optional<Regularizer> Regularizer::from_json(const std::string& json) {
    const detail::Json value = detail::parse_json(json, "regularizer");
    if (value.is_null()) return std::nullopt;
    return detail::from_value(value);
}

Regularizer Regularizer::l1(float l1) { return detail::make_l1(detail::shortest(l1)); }
Regularizer Regularizer::l2(double l2) { return detail::make_l2(l2); }
Regularizer Regularizer::l1_l2(double l1, double l2) { return detail::make_l1_l2(l1, l2); }
Regularizer Regularizer::orthogonal(float factor, const std::string& mode) {
    return detail::make_orthogonal(detail::shortest(factor), mode);
}

}  // namespace dwconv::keras
