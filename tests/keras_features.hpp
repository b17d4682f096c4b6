// What the tests of the layer's promises share: the formula in double precision, layers with known weights, the
// recorded cases of real Keras. The promises are listed in docs/keras-layer.md; each has a test of its number.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dwconv/keras.hpp"
#include "keras_oracle.hpp"

namespace features {

using namespace dwconv::keras;
using keras_oracle::Json;
using keras_oracle::refusal;

// Values in [-1, 1), the same on every platform; another `seed` gives others.
inline Tensor values(const Shape& shape, std::uint32_t seed = 1) {
    Tensor tensor{shape, std::vector<float>(static_cast<std::size_t>(element_count(shape)))};
    std::uint32_t state = seed * 2654435761u + 12345u;
    for (float& value : tensor.data) {
        state = state * 1664525u + 1013904223u;
        value = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
    }
    return tensor;
}

struct Geometry {
    std::int64_t stride = 1, dilation = 1, pad_left = 0;
};

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Left zeros of padding="same".
inline std::int64_t same_left(std::int64_t length, std::int64_t taps, std::int64_t stride, std::int64_t dilation) {
    const std::int64_t out = ceil_div(length, stride);
    return std::max<std::int64_t>((out - 1) * stride + (taps - 1) * dilation + 1 - length, 0) / 2;
}

// y[n,t,c*M+m] = b[c*M+m] + sum over k of x[n, t*stride + k*dilation - pad_left, c] * w[k,c,m], channels last.
inline Tensor formula(const Tensor& x, const Tensor& w, const Tensor* bias, std::int64_t out_length, Geometry g) {
    const std::int64_t batch = x.shape[0], length = x.shape[1], channels = x.shape[2];
    const std::int64_t taps = w.shape[0], multiplier = w.shape[2], outs = channels * multiplier;
    Tensor y{{batch, out_length, outs}, std::vector<float>(static_cast<std::size_t>(batch * out_length * outs))};
    for (std::int64_t n = 0; n < batch; ++n)
        for (std::int64_t t = 0; t < out_length; ++t)
            for (std::int64_t q = 0; q < outs; ++q) {
                double sum = bias ? bias->data[static_cast<std::size_t>(q)] : 0.0;
                for (std::int64_t k = 0; k < taps; ++k) {
                    const std::int64_t i = t * g.stride + k * g.dilation - g.pad_left;
                    if (i < 0 || i >= length) continue;
                    const std::int64_t c = q / multiplier;
                    sum += static_cast<double>(x.data[static_cast<std::size_t>((n * length + i) * channels + c)]) *
                           w.data[static_cast<std::size_t>((k * channels + c) * multiplier + q % multiplier)];
                }
                y.data[static_cast<std::size_t>((n * out_length + t) * outs + q)] = static_cast<float>(sum);
            }
    return y;
}

// (a, b, c) -> (a, c, b).
inline Tensor swapped(const Tensor& x) {
    Tensor y{{x.shape[0], x.shape[2], x.shape[1]}, std::vector<float>(x.data.size())};
    for (std::int64_t n = 0; n < x.shape[0]; ++n)
        for (std::int64_t i = 0; i < x.shape[1]; ++i)
            for (std::int64_t j = 0; j < x.shape[2]; ++j)
                y.data[static_cast<std::size_t>((n * x.shape[2] + j) * x.shape[1] + i)] =
                    x.data[static_cast<std::size_t>((n * x.shape[1] + i) * x.shape[2] + j)];
    return y;
}

// Within 1e-5 of the largest expected magnitude (at least 1), and NaN exactly where NaN is expected.
inline void expect_close(const Tensor& y, const Tensor& expected, const std::string& what = "") {
    EXPECT_EQ(y.shape, expected.shape) << what;
    EXPECT_LE(keras_oracle::distance(y, expected), 1e-5) << what;
}

// A layer for `channels` input channels with known, non-zero weights.
inline DepthwiseConv1D known_layer(const LayerConfig& config, std::int64_t channels, std::uint32_t seed = 7) {
    DepthwiseConv1D layer(config);
    const std::int64_t taps = config.kernel_size, multiplier = config.depth_multiplier;
    std::optional<Tensor> bias;
    if (config.use_bias) bias = values({channels * multiplier}, seed + 1);
    layer.set_weights(values({taps, channels, multiplier}, seed), std::move(bias));
    return layer;
}

// `body` throws a value_error whose sentence holds these words.
inline void expect_refusal(const std::function<void()>& body, const std::vector<std::string>& words) {
    const std::string sentence = refusal(body);
    for (const std::string& word : words) EXPECT_NE(sentence.find(word), std::string::npos) << sentence;
}

// Runs every recorded forward case that `wanted` takes against Keras' formula in double; at least one must be there.
inline void run_cases(const std::function<bool(const Json& config)>& wanted) {
    int count = 0;
    for (const Json& row : keras_oracle::rows("cases.jsonl")) {
        const Json& config = row.at("config");
        if (row.at("strided_and_dilated").get<bool>() || !wanted(config)) continue;
        ++count;
        DepthwiseConv1D layer(parse_layer_config(config.dump(), ConfigSource::arguments));
        const Json& files = row.at("files");
        std::optional<Tensor> bias;
        if (!files.at("bias").is_null()) bias = keras_oracle::array(files.at("bias"));
        layer.set_weights(keras_oracle::array(files.at("kernel")), std::move(bias));
        expect_close(layer(keras_oracle::array(files.at("x"))), keras_oracle::array(files.at("y64")), config.dump());
    }
    EXPECT_GT(count, 0) << "no recorded case of this kind";
}

inline bool is_channels_first(const Json& config) {
    if (!config.contains("data_format") || !config["data_format"].is_string()) return false;
    std::string format = config["data_format"];
    for (char& c : format) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return format == "channels_first";
}

// A row of the paddings that Keras computes: length, taps, stride, dilation; "same": outputs, zeros left and right;
// "valid": outputs, 0 where there are none (an error).
struct PaddingRow {
    std::int64_t length, taps, stride, dilation, same, left, right, valid;
};
inline constexpr PaddingRow kPaddings[] = {
    {7, 3, 1, 1, 7, 1, 1, 5},   {7, 4, 1, 1, 7, 1, 2, 4},   {7, 2, 1, 1, 7, 0, 1, 6},  {8, 3, 2, 1, 4, 0, 1, 3},
    {7, 3, 2, 1, 4, 1, 1, 3},   {8, 4, 2, 1, 4, 1, 1, 3},   {13, 6, 5, 1, 3, 1, 2, 2}, {10, 2, 2, 2, 5, 0, 1, 4},
    {10, 11, 5, 1, 2, 3, 3, 0}, {5, 2, 3, 1, 2, 0, 0, 2},   {12, 2, 5, 1, 3, 0, 0, 3}, {1, 3, 2, 1, 1, 1, 1, 0},
    {4, 7, 1, 1, 4, 3, 3, 0},   {7, 4, 2, 3, 4, 4, 5, 0},   {6, 1, 4, 1, 2, 0, 0, 2},  {100, 5, 3, 1, 34, 2, 2, 32},
    {2, 3, 1, 4, 2, 4, 4, 0},   {12, 7, 1, 2, 12, 6, 6, 0},
};

}  // namespace features
