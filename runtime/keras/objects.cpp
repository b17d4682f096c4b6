#include "objects.hpp"

#include <charconv>
#include <cmath>

#include "errors.hpp"

namespace dwconv::keras::detail {

void not_understood(const std::string& kind, const Json& value) {
    fail_value("Could not interpret " + kind + " identifier: " + python_str(value));
}

SerializedObject serialized_object(const std::string& kind, const Json& value) {
    if (value.is_string()) return {value.get<std::string>(), Json::object()};
    SerializedObject object{string_member(value, "class_name"), Json::object()};
    if (object.class_name.empty()) not_understood(kind, value);
    const auto config = value.find("config");
    if (config == value.end() || !config->is_object()) {
        fail_value(kind + " " + printable(object.class_name) +
                   ": 'config' must be an object. Received: " + python_str(value));
    }
    object.config = *config;
    return object;
}

Json Keywords::value(const std::string& key, Json fallback) {
    asked_.insert(key);
    const auto found = config_.find(key);
    return found == config_.end() ? std::move(fallback) : *found;
}

Json Keywords::number(const std::string& key, Json fallback) {
    Json given = value(key, std::move(fallback));
    if (!given.is_number() || !std::isfinite(given.get<double>())) {
        fail_value(owner_ + ": " + key + " must be a finite number. Received: " + python_str(given));
    }
    return given;
}

void Keywords::finish() const {
    for (const auto& [key, value] : config_.items()) {
        if (!asked_.count(key)) {
            fail_value(owner_ + "() got an unexpected keyword argument '" + printable(key) + "'");
        }
    }
}

double shortest(float value) {
    if (!std::isfinite(value)) return value;
    char text[40];
    const auto written = std::to_chars(text, text + sizeof text, value);
    double result = value;
    std::from_chars(text, written.ptr, result);
    return result;
}

void check_tensor(const Tensor& tensor, const std::string& who) {
    if (static_cast<std::int64_t>(tensor.data.size()) != element_count(tensor.shape)) {
        fail_value(who + " returned " + std::to_string(tensor.data.size()) + " values for its shape " +
                   to_string(tensor.shape));
    }
}

void check_tensor(const Tensor& tensor, const std::string& who, const Shape& wanted) {
    if (tensor.shape != wanted) {
        fail_value(who + " must return shape " + to_string(wanted) + ". Received: shape=" + to_string(tensor.shape));
    }
    check_tensor(tensor, who);
}

}  // namespace dwconv::keras::detail
