#include "initializer.hpp"

#include <cmath>

#include "errors.hpp"
#include "objects.hpp"
#include "random.hpp"

namespace dwconv::keras {
namespace detail {

Initializer fixed_initializer(const std::string& class_name, const Json& config, Initializer::Function function) {
    Initializer initializer(std::move(function));
    initializer.class_name = class_name;
    initializer.config = config.dump();
    return initializer;
}

Initializer seeded_initializer(const std::string& class_name, const Json& config, Initializer::Seed seed, Draw draw) {
    const std::int64_t key = seed ? *seed : random_seed();
    Initializer initializer =
        fixed_initializer(class_name, config, [draw, key](const Shape& shape) { return draw(shape, key); });
    initializer.reseeded = [class_name, config, draw](std::int64_t other) {
        Json replaced = config;
        replaced["seed"] = other;
        return seeded_initializer(class_name, replaced, other, draw);
    };
    return initializer;
}

namespace {

// A factory's argument as Keras would hold it.
Json given(float value) {
    return std::isfinite(value) ? Json(shortest(value)) : Json(python_repr(Json(double{value})));
}
Json given(const Initializer::Seed& seed) { return seed ? Json(*seed) : Json(); }

Initializer seed_only(const char* class_name, const Initializer::Seed& seed) {
    return initializer_of_class(class_name, {{"seed", given(seed)}});
}

}  // namespace
}  // namespace detail

using detail::given;
using detail::initializer_of_class;
using detail::Json;

Initializer::Initializer(Function custom) : function(std::move(custom)) {
    if (!function) detail::fail_value("initializer: the callable is empty");
}

Initializer::Initializer(Tensor values) {
    detail::check_tensor(values, "initializer: the tensor");
    function = [values = std::move(values)](const Shape& shape) {
        if (shape != values.shape) {
            detail::fail_value("Expected `shape` to be " + to_string(values.shape) +
                               " for direct tensor as initializer. Received shape=" + to_string(shape));
        }
        return values;
    };
}

Initializer Initializer::zeros() { return initializer_of_class("Zeros", Json::object()); }
Initializer Initializer::ones() { return initializer_of_class("Ones", Json::object()); }
Initializer Initializer::constant(float value) { return initializer_of_class("Constant", {{"value", given(value)}}); }

Initializer Initializer::random_normal(float mean, float stddev, Seed seed) {
    return initializer_of_class("RandomNormal",
                                {{"seed", given(seed)}, {"mean", given(mean)}, {"stddev", given(stddev)}});
}
Initializer Initializer::truncated_normal(float mean, float stddev, Seed seed) {
    return initializer_of_class("TruncatedNormal",
                                {{"seed", given(seed)}, {"mean", given(mean)}, {"stddev", given(stddev)}});
}
Initializer Initializer::random_uniform(float minval, float maxval, Seed seed) {
    return initializer_of_class("RandomUniform",
                                {{"seed", given(seed)}, {"minval", given(minval)}, {"maxval", given(maxval)}});
}
Initializer Initializer::variance_scaling(float scale, const std::string& mode, const std::string& distribution,
                                          Seed seed) {
    return initializer_of_class(
        "VarianceScaling",
        {{"seed", given(seed)}, {"scale", given(scale)}, {"mode", mode}, {"distribution", distribution}});
}
Initializer Initializer::glorot_uniform(Seed seed) { return detail::seed_only("GlorotUniform", seed); }
Initializer Initializer::glorot_normal(Seed seed) { return detail::seed_only("GlorotNormal", seed); }
Initializer Initializer::he_uniform(Seed seed) { return detail::seed_only("HeUniform", seed); }
Initializer Initializer::he_normal(Seed seed) { return detail::seed_only("HeNormal", seed); }
Initializer Initializer::lecun_uniform(Seed seed) { return detail::seed_only("LecunUniform", seed); }
Initializer Initializer::lecun_normal(Seed seed) { return detail::seed_only("LecunNormal", seed); }
Initializer Initializer::orthogonal(float gain, Seed seed) {
    return initializer_of_class("Orthogonal", {{"seed", given(seed)}, {"gain", given(gain)}});
}

Tensor Initializer::operator()(const Shape& shape) const {
    element_count(shape);  // throws for what is no shape
    Tensor values = function(shape);
    detail::check_tensor(values, class_name.empty() ? "initializer" : class_name, shape);
    return values;
}

Initializer Initializer::with_seed(std::int64_t seed) const { return reseeded ? reseeded(seed) : *this; }

}  // namespace dwconv::keras
