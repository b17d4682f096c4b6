// `dwconv emit --model`: the layers of a Keras model, or one given as config and arrays. A build without dwconv_keras
// reads neither.
#include "emit_options.hpp"

#ifdef DWC_WITH_KERAS
#include <optional>

#include "dwconv/keras.hpp"
#include "model_files.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;
using dwc::emit::Layer;

// The shape that a layer is emitted for: the model's own, with the options where it leaves a dimension open.
keras::Shape input_shape(const keras::DepthwiseConv1D &layer, const EmitOptions &options, const std::string &where) {
    const std::int64_t channels = layer.kernel().shape.at(1);
    const int time = layer.channels_first() ? 2 : 1;
    keras::Shape shape = layer.built_shape();
    if (shape.size() != 3) shape = {-1, -1, -1};
    shape[static_cast<size_t>(3 - time)] = channels;
    auto &steps = shape[static_cast<size_t>(time)];
    if (options.batch > 0) shape[0] = options.batch;
    if (shape[0] < 0) shape[0] = 1;
    if (options.length > 0) steps = options.length;
    if (steps < 0)
        throw Failure(kExitInvalid, where + ": the model leaves the number of steps open; say it with --length");
    return shape;
}

Layer layer_of(const keras::DepthwiseConv1D &layer, const EmitOptions &options, const std::string &where) {
    const keras::Activation &activation = layer.activation();
    if (!activation.fused)
        throw Failure(kExitInvalid, where + ": activation=" + activation.name +
                                        " runs after the kernel; emitted layers have elementwise activations only");
    if (layer.compute_dtype() != "float32")
        throw Failure(kExitInvalid, where + ": Keras computes this layer in " + layer.compute_dtype() +
                                        "; emitted layers compute in float32");
    Layer result;
    result.problem = layer.problem(input_shape(layer, options, where)).fields();
    result.kernel = layer.kernel().data;
    if (layer.bias()) result.bias = layer.bias()->data;
    return result;
}

void add_model(const EmitOptions &options, std::set<std::string> *taken, std::vector<Layer> *layers) {
    const keras::Model model = keras::Model::open(options.model);
    std::vector<size_t> indices;
    for (const std::string &name : options.layers) indices.push_back(model.find(name));
    for (size_t i = 0; options.layers.empty() && i < model.size(); ++i) indices.push_back(i);
    if (indices.empty()) throw Failure(kExitInvalid, shown(options.model) + ": the model has no DepthwiseConv1D layer");
    for (const size_t i : indices) {
        const std::string where = shown(options.model) + ": layer " + shown(model.path(i));
        layers->push_back(
            layer_of(open_layer(model, {options.model, model.path(i), options.config, {}}), options, where));
        layers->back().name = unique_name(model.path(i), taken);
    }
}

void add_config(const EmitOptions &options, std::set<std::string> *taken, std::vector<Layer> *layers) {
    keras::DepthwiseConv1D layer(keras::read_layer_config(options.config));
    std::optional<keras::Tensor> bias;
    if (!options.bias.empty()) bias = keras::read_npy(options.bias);
    layer.set_weights(keras::read_npy(options.kernel), std::move(bias));
    layers->push_back(layer_of(layer, options, shown(options.config)));
    layers->back().name = unique_name(layer.config().name.value_or("layer"), taken);
}

}  // namespace

void add_model_layers(const EmitOptions &options, std::set<std::string> *taken, std::vector<Layer> *layers) {
    if (!options.model.empty()) return add_model(options, taken, layers);
    if (options.kernel.empty())
        throw Failure(kExitInvalid,
                      "--config needs --kernel k.npy, an array (kernel_size, channels, depth_multiplier), or --model");
    add_config(options, taken, layers);
}

}  // namespace cli
#else
namespace cli {

void add_model_layers(const EmitOptions &, std::set<std::string> *, std::vector<dwc::emit::Layer> *) {
    throw Failure(kExitInvalid, "--model, --config: this dwconv was built without dwconv_keras");
}

}  // namespace cli
#endif
