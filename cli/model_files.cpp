#include "model_files.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "common.hpp"

namespace cli {

namespace keras = dwconv::keras;

namespace {

constexpr const char* kWeightEndings[] = {".weights.h5", ".safetensors"};
constexpr const char* kModelEndings[] = {".keras", ".h5"};

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

template <size_t N>
bool ends_with_one_of(const std::string& path, const char* const (&endings)[N]) {
    return std::any_of(endings, endings + N, [&path](const char* end) { return ends_with(path, end); });
}

void check_call(const keras::Model& model, const LayerChoice& choice, size_t index) {
    if (!choice.call) return;
    const std::string where =
        "--call " + std::to_string(*choice.call) + ": " + shown(choice.file) + ": layer " + shown(model.path(index));
    const int calls = model.calls(index);
    if (calls == 0 && *choice.call != 0) {
        throw Failure(kExitInvalid, where + ": the file does not tell how often it is called; only 0 can be asked for");
    }
    if (*choice.call < 0 || (calls > 0 && *choice.call >= calls)) {
        throw Failure(kExitInvalid, where + " is called " + std::to_string(calls) + (calls == 1 ? " time" : " times") +
                                        "; calls count from 0");
    }
}

size_t choose(const keras::Model& model, const LayerChoice& choice, const std::optional<keras::LayerConfig>& config) {
    const std::string file = shown(choice.file);
    if (model.size() == 0) throw Failure(kExitInvalid, file + ": the model has no DepthwiseConv1D layer");
    if (!choice.layer.empty()) return model.find(choice.layer);
    if (model.size() == 1) return 0;
    if (config && !model.has_configs()) {
        const std::vector<size_t> fitting = model.fitting(*config);
        if (fitting.size() == 1) return fitting[0];
        throw Failure(kExitInvalid, file + ": --config " + shown(choice.config) + " fits " +
                                        (fitting.empty() ? "none" : std::to_string(fitting.size())) + " of its " +
                                        std::to_string(model.size()) +
                                        " layers; choose one with --layer: " + layer_names(model));
    }
    throw Failure(kExitInvalid, file + ": has " + std::to_string(model.size()) +
                                    " DepthwiseConv1D layers; choose one with --layer: " + layer_names(model));
}

std::optional<keras::LayerConfig> config_of(const LayerChoice& choice) {
    if (choice.config.empty()) return std::nullopt;
    return keras::read_layer_config(choice.config);
}

std::int64_t parse_dimension(const std::string& word, const std::string& text) {
    if (word == "None" || word == "none" || word == "null" || word == "?" || word == "-1") return -1;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < 1) {
        throw Failure(kExitInvalid, "--input-shape " + shown(text) + ": \"" + shown(word) +
                                        "\" is no dimension, which is a positive integer, or None");
    }
    return value;
}

}  // namespace

std::string layer_names(const keras::Model& model) {
    std::string names;
    for (size_t i = 0; i < model.size(); ++i) names += (i ? ", " : "") + shown(model.path(i));
    return names;
}

keras::DepthwiseConv1D open_layer(const keras::Model& model, const LayerChoice& choice) {
    const auto config = config_of(choice);
    const size_t index = choose(model, choice, config);
    check_call(model, choice, index);
    if (config) return model.layer(index, *config);
    if (!model.has_configs()) {
        throw Failure(kExitInvalid, shown(choice.file) + ": holds weights alone (" + keras::to_string(model.kind()) +
                                        "); give the layer's config with --config layer.json");
    }
    return model.layer(index);
}

keras::Shape parse_input_shape(const std::string& text) {
    std::string plain;
    for (const char c : text) {
        if (c != ' ' && c != '(' && c != ')' && c != '[' && c != ']') plain += c;
    }
    keras::Shape shape;
    size_t begin = 0;
    while (begin <= plain.size()) {
        const size_t end = std::min(plain.find(',', begin), plain.size());
        shape.push_back(parse_dimension(plain.substr(begin, end - begin), text));
        begin = end + 1;
    }
    if (shape.size() != 3) {
        throw Failure(kExitInvalid, "--input-shape " + shown(text) + ": has " + std::to_string(shape.size()) +
                                        " dimensions, and must have 3: batch, steps, channels (batch, channels, steps "
                                        "for channels_first), e.g. None,10,12");
    }
    return shape;
}

void check_output(const std::string& path) {
    if (ends_with_one_of(path, kWeightEndings) || ends_with_one_of(path, kModelEndings)) return;
    throw Failure(kExitInvalid,
                  shown(path) + ": must end in .keras, .h5, .weights.h5 or .safetensors, which says what is written");
}

void save_chain(const std::string& path, const keras::Sequential& chain) {
    check_output(path);
    if (ends_with_one_of(path, kWeightEndings)) {
        keras::save_weights(path, chain);
    } else {
        keras::save_model(path, chain);
    }
}

}  // namespace cli
