// Promises of the layer about its values; the numbers are those of docs/keras-layer.md.
#include "keras_features.hpp"

namespace {

using namespace features;

// Channel q = c * M + m of y as (batch, steps, 1).
Tensor channel(const Tensor& y, std::int64_t q) {
    Tensor one{{y.shape[0], y.shape[1], 1}, {}};
    for (std::int64_t i = 0; i < y.shape[0] * y.shape[1]; ++i) {
        one.data.push_back(y.data[static_cast<std::size_t>(i * y.shape[2] + q)]);
    }
    return one;
}

// The largest difference that a change of input channel c makes in each output channel.
std::vector<bool> changed_channels(DepthwiseConv1D* layer, const Tensor& x, std::int64_t c) {
    Tensor other = x;
    for (std::size_t i = static_cast<std::size_t>(c); i < x.data.size(); i += static_cast<std::size_t>(x.shape[2])) {
        other.data[i] += 0.5f;
    }
    const Tensor a = (*layer)(x), b = (*layer)(other);
    std::vector<bool> changed;
    for (std::int64_t q = 0; q < a.shape[2]; ++q) changed.push_back(channel(a, q).data != channel(b, q).data);
    return changed;
}

TEST(KerasFeature, F01_EachInputChannelHasItsOwnKernel) {
    auto layer = known_layer({.kernel_size = 3, .depth_multiplier = 2}, 5);
    const Tensor x = values({2, 10, 5});
    for (std::int64_t c = 0; c < 5; ++c) {
        const auto changed = changed_channels(&layer, x, c);
        EXPECT_TRUE(changed[static_cast<std::size_t>(2 * c)]);
        EXPECT_TRUE(changed[static_cast<std::size_t>(2 * c + 1)]);
    }
}

TEST(KerasFeature, F02_ChannelsDoNotMix) {
    for (std::int64_t multiplier : {1, 2, 3}) {
        auto layer = known_layer({.kernel_size = 3, .depth_multiplier = multiplier}, 19);
        const Tensor x = values({1, 33, 19});
        for (std::int64_t c = 0; c < 19; ++c) {
            const auto changed = changed_channels(&layer, x, c);
            for (std::int64_t q = 0; q < 19 * multiplier; ++q) {
                EXPECT_EQ(changed[static_cast<std::size_t>(q)], q / multiplier == c) << c << " " << q;
            }
        }
    }
}

TEST(KerasFeature, F03_SplitConvolveConcatenate) {
    const LayerConfig config{.kernel_size = 4, .padding = "same", .depth_multiplier = 3};
    auto layer = known_layer(config, 6);
    const Tensor x = values({2, 17, 6}), y = layer(x), w = layer.kernel();
    for (std::int64_t c = 0; c < 6; ++c) {
        Tensor kernel{{4, 1, 3}, {}}, bias{{3}, {}};
        for (std::int64_t k = 0; k < 4; ++k)
            for (std::int64_t m = 0; m < 3; ++m)
                kernel.data.push_back(w.data[static_cast<std::size_t>((k * 6 + c) * 3 + m)]);
        for (std::int64_t m = 0; m < 3; ++m)
            bias.data.push_back(layer.bias()->data[static_cast<std::size_t>(c * 3 + m)]);
        DepthwiseConv1D single(config);
        single.set_weights(kernel, bias);
        const Tensor part = single(channel(x, c));
        for (std::int64_t m = 0; m < 3; ++m) EXPECT_EQ(channel(part, m).data, channel(y, c * 3 + m).data);
    }
}

TEST(KerasFeature, F04_DepthMultiplierOutputsPerChannel) {
    const Tensor x = values({2, 9, 4});
    for (std::int64_t multiplier : {1, 2, 3, 5, 6}) {
        auto layer = known_layer({.kernel_size = 3, .depth_multiplier = multiplier}, 4);
        const Tensor y = layer(x);
        EXPECT_EQ(y.shape, (Shape{2, 7, 4 * multiplier}));
        expect_close(y, formula(x, layer.kernel(), &*layer.bias(), 7, {}));
    }
}

TEST(KerasFeature, F05_CallingTheLayerReturnsTheOutput) {
    DepthwiseConv1D layer({.kernel_size = 3, .depth_multiplier = 3});
    EXPECT_EQ(layer(values({4, 10, 12})).shape, (Shape{4, 8, 36}));
}

TEST(KerasFeature, F06_LayersFormAModel) {
    Sequential model;
    Sequential& returned = model.add(known_layer({.kernel_size = 3, .depth_multiplier = 2}, 4))
                               .add(DepthwiseConv1D({.kernel_size = 2, .strides = 2, .padding = "same"}));
    EXPECT_EQ(&returned, &model);
    const Tensor x = values({2, 10, 4});
    const Tensor y = model(x);
    EXPECT_EQ(y.shape, (Shape{2, 4, 8}));
    EXPECT_EQ(model.compute_output_shape({-1, 10, 4}), (Shape{-1, 4, 8}));
    EXPECT_EQ(y.data, (*model.layers()[1])((*model.layers()[0])(x)).data);
}

TEST(KerasFeature, F07_ALayerIsReusable) {
    DepthwiseConv1D layer({.kernel_size = 3});
    const Tensor x = values({2, 10, 4});
    const Tensor first = layer(x);
    const std::vector<Tensor> weights = layer.get_weights();
    EXPECT_EQ(layer(values({3, 14, 4}, 5)).shape, (Shape{3, 12, 4}));
    EXPECT_EQ(layer(x).data, first.data);
    ASSERT_EQ(layer.get_weights().size(), weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(layer.get_weights()[i].data, weights[i].data);
}

// Every name at six points, computed in double precision from the published formulas.
struct NamedValues {
    const char* name;
    double y[6];
};
constexpr double kPoints[6] = {-4, -1, -0.25, 0.75, 2, 7};
constexpr NamedValues kActivations[] = {
    {"linear", {-4, -1, -0.25, 0.75, 2, 7}},
    {"relu", {0, 0, 0, 0.75, 2, 7}},
    {"relu6", {0, 0, 0, 0.75, 2, 6}},
    {"leaky_relu", {-0.8, -0.2, -0.05, 0.75, 2, 7}},
    {"elu", {-0.9816844, -0.6321206, -0.2211992, 0.75, 2, 7}},
    {"celu", {-0.9816844, -0.6321206, -0.2211992, 0.75, 2, 7}},
    {"selu", {-1.725899, -1.111331, -0.3888902, 0.7880257, 2.101402, 7.354907}},
    {"gelu", {-0.000126685, -0.1586553, -0.1003234, 0.5800295, 1.9545, 7}},
    {"silu", {-0.07194484, -0.2689414, -0.1094559, 0.509384, 1.761594, 6.993623}},
    {"swish", {-0.07194484, -0.2689414, -0.1094559, 0.509384, 1.761594, 6.993623}},
    {"hard_silu", {0, -0.3333333, -0.1145833, 0.46875, 1.666667, 7}},
    {"hard_swish", {0, -0.3333333, -0.1145833, 0.46875, 1.666667, 7}},
    {"sigmoid", {0.01798621, 0.2689414, 0.4378235, 0.6791787, 0.8807971, 0.9990889}},
    {"hard_sigmoid", {0, 0.3333333, 0.4583333, 0.625, 0.8333333, 1}},
    {"sparse_sigmoid", {0, 0, 0.375, 0.875, 1, 1}},
    {"log_sigmoid", {-4.01815, -1.313262, -0.8259394, -0.386871, -0.126928, -0.0009114665}},
    {"tanh", {-0.9993293, -0.7615942, -0.2449187, 0.635149, 0.9640276, 0.9999983}},
    {"hard_tanh", {-1, -1, -0.25, 0.75, 1, 1}},
    {"tanh_shrink", {-3.000671, -0.2384058, -0.005081338, 0.114851, 1.035972, 6.000002}},
    {"softplus", {0.01814993, 0.3132617, 0.5759394, 1.136871, 2.126928, 7.000911}},
    {"softsign", {-0.8, -0.5, -0.2, 0.4285714, 0.6666667, 0.875}},
    {"soft_shrink", {-3.5, -0.5, 0, 0.25, 1.5, 6.5}},
    {"hard_shrink", {-4, -1, 0, 0.75, 2, 7}},
    {"squareplus", {0.236068, 0.618034, 0.8827822, 1.443, 2.414214, 7.140055}},
    {"sparse_plus", {0, 0, 0.140625, 0.765625, 2, 7}},
    {"mish", {-0.07259174, -0.3034015, -0.129927, 0.6100183, 1.943959, 6.999988}},
    {"exponential", {0.01831564, 0.3678794, 0.7788008, 2.117, 7.389056, 1096.633}},
    {"softmax", {1.654075e-05, 0.0003322298, 0.0007033305, 0.00191185, 0.006673014, 0.990363}},
    {"log_softmax", {-11.00968, -8.009684, -7.259684, -6.259684, -5.009684, -0.009683701}},
};

// y of a layer that only applies an activation, on one step of six channels.
Tensor activated(const Identifier<Activation>& activation, const std::vector<float>& row) {
    const auto channels = static_cast<std::int64_t>(row.size());
    DepthwiseConv1D layer({.kernel_size = 1, .activation = activation, .use_bias = false});
    layer.set_weights({{1, channels, 1}, std::vector<float>(row.size(), 1.0f)}, std::nullopt);
    return layer(Tensor{{1, 1, channels}, row});
}

TEST(KerasFeature, F24_ActivationsByName) {
    const std::vector<float> row(std::begin(kPoints), std::end(kPoints));
    for (const NamedValues& named : kActivations) {
        const Tensor y = activated(named.name, row);
        for (std::size_t i = 0; i < 6; ++i) {
            const double limit = 2e-6 * std::max(std::abs(named.y[i]), 0.01);  // the table has seven digits
            EXPECT_NEAR(y.data[i], named.y[i], limit) << named.name << " of " << row[i];
        }
    }
    const Tensor keras_sparsemax = activated("sparsemax", {0.1f, 0.5f, -0.2f, 0.9f});
    expect_close(keras_sparsemax, {{1, 1, 4}, {0, 0, 0, 0.25f}});
    expect_close(activated("glu", row), {{1, 1, 3}, {-2.716715f, -0.880797f, -0.249772f}});
    EXPECT_EQ(std::size(kActivations) + 2, 31u);
    expect_refusal([] { activated("Relu", {1}); }, {"Could not interpret activation function identifier: Relu"});
    expect_refusal([] { activated("threshold", {1}); }, {"threshold", "default_value"});
}

TEST(KerasFeature, F25_NoActivationIsLinear) {
    const Tensor x = values({2, 10, 4});
    const Tensor none = known_layer({.kernel_size = 3, .activation = nullptr}, 4)(x);
    EXPECT_EQ(none.data, known_layer({.kernel_size = 3, .activation = "linear"}, 4)(x).data);
    EXPECT_EQ(none.data, known_layer({.kernel_size = 3}, 4)(x).data);
}

TEST(KerasFeature, F26_ActivationsAsObjectsAndCallables) {
    expect_close(activated(Activation::leaky_relu(0.3f), {-2, 0, 3}), {{1, 1, 3}, {-0.6f, 0, 3}});
    expect_close(activated(Activation::relu(0.5f, 6.0f, 1.0f), {-4, -1, 0.5f, 1, 2, 9}),
                 {{1, 1, 6}, {-2.5f, -1, -0.25f, 0, 2, 6}});
    expect_close(activated(Activation::elu(0.5f), {-1, 2}), {{1, 1, 2}, {-0.31606028f, 2}});
    expect_close(activated(Activation::threshold(0.5f, -2), {0, 1}), {{1, 1, 2}, {-2, 1}});
    expect_close(activated(Activation::published_sparsemax(), {0.1f, 0.5f, -0.2f, 0.9f}),
                 {{1, 1, 4}, {0, 0.3f, 0, 0.7f}});
    const auto tripled = [](Tensor x) {
        for (float& value : x.data) value *= 3;
        return x;
    };
    expect_close(activated(tripled, {-1, 2}), {{1, 1, 2}, {-3, 6}});
}

TEST(KerasFeature, F27_UseBiasAddsTheBias) {
    run_cases([](const Json& config) { return config.value("use_bias", true); });
    auto with = known_layer({.kernel_size = 3}, 4);
    DepthwiseConv1D without({.kernel_size = 3, .use_bias = false});
    without.set_weights(with.kernel(), std::nullopt);
    const Tensor x = values({1, 6, 4}), a = with(x), b = without(x);
    for (std::size_t i = 0; i < a.data.size(); ++i) {
        EXPECT_NEAR(a.data[i] - b.data[i], with.bias()->data[i % 4], 1e-6);
    }
}

TEST(KerasFeature, F28_WithoutBiasThereIsOneWeight) {
    run_cases([](const Json& config) { return !config.value("use_bias", true); });
    DepthwiseConv1D layer({.kernel_size = 3, .use_bias = false});
    layer.build({-1, -1, 4});
    ASSERT_EQ(layer.weights().size(), 1u);
    EXPECT_EQ(layer.weights()[0].name, "kernel");
    EXPECT_FALSE(layer.bias().has_value());
    EXPECT_EQ(layer.count_params(), 12);
}

TEST(KerasFeature, F39_ActivationComesAfterTheBias) {
    DepthwiseConv1D layer({.kernel_size = 1, .activation = "relu"});
    layer.set_weights({{1, 2, 1}, {1, 1}}, Tensor{{2}, {-2, 2}});
    const Tensor y = layer(Tensor{{1, 1, 2}, {1, -1}});
    EXPECT_EQ(y.shape, (Shape{1, 1, 2}));
    EXPECT_EQ(y.data, (std::vector<float>{0, 1})) << "relu(1 - 2), relu(-1 + 2); relu before the bias gives -1, 2";
}

TEST(KerasFeature, F43_TheDocumentedExample) {
    Tensor x = values({4, 10, 12});
    for (float& value : x.data) value = 0.5f * value + 0.5f;  // uniform in [0, 1)
    DepthwiseConv1D layer({.kernel_size = 3, .depth_multiplier = 3, .activation = "relu"});
    const Tensor y = layer(x);
    Tensor expected = formula(x, layer.kernel(), &*layer.bias(), 8, {});
    for (float& value : expected.data) value = std::max(value, 0.0f);
    EXPECT_EQ(y.shape, (Shape{4, 8, 36}));
    expect_close(y, expected);
    EXPECT_GE(*std::min_element(y.data.begin(), y.data.end()), 0.0f);
}

TEST(KerasFeature, F44_FirstStepOfASeparableConvolution) {
    for (const std::string format : {"channels_last", "channels_first"}) {
        SeparableConv1D separable({.filters = 5,
                                   .kernel_size = 3,
                                   .padding = "same",
                                   .data_format = format,
                                   .depth_multiplier = 2,
                                   .activation = "tanh"});
        const bool first = format == "channels_first";
        const Tensor last = values({2, 9, 4});
        const Tensor x = first ? swapped(last) : last;
        separable.build(x.shape);
        const Tensor depthwise = values({3, 4, 2}, 3), pointwise = values({1, 8, 5}, 4), bias = values({5}, 5);
        separable.set_weights({depthwise, pointwise, bias});
        const Tensor middle = formula(last, depthwise, nullptr, 9, {.pad_left = 1});
        Tensor expected{{2, 9, 5}, {}};
        for (std::size_t row = 0; row < 18; ++row)
            for (std::size_t f = 0; f < 5; ++f) {
                double sum = bias.data[f];
                for (std::size_t q = 0; q < 8; ++q)
                    sum += static_cast<double>(middle.data[row * 8 + q]) * pointwise.data[q * 5 + f];
                expected.data.push_back(static_cast<float>(std::tanh(sum)));
            }
        expect_close(separable(x), first ? swapped(expected) : expected, format);
    }
}

// A layer named in a row of the model files' table, and its recorded output.
void check_model_file(const std::string& file) {
    int count = 0;
    for (const Json& row : keras_oracle::rows("models.jsonl")) {
        if (row.at("file") != file) continue;
        ++count;
        const Model model = Model::open(keras_oracle::kFolder + file);
        DepthwiseConv1D layer = model.layer(model.find(row.at("layer")));
        EXPECT_EQ(layer.kernel().data, keras_oracle::array(row.at("weights").at(0).at("file")).data);
        EXPECT_EQ(layer.bias().has_value(), row.at("weights").size() == 2);
        expect_close(layer(keras_oracle::array(row.at("x"))), keras_oracle::array(row.at("y")), file);
    }
    EXPECT_GT(count, 0) << file;
}

TEST(KerasFeature, F46_WeightsFromModelFilesOfBothGenerations) {
    for (const char* file : {"models/seq_single.keras", "models/nobias_cf.keras", "models/functional.h5",
                             "models/nobias_cf.h5", "models/k2_functional.h5", "models/k2_seq_multi.keras"}) {
        check_model_file(file);
    }
}

}  // namespace
