// `dwconv inspect`: what a model file holds for its DepthwiseConv1D layers.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "common.hpp"
#include "dwconv/keras.hpp"
#include "model_files.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;
using Json = nlohmann::ordered_json;

// The arguments that a reader asks for first. `fault` is set instead where the config cannot be a layer.
Json essentials_of(const keras::Model& model, size_t index, std::string* fault) {
    if (!model.has_configs()) return nullptr;
    try {
        keras::LayerConfig config = model.config(index);
        config.allow_stride_with_dilation = true;  // to be looked at, not to be run
        const keras::DepthwiseConv1D layer(config);
        const keras::LayerConfig& c = layer.config();
        return {{"kernel_size", std::int64_t{c.kernel_size}},
                {"strides", std::int64_t{c.strides}},
                {"padding", c.padding},
                {"dilation_rate", std::int64_t{c.dilation_rate}},
                {"depth_multiplier", c.depth_multiplier},
                {"data_format", layer.channels_first() ? "channels_first" : "channels_last"},
                {"activation", layer.activation().name},
                {"use_bias", c.use_bias},
                {"dtype", c.dtype.value_or("float32")},
                {"trainable", c.trainable}};
    } catch (const dwconv::error& error) {
        *fault = error.what();
        return nullptr;
    }
}

Json layer_of(const keras::Model& model, size_t index) {
    Json layer = {{"path", model.path(index)}, {"name", model.name(index)}, {"class", "DepthwiseConv1D"}};
    std::string fault;
    layer["config"] = essentials_of(model, index, &fault);
    layer["weights"] = Json::array();
    std::int64_t parameters = 0;
    try {
        for (const keras::StoredWeight& weight : model.stored(index)) {
            parameters += keras::element_count(weight.shape);
            layer["weights"].push_back(
                {{"name", weight.name}, {"shape", weight.shape}, {"dtype", weight.dtype}, {"stored", weight.path}});
        }
    } catch (const dwconv::error& error) {
        fault = error.what();
    }
    layer["parameters"] = parameters;
    const int calls = model.calls(index);
    layer["calls"] = calls > 0 ? Json(calls) : Json(nullptr);
    if (!fault.empty()) layer["fault"] = fault;
    return layer;
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

void print_layer(const Json& layer) {
    const std::string path = layer.at("path"), name = layer.at("name");
    const bool named = path.size() >= name.size() && path.compare(path.size() - name.size(), name.size(), name) == 0;
    std::cout << '\n'
              << shown(path) << (named ? "" : " \"" + shown(name) + "\"") << "  "
              << layer.at("class").get<std::string>() << '\n';
    if (layer.at("config").is_object()) {
        std::string line;
        for (const auto& [key, value] : layer.at("config").items()) {
            line += (line.empty() ? "" : ", ") + key + "=" + text_of(value);
        }
        std::cout << "  config      " << line << '\n';
    } else {
        std::cout << "  config      none in this file\n";
    }
    for (const Json& weight : layer.at("weights")) {
        std::cout << "  " << format("%-10s  ", weight.at("name").get<std::string>().c_str())
                  << keras::to_string(weight.at("shape").get<keras::Shape>()) << ' '
                  << weight.at("dtype").get<std::string>() << " at " << shown(weight.at("stored")) << '\n';
    }
    std::cout << "  parameters  " << layer.at("parameters") << '\n'
              << "  calls       " << (layer.at("calls").is_null() ? "not known" : layer.at("calls").dump()) << '\n';
    if (layer.contains("fault")) std::cout << "  fault       " << shown(layer.at("fault")) << '\n';
}

int inspect(const std::string& file, bool json) {
    const keras::Model model = keras::Model::open(file);
    Json result = {{"file", file}, {"kind", keras::to_string(model.kind())}, {"has_configs", model.has_configs()}};
    Json layers = Json::array();
    std::int64_t parameters = 0;
    for (size_t i = 0; i < model.size(); ++i) {
        layers.push_back(layer_of(model, i));
        parameters += layers.back().at("parameters").get<std::int64_t>();
    }
    result["layers"] = layers;
    result["total_layers"] = model.size();
    result["total_parameters"] = parameters;
    if (json) {
        std::cout << result.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
        return kExitOk;
    }
    std::cout << shown(file) << "  " << keras::to_string(model.kind())
              << (model.has_configs() ? "" : ", weights alone: a layer's config must be given with --config") << '\n';
    for (const Json& layer : layers) print_layer(layer);
    std::cout << '\n'
              << model.size() << (model.size() == 1 ? " layer, " : " layers, ") << parameters << " parameters\n";
    return kExitOk;
}

struct InspectOptions {
    std::string file;
    bool json = false;
};

}  // namespace

void register_inspect(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("inspect", "Tell what DepthwiseConv1D layers a model file holds");
    command->footer(
        "\nExamples:\n"
        "  dwconv inspect m.keras\n"
        "  dwconv inspect model.weights.h5 --json\n"
        "\nFor each layer: its path, the arguments of its config where the file has one, its weights with shape, "
        "dtype\n"
        "and place in the file, its parameters, and how often the model calls it.");
    auto options = std::make_shared<InspectOptions>();
    command->add_option("FILE", options->file, "A model file: .keras, .h5, .weights.h5, .weights.json, .safetensors")
        ->required()
        ->type_name("");
    command->add_flag("--json", options->json, "One JSON object");
    command->callback([options, &exit_code] { exit_code = inspect(options->file, options->json); });
}

}  // namespace cli
