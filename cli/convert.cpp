// `dwconv convert`: the layers of one model file in another kind of file.
#include <filesystem>
#include <iostream>
#include <memory>
#include <system_error>

#include "common.hpp"
#include "dwconv/keras.hpp"
#include "model_files.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

struct ConvertOptions {
    LayerChoice from;
    std::string to, input_shape;
};

void refuse_same_file(const std::string& from, const std::string& to) {
    std::error_code ignored;
    if (from == to || std::filesystem::equivalent(from, to, ignored)) {
        throw Failure(kExitInvalid, shown(to) + ": is the file that is read; give another one to write to");
    }
}

// The whole model where it is a chain and no layer is asked for. A model that is more than a chain is not cut down to
// its DepthwiseConv1D layers unasked.
keras::Sequential chain_of(const keras::Model& model, const LayerChoice& choice) {
    if (choice.layer.empty() && choice.config.empty() && model.has_configs()) {
        try {
            return model.sequential();
        } catch (const dwconv::error& error) {
            if (model.size() == 0) throw;
            throw Failure(kExitInvalid, std::string(error.what()) +
                                            "; one layer can be converted with --layer: " + layer_names(model));
        }
    }
    keras::Sequential chain;
    chain.add(open_layer(model, choice));
    return chain;
}

// The chain's layers for inputs of this shape.
keras::Sequential rebuilt(const keras::Sequential& chain, const keras::Shape& input) {
    keras::Sequential fresh(chain.name());
    for (const auto& layer : chain.layers()) fresh.add(layer);
    fresh.build(input);
    return fresh;
}

int convert(const ConvertOptions& options) {
    check_output(options.to);
    std::optional<keras::Shape> input;
    if (!options.input_shape.empty()) input = parse_input_shape(options.input_shape);
    const keras::Model model = keras::Model::open(options.from.file);
    refuse_same_file(options.from.file, options.to);
    keras::Sequential chain = chain_of(model, options.from);
    if (!input && chain.built_shape().empty()) {
        if (chain.layers().empty() || !chain.layers()[0]->built()) {
            throw Failure(kExitInvalid, shown(options.from.file) +
                                            ": does not tell the shape of the input; give --input-shape, e.g. "
                                            "None,10,12");
        }
        input = chain.layers()[0]->built_shape();
    }
    if (input) chain = rebuilt(chain, *input);
    save_chain(options.to, chain);
    std::cout << "read        " << options.from.file << " (" << keras::to_string(model.kind()) << ")\n";
    for (const auto& layer : chain.layers()) {
        std::cout << "layer       " << layer->name() << " (" << layer->class_name() << "), " << layer->count_params()
                  << " parameters\n";
    }
    std::cout << "input       " << keras::to_string(chain.built_shape()) << '\n'
              << "written     " << options.to << '\n';
    return kExitOk;
}

}  // namespace

void register_convert(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("convert", "Write the layers of a model file as another kind of file");
    command->footer(
        "\nExamples:\n"
        "  dwconv convert m.keras m.safetensors\n"
        "  dwconv convert model.h5 conv.keras --layer conv\n"
        "  dwconv convert model.weights.h5 conv.keras --layer conv --config layer.json --input-shape None,10,12\n"
        "\nKinds: .keras, .h5, .weights.h5 and .safetensors; shards (.weights.json) can only be read. What is written\n"
        "follows from TO's ending. A model that is a chain of DepthwiseConv1D and SeparableConv1D layers is converted\n"
        "whole, from any other one layer. The values of float32 weights stay what they are, bit for bit.");
    auto options = std::make_shared<ConvertOptions>();
    command->add_option("FROM", options->from.file, "The model file to read")->required()->type_name("");
    command->add_option("TO", options->to, "The file to write; replaced where there is one")->required()->type_name("");
    command->add_option("--layer", options->from.layer, "Name or path of the one layer to convert")->type_name("NAME");
    command->add_option("--config", options->from.config, "Its config, JSON, where the file holds weights alone")
        ->type_name("FILE");
    command->add_option("--input-shape", options->input_shape, "Shape of the input, e.g. None,10,12")
        ->type_name("SHAPE");
    command->callback([options, &exit_code] { exit_code = convert(*options); });
}

}  // namespace cli
