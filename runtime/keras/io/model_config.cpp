// The configs of a model's file.
#include <algorithm>

#include "config_json.hpp"
#include "errors.hpp"
#include "writers.hpp"

namespace dwconv::keras::detail {
namespace {

// A name that no layer of the model has.
std::string input_name(const Sequential& model) {
    const auto taken = [&model](const std::string& name) {
        return std::any_of(model.layers().begin(), model.layers().end(),
                           [&name](const auto& layer) { return layer->name() == name; });
    };
    std::string name = "input_layer";
    for (int i = 1; taken(name); ++i) name = "input_layer_" + std::to_string(i);
    return name;
}

// What a layer of this policy computes in, which is what its inputs become.
std::string compute_dtype(const Json& layer) {
    const Json& dtype = layer["config"]["dtype"];
    const std::string policy = dtype.is_object() ? string_member(dtype["config"], "name") : "float32";
    constexpr std::string_view mixed = "mixed_";
    return policy.compare(0, mixed.size(), mixed) == 0 ? policy.substr(mixed.size()) : policy;
}

Json input_layer(const Sequential& model, const std::string& dtype) {
    Json config;
    config["batch_shape"] = shape_json(model.built_shape());
    config["dtype"] = dtype;
    config["sparse"] = false;
    config["ragged"] = false;
    config["name"] = input_name(model);
    config["optional"] = false;
    return envelope("InputLayer", config, {});
}

}  // namespace

Json shape_json(const Shape& shape) {
    Json json = Json::array();
    for (const std::int64_t dimension : shape) json.push_back(dimension < 0 ? Json() : Json(dimension));
    return json;
}

Json portable_layer(const Layer& layer) {
    Json json = parse_json(layer.to_json(), "config of layer " + layer.name());
    Json& config = json["config"];
    config.erase("allow_stride_with_dilation");  // Keras 3.15 computes it unasked
    const auto activation = config.find("activation");
    if (activation != config.end() && activation->is_object() && string_member(*activation, "module").empty()) {
        fail_value("layer '" + printable(layer.name()) + "': Keras has no object for activation " +
                   printable(string_member(*activation, "class_name")) +
                   " with parameters, so that its files cannot hold it; .safetensors can");
    }
    return json;
}

Json sequential_config(const Sequential& model, bool modern) {
    Json layers = Json::array({nullptr});
    for (const auto& layer : model.layers()) layers.push_back(portable_layer(*layer));
    layers[0] = input_layer(model, compute_dtype(layers[1]));
    if (!modern) {
        for (Json& layer : layers) {
            for (const char* key : {"module", "registered_name", "build_config"}) layer.erase(key);
        }
    }
    Json config;
    config["name"] = model.name();
    config["trainable"] = true;
    config["dtype"] = serialized_dtype("float32");
    config["layers"] = std::move(layers);
    config["build_input_shape"] = shape_json(model.built_shape());
    return config;
}

}  // namespace dwconv::keras::detail
