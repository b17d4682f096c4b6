// Configs: every spelling that Keras takes, every refusal in Keras' words, and configs written as Keras writes them.
#include <limits>
#include <string>

#include "keras_oracle.hpp"

namespace {

namespace keras = dwconv::keras;
using keras::ConfigSource;
using keras_oracle::Json;

keras::LayerConfig arguments(const std::string& json) { return parse_layer_config(json, ConfigSource::arguments); }

std::string refusal(const std::string& json, ConfigSource source = ConfigSource::arguments) {
    return keras_oracle::refusal([&] { keras::parse_layer_config(json, source); });
}

#define EXPECT_REFUSED(json, words) EXPECT_HAS(refusal(json), words)

TEST(KerasConfig, DefaultsAreKerasDefaults) {
    const keras::DepthwiseConv1D layer(arguments(R"({"kernel_size": 3})"));
    const keras::LayerConfig& config = layer.config();
    EXPECT_EQ(config.kernel_size, 3);
    EXPECT_EQ(config.strides, 1);
    EXPECT_EQ(config.dilation_rate, 1);
    EXPECT_EQ(config.depth_multiplier, 1);
    EXPECT_EQ(config.padding, "valid");
    EXPECT_EQ(config.data_format, "channels_last");
    EXPECT_EQ(layer.activation().name, "linear");
    EXPECT_TRUE(config.use_bias);
    EXPECT_TRUE(config.trainable);
    EXPECT_EQ(config.depthwise_initializer.get()->class_name, "GlorotUniform");
    EXPECT_EQ(config.bias_initializer.get()->class_name, "Zeros");
    EXPECT_FALSE(config.depthwise_regularizer.get() || config.bias_regularizer.get() ||
                 config.activity_regularizer.get() || config.depthwise_constraint.get() ||
                 config.bias_constraint.get());
    EXPECT_EQ(config.dtype, "float32");
    EXPECT_EQ(layer.compute_dtype(), "float32");
    EXPECT_FALSE(config.allow_stride_with_dilation);
}

TEST(KerasConfig, ArgumentsByName) {
    const keras::DepthwiseConv1D layer({.kernel_size = {5},
                                        .strides = 2,
                                        .padding = "SAME",
                                        .depth_multiplier = 3,
                                        .data_format = "Channels_First",
                                        .activation = "swish",
                                        .use_bias = false,
                                        .depthwise_regularizer = keras::Regularizer::l2(0.5),
                                        .name = "conv",
                                        .dtype = "mixed_bfloat16",
                                        .trainable = false});
    EXPECT_EQ(layer.config().kernel_size, 5);
    EXPECT_EQ(layer.config().padding, "same");
    EXPECT_TRUE(layer.channels_first());
    EXPECT_EQ(layer.activation().name, "silu");
    EXPECT_EQ(layer.name(), "conv");
    EXPECT_EQ(layer.compute_dtype(), "bfloat16");
    EXPECT_FALSE(layer.trainable());
}

TEST(KerasConfig, IntegersMayBeListsOfOneAndBooleans) {
    for (const char* value : {"4", "[4]"}) {
        EXPECT_EQ(arguments(std::string(R"({"kernel_size": )") + value + "}").kernel_size, 4);
    }
    EXPECT_EQ(arguments(R"({"kernel_size": true})").kernel_size, 1);
    EXPECT_REFUSED(R"({"kernel_size": [3.0]})", "a float");
    EXPECT_REFUSED(R"({"kernel_size": 3, "strides": [2.0]})", "Received strides=[2.0], a float");
    EXPECT_REFUSED(R"({"kernel_size": "3"})", "Received kernel_size=3, a string");
    EXPECT_REFUSED(R"({"kernel_size": 18446744073709551615})", "does not fit 64 bits");
    EXPECT_REFUSED(R"({"kernel_size": 3, "depth_multiplier": 2.5})", "depth_multiplier=2.5");
    EXPECT_REFUSED(R"({"strides": 2})", "missing 1 required argument: 'kernel_size'");
}

// The same rules for arguments that are not JSON.
TEST(KerasConfig, ArgumentsOfTheConstructorAreChecked) {
    const auto constructor = [](const keras::LayerConfig& config) {
        return keras_oracle::refusal([&] { keras::DepthwiseConv1D{config}; });
    };
    EXPECT_EQ(constructor({.kernel_size = {3, 5}}),
              "The `kernel_size` argument must be a tuple of 1 integers. Received kernel_size=[3, 5]");
    EXPECT_EQ(constructor({.kernel_size = std::vector<int64_t>{}}),
              "The `kernel_size` argument must be a tuple of 1 integers. Received kernel_size=[]");
    EXPECT_EQ(constructor({}),
              "The `kernel_size` argument must be a tuple of 1 integers. Received kernel_size=0, including values {0} "
              "that do not satisfy `value > 0`");
    EXPECT_HAS(constructor({.kernel_size = 3, .strides = -1}), "including values {-1} that do not satisfy");
    EXPECT_HAS(constructor({.kernel_size = 3, .padding = "causal"}), "Received: causal");
    EXPECT_HAS(constructor({.kernel_size = 3, .depth_multiplier = 0}), "Received depth_multiplier=0.");
    EXPECT_HAS(constructor({.kernel_size = 3, .data_format = "nchw"}), "Received: data_format=nchw");
    EXPECT_HAS(constructor({.kernel_size = 3, .name = "a/b"}), "cannot contain character `/`");
    EXPECT_HAS(constructor({.kernel_size = 3, .dtype = "int8"}), "Cannot convert 'int8'");
    EXPECT_HAS(constructor({.kernel_size = 3, .activation = "ReLU"}),
               "Could not interpret activation function identifier: ReLU");
}

TEST(KerasConfig, StrideWithDilationNeedsTheFlag) {
    const std::string words =
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides=(2,) "
        "and dilation_rate=(3,)";
    EXPECT_REFUSED(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 3})", words);
    EXPECT_REFUSED(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 3, "allow_stride_with_dilation": false})",
                   words);
    EXPECT_HAS(
        keras_oracle::refusal([] { keras::DepthwiseConv1D({.kernel_size = 3, .strides = 2, .dilation_rate = 3}); }),
        words);
    const keras::DepthwiseConv1D layer(
        arguments(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 3, "allow_stride_with_dilation": true})"));
    EXPECT_EQ(layer.config().dilation_rate, 3);
    EXPECT_TRUE(Json::parse(layer.get_config())["allow_stride_with_dilation"]);
    EXPECT_EQ(refusal(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 1})"), "accepted");
    EXPECT_EQ(refusal(R"({"kernel_size": 3, "strides": 1, "dilation_rate": 2})"), "accepted");
}

TEST(KerasConfig, KeysAreCheckedInKerasOrder) {
    EXPECT_REFUSED(R"({"kernel_size": 0, "name": "a/b", "filters": 2, "activity_regularizer": "l3"})", "regularizer");
    EXPECT_REFUSED(R"({"kernel_size": 0, "name": "a/b", "filters": 2})", "Argument `name` must be");
    EXPECT_REFUSED(R"({"kernel_size": 0, "filters": 2, "trainable": 1})",
                   "Unrecognized keyword arguments passed to DepthwiseConv1D: {'filters': 2}");
    EXPECT_REFUSED(R"({"kernel_size": 0, "trainable": 1})", "Expected `trainable` to be a boolean");
    EXPECT_REFUSED(R"({"kernel_size": 0, "strides": 0})", "kernel_size");
    EXPECT_REFUSED(R"({"kernel_size": 3, "dilation_rate": 0, "strides": 0})", "strides");
    EXPECT_REFUSED(R"({"kernel_size": 3, "dilation_rate": 0, "padding": "x"})", "dilation_rate");
    EXPECT_REFUSED(R"({"kernel_size": 3, "data_format": "x", "padding": "x"})", "padding");
    EXPECT_REFUSED(R"({"kernel_size": 3, "data_format": "x", "activation": "x"})", "data_format");
    EXPECT_REFUSED(R"({"kernel_size": 3, "activation": "x", "bias_initializer": "x"})", "activation function");
    EXPECT_REFUSED(R"({"kernel_size": 3, "bias_initializer": "x", "bias_regularizer": "x"})", "initializer");
    EXPECT_REFUSED(R"({"kernel_size": 3, "bias_regularizer": "x", "depthwise_constraint": "x"})", "regularizer");
    EXPECT_REFUSED(R"({"kernel_size": 3, "bias_constraint": "x", "depth_multiplier": 0})", "constraint");
    EXPECT_REFUSED(R"({"kernel_size": 3, "strides": 2, "dilation_rate": 2, "depth_multiplier": 0})", "depth_mult");
}

TEST(KerasConfig, Keras2KeysOnlyInSavedConfigs) {
    EXPECT_REFUSED(R"({"kernel_size": 3, "groups": 1})", "{'groups': 1}");
    EXPECT_EQ(refusal(R"({"kernel_size": 3, "groups": 1, "batch_input_shape": [null, 1, 2]})", ConfigSource::saved),
              "accepted");
    EXPECT_NE(refusal(R"({"kernel_size": 3, "groups": 2})", ConfigSource::saved), "accepted");
}

TEST(KerasConfig, EnvelopeOrBare) {
    const keras::DepthwiseConv1D layer(keras::parse_layer_config(
        R"({"module": "keras.layers", "class_name": "DepthwiseConv1D", "registered_name": null, "build_config": {},
            "config": {"name": "conv", "trainable": false, "kernel_size": [3], "use_bias": 0,
                       "dtype": {"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}}})"));
    EXPECT_EQ(layer.name(), "conv");
    EXPECT_FALSE(layer.trainable());
    EXPECT_FALSE(layer.config().use_bias);
    EXPECT_EQ(layer.config().dtype, "mixed_bfloat16");
    EXPECT_EQ(layer.compute_dtype(), "bfloat16");
    EXPECT_REFUSED(R"({"class_name": "Conv1D", "config": {"kernel_size": 3}})", "not that of a DepthwiseConv1D");
    EXPECT_REFUSED("[3]", "must be a JSON object");
    EXPECT_REFUSED("{\"kernel_size\": ", "is not valid JSON");
    EXPECT_REFUSED(std::string(100000, '['), "nested more than");
}

// Whatever Keras' constructor refuses with a ValueError, in the same words.
TEST(KerasConfig, RefusalsOfKeras) {
    int run = 0;
    for (const Json& row : keras_oracle::rows("errors.jsonl")) {
        if (row["stage"] != "constructor" || row["type"] != "ValueError") continue;
        std::string words = row["message"];
        if (words.find("{'fan_") != std::string::npos || words.find("{'untruncated") != std::string::npos) {
            words.resize(words.find('{'));  // a Python set, printed in an order of its own
        }
        if (row["kwargs_python"] == "{'kernel_size': np.int64(3)}") continue;  // JSON has no such type
        SCOPED_TRACE(row["id"]);
        EXPECT_EQ(refusal(row["kwargs"].dump()).substr(0, words.size()), words);
        ++run;
    }
    EXPECT_EQ(run, 84);
}

bool is_refused_on_purpose(const Json& row) {
    const std::string python = row["kwargs_python"];
    return python == "{'kernel_size': 3, 'strides': [2.0]}" ||  // dilation_rate=[2.0] fails in Keras; one rule for both
           (row["kwargs"].contains("strides") && row["kwargs"].contains("dilation_rate") &&
            row["kwargs"]["strides"] != 1 && row["kwargs"]["dilation_rate"] != 1);
}

TEST(KerasConfig, AcceptedByKeras) {
    int run = 0, refused = 0;
    for (const Json& row : keras_oracle::rows("accepted.jsonl")) {
        if (row["kwargs"].dump().find("<python") != std::string::npos) continue;  // arrays
        SCOPED_TRACE(row["kwargs_python"]);
        if (is_refused_on_purpose(row)) {
            EXPECT_NE(refusal(row["kwargs"].dump()), "accepted");
            ++refused;
            continue;
        }
        const keras::DepthwiseConv1D layer(arguments(row["kwargs"].dump()));
        const Json config = Json::parse(layer.get_config());
        for (const char* key : {"kernel_size", "strides", "dilation_rate", "padding", "data_format", "activation"}) {
            if (row["config"][key] == Json::array({true})) continue;  // here an integer
            if (config[key].is_object()) continue;                    // names drawn for layer objects
            EXPECT_EQ(config[key].dump(), row["config"][key].dump()) << key;
        }
        ++run;
    }
    EXPECT_EQ(run, 62);
    EXPECT_EQ(refused, 3);
}

// What Keras 3 wrote, read and written again, is the same text.
TEST(KerasConfig, RoundTripOfKerasConfigs) {
    int run = 0;
    for (const Json& row : keras_oracle::rows("models.jsonl")) {
        if (row["writer"] != "keras 3.15.1") continue;
        SCOPED_TRACE(row["file"].dump() + row["layer"].dump());
        const std::string config = row["config"].dump();
        const keras::DepthwiseConv1D layer(keras::parse_layer_config(config));
        EXPECT_EQ(layer.get_config(), config);
        EXPECT_EQ(keras::DepthwiseConv1D(layer.config()).get_config(), config);
        ++run;
    }
    EXPECT_EQ(run, 54);
}

TEST(KerasConfig, EnvelopeAsKerasWritesIt) {
    keras::DepthwiseConv1D layer({.kernel_size = 3, .name = "conv"});
    const auto shape_of = [&] { return Json::parse(layer.to_json()); };
    EXPECT_FALSE(shape_of().contains("build_config"));
    layer.build({-1, 10, 12});
    const Json json = shape_of();
    std::vector<std::string> keys;
    for (const auto& [key, value] : json.items()) keys.push_back(key);
    EXPECT_EQ(keys, (std::vector<std::string>{"module", "class_name", "config", "registered_name", "build_config"}));
    EXPECT_EQ(json["module"], "keras.layers");
    EXPECT_EQ(json["class_name"], "DepthwiseConv1D");
    EXPECT_EQ(json["build_config"].dump(), R"({"input_shape":[null,10,12]})");
    EXPECT_EQ(keras::DepthwiseConv1D(keras::parse_layer_config(layer.to_json())).get_config(), layer.get_config());
}

TEST(KerasConfig, CallablesCannotBeSaved) {
    const auto saved = [](const keras::LayerConfig& config) {
        return keras_oracle::refusal([&] { keras::DepthwiseConv1D(config).get_config(); });
    };
    EXPECT_HAS(saved({.kernel_size = 3, .activation = [](keras::Tensor x) { return x; }}), "activation is a callable");
    EXPECT_HAS(saved({.kernel_size = 3, .bias_constraint = [](const keras::Tensor& w) { return w; }}),
               "bias_constraint is a callable");
    EXPECT_HAS(saved({.kernel_size = 3, .depthwise_initializer = keras::Initializer(keras::Tensor{{1}, {1}})}),
               "depthwise_initializer is a callable or array");
}

TEST(KerasConfig, NamesAreDrawnInOrder) {
    keras::reset_settings();
    EXPECT_EQ(keras::DepthwiseConv1D({.kernel_size = 1}).name(), "depthwise_conv1d");
    EXPECT_EQ(keras::DepthwiseConv1D({.kernel_size = 1}).name(), "depthwise_conv1d_1");
    EXPECT_EQ(keras::DepthwiseConv1D({.kernel_size = 1, .name = "own"}).name(), "own");
    EXPECT_EQ(keras::DepthwiseConv1D(keras::parse_layer_config(R"({"kernel_size": 1, "name": null})")).name(),
              "depthwise_conv1d_2");
    EXPECT_THROW(keras::DepthwiseConv1D({.kernel_size = 0}), dwconv::value_error);
    EXPECT_EQ(keras::DepthwiseConv1D({.kernel_size = 1}).name(), "depthwise_conv1d_3") << "a refusal draws none";
}

}  // namespace
