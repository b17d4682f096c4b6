// Promises of the layer about its initializers, regularizers and constraints; the numbers are those of
// docs/keras-layer.md.
#include "keras_features.hpp"

namespace {

using namespace features;

struct Moments {
    double mean = 0, deviation = 0, smallest = 0, largest = 0;
};

Moments moments(const Tensor& tensor) {
    Moments result;
    const double n = static_cast<double>(tensor.data.size());
    for (const float value : tensor.data) result.mean += value / n;
    for (const float value : tensor.data) {
        result.deviation += (value - result.mean) * (value - result.mean) / n;
    }
    result.deviation = std::sqrt(result.deviation);
    const auto [low, high] = std::minmax_element(tensor.data.begin(), tensor.data.end());
    result.smallest = *low;
    result.largest = *high;
    return result;
}

Tensor kernel_by(const Identifier<Initializer>& initializer, Shape input = {-1, -1, 64}, std::int64_t taps = 9,
                 std::int64_t multiplier = 25) {
    DepthwiseConv1D layer({.kernel_size = taps, .depth_multiplier = multiplier, .depthwise_initializer = initializer});
    layer.build(input);
    return layer.kernel();
}

TEST(KerasFeature, F29_KernelsStartGlorotUniform) {
    const double limit = std::sqrt(6.0 / (9 * (64 + 25)));
    for (const Identifier<Initializer>& initializer :
         {Identifier<Initializer>(), Identifier<Initializer>(nullptr), Identifier<Initializer>("glorot_uniform")}) {
        const Tensor kernel = kernel_by(initializer);
        const Moments m = moments(kernel);
        const double n = static_cast<double>(kernel.data.size());
        EXPECT_LE(m.largest, limit);
        EXPECT_GE(m.smallest, -limit);
        EXPECT_GT(m.largest, 0.99 * limit);
        EXPECT_NEAR(m.mean, 0, 5 * limit / std::sqrt(3 * n));
        EXPECT_NEAR(m.deviation, limit / std::sqrt(3.0), 0.02 * limit);
    }
}

TEST(KerasFeature, F30_EveryNamedInitializer) {
    // Expected standard deviations of a kernel (9, 64, 25): fans 9 * 64 and 9 * 25.
    const double in = 576, out = 225, average = (in + out) / 2;
    const double truncated_0_05 = 0.05 * 0.87962566103423978;
    const struct {
        const char* name;
        double mean, deviation;
    } named[] = {
        {"zeros", 0, 0},
        {"Zeros", 0, 0},
        {"zero", 0, 0},
        {"ones", 1, 0},
        {"Ones", 1, 0},
        {"one", 1, 0},
        {"random_normal", 0, 0.05},
        {"RandomNormal", 0, 0.05},
        {"normal", 0, 0.05},
        {"truncated_normal", 0, truncated_0_05},
        {"TruncatedNormal", 0, truncated_0_05},
        {"random_uniform", 0, 0.05 / std::sqrt(3.0)},
        {"RandomUniform", 0, 0.05 / std::sqrt(3.0)},
        {"uniform", 0, 0.05 / std::sqrt(3.0)},
        {"variance_scaling", 0, std::sqrt(1 / in)},
        {"VarianceScaling", 0, std::sqrt(1 / in)},
        {"glorot_uniform", 0, std::sqrt(1 / average)},
        {"GlorotNormal", 0, std::sqrt(1 / average)},
        {"he_uniform", 0, std::sqrt(2 / in)},
        {"HeNormal", 0, std::sqrt(2 / in)},
        {"lecun_uniform", 0, std::sqrt(1 / in)},
        {"LecunNormal", 0, std::sqrt(1 / in)},
        {"orthogonal", 0, std::sqrt(1 / in)},
        {"OrthogonalInitializer", 0, std::sqrt(1 / in)},
    };
    for (const auto& [name, mean, deviation] : named) {
        const Moments m = moments(kernel_by(name));
        EXPECT_NEAR(m.mean, mean, 0.05 * deviation + 1e-9) << name;
        EXPECT_NEAR(m.deviation, deviation, 0.02 * deviation + 1e-9) << name;
    }
    EXPECT_EQ(moments(kernel_by(Initializer::constant(0.75f))).smallest, 0.75f);
    expect_refusal([] { kernel_by("identity"); }, {"Identity matrix initializer can only be used for 2D matrices"});
    expect_refusal([] { kernel_by("IdentityInitializer"); }, {"2D"});
    expect_refusal([] { kernel_by("Glorot_Uniform"); }, {"Could not interpret initializer identifier: Glorot_Uniform"});
    EXPECT_EQ(kernel_by(Initializer::he_normal(7)).data, kernel_by(Initializer::he_normal(7)).data) << "seeded";
    EXPECT_NE(kernel_by(Initializer::he_normal(7)).data, kernel_by(Initializer::he_normal(8)).data);
    EXPECT_NE(kernel_by("he_normal").data, kernel_by("he_normal").data) << "a seed of its own for each object";
}

TEST(KerasFeature, F31_BiasStartsAtZero) {
    for (const Identifier<Initializer>& initializer : {Identifier<Initializer>(), Identifier<Initializer>(nullptr)}) {
        DepthwiseConv1D layer({.kernel_size = 3, .bias_initializer = initializer});
        layer.build({-1, -1, 6});
        EXPECT_EQ(layer.bias()->data, std::vector<float>(6));
    }
    DepthwiseConv1D ones({.kernel_size = 3, .bias_initializer = "ones"});
    ones.build({-1, -1, 6});
    EXPECT_EQ(ones.bias()->data, std::vector<float>(6, 1.0f));
}

// Kernel 0, 1, ... 11 of shape (3, 4, 1), bias 0, 1, 2, 3.
DepthwiseConv1D counting_layer(LayerConfig config) {
    config.kernel_size = 3;
    DepthwiseConv1D layer(config);
    Tensor kernel{{3, 4, 1}, {}}, bias{{4}, {}};
    for (int i = 0; i < 12; ++i) kernel.data.push_back(static_cast<float>(i));
    for (int i = 0; i < 4; ++i) bias.data.push_back(static_cast<float>(i));
    layer.set_weights(kernel, bias);
    return layer;
}

TEST(KerasFeature, F32_DepthwiseRegularizer) {
    const double sum = 66, squares = 506;  // of 0 .. 11
    EXPECT_TRUE(counting_layer({}).losses().empty());
    EXPECT_TRUE(counting_layer({.depthwise_regularizer = nullptr}).losses().empty());
    const struct {
        Identifier<Regularizer> regularizer;
        double penalty;
    } rows[] = {{"l1", 0.01 * sum},
                {"L2", 0.01 * squares},
                {"l1l2", 0},
                {Regularizer::l1(0.3f), 0.3 * sum},
                {Regularizer::l2(0.5), 0.5 * squares},
                {Regularizer::l1_l2(0.25, 0.5), 0.25 * sum + 0.5 * squares}};
    for (const auto& [regularizer, penalty] : rows) {
        const std::vector<float> losses = counting_layer({.depthwise_regularizer = regularizer}).losses();
        ASSERT_EQ(losses.size(), 1u);
        EXPECT_NEAR(losses[0], penalty, 1e-6 * penalty);
    }
    EXPECT_TRUE(counting_layer({.depthwise_regularizer = "l1", .trainable = false}).losses().empty());
    expect_refusal([] { counting_layer({.depthwise_regularizer = "l3"}); },
                   {"Could not interpret regularizer identifier: l3"});
    const auto maximum = [](const Tensor& w) { return *std::max_element(w.data.begin(), w.data.end()); };
    EXPECT_EQ(counting_layer({.depthwise_regularizer = maximum}).losses(), std::vector<float>{11});
}

TEST(KerasFeature, F33_BiasRegularizer) {
    EXPECT_TRUE(counting_layer({.bias_regularizer = nullptr}).losses().empty());
    const std::vector<float> losses =
        counting_layer({.depthwise_regularizer = "l1", .bias_regularizer = Regularizer::l2(0.5)}).losses();
    ASSERT_EQ(losses.size(), 2u) << "kernel, then bias";
    EXPECT_NEAR(losses[0], 0.66, 1e-6);
    EXPECT_NEAR(losses[1], 0.5 * 14, 1e-6);
}

TEST(KerasFeature, F34_ActivityRegularizerSeesTheOutput) {
    auto layer =
        counting_layer({.activation = "relu", .bias_regularizer = "l1", .activity_regularizer = Regularizer::l2(0.01)});
    const Tensor x = values({3, 6, 4});
    double squares = 0;
    for (const float value : layer(x).data) squares += static_cast<double>(value) * value;
    const std::vector<float> losses = layer.losses();
    ASSERT_EQ(losses.size(), 2u) << "the activity's first";
    EXPECT_NEAR(losses[0], 0.01 * squares / 3, 1e-5 * squares) << "divided by the batch size";
    EXPECT_NEAR(losses[1], 0.06, 1e-6);
    layer(values({0, 6, 4}));
    EXPECT_EQ(layer.losses()[0], 0.0f) << "an empty batch";
}

// The norm of each (c, m) filter over its taps.
std::vector<double> norms(const Tensor& kernel) {
    const std::size_t filters = kernel.data.size() / static_cast<std::size_t>(kernel.shape[0]);
    std::vector<double> squares(filters);
    for (std::size_t i = 0; i < kernel.data.size(); ++i) {
        squares[i % filters] += static_cast<double>(kernel.data[i]) * kernel.data[i];
    }
    for (double& square : squares) square = std::sqrt(square);
    return squares;
}

TEST(KerasFeature, F35_DepthwiseConstraintProjectsAfterAnUpdate) {
    const struct {
        Identifier<Constraint> constraint;
        std::function<double(double)> norm;                // of a filter afterwards
    } rows[] = {{"max_norm", [](double) { return 2.0; }},  // all filters here are longer
                {Constraint::max_norm(100), [](double before) { return before; }},
                {"UnitNorm", [](double) { return 1.0; }},
                {Constraint::min_max_norm(0.5f, 3, 0.25f), [](double before) { return 0.25 * 3 + 0.75 * before; }},
                {"non_neg", [](double before) { return before; }}};
    for (const auto& [constraint, norm] : rows) {
        auto layer = counting_layer({.depthwise_constraint = constraint});
        const Tensor before = layer.kernel();
        EXPECT_EQ(before.data[11], 11.0f) << "not applied when weights are set";
        layer.apply_constraints();
        EXPECT_EQ(layer.kernel().shape, before.shape);
        const std::vector<double> was = norms(before), is = norms(layer.kernel());
        for (std::size_t i = 0; i < was.size(); ++i) EXPECT_NEAR(is[i], norm(was[i]), 1e-5 * was[i]);
        EXPECT_EQ(layer.bias()->data[3], 3.0f) << "the bias has no constraint";
    }
    auto layer = known_layer({.kernel_size = 3, .depthwise_constraint = "NonNeg"}, 4);
    const Tensor x = values({1, 6, 4}), before = layer(x);
    layer.apply_constraints();
    for (const float value : layer.kernel().data) EXPECT_GE(value, 0.0f);
    expect_close(layer(x), formula(x, layer.kernel(), &*layer.bias(), 4, {}), "calls see the projected kernel");
    EXPECT_NE(layer(x).data, before.data);
    DepthwiseConv1D fresh(
        {.kernel_size = 3, .depthwise_initializer = Initializer::constant(5), .depthwise_constraint = "unit_norm"});
    fresh.build({-1, -1, 2});
    EXPECT_EQ(fresh.kernel().data[0], 5.0f) << "not applied at the start";
    expect_refusal([] { counting_layer({.depthwise_constraint = "maxnorm"}); },
                   {"Could not interpret constraint identifier: maxnorm"});
}

TEST(KerasFeature, F36_CustomConstraint) {
    Tensor seen;
    const auto halved = [&seen](const Tensor& w) {
        seen = w;
        Tensor result = w;
        for (float& value : result.data) value *= 0.5f;
        return result;
    };
    auto layer = counting_layer({.depthwise_constraint = halved});
    const Tensor before = layer.kernel();
    layer.apply_constraints();
    EXPECT_EQ(seen.data, before.data) << "takes the unprojected kernel";
    EXPECT_EQ(layer.kernel().data[11], 5.5f);
    auto wrong = counting_layer({.depthwise_constraint = [](const Tensor&) { return Tensor{{2}, {1, 2}}; }});
    expect_refusal([&] { wrong.apply_constraints(); }, {"(2,)", "(3, 4, 1)"});
    EXPECT_EQ(wrong.kernel().data, before.data) << "nothing is lost";
}

TEST(KerasFeature, F37_BiasConstraint) {
    DepthwiseConv1D layer({.kernel_size = 1, .bias_constraint = "NonNeg"});
    layer.set_weights({{1, 3, 1}, {-1, -1, -1}}, Tensor{{3}, {-1, 0, 2}});
    layer.apply_constraints();
    EXPECT_EQ(layer.bias()->data, (std::vector<float>{0, 0, 2}));
    EXPECT_EQ(layer.kernel().data, (std::vector<float>{-1, -1, -1}));
}

}  // namespace
