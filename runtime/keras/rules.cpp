#include "rules.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr std::string_view kPolicies[] = {"float16", "bfloat16",      "float32",
                                          "float64", "mixed_float16", "mixed_bfloat16"};

// A JSON integer or boolean; false for anything else and for numbers above int64.
bool as_integer(const Json& value, std::int64_t* integer) {
    if (value.is_boolean()) {
        *integer = value.get<bool>() ? 1 : 0;
    } else if (value.is_number_unsigned()) {
        const auto given = value.get<std::uint64_t>();
        if (given > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return false;
        *integer = static_cast<std::int64_t>(given);
    } else if (value.is_number_integer()) {
        *integer = value.get<std::int64_t>();
    } else {
        return false;
    }
    return true;
}

bool all_digits(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

std::string of_type(const Json& value) { return std::string(" of type <class '") + python_type(value) + "'>"; }

}  // namespace

const Json* find_member(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

std::string ascii_lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

std::int64_t one_integer(const std::string& argument, const Json& value) {
    const std::string rule =
        "The `" + argument + "` argument must be a tuple of 1 integers. Received " + argument + "=" + python_str(value);
    Json item = value;
    if (value.is_string()) {  // Python iterates over its characters
        if (value.get_ref<const std::string&>().size() != 1) fail_value(rule);
    } else if (value.is_array()) {
        if (value.size() != 1) fail_value(rule);
        item = value[0];
        if (item.is_null() || item.is_structured()) {
            fail_value(rule + "including element " + python_str(item) + of_type(item));
        }
    } else if (value.is_object() || value.is_null() || value.is_number_float()) {
        fail_value(rule);
    }
    if (item.is_string()) {
        if (!all_digits(item.get_ref<const std::string&>())) {
            fail_value(rule + "including element " + python_str(item) + of_type(item));
        }
        fail_value(rule + ", a string: write the number without quotes");
    }
    if (item.is_number_float()) fail_value(rule + ", a float: write it as an integer");
    std::int64_t integer = 0;
    if (!as_integer(item, &integer)) fail_value(rule + ", which does not fit 64 bits");
    if (integer <= 0) {
        fail_value(rule + ", including values {" + python_repr(item) + "} that do not satisfy `value > 0`");
    }
    return integer;
}

std::int64_t checked_depth_multiplier(const Json& value) {
    const std::string rule = "Invalid value for argument `depth_multiplier`. Expected ";
    const std::string received = ". Received depth_multiplier=" + python_str(value) + ".";
    std::int64_t integer = 0;
    const bool is_integer = as_integer(value, &integer);
    if (is_integer ? integer <= 0 : value.is_number_float() && value.get<double>() <= 0) {
        fail_value(rule + "a strictly positive value" + received);
    }
    if (!is_integer) fail_value(rule + "an integer" + received);
    return integer;
}

std::string checked_padding(const Json& value) {
    if (value.is_array()) {  // Keras' constructor lets lists pass, and no layer with one can be called
        fail_value("`padding` must be either `'valid'` or `'same'`. Received " + python_repr(value) + ".");
    }
    std::string padding = value.is_string() ? ascii_lower(value.get<std::string>()) : "";
    if (padding == "valid" || padding == "same") return padding;
    fail_value("The `padding` argument must be a list/tuple or one of {'same', 'valid'}. Received: " +
               (value.is_string() ? printable(padding) : python_str(value)));
}

std::string checked_data_format(const Json& value) {
    std::string format = ascii_lower(value.is_string() ? value.get<std::string>() : python_str(value));
    if (format == "channels_last" || format == "channels_first") return format;
    fail_value("The `data_format` argument must be one of {'channels_first', 'channels_last'}. Received: data_format=" +
               printable(format));
}

std::string checked_dtype(const Json& value) {
    std::string name = value.is_string() ? value.get<std::string>() : "";
    if (value.is_object()) {
        const std::string class_name = string_member(value, "class_name");
        if (const Json* config = find_member(value, "config")) name = string_member(*config, "name");
        if (class_name != "DTypePolicy" && class_name != "FloatDTypePolicy" && class_name != "Policy") {
            fail_unsupported("dtype policy " + printable(class_name) + " is not supported");
        }
    }
    if (std::find(std::begin(kPolicies), std::end(kPolicies), name) == std::end(kPolicies)) {
        fail_value("Cannot convert '" + (value.is_object() ? printable(name) : python_str(value)) +
                   "' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', 'mixed_bfloat16', and "
                   "the name of any float dtype such as 'float32'. Received: dtype=" +
                   python_str(value));
    }
    return name;
}

void check_name(const Json& value) {
    if (value.is_null()) return;
    if (!value.is_string() || value.get_ref<const std::string&>().find('/') != std::string::npos) {
        fail_value("Argument `name` must be a string and cannot contain character `/`. Received: name=" +
                   python_str(value) + " (of type <class '" + python_type(value) + "'>)");
    }
}

bool checked_boolean(const char* argument, const Json& value) {
    if (value.is_boolean()) return value.get<bool>();
    fail_value(std::string("Expected `") + argument + "` to be a boolean. Received: " + argument + "=" +
               python_str(value) + " (of type <class '" + python_type(value) + "'>)");
}

void check_stride_with_dilation(std::int64_t strides, std::int64_t dilation_rate, bool allowed) {
    if (strides <= 1 || dilation_rate <= 1 || allowed) return;
    fail_value("`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides=(" +
               std::to_string(strides) + ",) and dilation_rate=(" + std::to_string(dilation_rate) +
               ",) (\"allow_stride_with_dilation\": true in the config computes it)");
}

void check_no_unknown(const char* class_name, const Json& unknown) {
    if (unknown.empty()) return;
    fail_value(std::string("Unrecognized keyword arguments passed to ") + class_name + ": " + python_repr(unknown));
}

const Json& unwrap_config(const Json& value, const std::string& class_name) {
    if (!value.is_object()) fail_value("a layer config must be a JSON object. Received: " + python_str(value));
    const Json* config = find_member(value, "config");
    const Json* given = find_member(value, "class_name");
    if (!config || !given) return value;
    if (!given->is_string() || given->get_ref<const std::string&>() != class_name) {
        fail_value("class_name=" + printable(python_repr(*given)) + ": the config is not that of a " + class_name);
    }
    if (!config->is_object()) fail_value("a layer's `config` must be a JSON object. Received: " + python_str(*config));
    return *config;
}

}  // namespace dwconv::keras::detail
