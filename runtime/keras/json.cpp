#include "json.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr size_t kMaxText = size_t{256} << 20;
constexpr int kMaxDepth = 200;

// Shortest decimal that reads back the same, with Python's ".0" on whole numbers.
std::string float_repr(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    char text[40];
    for (int digits = 1; digits <= 17; ++digits) {
        std::snprintf(text, sizeof text, "%.*g", digits, value);
        if (std::strtod(text, nullptr) == value) break;
    }
    std::string out = text;
    return out.find_first_of(".en") == std::string::npos ? out + ".0" : out;
}

}  // namespace

Json parse_json(const std::string& text, const std::string& name) {
    if (text.size() > kMaxText) fail_value(name + ": " + std::to_string(text.size()) + " bytes of JSON are too many");
    // Everything after this walks values recursively, so depth is bounded here once.
    const auto bounded = [&name](int depth, Json::parse_event_t, Json&) {
        if (depth > kMaxDepth) fail_value(name + ": JSON nested more than 200 deep");
        return true;
    };
    try {
        return Json::parse(text, bounded);
    } catch (const Json::exception& error) {
        std::string what = error.what();
        const size_t bracket = what.find("] ");  // "[json.exception.parse_error.101] parse error at ..."
        if (bracket != std::string::npos) what.erase(0, bracket + 2);
        fail_value(name + ": is not valid JSON: " + printable(what));
    }
}

std::string python_repr(const Json& value) {
    switch (value.type()) {
        case Json::value_t::null:
            return "None";
        case Json::value_t::boolean:
            return value.get<bool>() ? "True" : "False";
        case Json::value_t::string:
            return "'" + printable(value.get_ref<const std::string&>()) + "'";
        case Json::value_t::number_float:
            return float_repr(value.get<double>());
        case Json::value_t::array: {
            std::string text = "[";
            for (const Json& item : value) text += (text.size() > 1 ? ", " : "") + python_repr(item);
            return text + "]";
        }
        case Json::value_t::object: {
            std::string text = "{";
            for (const auto& [key, item] : value.items()) {
                text += (text.size() > 1 ? ", '" : "'") + printable(key) + "': " + python_repr(item);
            }
            return text + "}";
        }
        default:
            return value.dump();
    }
}

std::string python_str(const Json& value) {
    if (value.is_string()) return printable(value.get_ref<const std::string&>());
    const std::string text = python_repr(value);
    return text.size() > 500 ? text.substr(0, 500) + "..." : text;
}

const char* python_type(const Json& value) {
    switch (value.type()) {
        case Json::value_t::null:
            return "NoneType";
        case Json::value_t::boolean:
            return "bool";
        case Json::value_t::string:
            return "str";
        case Json::value_t::number_float:
            return "float";
        case Json::value_t::array:
            return "list";
        case Json::value_t::object:
            return "dict";
        default:
            return "int";
    }
}

bool truthy(const Json& value) {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number()) return value.get<double>() != 0;
    if (value.is_string()) return !value.get_ref<const std::string&>().empty();
    return !value.is_null() && !value.empty();
}

std::string string_member(const Json& object, const char* key) {
    if (!object.is_object()) return "";
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace dwconv::keras::detail
