// Legacy `.h5`.
#include "config_json.hpp"
#include "errors.hpp"
#include "hdf5_writer.hpp"
#include "writers.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr const char* kBackend = "tensorflow";  // one of those that Keras knows; nothing depends on it
constexpr const char* kTopLevel = "top_level_model_weights";

// Names are groups here.
void check_name(const char* what, const std::string& name) {
    if (is_hdf5_name(name) && name != kTopLevel) return;
    fail_value(std::string(what) + " name '" + printable(name) + "' cannot be that of a group in an .h5 file");
}

void write_layer(Hdf5Writer* file, const std::string& model_name, const Layer& layer) {
    check_name("layer", layer.name());
    const std::string group = "model_weights/" + layer.name();
    file->group(group);
    std::vector<std::string> names;
    for (const Variable& weight : layer.weights()) {
        names.push_back(model_name + "/" + layer.name() + "/" + weight.name);
        // This format does not tell two bytes of a bfloat16 from any others: Keras cannot read back what it writes
        // there. Wider, the values are the same.
        file->dataset(group + "/" + names.back(), weight.value, weight.dtype == "bfloat16" ? "float32" : weight.dtype);
    }
    file->attributes(group, "weight_names", names);
}

}  // namespace

Bytes legacy_h5(const Sequential& model) {
    check_name("model", model.name());
    Json config;
    config["class_name"] = "Sequential";
    config["config"] = sequential_config(model, false);
    Hdf5Writer file;
    file.attribute("", "model_config", dump(config));
    std::vector<std::string> names;
    for (const auto& layer : model.layers()) names.push_back(layer->name());
    file.group("model_weights");
    for (const char* group : {"", "model_weights"}) {
        file.attribute(group, "keras_version", kKerasVersion);
        file.attribute(group, "backend", kBackend);
    }
    file.attributes("model_weights", "layer_names", names);
    for (const auto& layer : model.layers()) write_layer(&file, model.name(), *layer);
    const std::string top = std::string("model_weights/") + kTopLevel;
    file.group(top);
    file.attributes(top, "weight_names", {});
    return file.bytes();
}

}  // namespace dwconv::keras::detail
