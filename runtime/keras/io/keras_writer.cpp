// `.keras` and `.weights.h5`.
#include <ctime>
#include <map>

#include "config_json.hpp"
#include "config_tree.hpp"
#include "errors.hpp"
#include "hdf5_writer.hpp"
#include "writers.hpp"
#include "zip_writer.hpp"

namespace dwconv::keras::detail {
namespace {

// As Keras writes it, local time.
std::string date_saved() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    if (!localtime_r(&now, &parts)) fail_internal("the time of day cannot be told");
    char text[64];
    std::strftime(text, sizeof text, "%Y-%m-%d@%H:%M:%S", &parts);
    return text;
}

ZipMember json_member(const char* name, const Json& json) {
    const std::string text = dump(json);
    return {name, Bytes(text.begin(), text.end())};
}

}  // namespace

Bytes weights_h5(const Sequential& model) {
    Hdf5Writer file;
    file.group("vars");
    file.attribute("vars", "name", model.name());
    std::map<std::string, int> seen;
    for (const auto& layer : model.layers()) {
        const std::string base = attribute_name(layer->class_name());
        const int count = seen[base]++;
        const std::string vars = "layers/" + base + (count == 0 ? "" : "_" + std::to_string(count)) + "/vars";
        file.group(vars);
        file.attribute(vars, "name", layer->name());
        size_t index = 0;
        for (const Variable& weight : layer->weights()) {
            file.dataset(vars + "/" + std::to_string(index++), weight.value, weight.dtype);
        }
    }
    return file.bytes();
}

Bytes keras_archive(const Sequential& model) {
    Json config;
    config["module"] = "keras";
    config["class_name"] = "Sequential";
    config["config"] = sequential_config(model, true);
    config["registered_name"] = nullptr;
    config["build_config"]["input_shape"] = shape_json(model.built_shape());
    config["compile_config"] = Json::object();
    const Json metadata = {{"keras_version", kKerasVersion}, {"date_saved", date_saved()}};
    return zip_stored({json_member("metadata.json", metadata),
                       json_member("config.json", config),
                       {"model.weights.h5", weights_h5(model)}});
}

}  // namespace dwconv::keras::detail
