// Layer configs: every spelling that Keras takes, every refusal in Keras' words. The oracle's errors.jsonl is run by
// `dwconv check`; here are the rules that a reader of the code looks for.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "dwconv/keras.hpp"

namespace {

namespace keras = dwconv::keras;
using keras::ConfigSource;

keras::LayerConfig arguments(const std::string& json) { return parse_layer_config(json, ConfigSource::arguments); }

std::string refusal(const std::string& json, ConfigSource source = ConfigSource::arguments) {
    try {
        keras::parse_layer_config(json, source);
        return "accepted";
    } catch (const dwconv::value_error& error) {
        return error.what();
    }
}

#define EXPECT_REFUSED(json, words) \
    EXPECT_NE(refusal(json).find(words), std::string::npos) << refusal(json) << "\n  lacks: " << words

TEST(KerasConfig, DefaultsAreKerasDefaults) {
    const auto config = arguments(R"({"kernel_size": 3})");
    EXPECT_EQ(config.kernel_size, 3);
    EXPECT_EQ(config.strides, 1);
    EXPECT_EQ(config.dilation_rate, 1);
    EXPECT_EQ(config.depth_multiplier, 1);
    EXPECT_EQ(config.padding, keras::Padding::valid);
    EXPECT_EQ(config.data_format, keras::DataFormat::channels_last);
    EXPECT_EQ(config.activation.name, "linear");
    EXPECT_TRUE(config.use_bias);
    EXPECT_EQ(config.compute_dtype(), "float32");
    EXPECT_FALSE(config.allow_stride_with_dilation);
}

TEST(KerasConfig, IntegersMayBeListsOfOneAndBooleans) {
    for (const char* value : {"4", "[4]"}) {
        EXPECT_EQ(arguments(std::string(R"({"kernel_size": )") + value + "}").kernel_size, 4);
    }
    EXPECT_EQ(arguments(R"({"kernel_size": true})").kernel_size, 1);
    EXPECT_REFUSED(R"({"kernel_size": [3, 5]})",
                   "The `kernel_size` argument must be a tuple of 1 integers. Received kernel_size=[3, 5]");
    EXPECT_REFUSED(R"({"kernel_size": 3.0})", "Received kernel_size=3.0");
    EXPECT_REFUSED(R"({"kernel_size": [3.0]})", "a float");
    EXPECT_REFUSED(R"({"kernel_size": ["a"]})", "including element a of type <class 'str'>");
    EXPECT_REFUSED(R"({"kernel_size": 3, "strides": 0})",
                   "Received strides=0, including values {0} that do not satisfy `value > 0`");
    EXPECT_REFUSED(R"({"kernel_size": 3, "dilation_rate": [-2]})", "including values {-2}");
    EXPECT_REFUSED(R"({"kernel_size": 18446744073709551615})", "does not fit 64 bits");
    EXPECT_REFUSED(R"({"kernel_size": 3, "depth_multiplier": 0})",
                   "Expected a strictly positive value. Received depth_multiplier=0.");
    EXPECT_REFUSED(R"({"kernel_size": 3, "depth_multiplier": 2.5})", "depth_multiplier=2.5");
    EXPECT_REFUSED(R"({"strides": 2})", "missing 1 required argument: 'kernel_size'");
}

TEST(KerasConfig, WordsIgnoreCaseWhereKerasDoes) {
    EXPECT_EQ(arguments(R"({"kernel_size": 3, "padding": "sAmE"})").padding, keras::Padding::same);
    EXPECT_EQ(arguments(R"({"kernel_size": 3, "data_format": "Channels_First"})").data_format,
              keras::DataFormat::channels_first);
    EXPECT_EQ(arguments(R"({"kernel_size": 3, "data_format": null})").data_format, keras::DataFormat::channels_last);
    EXPECT_REFUSED(R"({"kernel_size": 3, "padding": "causal"})", "Received: causal");
    EXPECT_REFUSED(R"({"kernel_size": 3, "padding": ["same"]})", "`padding` must be either `'valid'` or `'same'`");
    EXPECT_REFUSED(R"({"kernel_size": 3, "data_format": "NHWC"})", "Received: data_format=nhwc");
    EXPECT_REFUSED(R"({"kernel_size": 3, "activation": "ReLU"})",
                   "Could not interpret activation function identifier: ReLU");
}

TEST(KerasConfig, StrideWithDilationNeedsTheFlag) {
    const std::string words =
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides=(2,) "
        "and dilation_rate=(3,)";
    EXPECT_REFUSED(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 3})", words);
    EXPECT_REFUSED(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 3, "allow_stride_with_dilation": false})",
                   words);
    EXPECT_EQ(arguments(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 3, "allow_stride_with_dilation": true})")
                  .dilation_rate,
              3);
    EXPECT_EQ(refusal(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 1})"), "accepted");
    EXPECT_EQ(refusal(R"({"kernel_size": 3, "strides": 1, "dilation_rate": 2})"), "accepted");
    keras::LayerConfig config;
    config.strides = config.dilation_rate = 2;
    EXPECT_THROW(keras::DepthwiseConv1D{config}, dwconv::value_error);
}

TEST(KerasConfig, KeysAreChecked) {
    EXPECT_REFUSED(R"({"kernel_size": 3, "filters": 2})",
                   "Unrecognized keyword arguments passed to DepthwiseConv1D: {'filters': 2}");
    EXPECT_REFUSED(R"({"kernel_size": 0, "filters": 2})", "Unrecognized");  // before the values
    EXPECT_REFUSED(R"({"kernel_size": 3, "name": "a/b"})", "cannot contain character `/`");
    EXPECT_REFUSED(R"({"kernel_size": 3, "trainable": "yes"})", "Expected `trainable` to be a boolean");
    EXPECT_REFUSED(R"({"kernel_size": 3, "dtype": "float31"})", "Cannot convert 'float31'");
    EXPECT_REFUSED(R"({"kernel_size": 3, "groups": 1})", "{'groups': 1}");
    EXPECT_EQ(refusal(R"({"kernel_size": 3, "groups": 1})", ConfigSource::saved), "accepted");
    EXPECT_NE(refusal(R"({"kernel_size": 3, "groups": 2})", ConfigSource::saved), "accepted");
    EXPECT_EQ(refusal(R"({"kernel_size": 3, "depthwise_initializer": "ones", "bias_constraint": null})"), "accepted");
}

TEST(KerasConfig, EnvelopeOrBare) {
    const auto config = keras::parse_layer_config(
        R"({"module": "keras.layers", "class_name": "DepthwiseConv1D", "registered_name": null, "build_config": {},
            "config": {"name": "conv", "trainable": false, "kernel_size": [3], "use_bias": 0,
                       "dtype": {"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}}})");
    EXPECT_EQ(config.name, "conv");
    EXPECT_FALSE(config.trainable);
    EXPECT_FALSE(config.use_bias);
    EXPECT_EQ(config.dtype_policy, "mixed_bfloat16");
    EXPECT_EQ(config.compute_dtype(), "bfloat16");
    EXPECT_REFUSED(R"({"class_name": "Conv1D", "config": {"kernel_size": 3}})", "not that of a DepthwiseConv1D");
    EXPECT_REFUSED("[3]", "must be a JSON object");
    EXPECT_REFUSED("{\"kernel_size\": ", "is not valid JSON");
    EXPECT_REFUSED(std::string(100000, '['), "nested more than");
}

TEST(KerasConfig, ActivationForms) {
    const auto activation = [](const char* json) { return keras::Activation::from_json(json); };
    EXPECT_EQ(activation("null").name, "linear");
    EXPECT_EQ(activation("\"swish\"").name, "silu");
    EXPECT_EQ(activation("\"hard_swish\"").code, DWC_HARD_SILU);
    EXPECT_EQ(activation(R"({"class_name": "function", "config": "gelu"})").code, DWC_GELU);
    EXPECT_EQ(activation(R"({"class_name": "gelu", "config": {"approximate": true}})").code, DWC_GELU_TANH);
    EXPECT_EQ(activation("\"leaky_relu\"").params[0], 0.2f);
    EXPECT_EQ(activation(R"({"class_name": "LeakyReLU", "config": {"name": "l"}})").params[0], 0.3f);
    EXPECT_EQ(activation(R"({"class_name": "LeakyReLU", "config": {"alpha": 0.1}})").params[0], 0.1f);
    const auto relu = activation(R"({"class_name": "ReLU", "config": {"max_value": 6, "negative_slope": 0.5}})");
    EXPECT_EQ(relu.code, DWC_RELU);
    EXPECT_EQ(relu.params[0], 0.5f);
    EXPECT_EQ(relu.params[1], 6.0f);
    EXPECT_EQ(relu.params[2], 0.0f);
    EXPECT_TRUE(std::isinf(activation(R"({"class_name": "ReLU", "config": {"max_value": null}})").params[1]));
    const auto threshold =
        activation(R"({"class_name": "threshold", "config": {"threshold": 1, "default_value": -2}})");
    EXPECT_EQ(threshold.params[1], -2.0f);
    EXPECT_TRUE(activation("\"softmax\"").last_axis);
    EXPECT_EQ(activation(R"({"class_name": "Activation", "config": {"activation": "tanh"}})").code, DWC_TANH);
    for (const char* wrong : {"\"threshold\"", "\"gelu_tanh\"", "\"\"", "3", "[]", "{}",
                              R"({"class_name": "leaky_relu", "config": {"slope": 1}})",
                              R"({"class_name": "elu", "config": {"alpha": "x"}})",
                              R"({"class_name": "threshold", "config": {"threshold": 1}})"}) {
        EXPECT_THROW(activation(wrong), dwconv::value_error) << wrong;
    }
    try {
        activation(R"({"class_name": "PReLU", "config": {}})");
        ADD_FAILURE() << "PReLU has weights of its own";
    } catch (const dwconv::error& error) {
        EXPECT_EQ(error.status(), DWC_ERROR_UNSUPPORTED);
    }
}

}  // namespace
