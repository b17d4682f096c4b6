// Projections as in https://keras.io/api/layers/constraints/ (Keras 3.15).
#include <algorithm>
#include <cmath>
#include <string_view>

#include "dwconv/keras/layer.hpp"
#include "errors.hpp"
#include "objects.hpp"

namespace dwconv::keras {
namespace detail {
namespace {

// Axes over which a norm is taken: a config's integer, list of integers, or None for all.
using Axes = std::optional<Constraint::Axes>;

Axes axes_of(const std::string& owner, const Json& axis) {
    if (axis.is_null()) return std::nullopt;
    Constraint::Axes axes;
    for (const Json& item : axis.is_array() ? axis : Json::array({axis})) {
        if (!item.is_number_integer() || std::fabs(item.get<double>()) > 1e6) {
            fail_value(owner + ": axis must be an integer or a list of integers. Received: axis=" + python_str(axis));
        }
        axes.push_back(item.get<int>());
    }
    return axes;
}

// Per axis of the shape, whether the norm runs over it.
std::vector<bool> reduced(const std::string& owner, const Axes& axes, const Shape& shape) {
    const int rank = static_cast<int>(shape.size());
    std::vector<bool> result(shape.size(), !axes);
    if (!axes) return result;
    for (const int axis : *axes) {
        if (axis < -rank || axis >= rank) {
            fail_value(owner + ": axis=" + std::to_string(axis) + " is out of range for shape " + to_string(shape));
        }
        const int at = axis < 0 ? axis + rank : axis;
        if (result[at]) fail_value(owner + ": axis=" + std::to_string(axis) + " is given twice");
        result[at] = true;
    }
    return result;
}

// Of every element of w, the index of its norm: the axes that remain, in C order.
std::vector<std::int64_t> norm_index(const Shape& shape, const std::vector<bool>& over, std::int64_t* norms) {
    std::vector<std::int64_t> index{0};
    *norms = 1;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
        std::vector<std::int64_t> next;
        next.reserve(index.size() * shape[axis]);
        for (const std::int64_t base : index) {
            for (std::int64_t i = 0; i < shape[axis]; ++i) next.push_back(over[axis] ? base : base * shape[axis] + i);
        }
        index = std::move(next);
        if (!over[axis]) *norms *= shape[axis];
    }
    return index;
}

// w * scale(norm) / (epsilon + norm) with the L2 norm over the axes.
template <class Scale>
Tensor rescale(const std::string& owner, const Tensor& w, const Axes& axes, Scale scale) {
    std::int64_t count = 0;
    const auto index = norm_index(w.shape, reduced(owner, axes, w.shape), &count);
    std::vector<double> factor(count);
    for (size_t i = 0; i < index.size(); ++i) factor[index[i]] += double{w.data[i]} * w.data[i];
    const double epsilon = settings().epsilon;
    for (double& value : factor) {
        const double norm = std::sqrt(value);
        value = scale(norm) / (epsilon + norm);
    }
    Tensor result = w;
    for (size_t i = 0; i < index.size(); ++i) result.data[i] = static_cast<float>(w.data[i] * factor[index[i]]);
    return result;
}

double clip(double value, double low, double high) { return std::min(std::max(value, low), high); }

Constraint make(const char* class_name, const Json& config, Constraint::Function function) {
    Constraint constraint(std::move(function));
    constraint.class_name = class_name;
    constraint.config = config.dump();
    return constraint;
}

Constraint max_norm(Keywords& arguments) {
    const Json largest = arguments.number("max_value", 2), axis = arguments.value("axis", 0);
    arguments.finish();
    return make("MaxNorm", {{"max_value", largest}, {"axis", axis}},
                [high = largest.get<double>(), axes = axes_of("MaxNorm", axis)](const Tensor& w) {
                    return rescale("MaxNorm", w, axes, [high](double norm) { return clip(norm, 0, high); });
                });
}

Constraint unit_norm(Keywords& arguments) {
    const Json axis = arguments.value("axis", 0);
    arguments.finish();
    return make("UnitNorm", {{"axis", axis}}, [axes = axes_of("UnitNorm", axis)](const Tensor& w) {
        return rescale("UnitNorm", w, axes, [](double) { return 1.0; });
    });
}

Constraint min_max_norm(Keywords& arguments) {
    const Json low = arguments.number("min_value", 0.0), high = arguments.number("max_value", 1.0);
    const Json rate = arguments.number("rate", 1.0), axis = arguments.value("axis", 0);
    arguments.finish();
    const double l = low.get<double>(), h = high.get<double>(), r = rate.get<double>();
    return make("MinMaxNorm", {{"min_value", low}, {"max_value", high}, {"rate", rate}, {"axis", axis}},
                [l, h, r, axes = axes_of("MinMaxNorm", axis)](const Tensor& w) {
                    return rescale("MinMaxNorm", w, axes,
                                   [&](double norm) { return r * clip(norm, l, h) + (1 - r) * norm; });
                });
}

Constraint non_neg(Keywords& arguments) {
    arguments.finish();
    return make("NonNeg", Json::object(), [](const Tensor& w) {
        Tensor result = w;
        for (float& value : result.data) value = value <= 0 ? 0 : value;  // NaN stays
        return result;
    });
}

// Keras' base class by name: leaves the weight as it is.
Constraint base_class(Keywords& arguments) {
    arguments.finish();
    return make("Constraint", Json::object(), [](const Tensor& w) { return w; });
}

struct Class {
    std::string_view name, alias;
    Constraint (*make)(Keywords& arguments);
};
constexpr Class kClasses[] = {{"MaxNorm", "max_norm", max_norm},
                              {"NonNeg", "non_neg", non_neg},
                              {"UnitNorm", "unit_norm", unit_norm},
                              {"MinMaxNorm", "min_max_norm", min_max_norm},
                              {"Constraint", "constraint", base_class}};

Constraint from_value(const Json& value) {
    const SerializedObject object = serialized_object("constraint", value);
    for (const Class& known : kClasses) {
        if (object.class_name != known.name && object.class_name != known.alias) continue;
        Keywords arguments(std::string(known.name), object.config);
        return known.make(arguments);
    }
    not_understood("constraint", value);
}

// A factory's arguments as Keras would hold them.
Json given(float value) {
    return std::isfinite(value) ? Json(shortest(value)) : Json(python_repr(Json(double{value})));
}
Json given(const Constraint::Axes& axes) { return axes.size() == 1 ? Json(axes[0]) : Json(axes); }

}  // namespace
}  // namespace detail

using detail::given;
using detail::Json;

Constraint::Constraint(Function custom) : function(std::move(custom)) {
    if (!function) detail::fail_value("constraint: the callable is empty");
}

Constraint Constraint::by_name(const std::string& name) { return detail::from_value(name); }

std::optional<Constraint> Constraint::from_json(const std::string& json) {
    const Json value = detail::parse_json(json, "constraint");
    if (value.is_null()) return std::nullopt;
    return detail::from_value(value);
}

Constraint Constraint::max_norm(float max_value, Axes axis) {
    const Json value = max_value == 2 ? Json(2) : given(max_value);  // Keras' default is an int
    return detail::from_value({{"class_name", "MaxNorm"}, {"config", {{"max_value", value}, {"axis", given(axis)}}}});
}
Constraint Constraint::non_neg() { return by_name("NonNeg"); }
Constraint Constraint::unit_norm(Axes axis) {
    return detail::from_value({{"class_name", "UnitNorm"}, {"config", {{"axis", given(axis)}}}});
}
Constraint Constraint::min_max_norm(float min_value, float max_value, float rate, Axes axis) {
    return detail::from_value({{"class_name", "MinMaxNorm"},
                               {"config",
                                {{"min_value", given(min_value)},
                                 {"max_value", given(max_value)},
                                 {"rate", given(rate)},
                                 {"axis", given(axis)}}}});
}

Tensor Constraint::operator()(const Tensor& w) const {
    detail::check_tensor(w, "constraint: the weight");
    Tensor projected = function(w);
    detail::check_tensor(projected, class_name.empty() ? "constraint" : class_name, w.shape);
    return projected;
}

}  // namespace dwconv::keras
