// Pieces of get_config(): values as Keras serializes them.
#pragma once

#include <optional>
#include <string>

#include "arguments.hpp"
#include "dwconv/keras/layer.hpp"
#include "json.hpp"

namespace dwconv::keras::detail {

// {"module": "keras.regularizers", "class_name": ..., "config": {...}, "registered_name": null}; null for none. Each
// throws value_error naming `argument` where the object cannot be saved.
Json serialized(const char* argument, const std::optional<Initializer>& initializer);
Json serialized(const char* argument, const std::optional<Regularizer>& regularizer);
Json serialized(const char* argument, const std::optional<Constraint>& constraint);
Json serialized(const char* argument, const Activation& activation);
Json serialized_dtype(const std::string& policy);

// get_config() of a layer that has its data_format, name and dtype; keys in the order in which Keras writes them.
Json serialized(const CheckedArguments& arguments);

// Keras' envelope around a layer's config; `built` empty where the layer is not built.
Json envelope(const char* class_name, const Json& config, const Shape& built);

// The text of a config. Bytes that are no UTF-8 (a name may hold them) become U+FFFD.
std::string dump(const Json& value);

}  // namespace dwconv::keras::detail
