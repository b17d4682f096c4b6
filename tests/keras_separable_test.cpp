// SeparableConv1D against its definition: a depthwise convolution, a product over the channels, bias, activation.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "dwconv/keras.hpp"
#include "keras_oracle.hpp"

namespace keras = dwconv::keras;
using keras::SeparableConfig;
using keras::SeparableConv1D;
using keras::Shape;
using keras::Tensor;
using keras_oracle::refusal;

namespace {

class Values {
   public:
    Tensor operator()(const Shape& shape) {
        Tensor tensor{shape, std::vector<float>(static_cast<size_t>(keras::element_count(shape)))};
        for (float& value : tensor.data) {
            value = static_cast<float>(static_cast<int>(engine_() % 2001) - 1000) / 1000;
        }
        return tensor;
    }

   private:
    std::mt19937 engine_{7};
};

struct Form {
    std::int64_t batch, steps, channels, filters, kernel, stride, dilation, multiplier;
    bool same, first, bias;
};

// The sums of the definition, in double; bounds holds what the same sums of absolute values come to.
struct Expected {
    std::vector<double> y, bounds;
    std::int64_t steps;
};

Expected definition(const Form& f, const Tensor& x, const std::vector<Tensor>& weights) {
    const std::int64_t reach = (f.kernel - 1) * f.dilation + 1;
    const std::int64_t steps = f.same ? (f.steps - 1) / f.stride + 1 : (f.steps - reach) / f.stride + 1;
    const std::int64_t total = f.same ? std::max<std::int64_t>((steps - 1) * f.stride + reach - f.steps, 0) : 0;
    const auto at = [&](std::int64_t n, std::int64_t t, std::int64_t c, std::int64_t length, std::int64_t width) {
        return static_cast<size_t>(f.first ? (n * width + c) * length + t : (n * length + t) * width + c);
    };
    const size_t count = static_cast<size_t>(f.batch * steps * f.filters);
    Expected out{std::vector<double>(count), std::vector<double>(count), steps};
    for (std::int64_t n = 0; n < f.batch; ++n) {
        for (std::int64_t t = 0; t < steps; ++t) {
            for (std::int64_t o = 0; o < f.filters; ++o) {
                double sum = f.bias ? weights[2].data[static_cast<size_t>(o)] : 0, bound = std::fabs(sum);
                for (std::int64_t q = 0; q < f.channels * f.multiplier; ++q) {
                    const double point = weights[1].data[static_cast<size_t>(q * f.filters + o)];
                    for (std::int64_t k = 0; k < f.kernel; ++k) {
                        const std::int64_t from = t * f.stride + k * f.dilation - total / 2;
                        if (from < 0 || from >= f.steps) continue;
                        const std::int64_t c = q / f.multiplier;
                        const double term = point * x.data[at(n, from, c, f.steps, f.channels)] *
                                            weights[0].data[static_cast<size_t>(k * f.channels * f.multiplier + q)];
                        sum += term;
                        bound += std::fabs(term);
                    }
                }
                out.y[at(n, t, o, steps, f.filters)] = sum;
                out.bounds[at(n, t, o, steps, f.filters)] = bound;
            }
        }
    }
    return out;
}

SeparableConfig config_of(const Form& f) {
    SeparableConfig config;
    config.filters = f.filters;
    config.kernel_size = f.kernel;
    config.strides = f.stride;
    config.dilation_rate = f.dilation;
    config.depth_multiplier = f.multiplier;
    config.padding = f.same ? "same" : "valid";
    config.data_format = f.first ? "channels_first" : "channels_last";
    config.use_bias = f.bias;
    config.allow_stride_with_dilation = true;
    return config;
}

TEST(KerasSeparable, FollowsItsDefinition) {
    const std::vector<Form> forms = {
        {2, 11, 4, 6, 3, 1, 1, 2, false, false, true}, {2, 11, 4, 6, 3, 1, 1, 2, false, true, true},
        {3, 16, 5, 1, 4, 3, 1, 1, true, false, false}, {3, 16, 5, 1, 4, 3, 1, 1, true, true, false},
        {1, 20, 1, 7, 5, 1, 3, 3, true, false, true},  {1, 20, 1, 7, 5, 1, 3, 3, true, true, true},
        {2, 21, 3, 4, 3, 2, 3, 1, false, false, true}, {2, 21, 3, 4, 3, 2, 3, 1, false, true, true},
        {1, 1, 1, 1, 1, 1, 1, 1, false, false, true},  {0, 9, 4, 6, 3, 1, 1, 2, false, false, true},
        {0, 9, 4, 6, 3, 1, 1, 2, false, true, true}};
    Values values;
    for (size_t i = 0; i < forms.size(); ++i) {
        SCOPED_TRACE("form " + std::to_string(i));
        const Form& f = forms[i];
        SeparableConv1D layer(config_of(f));
        const Shape input = f.first ? Shape{f.batch, f.channels, f.steps} : Shape{f.batch, f.steps, f.channels};
        layer.build(input);
        std::vector<Tensor> weights = layer.get_weights();
        ASSERT_EQ(weights.size(), f.bias ? 3u : 2u);
        EXPECT_EQ(weights[0].shape, (Shape{f.kernel, f.channels, f.multiplier}));
        EXPECT_EQ(weights[1].shape, (Shape{1, f.channels * f.multiplier, f.filters}));
        for (Tensor& weight : weights) weight = values(weight.shape);
        layer.set_weights(weights);
        const Tensor x = values(input);
        const Tensor y = layer(x);
        const Expected expected = definition(f, x, weights);
        ASSERT_EQ(y.shape,
                  (f.first ? Shape{f.batch, f.filters, expected.steps} : Shape{f.batch, expected.steps, f.filters}));
        EXPECT_EQ(y.shape, layer.compute_output_shape(input));
        ASSERT_EQ(y.data.size(), expected.y.size());
        const double terms = static_cast<double>(f.kernel + f.channels * f.multiplier + 2);
        for (size_t j = 0; j < y.data.size(); ++j) {
            ASSERT_NEAR(y.data[j], expected.y[j], terms * 0x1p-24 * expected.bounds[j] * 2) << "element " << j;
        }
    }
}

TEST(KerasSeparable, ActivationComesAfterTheBias) {
    SeparableConv1D layer({.filters = 2,
                           .kernel_size = 1,
                           .activation = "relu",
                           .depthwise_initializer = "ones",
                           .pointwise_initializer = "ones",
                           .bias_initializer = keras::Initializer::constant(-2)});
    EXPECT_EQ(layer(Tensor{{1, 2, 1}, {1, 3}}).data, (std::vector<float>{0, 0, 1, 1}));
    SeparableConv1D custom({.filters = 1,
                            .kernel_size = 1,
                            .activation =
                                [](Tensor x) {
                                    for (float& value : x.data) value = value * 10 + 1;
                                    return x;
                                },
                            .depthwise_initializer = "ones",
                            .pointwise_initializer = "ones"});
    EXPECT_EQ(custom(Tensor{{1, 2, 1}, {1, 3}}).data, (std::vector<float>{11, 31}));
    SeparableConv1D row({.filters = 2, .kernel_size = 1, .activation = "softmax", .pointwise_initializer = "zeros"});
    EXPECT_EQ(row(Tensor{{1, 2, 1}, {1, 3}}).data, (std::vector<float>{0.5f, 0.5f, 0.5f, 0.5f}));
}

TEST(KerasSeparable, SixteenBitsAreRoundedAtEveryStep) {
    SeparableConv1D layer({.filters = 1,
                           .kernel_size = 1,
                           .depthwise_initializer = "ones",
                           .pointwise_initializer = "ones",
                           .bias_initializer = "ones",
                           .dtype = "bfloat16"});
    // 257 is not a bfloat16: it becomes 256, and so does 256 + 1.
    EXPECT_EQ(layer(Tensor{{1, 1, 1}, {257}}).data, (std::vector<float>{256}));
    layer.set_weights({Tensor{{1, 1, 1}, {1}}, Tensor{{1, 1, 1}, {1.001f}}, Tensor{{1}, {0}}});
    EXPECT_EQ(layer.get_weights()[1].data[0], 1.0f) << "weights are kept in bfloat16";
    EXPECT_EQ(layer.weights()[1].dtype, "bfloat16");
    SeparableConv1D mixed({.filters = 1, .kernel_size = 1, .dtype = "mixed_bfloat16"});
    mixed.build({1, 1, 1});
    EXPECT_EQ(mixed.weights()[1].dtype, "float32");
}

TEST(KerasSeparable, LossesInKerasOrder) {
    SeparableConv1D layer({.filters = 1,
                           .kernel_size = 2,
                           .depthwise_initializer = keras::Initializer::constant(2),
                           .pointwise_initializer = keras::Initializer::constant(3),
                           .bias_initializer = keras::Initializer::constant(5),
                           .depthwise_regularizer = keras::Regularizer::l1(1),
                           .pointwise_regularizer = keras::Regularizer::l2(1),
                           .bias_regularizer = keras::Regularizer::l1(2),
                           .activity_regularizer = keras::Regularizer::l1(1)});
    EXPECT_TRUE(layer.losses().empty());
    layer(Tensor{{2, 2, 1}, {0, 1, 1, 1}});
    // y = 2*3*(x0 + x1) + 5 is 11 and 17: 28 over 2 entries of the batch.
    EXPECT_EQ(layer.losses(), (std::vector<float>{14, 4, 9, 10}));
    layer(Tensor{{0, 2, 1}, {}});
    EXPECT_EQ(layer.losses()[0], 0.0f);
}

TEST(KerasSeparable, ConstraintsOfAllWeights) {
    SeparableConfig config;
    config.filters = 1;
    config.kernel_size = 1;
    config.depthwise_constraint = config.pointwise_constraint = config.bias_constraint = "non_neg";
    SeparableConv1D layer(config);
    layer.build({1, 1, 1});
    const std::vector<Tensor> negative = {{{1, 1, 1}, {-1}}, {{1, 1, 1}, {-2}}, {{1}, {-3}}};
    layer.set_weights(negative);
    EXPECT_EQ(layer.get_weights()[1].data[0], -2.0f) << "not applied before an update";
    layer.apply_constraints();
    for (const Tensor& weight : layer.get_weights()) EXPECT_EQ(weight.data[0], 0.0f);
    EXPECT_EQ(layer.count_params(), 3);
}

TEST(KerasSeparable, ConfigInKerasOrder) {
    keras::reset_settings();
    SeparableConv1D layer({.filters = 5, .kernel_size = 3, .depth_multiplier = 2, .activity_regularizer = "l2"});
    const auto config = nlohmann::ordered_json::parse(layer.get_config());
    std::vector<std::string> keys;
    for (const auto& item : config.items()) keys.push_back(item.key());
    // What Keras 3.15.1 prints for the same layer.
    const std::vector<std::string> expected = {"name",
                                               "trainable",
                                               "dtype",
                                               "activity_regularizer",
                                               "depth_multiplier",
                                               "filters",
                                               "kernel_size",
                                               "strides",
                                               "padding",
                                               "data_format",
                                               "dilation_rate",
                                               "activation",
                                               "use_bias",
                                               "depthwise_initializer",
                                               "pointwise_initializer",
                                               "bias_initializer",
                                               "depthwise_regularizer",
                                               "pointwise_regularizer",
                                               "bias_regularizer",
                                               "depthwise_constraint",
                                               "pointwise_constraint",
                                               "bias_constraint"};
    EXPECT_EQ(keys, expected);
    EXPECT_EQ(config["name"], "separable_conv1d");
    EXPECT_EQ(config["kernel_size"].dump(), "[3]");
    EXPECT_EQ(config["activity_regularizer"]["class_name"], "L2");
    SeparableConv1D again(keras::parse_separable_config(layer.get_config()));
    EXPECT_EQ(again.get_config(), layer.get_config());
    SeparableConv1D envelope(keras::parse_separable_config(layer.to_json()));
    EXPECT_EQ(envelope.get_config(), layer.get_config());
}

TEST(KerasSeparable, SaysWhatIsWrongAsKerasDoes) {
    const auto constructed = [](SeparableConfig config) { return refusal([&] { SeparableConv1D layer(config); }); };
    EXPECT_EQ(constructed({.kernel_size = 3}),
              "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=0.");
    EXPECT_EQ(constructed({.filters = -4, .kernel_size = 3}),
              "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=-4.");
    EXPECT_NE(constructed({.filters = 0, .kernel_size = 0}).find("`kernel_size`"), std::string::npos);
    EXPECT_NE(constructed({.filters = 0, .kernel_size = 1, .depth_multiplier = 0}).find("`depth_multiplier`"),
              std::string::npos);
    EXPECT_NE(constructed({.filters = 1, .kernel_size = 2, .strides = 2, .dilation_rate = 3}).find("strides=(2,)"),
              std::string::npos);
    EXPECT_NE(constructed({.filters = 1, .kernel_size = 1, .pointwise_initializer = "none_such"})
                  .find("Could not interpret initializer identifier: none_such"),
              std::string::npos);
    const auto parsed = [](const char* json) { return refusal([&] { keras::parse_separable_config(json); }); };
    EXPECT_NE(parsed(R"({"kernel_size": 3})").find("missing 1 required argument: 'filters'"), std::string::npos);
    EXPECT_NE(parsed(R"({"filters": 3})").find("missing 1 required argument: 'kernel_size'"), std::string::npos);
    EXPECT_NE(parsed(R"({"filters": 2.5, "kernel_size": 1})").find("Expected an integer. Received filters=2.5"),
              std::string::npos);
    EXPECT_NE(parsed(R"({"filters": null, "kernel_size": 1})").find("Expected an integer"), std::string::npos);
    EXPECT_NE(parsed(R"({"filters": 99999999999999999999, "kernel_size": 1})").find("`filters`"), std::string::npos);
    EXPECT_NE(parsed(R"({"filters": 1, "kernel_size": 1, "filter": 2})")
                  .find("Unrecognized keyword arguments passed to SeparableConv1D: {'filter': 2}"),
              std::string::npos);
    EXPECT_NE(parsed(R"({"class_name": "DepthwiseConv1D", "config": {"kernel_size": 1}})").find("SeparableConv1D"),
              std::string::npos);

    SeparableConv1D layer({.filters = 2, .kernel_size = 3});
    EXPECT_NE(refusal([&] { layer.set_weights({}); }).find("is not built"), std::string::npos);
    EXPECT_NE(refusal([&] { layer(Tensor{{1, 2, 1}, {1, 2}}); }).find("zero or negative"), std::string::npos);
    EXPECT_NE(refusal([&] { layer(Tensor{{1, 4, 1}, {1, 2}}); }).find("holds 2 values"), std::string::npos);
    EXPECT_FALSE(layer.built());
    layer.build({-1, -1, 4});
    EXPECT_NE(refusal([&] { layer.set_weights({}); }).find("was expecting 3 weights"), std::string::npos);
    std::vector<Tensor> weights = layer.get_weights();
    weights[1].shape = {8, 1, 1};
    EXPECT_NE(refusal([&] { layer.set_weights(weights); }).find("weight shape (1, 4, 2) is not compatible"),
              std::string::npos);
    EXPECT_NE(refusal([&] { layer(Tensor{{1, 4, 1}, {1, 2, 3, 4}}); }).find("to have value 4"), std::string::npos);
    SeparableConv1D huge({.filters = std::int64_t{1} << 40, .kernel_size = 1});
    EXPECT_NE(refusal([&] { huge.build({1, 1, 4}); }).find("more than 2^31 elements"), std::string::npos);
}

}  // namespace
