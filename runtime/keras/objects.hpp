// Keras' serialized objects, {"class_name": ..., "config": {...}}: reading one, and the arguments in its config.
#pragma once

#include <set>
#include <string>

#include "dwconv/keras/tensor.hpp"
#include "json.hpp"

namespace dwconv::keras::detail {

// "Could not interpret <kind> identifier: <value>", Keras' sentence for what means no object.
[[noreturn]] void not_understood(const std::string& kind, const Json& value);

struct SerializedObject {
    std::string class_name;
    Json config;  // an object
};
// A name (its config is empty) or an object. Throws value_error for anything else.
SerializedObject serialized_object(const std::string& kind, const Json& value);

// The keyword arguments of a class as a config gives them. Each is asked for once, then finish() refuses the rest.
class Keywords {
   public:
    // `owner` is the class, for messages; `config` must outlive this.
    Keywords(std::string owner, const Json& config) : owner_(std::move(owner)), config_(config) {}
    // The value as it stands in the config.
    Json value(const std::string& key, Json fallback);
    // A finite number, as it stands (0.05, 1).
    Json number(const std::string& key, Json fallback);
    // Throws value_error for an argument that was never asked for.
    void finish() const;

   private:
    std::string owner_;
    const Json& config_;
    std::set<std::string> asked_;
};

// The double that is written with as many digits as the float needs: 0.05f becomes 0.05.
double shortest(float value);

// Throws value_error where `who` made a tensor whose data do not fill its shape.
void check_tensor(const Tensor& tensor, const std::string& who);
// The same, and where the shape is another than `wanted`.
void check_tensor(const Tensor& tensor, const std::string& who, const Shape& wanted);

}  // namespace dwconv::keras::detail
