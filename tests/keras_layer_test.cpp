// The layer on real Keras' results (oracle cases and model files), and its checks on inputs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "dwconv/keras.hpp"

namespace {

namespace keras = dwconv::keras;
using Json = nlohmann::json;

const std::string kOracle = std::string(DWC_TEST_DATA) + "/keras_oracle/";

std::vector<Json> rows(const std::string& file) {
    std::vector<Json> rows;
    std::ifstream lines(kOracle + file);
    for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
    return rows;
}

keras::Tensor array(const Json& file) { return keras::read_npy(kOracle + file.get<std::string>()); }

// Largest distance over max(1, max|want|); infinite where shapes or NaNs differ.
double distance(const keras::Tensor& got, const keras::Tensor& want) {
    if (got.shape != want.shape) return INFINITY;
    double scale = 1, largest = 0;
    for (const float value : want.data) scale = std::max(scale, std::fabs(static_cast<double>(value)));
    for (size_t i = 0; i < want.data.size(); ++i) {
        if (std::isnan(got.data[i]) != std::isnan(want.data[i])) return INFINITY;
        if (!std::isnan(want.data[i]))
            largest = std::max(largest, std::fabs(double{got.data[i]} - want.data[i]) / scale);
    }
    return largest;
}

bool last_axis(const Json& activation) {
    return activation == "softmax" || activation == "log_softmax" || activation == "sparsemax" || activation == "glu";
}

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
        const keras::DepthwiseConv1D layer = case_layer(row);
        const keras::Tensor x = array(row["files"]["x"]);
        if (last_axis(row["config"]["activation"])) {
            try {
                layer(x);
                ADD_FAILURE() << "last-axis activations are beyond this version";
            } catch (const dwconv::error& error) {
                EXPECT_EQ(error.status(), DWC_ERROR_UNSUPPORTED);
            }
            continue;
        }
        EXPECT_EQ(layer.compute_output_shape(x.shape), row["y_shape"].get<keras::Shape>());
        EXPECT_LE(distance(layer(x), array(row["files"]["y64"])), 1e-5);
        ++run;
    }
    EXPECT_EQ(run, 56);
}

TEST(KerasLayer, LayersOfModelFiles) {
    int run = 0;
    for (const Json& row : rows("models.jsonl")) {
        const std::string file = row["file"];
        if (file.find(".keras") == std::string::npos) continue;
        SCOPED_TRACE(file + " " + row["layer"].get<std::string>());
        const keras::Model model = keras::Model::open(kOracle + file);
        const std::string dtype = row["compute_dtype"];
        const double tolerance = dtype == "float16" ? 2e-3 : dtype == "bfloat16" ? 2e-2 : 1e-5;
        EXPECT_LE(distance(model.layer(model.find(row["layer"]))(array(row["x"])), array(row["y"])), tolerance);
        ++run;
    }
    EXPECT_EQ(run, 27);
}

keras::DepthwiseConv1D layer_of(const std::string& config, int64_t channels) {
    keras::DepthwiseConv1D layer(keras::parse_layer_config(config));
    const auto& c = layer.config();
    const auto filled = [](keras::Shape shape) {
        return keras::Tensor{shape, std::vector<float>(static_cast<size_t>(keras::element_count(shape)), 0.5f)};
    };
    std::optional<keras::Tensor> bias;
    if (c.use_bias) bias = filled({channels * c.depth_multiplier});
    layer.set_weights(filled({c.kernel_size, channels, c.depth_multiplier}), std::move(bias));
    return layer;
}

std::string refusal(const std::function<void()>& body) {
    try {
        body();
        return "accepted";
    } catch (const dwconv::value_error& error) {
        return error.what();
    }
}

TEST(KerasLayer, InputsAreCheckedInKerasWords) {
    const auto layer = layer_of(R"({"kernel_size": 3})", 4);
    const auto shape_refusal = [&](const keras::Shape& shape) {
        return refusal([&] { layer.compute_output_shape(shape); });
    };
    EXPECT_NE(shape_refusal({2, 10}).find("expected min_ndim=3, found ndim=2. Full shape received: (2, 10)"),
              std::string::npos);
    EXPECT_NE(shape_refusal({2, 10, 4, 1}).find("Kernel shape must have the same length as input"), std::string::npos);
    EXPECT_NE(shape_refusal({2, 10, 5}).find("expected axis -1 of input shape to have value 4"), std::string::npos);
    EXPECT_NE(shape_refusal({2, 2, 4}).find("Computed output size would be zero or negative"), std::string::npos);
    EXPECT_NE(shape_refusal({2, 0, 4}).find("`kernel shape=(3, 4, 4)`"), std::string::npos);
    EXPECT_EQ(layer.compute_output_shape({-1, -1, 4}), (keras::Shape{-1, -1, 4}));
    EXPECT_EQ(layer.compute_output_shape({0, 10, 4}), (keras::Shape{0, 8, 4}));
    const auto first = layer_of(R"({"kernel_size": 3, "data_format": "channels_first"})", 4);
    EXPECT_EQ(first.compute_output_shape({1, 4, 10}), (keras::Shape{1, 4, 8}));
    EXPECT_NE(refusal([&] { first.compute_output_shape({1, 5, 10}); }).find("expected axis 1"), std::string::npos);
    EXPECT_NE(refusal([&] { layer({{1, 5, 4}, {1.0f}}); }).find("holds 1 values"), std::string::npos);
}

TEST(KerasLayer, AbsurdArgumentsAreRefused) {
    keras::DepthwiseConv1D layer(keras::parse_layer_config(
        R"({"kernel_size": 9000000000000000000, "dilation_rate": 9000000000000000000, "depth_multiplier": 4000000000000000000})"));
    EXPECT_THROW(layer.compute_output_shape({1, 10, 1}), dwconv::value_error);
    EXPECT_THROW(layer.compute_output_shape({1, 10, 1000}), dwconv::value_error);
    keras::DepthwiseConv1D same(keras::parse_layer_config(
        R"({"kernel_size": 9000000000000000000, "dilation_rate": 9000000000000000000, "padding": "same"})"));
    EXPECT_THROW(same.problem({1, 10, 1}), dwconv::value_error);
}

TEST(KerasLayer, WeightsAreChecked) {
    keras::DepthwiseConv1D layer(keras::parse_layer_config(R"({"kernel_size": 2, "depth_multiplier": 3})"));
    EXPECT_THROW(layer({{1, 4, 1}, {1, 2, 3, 4}}), dwconv::value_error) << "no weights yet";
    const keras::Tensor kernel{{2, 1, 3}, {1, 2, 3, 4, 5, 6}}, bias{{3}, {0, 0, 0}};
    EXPECT_THROW(layer.set_weights(kernel, std::nullopt), dwconv::value_error);
    EXPECT_THROW(layer.set_weights({{3, 1, 2}, {1, 2, 3, 4, 5, 6}}, bias), dwconv::value_error);
    EXPECT_THROW(layer.set_weights(kernel, keras::Tensor{{2}, {0, 0}}), dwconv::value_error);
    EXPECT_THROW(layer.set_weights({{2, 1, 3}, {1}}, bias), dwconv::value_error);
    EXPECT_THROW(layer.set_weights({{2, 0, 3}, {}}, keras::Tensor{{0}, {}}), dwconv::value_error);
    layer.set_weights(kernel, bias);
    // Output channel q = c*M + m; the kernel is not flipped.
    EXPECT_EQ(layer({{1, 2, 1}, {1, 10}}).data, (std::vector<float>{41, 52, 63}));
}

TEST(KerasLayer, NanSpreadsAsFarAsItsTapsOnly) {
    const auto layer = layer_of(R"({"kernel_size": 3, "padding": "same", "activation": "relu"})", 1);
    keras::Tensor x{{1, 9, 1}, std::vector<float>(9, 1.0f)};
    x.data[4] = NAN;
    const keras::Tensor y = layer(x);
    for (size_t i = 0; i < 9; ++i) EXPECT_EQ(std::isnan(y.data[i]), i >= 3 && i <= 5) << i;
}

}  // namespace
