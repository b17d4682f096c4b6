#pragma once

#include "dwconv/keras.hpp"
#include "json.hpp"

namespace dwconv::keras::detail {

// Activation::from_json on a parsed value.
Activation activation_from_json(const Json& value);

}  // namespace dwconv::keras::detail
