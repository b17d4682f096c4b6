// Chains of layers: shapes propagate, names are unique, totals add up.
#include <gtest/gtest.h>

#include "dwconv/keras.hpp"
#include "keras_oracle.hpp"

namespace keras = dwconv::keras;
using keras::DepthwiseConv1D;
using keras::SeparableConv1D;
using keras::Sequential;
using keras::Shape;
using keras::Tensor;
using keras_oracle::refusal;

namespace {

Tensor counted(const Shape& shape) {
    Tensor x{shape, std::vector<float>(static_cast<size_t>(keras::element_count(shape)))};
    for (size_t i = 0; i < x.data.size(); ++i) x.data[i] = static_cast<float>(static_cast<int>(i % 17) - 8) / 8;
    return x;
}

Sequential two_layers() {
    Sequential model;
    model.add(DepthwiseConv1D({.kernel_size = 3, .strides = 2, .depth_multiplier = 3, .activation = "relu"}))
        .add(SeparableConv1D({.filters = 5, .kernel_size = 2}));
    return model;
}

class KerasSequential : public testing::Test {
   protected:
    void SetUp() override { keras::reset_settings(); }
};

TEST_F(KerasSequential, NamesItselfAsKerasDoes) {
    EXPECT_EQ(Sequential().name(), "sequential");
    EXPECT_EQ(Sequential().name(), "sequential_1");
    EXPECT_EQ(Sequential("mine").name(), "mine");
    EXPECT_NE(refusal([] { Sequential("a/b"); }).find("cannot contain character `/`"), std::string::npos);
}

TEST_F(KerasSequential, ShapesPropagate) {
    Sequential model = two_layers();
    EXPECT_TRUE(model.built_shape().empty());
    EXPECT_EQ(model.compute_output_shape({-1, 11, 4}), (Shape{-1, 4, 5}));
    model.build({-1, 11, 4});
    EXPECT_EQ(model.built_shape(), (Shape{-1, 11, 4}));
    EXPECT_EQ(model.layers()[1]->built_shape(), (Shape{-1, 5, 12}));
    EXPECT_EQ(model.count_params(), 3 * 4 * 3 + 12 + 2 * 12 + 12 * 5 + 5);
    EXPECT_EQ(model.weights().size(), 5u);
    EXPECT_NE(refusal([&] { model.build({-1, 11, 5}); }).find("to have value 4"), std::string::npos);
    // Added to a chain that is built, a layer is built.
    model.add(DepthwiseConv1D({.kernel_size = 2}));
    EXPECT_EQ(model.layers()[2]->built_shape(), (Shape{-1, 4, 5}));
    EXPECT_NE(refusal([&] { model.add(DepthwiseConv1D({.kernel_size = 9})); }).find("zero or negative"),
              std::string::npos);
    EXPECT_EQ(model.layers().size(), 3u) << "a layer that cannot be built is not added";
}

TEST_F(KerasSequential, OutputIsThatOfLayersAfterEachOther) {
    Sequential model = two_layers();
    const Tensor x = counted({2, 11, 4});
    const Tensor y = model(x);
    EXPECT_EQ(model.built_shape(), x.shape);
    const Tensor expected = (*model.layers()[1])((*model.layers()[0])(x));
    EXPECT_EQ(y.shape, (Shape{2, 4, 5}));
    EXPECT_EQ(y.shape, expected.shape);
    EXPECT_EQ(y.data, expected.data);
    EXPECT_EQ(model(counted({3, 7, 4})).shape, (Shape{3, 2, 5})) << "another length of the same channels";
}

TEST_F(KerasSequential, LayersMeetTheShapesThatAre) {
    Sequential model;
    model.add(DepthwiseConv1D({.kernel_size = 1, .activation = "glu"})).add(DepthwiseConv1D({.kernel_size = 1}));
    EXPECT_EQ(model(counted({2, 5, 6})).shape, (Shape{2, 5, 3}));
}

TEST_F(KerasSequential, LayersMayBeShared) {
    const auto shared = std::make_shared<DepthwiseConv1D>(keras::LayerConfig{.kernel_size = 2});
    Sequential first, second;
    first.add(shared);
    second.add(DepthwiseConv1D({.kernel_size = 3})).add(shared);
    first.build({-1, 9, 4});
    second.build({-1, 9, 4});
    shared->set_weights({Tensor{{2, 4, 1}, std::vector<float>(8, 2.0f)}, Tensor{{4}, std::vector<float>(4, 1.0f)}});
    EXPECT_EQ(first.weights()[0].value.data, second.weights()[2].value.data);
    EXPECT_NE(second.summary().find("(None, 6, 4)"), std::string::npos) << second.summary();
}

TEST_F(KerasSequential, NamesAreUnique) {
    Sequential model;
    model.add(DepthwiseConv1D({.kernel_size = 2, .name = "conv"}));
    EXPECT_NE(refusal([&] {
                  model.add(SeparableConv1D({.filters = 1, .kernel_size = 1, .name = "conv"}));
              }).find("should have unique names. Name 'conv'"),
              std::string::npos);
    EXPECT_NE(refusal([&] { model.add(std::shared_ptr<keras::Layer>()); }).find("null"), std::string::npos);
    EXPECT_EQ(model.layers().size(), 1u);
}

TEST_F(KerasSequential, AnEmptyChainIsNoModel) {
    Sequential model;
    EXPECT_NE(refusal([&] { model.build({1, 2, 3}); }).find("has no layers"), std::string::npos);
    EXPECT_NE(refusal([&] { model(counted({1, 2, 3})); }).find("has no layers"), std::string::npos);
}

TEST_F(KerasSequential, LossesAndConstraintsOfAllLayers) {
    Sequential model;
    model.add(DepthwiseConv1D({.kernel_size = 1,
                               .depthwise_initializer = "ones",
                               .depthwise_regularizer = keras::Regularizer::l2(0.5),
                               .depthwise_constraint = keras::Constraint::max_norm(0.5f)}));
    model.add(DepthwiseConv1D(
        {.kernel_size = 1, .depthwise_initializer = "ones", .activity_regularizer = keras::Regularizer::l1(1)}));
    model(Tensor{{2, 1, 2}, {1, -1, 2, 0}});
    EXPECT_EQ(model.losses(), (std::vector<float>{1.0f, 2.0f}));
    model.apply_constraints();
    EXPECT_NEAR(model.weights()[0].value.data[0], 0.5f, 1e-6f);
    EXPECT_EQ(model.weights()[2].value.data[0], 1.0f);
}

TEST_F(KerasSequential, SummaryIsComputedAndAligned) {
    Sequential model;
    model.add(DepthwiseConv1D({.kernel_size = 3, .depth_multiplier = 3, .name = "a"}));
    model.add(SeparableConv1D({.filters = 5, .kernel_size = 2, .name = "longer", .trainable = false}));
    EXPECT_NE(model.summary().find("unbuilt"), std::string::npos) << model.summary();
    model.build({-1, 11, 4});
    const std::string text = model.summary();
    EXPECT_NE(text.find("Model: \"sequential\"\n"), std::string::npos) << text;
    EXPECT_NE(text.find("a (DepthwiseConv1D)       (None, 9, 12)  48\n"), std::string::npos) << text;
    EXPECT_NE(text.find("longer (SeparableConv1D)  (None, 8, 5)   89\n"), std::string::npos) << text;
    EXPECT_NE(text.find("Total params: 137\nTrainable params: 48\nNon-trainable params: 89\n"), std::string::npos)
        << text;
}

}  // namespace
