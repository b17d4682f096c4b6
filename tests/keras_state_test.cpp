// What a layer holds: weights, their making, setting and counting; penalties and constraints.
#include <cmath>
#include <optional>

#include "keras_oracle.hpp"

namespace {

namespace keras = dwconv::keras;
using keras::Shape;
using keras::Tensor;
using keras_oracle::array;
using keras_oracle::Json;
using keras_oracle::refusal;

Tensor filled(const Shape& shape, float value) {
    return {shape, std::vector<float>(static_cast<size_t>(keras::element_count(shape)), value)};
}

TEST(KerasState, BuildMakesTheWeights) {
    keras::DepthwiseConv1D layer({.kernel_size = 3, .depth_multiplier = 2, .name = "conv"});
    EXPECT_FALSE(layer.built());
    EXPECT_TRUE(layer.weights().empty());
    EXPECT_HAS(refusal([&] { layer.kernel(); }), "layer 'conv' isn't built");
    EXPECT_HAS(refusal([&] { layer.bias(); }), "layer 'conv' isn't built");
    EXPECT_HAS(refusal([&] { layer.apply_constraints(); }), "layer 'conv' isn't built");
    EXPECT_EQ(refusal([&] { layer.count_params(); }),
              "You tried to call `count_params` on layer 'conv', but the layer isn't built. You can build it manually "
              "via: `layer.build(input_shape)`.");
    layer.build({-1, 10, 4});
    EXPECT_TRUE(layer.built());
    EXPECT_EQ(layer.built_shape(), (Shape{-1, 10, 4}));
    const auto weights = layer.weights();
    ASSERT_EQ(weights.size(), 2u);
    EXPECT_EQ(weights[0].name, "kernel");
    EXPECT_EQ(weights[0].path, "conv/kernel");
    EXPECT_EQ(weights[0].dtype, "float32");
    EXPECT_TRUE(weights[0].trainable);
    EXPECT_EQ(weights[0].value.shape, (Shape{3, 4, 2}));
    EXPECT_EQ(weights[1].path, "conv/bias");
    EXPECT_EQ(weights[1].value.data, std::vector<float>(8, 0.0f));
    const float limit = std::sqrt(6.0f / (3 * (4 + 2)));
    float largest = 0;
    for (const float value : weights[0].value.data) largest = std::max(largest, std::fabs(value));
    EXPECT_LE(largest, limit);
    EXPECT_GT(largest, limit / 4);
    EXPECT_EQ(layer.count_params(), 3 * 4 * 2 + 8);
    const Tensor kernel = layer.kernel();
    layer.build({7, 20, 4});
    EXPECT_EQ(layer.built_shape(), (Shape{-1, 10, 4})) << "of the first build";
    EXPECT_EQ(layer.kernel().data, kernel.data);
}

TEST(KerasState, FirstCallBuilds) {
    keras::DepthwiseConv1D layer(
        {.kernel_size = 2, .data_format = "channels_first", .use_bias = false, .dtype = "mixed_float16"});
    EXPECT_EQ(layer(filled({2, 3, 5}, 1)).shape, (Shape{2, 3, 4}));
    EXPECT_EQ(layer.built_shape(), (Shape{2, 3, 5}));
    ASSERT_EQ(layer.weights().size(), 1u);
    EXPECT_EQ(layer.weights()[0].value.shape, (Shape{2, 3, 1}));
    EXPECT_EQ(layer.weights()[0].dtype, "float32");
    EXPECT_FALSE(layer.bias().has_value());
    EXPECT_EQ(layer.count_params(), 6);
}

TEST(KerasState, SeedsReproduce) {
    const auto kernel = [](keras::Identifier<keras::Initializer> initializer) {
        keras::DepthwiseConv1D layer({.kernel_size = 3, .depthwise_initializer = std::move(initializer)});
        layer.build({1, 3, 4});
        return layer.kernel().data;
    };
    EXPECT_EQ(kernel(keras::Initializer::he_normal(7)), kernel(keras::Initializer::he_normal(7)));
    EXPECT_NE(kernel(keras::Initializer::he_normal(7)), kernel(keras::Initializer::he_normal(8)));
    EXPECT_NE(kernel(nullptr), kernel(nullptr)) << "a seed is drawn for each layer";
    const keras::LayerConfig config = keras::parse_layer_config(R"({"kernel_size": 3})");
    keras::DepthwiseConv1D a(config), b(config);
    a.build({1, 3, 4});
    b.build({1, 3, 4});
    EXPECT_NE(a.kernel().data, b.kernel().data) << "also for layers of one config";
}

TEST(KerasState, InitializersThatDoNotFit) {
    const auto built = [](const keras::LayerConfig& config) {
        keras::DepthwiseConv1D layer(config);
        const std::string message = refusal([&] { layer.build({1, 3, 4}); });
        EXPECT_FALSE(layer.built());
        return message;
    };
    const auto wrong = [](const Shape&) { return filled({2, 2}, 1); };
    EXPECT_HAS(built({.kernel_size = 3, .depthwise_initializer = wrong}), "(2, 2)");
    EXPECT_HAS(built({.kernel_size = 3, .depthwise_initializer = wrong}), "(3, 4, 1)");
    EXPECT_HAS(built({.kernel_size = 3, .bias_initializer = wrong}), "(4,)");
    EXPECT_THROW(keras::DepthwiseConv1D({.kernel_size = 3,
                                         .depthwise_initializer =
                                             [](const Shape& shape) {
                                                 return Tensor{shape, {1}};
                                             }})
                     .build({1, 3, 4}),
                 dwconv::value_error);
    EXPECT_HAS(built({.kernel_size = 3, .depthwise_initializer = "identity"}),
               "Identity matrix initializer can only be used for 2D matrices");
    EXPECT_HAS(built({.kernel_size = 3, .bias_initializer = "orthogonal"}), "must be at least two-dimensional");
}

TEST(KerasState, SetWeights) {
    keras::DepthwiseConv1D layer({.kernel_size = 2, .depth_multiplier = 3, .name = "conv"});
    const Tensor kernel{{2, 1, 3}, {1, 2, 3, 4, 5, 6}}, bias{{3}, {1, 1, 1}};
    layer.set_weights(kernel, bias);  // this builds
    EXPECT_EQ(layer.built_shape(), (Shape{-1, -1, 1}));
    const Tensor x{{1, 2, 1}, {1, 10}};
    EXPECT_EQ(layer(x).data, (std::vector<float>{42, 53, 64}));
    // New weights reach plans that were made before.
    layer.set_weights(std::vector<Tensor>{filled({2, 1, 3}, 1), filled({3}, 0)});
    EXPECT_EQ(layer(x).data, (std::vector<float>{11, 11, 11}));
    EXPECT_EQ(layer.get_weights()[0].data, std::vector<float>(6, 1.0f));
    EXPECT_EQ(layer.get_weights()[1].data, std::vector<float>(3, 0.0f));
}

TEST(KerasState, WrongWeights) {
    keras::DepthwiseConv1D layer({.kernel_size = 2, .depth_multiplier = 3, .name = "conv"});
    const Tensor kernel{{2, 1, 3}, {1, 2, 3, 4, 5, 6}}, bias{{3}, {0, 0, 0}};
    const auto both = [&](const Tensor& w, const std::optional<Tensor>& b) {
        return refusal([&] { layer.set_weights(w, b); });
    };
    EXPECT_HAS(refusal([&] { layer.set_weights(std::vector<Tensor>{kernel, bias}); }), "isn't built");
    for (int round = 0; round < 2; ++round) {
        EXPECT_HAS(both(kernel, std::nullopt), "use_bias is true");
        EXPECT_HAS(both({{3, 1, 2}, {1, 2, 3, 4, 5, 6}}, bias), "(2, channels, 3) is needed");
        EXPECT_HAS(both(kernel, Tensor{{2}, {0, 0}}), "(3,) is needed");
        EXPECT_HAS(both({{2, 1, 3}, {1}}, bias), "holds 1 values");
        EXPECT_HAS(both(kernel, Tensor{{3}, {0}}), "holds 1 values");
        EXPECT_HAS(both({{2, 0, 3}, {}}, Tensor{{0}, {}}), "kernel shape (2, 0, 3)");
        layer.set_weights(kernel, bias);
    }
    EXPECT_EQ(both(filled({2, 2, 3}, 1), filled({6}, 1)),
              "Layer conv weight shape (2, 1, 3) is not compatible with provided weight shape (2, 2, 3).");
    EXPECT_EQ(refusal([&] { layer.set_weights(std::vector<Tensor>{kernel}); }),
              "You called `set_weights(weights)` on layer 'conv' with a weight list of length 1, but the layer was "
              "expecting 2 weights.");
    EXPECT_EQ(refusal([&] {
                  layer.set_weights(std::vector<Tensor>{kernel, filled({4}, 0)});
              }),
              "Layer conv weight shape (3,) is not compatible with provided weight shape (4,).");
    EXPECT_EQ(layer.kernel().data, kernel.data) << "a refusal changes nothing";
    keras::DepthwiseConv1D bare({.kernel_size = 2, .depth_multiplier = 3, .use_bias = false});
    EXPECT_HAS(refusal([&] { bare.set_weights(kernel, bias); }), "use_bias is false");
}

TEST(KerasState, SummaryCounts) {
    keras::DepthwiseConv1D layer({.kernel_size = 3, .depth_multiplier = 3, .name = "conv", .trainable = false});
    EXPECT_HAS(layer.summary(), "conv (DepthwiseConv1D)");
    EXPECT_HAS(layer.summary(), "0 (unbuilt)");
    layer.build({-1, 10, 12});
    EXPECT_HAS(layer.summary(), "(None, 8, 36)  144\n");
    EXPECT_HAS(layer.summary(), "Total params: 144\nTrainable params: 0\nNon-trainable params: 144\n");
    EXPECT_FALSE(layer.weights()[0].trainable);
}

// Keras' own penalties: the activity's by batch, then kernel, then bias.
TEST(KerasState, OracleLosses) {
    std::ifstream file(keras_oracle::kFolder + "regularizers.json");
    const Json all = Json::parse(file);
    const Tensor x = array(all["files"]["x"]), bias = array(all["files"]["bias"]);
    Tensor kernel = array(all["files"]["kernel"]);
    kernel.shape[0] = 2;
    kernel.data.resize(static_cast<size_t>(keras::element_count(kernel.shape)));
    for (const Json& row : all["layer_losses"]) {
        SCOPED_TRACE(row["config"].dump());
        keras::DepthwiseConv1D layer(keras::parse_layer_config(row["config"].dump()));
        layer.set_weights(kernel, layer.config().use_bias ? std::optional(bias) : std::nullopt);
        layer(x);
        layer(x);  // of the last call only
        const std::vector<float> losses = layer.losses();
        ASSERT_EQ(losses.size(), row["losses"].size());
        for (size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(losses[i], row["losses"][i], 2e-6 * 12);
    }
}

TEST(KerasState, LossesOfCallables) {
    keras::DepthwiseConv1D layer({.kernel_size = 1,
                                  .activation = "relu",
                                  .depthwise_initializer = keras::Initializer::constant(-2),
                                  .depthwise_regularizer = [](const Tensor& w) { return 10 * w.data[0]; },
                                  .activity_regularizer =
                                      [](const Tensor& y) {
                                          float sum = 0;
                                          for (const float value : y.data) sum += value;
                                          return sum;
                                      }});
    EXPECT_TRUE(layer.losses().empty());
    layer({{2, 2, 1}, {1, -1, -2, 3}});  // after relu: 0, 2, 4, 0
    EXPECT_EQ(layer.losses(), (std::vector<float>{3, -20}));
    layer({{0, 2, 1}, {}});
    EXPECT_EQ(layer.losses(), (std::vector<float>{0, -20})) << "an empty batch";
    keras::DepthwiseConv1D orthogonal({.kernel_size = 1, .bias_regularizer = "orthogonal_regularizer"});
    orthogonal.build({1, 1, 4});
    EXPECT_HAS(refusal([&] { orthogonal.losses(); }), "must have rank 2");
}

TEST(KerasState, ConstraintsProjectWhenAsked) {
    keras::DepthwiseConv1D layer(
        {.kernel_size = 1, .depthwise_constraint = "non_neg", .bias_constraint = [](const Tensor& w) {
             Tensor projected = w;
             for (float& value : projected.data) value = 7;
             return projected;
         }});
    layer.set_weights({{1, 2, 1}, {-1, 2}}, Tensor{{2}, {1, -1}});
    const Tensor x{{1, 1, 2}, {1, 1}};
    EXPECT_EQ(layer(x).data, (std::vector<float>{0, 1})) << "not at once";
    layer.apply_constraints();
    EXPECT_EQ(layer.kernel().data, (std::vector<float>{0, 2}));
    EXPECT_EQ(layer(x).data, (std::vector<float>{7, 9}));

    keras::DepthwiseConv1D frozen({.kernel_size = 1, .depthwise_constraint = "non_neg", .trainable = false});
    frozen.set_weights({{1, 1, 1}, {-1}}, Tensor{{1}, {0}});
    frozen.apply_constraints();
    EXPECT_EQ(frozen.kernel().data[0], -1);

    keras::DepthwiseConv1D wrong({.kernel_size = 1, .bias_constraint = [](const Tensor&) {
                                      return filled({3, 3}, 1);
                                  }});
    wrong.set_weights({{1, 2, 1}, {-1, 2}}, Tensor{{2}, {1, -1}});
    EXPECT_HAS(refusal([&] { wrong.apply_constraints(); }), "(3, 3)");
    EXPECT_HAS(refusal([&] { wrong.apply_constraints(); }), "(2,)");
    EXPECT_EQ(wrong.bias()->data, (std::vector<float>{1, -1}));
}

TEST(KerasState, LayersMove) {
    keras::DepthwiseConv1D layer({.kernel_size = 1});
    layer.set_weights({{1, 1, 1}, {2}}, Tensor{{1}, {1}});
    keras::DepthwiseConv1D moved = std::move(layer);
    EXPECT_EQ(moved({{1, 1, 1}, {5}}).data[0], 11);
    layer = keras::DepthwiseConv1D({.kernel_size = 3});
    EXPECT_FALSE(layer.built());
}

}  // namespace
