// `dwconv init`: a layer with fresh weights, as a model file.
#include <charconv>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "common.hpp"
#include "dwconv/keras.hpp"
#include "model_files.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

// Files of more weights are not written: 4 GiB of float32.
constexpr std::int64_t kMostParameters = std::int64_t{1} << 30;

struct InitOptions {
    std::string config, input_shape, out;
    std::optional<std::string> seed;
};

// The initializer with the command's seed, unless it draws nothing or its config has a seed of its own.
keras::Identifier<keras::Initializer> seeded(const keras::Identifier<keras::Initializer>& given, std::int64_t seed,
                                             std::optional<keras::Initializer> standard) {
    auto initializer = given.get();
    if (!initializer) initializer = std::move(standard);
    if (!initializer || !initializer->reseeded) return given;
    const nlohmann::json config = nlohmann::json::parse(initializer->config, nullptr, false);
    const bool unseeded = config.is_object() && (!config.contains("seed") || config["seed"].is_null());
    return unseeded ? initializer->with_seed(seed) : *initializer;
}

std::int64_t seed_of(const InitOptions& options) {
    if (!options.seed) return static_cast<std::int64_t>(std::random_device()() & 0x7fffffff);
    const std::string& text = *options.seed;
    std::int64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size() || seed < 0) {
        throw Failure(kExitInvalid, "--seed " + shown(text) + ": must be an integer from 0 to 9223372036854775807");
    }
    return seed;
}

// K*C*M + C*M before anything of that size is made.
void check_size(const keras::DepthwiseConv1D& layer, const keras::Shape& input) {
    const std::int64_t channels = input[layer.channels_first() ? 1 : 2];
    if (channels < 1) {
        throw Failure(kExitInvalid, "--input-shape " + keras::to_string(input) + ": the channels, axis " +
                                        (layer.channels_first() ? "1" : "2") + ", must be known");
    }
    const std::int64_t taps = layer.config().kernel_size, multiplier = layer.config().depth_multiplier;
    const double parameters = (static_cast<double>(taps) + 1) * static_cast<double>(channels) * multiplier;
    if (parameters > static_cast<double>(kMostParameters)) {
        throw Failure(kExitInvalid,
                      format("kernel_size=%lld, %lld channels and depth_multiplier=%lld ask for %.3g parameters; at "
                             "most %lld are written",
                             static_cast<long long>(taps), static_cast<long long>(channels),
                             static_cast<long long>(multiplier), parameters, static_cast<long long>(kMostParameters)));
    }
}

int init(const InitOptions& options) {
    const keras::Shape input = parse_input_shape(options.input_shape);
    check_output(options.out);
    const std::int64_t seed = seed_of(options);
    keras::LayerConfig config = keras::read_layer_config(options.config);
    // A seed of its own for each weight: two of one size and distribution are not each other's copies.
    const std::int64_t bias_seed = seed == std::numeric_limits<std::int64_t>::max() ? 0 : seed + 1;
    config.depthwise_initializer = seeded(config.depthwise_initializer, seed, keras::Initializer::glorot_uniform());
    config.bias_initializer = seeded(config.bias_initializer, bias_seed, std::nullopt);
    keras::DepthwiseConv1D layer(config);
    check_size(layer, input);
    keras::Sequential chain;
    chain.add(std::move(layer));
    chain.build(input);
    save_chain(options.out, chain);

    const keras::Layer& made = *chain.layers()[0];
    std::cout << "layer       " << made.name() << " (" << made.class_name() << ")\n"
              << "input       " << keras::to_string(input) << '\n'
              << "output      " << keras::to_string(made.compute_output_shape(input)) << '\n';
    for (const keras::Variable& weight : made.weights()) {
        std::cout << format("%-12s", weight.name.c_str()) << keras::to_string(weight.value.shape) << ' ' << weight.dtype
                  << '\n';
    }
    std::cout << "parameters  " << chain.count_params() << '\n'
              << "seed        " << seed << '\n'
              << "written     " << options.out << '\n';
    return kExitOk;
}

}  // namespace

void register_init(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("init", "Make a layer's weights and write them as a model file");
    command->footer(
        "\nExamples:\n"
        "  dwconv init --config layer.json --input-shape None,10,12 --seed 7 --out m.keras\n"
        "  dwconv init --config layer.json --input-shape 4,10,12 --out m.safetensors\n"
        "\nlayer.json holds the layer's arguments, e.g. {\"kernel_size\": 3, \"depth_multiplier\": 2}; its "
        "initializers\n"
        "make the weights (glorot_uniform and zeros where it names none). One seed gives the same weights everywhere;\n"
        "an initializer with a seed of its own in the config keeps that. --out by its ending: .keras and .h5 are "
        "whole\n"
        "models for Keras, .weights.h5 and .safetensors weights. --input-shape is batch, steps, channels, or batch,\n"
        "channels, steps for channels_first; batch and steps may be None.");
    auto options = std::make_shared<InitOptions>();
    command->add_option("--config", options->config, "The layer's config, JSON")->required()->type_name("FILE");
    command->add_option("--input-shape", options->input_shape, "Shape of its input, e.g. None,10,12")
        ->required()
        ->type_name("SHAPE");
    command->add_option("--seed", options->seed, "Seed of the weights; drawn, and printed, where it is not given")
        ->type_name("N");
    command->add_option("--out", options->out, "The file to write: .keras, .h5, .weights.h5, .safetensors")
        ->required()
        ->type_name("FILE");
    command->callback([options, &exit_code] { exit_code = init(*options); });
}

}  // namespace cli
