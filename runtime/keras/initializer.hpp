// How initializers are made: the values behind Initializer's factories, whose config is given as JSON.
#pragma once

#include <functional>

#include "dwconv/keras/functions.hpp"
#include "json.hpp"

namespace dwconv::keras::detail {

// One that draws nothing.
Initializer fixed_initializer(const std::string& class_name, const Json& config, Initializer::Function function);

// One that draws. `config` has the member "seed" (null where none is given, then the object draws its seed itself).
using Draw = std::function<Tensor(const Shape& shape, std::int64_t seed)>;
Initializer seeded_initializer(const std::string& class_name, const Json& config, Initializer::Seed seed, Draw draw);

// Of any class of Keras, from its config. Throws value_error.
Initializer initializer_of_class(const std::string& class_name, const Json& config);

// Keras' fans: of (K, C, M), K*C and K*M. `input_axes` and `output_axes` count where both are given.
struct Fans {
    double in = 1, out = 1;
};
Fans compute_fans(const Shape& shape, const Json& input_axes, const Json& output_axes);

}  // namespace dwconv::keras::detail
