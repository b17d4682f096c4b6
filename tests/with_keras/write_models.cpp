// The other side of check_models.py.
//
//   write_models write DIRECTORY        a folder for each model: itself in every format, an input and our output
//   write_models run MODEL X.npy Y.npy  the output of a file that Keras wrote
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "dwconv/keras.hpp"

namespace keras = dwconv::keras;

namespace {

struct Case {
    std::string name;
    keras::Shape input;
    std::vector<std::string> layers;  // configs; "filters" makes a SeparableConv1D
};

// The arguments of most cases by their short names, as JSON.
std::vector<Case> cases() {
    std::vector<Case> all = {
        {"valid", {2, 10, 4}, {R"({"kernel_size": 3})"}},
        {"same", {2, 10, 4}, {R"({"kernel_size": [4], "padding": "same", "depth_multiplier": 3})"}},
        {"strides", {3, 17, 5}, {R"({"kernel_size": 4, "strides": 3, "padding": "same", "depth_multiplier": 2})"}},
        {"dilation", {2, 20, 3}, {R"({"kernel_size": 3, "dilation_rate": 4, "padding": "same"})"}},
        {"both",
         {2, 21, 3},
         {R"({"kernel_size": 3, "strides": 2, "dilation_rate": 3, "allow_stride_with_dilation": true})"}},
        {"no_bias", {1, 9, 7}, {R"({"kernel_size": 5, "use_bias": false, "depth_multiplier": 2})"}},
        {"first", {2, 5, 12}, {R"({"kernel_size": 3, "data_format": "channels_first", "padding": "same"})"}},
        {"first_softmax",
         {2, 3, 12},
         {R"({"kernel_size": 3, "data_format": "channels_first", "depth_multiplier": 2, "activation": "softmax"})"}},
        {"frozen", {2, 10, 4}, {R"({"kernel_size": 3, "trainable": false, "name": "still"})"}},
        {"objects",
         {2, 10, 4},
         {R"({"kernel_size": 3, "depthwise_initializer": {"class_name": "HeNormal", "config": {"seed": 7}},
              "bias_initializer": {"class_name": "Constant", "config": {"value": 0.25}},
              "depthwise_regularizer": "l2", "bias_regularizer": "l1",
              "activity_regularizer": {"class_name": "L1L2", "config": {"l1": 0.25, "l2": 0.5}},
              "depthwise_constraint": {"class_name": "MinMaxNorm", "config": {"min_value": 0.5, "axis": 0}},
              "bias_constraint": "non_neg"})"}},
        {"initializers",
         {2, 8, 3},
         {R"({"kernel_size": 2, "depthwise_initializer": "random_uniform", "bias_initializer": "ones"})",
          R"({"kernel_size": 2, "depthwise_initializer": {"class_name": "VarianceScaling",
              "config": {"scale": 2.0, "mode": "fan_avg", "distribution": "uniform", "seed": 3}}})",
          R"({"kernel_size": 2, "depthwise_initializer": "orthogonal", "depthwise_constraint": "unit_norm",
              "bias_constraint": "max_norm"})"}},
        {"separable",
         {2, 11, 4},
         {R"({"filters": 6, "kernel_size": 3, "strides": 2, "depth_multiplier": 2, "activation": "relu"})"}},
        {"separable_first",
         {2, 4, 11},
         {R"({"filters": 3, "kernel_size": 3, "dilation_rate": 2, "data_format": "channels_first",
              "padding": "same", "depthwise_regularizer": "l1", "pointwise_regularizer": "l2",
              "bias_regularizer": "l1l2", "activity_regularizer": "l2", "depthwise_constraint": "non_neg",
              "pointwise_constraint": "unit_norm", "bias_constraint": "max_norm",
              "pointwise_initializer": "he_uniform"})"}},
        {"separable_no_bias",
         {2, 11, 4},
         {R"({"filters": 5, "kernel_size": 3, "use_bias": false, "activation": "softmax"})"}},
        {"chain",
         {2, 32, 4},
         {R"({"kernel_size": 3, "padding": "same", "activation": "silu", "name": "front"})",
          R"({"filters": 8, "kernel_size": 5, "strides": 2, "activation": "gelu"})",
          R"({"kernel_size": 3, "depth_multiplier": 2, "use_bias": false})",
          R"({"filters": 3, "kernel_size": 1, "name": "back"})", R"({"kernel_size": 2, "activation": "tanh"})"}},
    };
    for (const char* activation :
         {"elu", "selu", "softplus", "hard_sigmoid", "mish", "log_softmax", "hard_shrink", "squareplus", "exponential",
          "sparsemax", "relu6", "leaky_relu", "sparse_plus", "celu", "swish"}) {
        all.push_back(
            {std::string("activation_") + activation,
             {2, 10, 4},
             {std::string(R"({"kernel_size": 3, "depth_multiplier": 2, "activation": ")") + activation + "\"}"}});
    }
    const std::vector<std::pair<const char*, const char*>> layers = {
        {"layer_relu",
         R"({"class_name": "ReLU", "config": {"max_value": 0.5, "negative_slope": 0.25, "threshold": 0.125}})"},
        {"layer_leaky_relu", R"({"class_name": "LeakyReLU", "config": {"negative_slope": 0.4}})"},
        {"layer_elu", R"({"class_name": "ELU", "config": {"alpha": 0.5}})"},
        {"layer_softmax", R"({"class_name": "Softmax", "config": {"axis": 1}})"}};
    for (const auto& [name, object] : layers) {
        all.push_back({name, {2, 10, 4}, {std::string(R"({"kernel_size": 3, "activation": )") + object + "}"}});
    }
    for (const char* dtype : {"float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"}) {
        const std::string tail = std::string(R"("activation": "relu", "dtype": ")") + dtype + "\"}";
        all.push_back(
            {dtype,
             {2, 16, 4},
             {R"({"kernel_size": 3, "padding": "same", )" + tail, R"({"filters": 5, "kernel_size": 3, )" + tail}});
    }
    return all;
}

// Values between -1 and 1, the same everywhere.
class Values {
   public:
    keras::Tensor operator()(const keras::Shape& shape) {
        keras::Tensor tensor{shape, std::vector<float>(static_cast<size_t>(keras::element_count(shape)))};
        for (float& value : tensor.data) {
            state_ = state_ * 6364136223846793005u + 1442695040888963407u;
            value = static_cast<float>(static_cast<std::int32_t>(state_ >> 32)) * 0x1p-31f;
        }
        return tensor;
    }

   private:
    std::uint64_t state_ = 1;
};

void add(keras::Sequential* model, const std::string& config) {
    if (config.find("\"filters\"") == std::string::npos) {
        model->add(keras::DepthwiseConv1D(keras::parse_layer_config(config)));
    } else {
        model->add(keras::SeparableConv1D(keras::parse_separable_config(config)));
    }
}

void write_case(const std::string& directory, const Case& one) {
    std::filesystem::create_directories(directory);
    keras::Sequential model;
    for (const std::string& config : one.layers) add(&model, config);
    keras::Shape input = one.input;
    input[0] = -1;
    model.build(input);
    Values values;
    for (const auto& layer : model.layers()) {
        std::vector<keras::Tensor> weights = layer->get_weights();
        for (keras::Tensor& weight : weights) weight = values(weight.shape);
        layer->set_weights(std::move(weights));
    }
    const keras::Tensor x = values(one.input);
    keras::write_npy(directory + "/x.npy", x);
    keras::write_npy(directory + "/y.npy", model(x));
    keras::save_model(directory + "/model.keras", model);
    keras::save_model(directory + "/model.h5", model);
    keras::save_weights(directory + "/model.weights.h5", model);
    keras::save_weights(directory + "/model.safetensors", model);
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    try {
        if (words.size() == 2 && words[0] == "write") {
            for (const Case& one : cases()) {
                keras::reset_settings();  // the first layer of a model has no number
                write_case(words[1] + "/" + one.name, one);
            }
            return 0;
        }
        if (words.size() == 4 && words[0] == "run") {
            keras::Sequential model = keras::Model::open(words[1]).sequential();
            keras::write_npy(words[3], model(keras::read_npy(words[2])));
            return 0;
        }
        std::fprintf(stderr, "usage: write_models write DIRECTORY | write_models run MODEL X.npy Y.npy\n");
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "write_models: %s\n", error.what());
        return 1;
    }
}
