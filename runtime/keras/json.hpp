// JSON for this library: parsing under limits, and values shown as Python shows them (Keras' messages do).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace dwconv::keras::detail {

using Json = nlohmann::ordered_json;

// Throws value_error that starts with `name` for malformed text, text nested deeper than any model, and over-long text.
Json parse_json(const std::string& text, const std::string& name);

// Python's repr() of a value: None, True, 'text', [3, 3], {'groups': 1}.
std::string python_repr(const Json& value);
// Python's str(): a string without its quotes, everything else as repr.
std::string python_str(const Json& value);
// Python's type name: "str", "int", "float", "bool", "NoneType", "list", "dict".
const char* python_type(const Json& value);
// Python's bool(): false for null, false, 0, "" and empty containers.
bool truthy(const Json& value);

// The member's string, or "" where there is none or it is no string.
std::string string_member(const Json& object, const char* key);

}  // namespace dwconv::keras::detail
