// Keras' rules for single arguments, on values as Python has them: each rule is stated once, for configs that are JSON
// and for arguments that come from C++. (keras/src/utils/argument_validation.py, keras/src/backend/config.py and
// keras/src/layers/convolutional/base_depthwise_conv.py of Keras 3.15.) All throw value_error in Keras' words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "json.hpp"

namespace dwconv::keras::detail {

// The member, or null where there is none.
const Json* find_member(const Json& object, const char* key);

// An integer above 0, given as n, as [n], or as a boolean. Integral floats are refused, in lists too.
std::int64_t one_integer(const std::string& argument, const Json& value);
std::int64_t checked_depth_multiplier(const Json& value);
// "valid" or "same", from any letter case.
std::string checked_padding(const Json& value);
// "channels_last" or "channels_first", from any letter case.
std::string checked_data_format(const Json& value);
// The name of a dtype policy, from a name or a serialized DTypePolicy.
std::string checked_dtype(const Json& value);
void check_name(const Json& value);
bool checked_boolean(const char* argument, const Json& value);
void check_stride_with_dilation(std::int64_t strides, std::int64_t dilation_rate, bool allowed);
// Refuses the keyword arguments that nobody took.
void check_no_unknown(const char* class_name, const Json& unknown);

// The config object itself: bare, or out of Keras' envelope for a layer of this class.
const Json& unwrap_config(const Json& value, const std::string& class_name);

std::string ascii_lower(std::string text);

}  // namespace dwconv::keras::detail
