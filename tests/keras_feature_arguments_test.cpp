// Promises of the layer about its arguments and shapes; the numbers are those of docs/keras-layer.md.
#include <cstdlib>
#include <filesystem>

#include "keras_features.hpp"

namespace {

using namespace features;

const Shape kX = {2, 10, 4};

Tensor output_of(const LayerConfig& config, const Tensor& x) { return known_layer(config, x.shape[2])(x); }

TEST(KerasFeature, F08_KernelSizeIsAnIntegerOrAListOfOne) {
    const Tensor x = values(kX);
    EXPECT_EQ(output_of({.kernel_size = 3}, x).data, output_of({.kernel_size = {3}}, x).data);
    const std::string rule = "The `kernel_size` argument must be a tuple of 1 integers";
    expect_refusal([] { DepthwiseConv1D({.kernel_size = {3, 5}}); }, {rule, "kernel_size=[3, 5]"});
    expect_refusal([] { DepthwiseConv1D({.kernel_size = 0}); }, {rule, "value > 0"});
    expect_refusal([] { DepthwiseConv1D({.kernel_size = -1}); }, {rule, "-1", "value > 0"});
    expect_refusal([] { DepthwiseConv1D({.kernel_size = std::vector<std::int64_t>{}}); }, {rule, "kernel_size=[]"});
    expect_refusal([] { parse_layer_config("{\"strides\": 1}", ConfigSource::arguments); }, {"kernel_size"});
    expect_refusal([] { DepthwiseConv1D(LayerConfig{}); }, {"kernel_size"});
}

TEST(KerasFeature, F09_StridesAreAnIntegerOrAListOfOne) {
    const Tensor x = values(kX);
    for (std::int64_t stride = 1; stride <= 5; ++stride) {
        auto layer = known_layer({.kernel_size = 3, .strides = stride}, 4);
        expect_close(layer(x), formula(x, layer.kernel(), &*layer.bias(), (10 - 3) / stride + 1, {.stride = stride}));
    }
    EXPECT_EQ(output_of({.kernel_size = 3, .strides = 2}, x).data,
              output_of({.kernel_size = 3, .strides = {2}}, x).data);
    const std::string rule = "The `strides` argument must be a tuple of 1 integers";
    expect_refusal([] { DepthwiseConv1D({.kernel_size = 3, .strides = 0}); }, {rule, "value > 0"});
    expect_refusal([] { DepthwiseConv1D({.kernel_size = 3, .strides = -1}); }, {rule, "value > 0"});
}

TEST(KerasFeature, F10_StridesAndDilationAboveOneExcludeEachOther) {
    expect_refusal(
        [] { DepthwiseConv1D({.kernel_size = 3, .strides = 2, .dilation_rate = 2}); },
        {"`strides > 1` not supported in conjunction with `dilation_rate > 1`", "strides=(2,)", "dilation_rate=(2,)"});
    EXPECT_NO_THROW(DepthwiseConv1D({.kernel_size = 3, .strides = 2, .dilation_rate = 1}));
    EXPECT_NO_THROW(DepthwiseConv1D({.kernel_size = 3, .strides = 1, .dilation_rate = 2}));
    const Tensor x = values(kX);
    auto layer =
        known_layer({.kernel_size = 3, .strides = 2, .dilation_rate = 2, .allow_stride_with_dilation = true}, 4);
    expect_close(layer(x), formula(x, layer.kernel(), &*layer.bias(), 3, {.stride = 2, .dilation = 2}));
}

TEST(KerasFeature, F11_PaddingValidPadsNothing) {
    for (const PaddingRow& row : kPaddings) {
        const LayerConfig config{.kernel_size = row.taps,
                                 .strides = row.stride,
                                 .dilation_rate = row.dilation,
                                 .allow_stride_with_dilation = true};
        auto layer = known_layer(config, 3);
        const Tensor x = values({2, row.length, 3});
        if (row.valid == 0) {
            expect_refusal([&] { layer(x); }, {"Computed output size would be zero or negative"});
            continue;
        }
        expect_close(layer(x), formula(x, layer.kernel(), &*layer.bias(), row.valid,
                                       {.stride = row.stride, .dilation = row.dilation}));
    }
}

TEST(KerasFeature, F12_PaddingSamePutsTheOddZeroOnTheRight) {
    for (const PaddingRow& row : kPaddings) {
        const LayerConfig config{.kernel_size = row.taps,
                                 .strides = row.stride,
                                 .padding = "same",
                                 .dilation_rate = row.dilation,
                                 .use_bias = false,
                                 .allow_stride_with_dilation = true};
        auto layer = known_layer(config, 1);
        const dwconv::problem problem = layer.problem({1, row.length, 1});
        EXPECT_EQ(problem.fields().pad_left, row.left) << row.length << " " << row.taps;
        EXPECT_EQ(problem.fields().pad_right, row.right) << row.length << " " << row.taps;
        // Impulses: each shows where every tap lies.
        for (std::int64_t at = 0; at < row.length; ++at) {
            Tensor x{{1, row.length, 1}, std::vector<float>(static_cast<std::size_t>(row.length))};
            x.data[static_cast<std::size_t>(at)] = 1;
            expect_close(layer(x), formula(x, layer.kernel(), nullptr, row.same,
                                           {.stride = row.stride, .dilation = row.dilation, .pad_left = row.left}));
        }
    }
}

TEST(KerasFeature, F13_PaddingInAnyLetterCase) {
    EXPECT_EQ(DepthwiseConv1D({.kernel_size = 3, .padding = "VALID"}).config().padding, "valid");
    EXPECT_EQ(DepthwiseConv1D({.kernel_size = 3, .padding = "Same"}).config().padding, "same");
    EXPECT_EQ(DepthwiseConv1D({.kernel_size = 3, .padding = "sAmE"}).compute_output_shape(kX)[1], 10);
    for (const std::string bad : {"causal", "full", ""}) {
        expect_refusal([&] { DepthwiseConv1D({.kernel_size = 3, .padding = bad}); },
                       {"The `padding` argument must be", "Received: " + bad});
    }
}

TEST(KerasFeature, F14_PaddingSameWithStrideOneKeepsTheLength) {
    for (std::int64_t taps = 1; taps <= 9; ++taps)
        for (std::int64_t dilation = 1; dilation <= 4; ++dilation) {
            auto layer = known_layer({.kernel_size = taps, .padding = "same", .dilation_rate = dilation}, 2);
            for (std::int64_t length = 1; length <= 64; ++length) {
                ASSERT_EQ(layer.compute_output_shape({1, length, 2}), (Shape{1, length, 2}));
                if (length % 9 != 1) continue;
                const Tensor x = values({1, length, 2});
                expect_close(layer(x),
                             formula(x, layer.kernel(), &*layer.bias(), length,
                                     {.dilation = dilation, .pad_left = same_left(length, taps, 1, dilation)}));
            }
        }
}

TEST(KerasFeature, F15_PaddingSameWithStridesGivesTheCeiling) {
    for (std::int64_t taps : {1, 2, 3, 7})
        for (std::int64_t stride = 2; stride <= 6; ++stride) {
            auto layer = known_layer({.kernel_size = taps, .strides = stride, .padding = "same"}, 2);
            for (std::int64_t length = 1; length <= 64; ++length) {
                ASSERT_EQ(layer.compute_output_shape({3, length, 2}), (Shape{3, ceil_div(length, stride), 2}));
                if (length % 7 != 1) continue;
                const Tensor x = values({1, length, 2});
                expect_close(layer(x), formula(x, layer.kernel(), &*layer.bias(), ceil_div(length, stride),
                                               {.stride = stride, .pad_left = same_left(length, taps, stride, 1)}));
            }
        }
}

TEST(KerasFeature, F16_DepthMultiplierIsOneByDefault) {
    EXPECT_EQ(DepthwiseConv1D({.kernel_size = 3}).config().depth_multiplier, 1);
    for (std::int64_t channels : {1, 3, 12})
        for (std::int64_t multiplier : {1, 3}) {
            const DepthwiseConv1D layer({.kernel_size = 3, .depth_multiplier = multiplier});
            EXPECT_EQ(layer.compute_output_shape({1, 5, channels}), (Shape{1, 3, channels * multiplier}));
        }
    for (std::int64_t bad : {0, -1}) {
        expect_refusal([&] { DepthwiseConv1D({.kernel_size = 3, .depth_multiplier = bad}); },
                       {"Invalid value for argument `depth_multiplier`", std::to_string(bad)});
    }
}

TEST(KerasFeature, F17_ChannelsLast) {
    run_cases([](const Json& config) { return !is_channels_first(config); });
}

TEST(KerasFeature, F18_ChannelsFirst) {
    run_cases([](const Json& config) { return is_channels_first(config); });
    const Tensor x = values(kX);
    const LayerConfig last{.kernel_size = 3, .depth_multiplier = 2, .data_format = "channels_last"};
    const LayerConfig first{.kernel_size = 3, .depth_multiplier = 2, .data_format = "channels_first"};
    EXPECT_EQ(known_layer(first, 4)(swapped(x)).data, swapped(known_layer(last, 4)(x)).data);
}

TEST(KerasFeature, F19_DataFormatIsOneOfTwoInAnyLetterCase) {
    expect_refusal([] { DepthwiseConv1D({.kernel_size = 3, .data_format = "nchw"}); },
                   {"The `data_format` argument must be one of", "data_format=nchw"});
    EXPECT_TRUE(DepthwiseConv1D({.kernel_size = 3, .data_format = "Channels_First"}).channels_first());
}

// A home directory of its own, with files in it; the old one comes back.
class Home {
   public:
    Home() : folder_(std::filesystem::temp_directory_path() / ("dwconv-home-" + std::to_string(::getpid()))) {
        for (const char* name : {"HOME", "KERAS_HOME"}) {
            const char* value = std::getenv(name);
            before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
        }
        std::filesystem::create_directories(folder_);
        ::setenv("HOME", folder_.c_str(), 1);
        ::unsetenv("KERAS_HOME");
        reset_settings();
    }
    ~Home() {
        for (const auto& [name, value] : before_) value ? ::setenv(name, value->c_str(), 1) : ::unsetenv(name);
        std::filesystem::remove_all(folder_);
        reset_settings();
    }
    std::string path(const std::string& relative) const { return folder_ / relative; }
    void write(const std::string& relative, const std::string& text) const {
        std::filesystem::create_directories((folder_ / relative).parent_path());
        std::ofstream(folder_ / relative) << text;
        reset_settings();
    }

   private:
    std::filesystem::path folder_;
    std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

std::string default_format() { return *DepthwiseConv1D({.kernel_size = 3}).config().data_format; }

TEST(KerasFeature, F20_DataFormatDefaultsToKerasJsonInTheHome) {
    const Home home;
    home.write(".keras/keras.json", R"({"image_data_format": "channels_first"})");
    DepthwiseConv1D layer({.kernel_size = 3});
    EXPECT_TRUE(layer.channels_first());
    EXPECT_EQ(layer.compute_output_shape({1, 4, 10}), (Shape{1, 4, 8}));
    set_image_data_format("Channels_Last");
    EXPECT_EQ(default_format(), "channels_last");
    EXPECT_TRUE(layer.channels_first()) << "resolved when the layer is made";
}

TEST(KerasFeature, F21_KerasHomeNamesAnotherFolder) {
    const Home home;
    home.write(".keras/keras.json", R"({"image_data_format": "channels_last"})");
    home.write("elsewhere/keras.json", R"({"image_data_format": "channels_first"})");
    ::setenv("KERAS_HOME", home.path("elsewhere").c_str(), 1);
    reset_settings();
    EXPECT_EQ(default_format(), "channels_first");
}

TEST(KerasFeature, F22_WithoutASettingChannelsLast) {
    const Home home;
    EXPECT_EQ(default_format(), "channels_last");
    EXPECT_FALSE(std::filesystem::exists(home.path(".keras"))) << "nothing is written";
    home.write(".keras/keras.json", "{not json");
    EXPECT_EQ(default_format(), "channels_last");
    home.write(".keras/keras.json", R"({"floatx": "float32"})");
    EXPECT_EQ(default_format(), "channels_last");
}

TEST(KerasFeature, F23_DilationRateIsAnIntegerOrAListOfOne) {
    run_cases([](const Json& config) {
        if (!config.contains("dilation_rate")) return false;
        const Json& rate = config["dilation_rate"];
        return (rate.is_array() ? rate.at(0) : rate) == 2;
    });
    const Tensor x = values(kX);
    EXPECT_EQ(output_of({.kernel_size = 3, .dilation_rate = 2}, x).data,
              output_of({.kernel_size = 3, .dilation_rate = {2}}, x).data);
    EXPECT_EQ(output_of({.kernel_size = 3, .dilation_rate = 4}, x).shape[1], 10 - (2 * 4 + 1) + 1);
    expect_refusal([] { DepthwiseConv1D({.kernel_size = 3, .dilation_rate = 0}); },
                   {"The `dilation_rate` argument must be a tuple of 1 integers", "value > 0"});
}

TEST(KerasFeature, F38_KeywordsOfEveryLayer) {
    const DepthwiseConv1D layer({.kernel_size = 3, .name = "mine", .dtype = "float32", .trainable = false});
    EXPECT_EQ(layer.name(), "mine");
    EXPECT_FALSE(layer.trainable());
    EXPECT_EQ(layer.compute_dtype(), "float32");
    expect_refusal([] { parse_layer_config(R"({"kernel_size": 3, "filters": 2})", ConfigSource::arguments); },
                   {"Unrecognized keyword arguments passed to DepthwiseConv1D: {'filters': 2}"});
    expect_refusal([] { DepthwiseConv1D({.kernel_size = 3, .name = "a/b"}); }, {"name", "a/b"});
    expect_refusal([] { DepthwiseConv1D({.kernel_size = 3, .dtype = "float31"}); }, {"float31"});
}

TEST(KerasFeature, F40_TheInputHasThreeAxes) {
    auto layer = known_layer({.kernel_size = 3}, 4);
    expect_refusal([&] { layer(values({10, 4})); }, {"expected min_ndim=3, found ndim=2", "(10, 4)"});
    expect_refusal(
        [&] {
            layer(values({2, 10, 4, 1}));
        },
        {"Kernel shape must have the same length as input", "(2, 10, 4, 1)"});
    DepthwiseConv1D fresh({.kernel_size = 3});
    expect_refusal([&] { fresh(values({10, 4})); }, {"min_ndim=3"});
}

TEST(KerasFeature, F41_OutputShapesOfBothFormats) {
    int count = 0;
    for (const Json& row : keras_oracle::rows("cases.jsonl")) {
        const Json& config = row.at("config");
        const bool glu = config.value("activation", Json()) == "glu";
        if (row.at("strided_and_dilated").get<bool>() || glu) continue;  // a symbolic shape does not ask the activation
        ++count;
        const DepthwiseConv1D layer(parse_layer_config(config.dump(), ConfigSource::arguments));
        EXPECT_EQ(layer.compute_output_shape(keras_oracle::array(row.at("files").at("x")).shape),
                  keras_oracle::array(row.at("files").at("y64")).shape)
            << config;
    }
    EXPECT_GT(count, 40);
    EXPECT_EQ(DepthwiseConv1D({.kernel_size = 3}).compute_output_shape({-1, -1, 4}), (Shape{-1, -1, 4}));
}

TEST(KerasFeature, F42_StridesWithDilationAreRefusedEverywhere) {
    const std::string config = R"({"kernel_size": 3, "strides": 2, "dilation_rate": [2]})";
    const std::vector<std::string> words = {"strides=(2,)", "dilation_rate=(2,)"};
    expect_refusal([] { DepthwiseConv1D({.kernel_size = 3, .strides = {2}, .dilation_rate = 2}); }, words);
    for (const ConfigSource source : {ConfigSource::arguments, ConfigSource::saved}) {
        expect_refusal([&] { DepthwiseConv1D(parse_layer_config(config, source)); }, words);
        expect_refusal(
            [&] {
                DepthwiseConv1D(
                    parse_layer_config(R"({"class_name": "DepthwiseConv1D", "config": )" + config + "}", source));
            },
            words);
    }
    expect_refusal([] { SeparableConv1D({.filters = 2, .kernel_size = 3, .strides = 2, .dilation_rate = 2}); }, words);
    // The command line: tests/cli_bad_input_test.cpp.
}

TEST(KerasFeature, F45_ShapesWithoutAResultAreRefusedOnEveryCall) {
    auto layer = known_layer({.kernel_size = 3}, 4);
    EXPECT_NO_THROW(layer(values({1, 3, 4})));
    for (int call = 0; call < 2; ++call) {
        expect_refusal(
            [&] {
                layer(values({2, 2, 4}));
            },
            {"Computed output size would be zero or negative", "(2, 2, 4)"});
        expect_refusal([&] { layer(values({2, 0, 4})); }, {"zero or negative"});
        expect_refusal(
            [&] {
                layer(values({2, 10, 5}));
            },
            {"expected axis -1 of input shape to have value 4", "(2, 10, 5)"});
    }
    auto first = known_layer({.kernel_size = 3, .data_format = "channels_first"}, 4);
    expect_refusal([&] { first(values({2, 5, 10})); }, {"expected axis 1 of input shape to have value 4"});
    DepthwiseConv1D fresh({.kernel_size = 3});
    expect_refusal([&] { fresh.compute_output_shape({-1, 10, -1}); }, {"channel dimension", "None"});
    expect_refusal([&] { fresh.build({-1, 10, -1}); }, {"channel dimension"});
    expect_refusal([&] { fresh(Tensor{{1, 4, 4}, std::vector<float>(15)}); }, {"(1, 4, 4)", "15"});
}

}  // namespace
