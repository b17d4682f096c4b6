// The layer on real Keras' results (oracle cases and model files), and its checks on inputs.
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "keras_oracle.hpp"

namespace {

namespace keras = dwconv::keras;
using keras_oracle::array;
using keras_oracle::distance;
using keras_oracle::Json;
using keras_oracle::refusal;
using keras_oracle::rows;

keras::DepthwiseConv1D case_layer(const Json& row) {
    Json config = row["config"];
    if (row["strided_and_dilated"]) config["allow_stride_with_dilation"] = true;
    keras::DepthwiseConv1D layer(keras::parse_layer_config(config.dump(), keras::ConfigSource::arguments));
    std::optional<keras::Tensor> bias;
    if (!row["files"]["bias"].is_null()) bias = array(row["files"]["bias"]);
    layer.set_weights(array(row["files"]["kernel"]), std::move(bias));
    return layer;
}

TEST(KerasLayer, OracleCases) {
    int run = 0;
    for (const Json& row : rows("cases.jsonl")) {
        SCOPED_TRACE(row["config"].dump());
        keras::DepthwiseConv1D layer = case_layer(row);
        const keras::Tensor x = array(row["files"]["x"]), y = layer(x);
        EXPECT_LE(distance(y, array(row["files"]["y64"])), 1e-5);
        EXPECT_EQ(y.shape, row["y_shape"].get<keras::Shape>());
        if (row["config"]["activation"] != "glu") {
            EXPECT_EQ(layer.compute_output_shape(x.shape), y.shape);
        }
        ++run;
    }
    EXPECT_EQ(run, 60);
}

// The layers of all model files, from their configs and weights; reading the files is tested elsewhere.
TEST(KerasLayer, OracleModels) {
    int run = 0;
    for (const Json& row : rows("models.jsonl")) {
        SCOPED_TRACE(row["file"].dump() + row["layer"].dump());
        keras::DepthwiseConv1D layer(keras::parse_layer_config(row["config"].dump()));
        std::optional<keras::Tensor> bias;
        if (row["weights"].size() > 1) bias = array(row["weights"][1]["file"]);
        layer.set_weights(array(row["weights"][0]["file"]), std::move(bias));
        const std::string dtype = row["compute_dtype"];
        EXPECT_EQ(layer.compute_dtype(), dtype);
        const double tolerance = dtype == "float16" ? 2e-3 : dtype == "bfloat16" ? 2e-2 : 1e-5;
        EXPECT_LE(distance(layer(array(row["x"])), array(row["y"])), tolerance);
        ++run;
    }
    EXPECT_EQ(run, 70);
}

// All weights 0.5.
keras::DepthwiseConv1D filled(keras::LayerConfig config, int64_t channels) {
    config.depthwise_initializer = config.bias_initializer = keras::Initializer::constant(0.5f);
    keras::DepthwiseConv1D layer(config);
    layer.build(layer.channels_first() ? keras::Shape{-1, channels, -1} : keras::Shape{-1, -1, channels});
    return layer;
}

TEST(KerasLayer, InputsAreCheckedInKerasWords) {
    keras::DepthwiseConv1D layer = filled({.kernel_size = 3, .name = "conv"}, 4);
    const std::string incompatible = "Input 0 of layer 'conv' is incompatible with the layer: ";
    const auto on = [&](const keras::Shape& shape) {
        const std::string by_shape = refusal([&] { layer.compute_output_shape(shape); });
        const auto count = static_cast<size_t>(keras::element_count(shape));
        EXPECT_EQ(refusal([&] { layer({shape, std::vector<float>(count)}); }), by_shape);
        EXPECT_EQ(refusal([&] { layer.build(shape); }), by_shape);
        EXPECT_EQ(refusal([&] { layer.problem(shape); }), by_shape);
        return by_shape;
    };
    for (int round = 0; round < 2; ++round) {  // the second time with a plan in the cache
        EXPECT_EQ(on({}), incompatible + "expected min_ndim=3, found ndim=0. Full shape received: ()");
        EXPECT_EQ(on({2, 10}), incompatible + "expected min_ndim=3, found ndim=2. Full shape received: (2, 10)");
        EXPECT_EQ(on({2, 10, 4, 1}),
                  "Kernel shape must have the same length as input, but received kernel of shape (3, 1, 1) and input "
                  "of shape (2, 10, 4, 1).");
        EXPECT_EQ(on({2, 10, 5}), incompatible +
                                      "expected axis -1 of input shape to have value 4, but received input with shape "
                                      "(2, 10, 5)");
        EXPECT_EQ(on({2, 2, 4}),
                  "Computed output size would be zero or negative. Received `inputs shape=(2, 2, 4)`, `kernel "
                  "shape=(3, 4, 4)`, `dilation_rate=[1]`, `strides=(1,)`, `padding=valid`.");
        EXPECT_HAS(on({2, 0, 4}), "Computed output size would be zero or negative");
        EXPECT_EQ(layer({{2, 10, 4}, std::vector<float>(80, 1.0f)}).shape, (keras::Shape{2, 8, 4}));
    }
    EXPECT_HAS(refusal([&] { layer.compute_output_shape({1, 10, -1}); }), "should be defined");
    EXPECT_HAS(refusal([&] { layer({{1, 5, 4}, {1.0f}}); }), "x of shape (1, 5, 4) holds 1 values");
    EXPECT_HAS(refusal([&] { layer({{2, 10, 4}, {1.0f}}); }), "x of shape (2, 10, 4) holds 1 values");
    EXPECT_HAS(refusal([&] { layer({{-1, 10, 4}, {}}); }), "negative dimension");
    keras::Tensor x{{1, 3, 4}, std::vector<float>(12)};
    EXPECT_HAS(refusal([&] { layer.call(x, &x); }), "y is x");

    keras::DepthwiseConv1D first = filled({.kernel_size = 3, .data_format = "channels_first"}, 4);
    EXPECT_EQ(first.compute_output_shape({1, 4, 10}), (keras::Shape{1, 4, 8}));
    EXPECT_HAS(refusal([&] { first.compute_output_shape({1, 5, 10}); }), "expected axis 1 of input shape");
    EXPECT_HAS(refusal([&] { first.compute_output_shape({1, -1, 10}); }), "where axis 1 is the channel dimension");
}

TEST(KerasLayer, UnknownAndEmptyDimensions) {
    keras::DepthwiseConv1D layer = filled({.kernel_size = 3}, 4);
    EXPECT_EQ(layer.compute_output_shape({-1, -1, 4}), (keras::Shape{-1, -1, 4}));
    EXPECT_EQ(layer.compute_output_shape({-7, 10, 4}), (keras::Shape{-1, 8, 4}));
    EXPECT_EQ(layer({{0, 10, 4}, {}}).shape, (keras::Shape{0, 8, 4}));
    EXPECT_HAS(refusal([&] { layer.problem({-1, 10, 4}); }), "unknown dimensions");
    keras::DepthwiseConv1D same = filled({.kernel_size = 3, .strides = 2, .padding = "same"}, 4);
    EXPECT_EQ(same({{2, 0, 4}, {}}).shape, (keras::Shape{2, 0, 4}));
    EXPECT_EQ(same({{0, 9, 4}, {}}).shape, (keras::Shape{0, 5, 4}));
}

TEST(KerasLayer, AbsurdArgumentsAreRefused) {
    const int64_t huge = 9000000000000000000;
    keras::DepthwiseConv1D layer({.kernel_size = huge, .depth_multiplier = 4000000000000000000, .dilation_rate = huge});
    EXPECT_THROW(layer.compute_output_shape({1, 10, 1}), dwconv::value_error);
    EXPECT_THROW(layer.compute_output_shape({1, 10, 1000}), dwconv::value_error);
    keras::DepthwiseConv1D same({.kernel_size = huge, .padding = "same", .dilation_rate = huge});
    EXPECT_THROW(same.problem({1, 10, 1}), dwconv::value_error);
    EXPECT_THROW(same.build({1, 10, 1}), dwconv::value_error);
    keras::DepthwiseConv1D large({.kernel_size = 1000000, .padding = "same"});
    EXPECT_HAS(refusal([&] { large.build({1, 10, 1000000}); }), "kernel shape (1000000, 1000000, 1)");
    EXPECT_FALSE(large.built());
}

// Output channel q = c*M + m; the kernel is not flipped.
TEST(KerasLayer, OrderOfTapsAndChannels) {
    keras::DepthwiseConv1D layer({.kernel_size = 2, .depth_multiplier = 3});
    layer.set_weights({{2, 1, 3}, {1, 2, 3, 4, 5, 6}}, keras::Tensor{{3}, {0, 0, 0}});
    EXPECT_EQ(layer({{1, 2, 1}, {1, 10}}).data, (std::vector<float>{41, 52, 63}));
}

TEST(KerasLayer, ActivationsThatAreNotFused) {
    const keras::Tensor x{{1, 4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}};
    int calls = 0;
    keras::DepthwiseConv1D own = filled({.kernel_size = 2,
                                         .activation =
                                             [&](keras::Tensor y) {
                                                 ++calls;
                                                 for (float& value : y.data) value = -value;
                                                 return y;
                                             },
                                         .use_bias = false},
                                        2);
    EXPECT_EQ(own(x).data, (std::vector<float>{-2, -3, -4, -5, -6, -7}));
    EXPECT_EQ(calls, 1);
    keras::DepthwiseConv1D glu = filled({.kernel_size = 2, .activation = "glu"}, 2);
    EXPECT_EQ(glu(x).shape, (keras::Shape{1, 3, 1}));
    EXPECT_EQ(glu.compute_output_shape(x.shape), (keras::Shape{1, 3, 2})) << "as Keras";
    EXPECT_THROW(filled({.kernel_size = 2, .activation = "glu"}, 3)({{1, 5, 3}, std::vector<float>(15)}),
                 dwconv::value_error);
    keras::DepthwiseConv1D wrong = filled({.kernel_size = 2,
                                           .activation =
                                               [](keras::Tensor) {
                                                   return keras::Tensor{{2, 3}, {1}};
                                               }},
                                          2);
    EXPECT_HAS(refusal([&] { wrong(x); }), "(2, 3)");
}

TEST(KerasLayer, NarrowTypesAreRounded) {
    const float x = 1.0f + 0x1p-9f + 0x1p-12f, w = 3.0f + 0x1p-12f;
    const auto result = [&](const char* dtype) {
        keras::DepthwiseConv1D layer({.kernel_size = 1, .use_bias = false, .dtype = dtype});
        layer.set_weights({{1, 1, 1}, {w}}, std::nullopt);
        return std::pair(layer({{1, 1, 1}, {x}}).data[0], layer.kernel().data[0]);
    };
    EXPECT_EQ(result("float32").first, x * w);
    EXPECT_EQ(result("float64").first, x * w);
    // float16 holds 1 + 2^-9, 3 and their product; bfloat16 has 1 and 3.
    // even.
    EXPECT_EQ(result("float16"), std::pair(3.0f + 3 * 0x1p-9f, 3.0f));
    EXPECT_EQ(result("mixed_float16"), std::pair(3.0f + 3 * 0x1p-9f, w));
    EXPECT_EQ(result("bfloat16"), std::pair(3.0f, 3.0f));
    EXPECT_EQ(result("mixed_bfloat16"), std::pair(3.0f, w));
}

TEST(KerasLayer, NanSpreadsAsFarAsItsTapsOnly) {
    auto layer = filled({.kernel_size = 3, .padding = "same", .activation = "relu"}, 1);
    keras::Tensor x{{1, 9, 1}, std::vector<float>(9, 1.0f)};
    x.data[4] = NAN;
    const keras::Tensor y = layer(x);
    for (size_t i = 0; i < 9; ++i) EXPECT_EQ(std::isnan(y.data[i]), i >= 3 && i <= 5) << i;
}

// Chunks with their carried state give the bits of the whole sequence with zeros before it.
TEST(KerasLayer, StreamedInChunks) {
    for (const char* format : {"channels_last", "channels_first"})
        for (const int stride : {1, 2}) {
            const bool first = std::string(format) == "channels_first";
            keras::DepthwiseConv1D layer({.kernel_size = 4,
                                          .strides = stride,
                                          .depth_multiplier = 2,
                                          .data_format = format,
                                          .dilation_rate = stride == 1 ? 3 : 1,
                                          .activation = "silu"});
            const int64_t past = stride == 1 ? 9 : 3, C = 5, B = 2;
            // x as (batch, time, channel), and any part of it, with zeros for negative times, in the layer's format.
            const auto part = [&](int64_t begin, int64_t end) {
                keras::Tensor x{first ? keras::Shape{B, C, end - begin} : keras::Shape{B, end - begin, C}, {}};
                for (int64_t n = 0; n < B; ++n)
                    for (int64_t i = 0; i < (end - begin) * C; ++i) {
                        const int64_t t = begin + (first ? i % (end - begin) : i / C);
                        const int64_t c = first ? i / (end - begin) : i % C;
                        x.data.push_back(t < 0 ? 0.0f : std::sin(static_cast<float>((n * 40 + t) * C + c)));
                    }
                return x;
            };
            keras::Tensor state, y, whole = layer(part(-past, 40));
            for (int round = 0; round < 2; ++round) {
                state = {};
                int64_t begin = 0;
                for (const int64_t length : {2, 8, 2, 28}) {
                    layer.stream(part(begin, begin + length), &state, &y);
                    EXPECT_EQ(state.shape, (keras::Shape{B, past, C}));
                    const int64_t rows = length / stride, all = 40 / stride, Q = 2 * C;
                    ASSERT_EQ(y.shape, first ? (keras::Shape{B, Q, rows}) : (keras::Shape{B, rows, Q}));
                    for (int64_t n = 0; n < B; ++n)
                        for (int64_t t = 0; t < rows; ++t)
                            for (int64_t q = 0; q < Q; ++q) {
                                const int64_t T = begin / stride + t;
                                const auto got = first ? (n * Q + q) * rows + t : (n * rows + t) * Q + q;
                                const auto want = first ? (n * Q + q) * all + T : (n * all + T) * Q + q;
                                ASSERT_EQ(y.data[static_cast<size_t>(got)], whole.data[static_cast<size_t>(want)]);
                            }
                    begin += length;
                }
            }
            EXPECT_NE(refusal([&] {
                          state.shape = {B, past + 1, C};
                          layer.stream(part(0, 2), &state, &y);
                      }).find("state has shape"),
                      std::string::npos);
        }
    keras::DepthwiseConv1D same({.kernel_size = 3, .padding = "same"});
    keras::Tensor state, y;
    EXPECT_NE(refusal([&] {
                  same.stream({{1, 4, 2}, std::vector<float>(8)}, &state, &y);
              }).find("\"valid\""),
              std::string::npos);
    keras::DepthwiseConv1D valid({.kernel_size = 3});
    EXPECT_NE(refusal([&] { valid.stream({{1, 0, 2}, {}}, &state, &y); }), "");
}

}  // namespace
