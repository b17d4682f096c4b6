// keras.json: where it is looked for and what it may say, on Keras' own answers and beyond.
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "keras_oracle.hpp"

namespace {

namespace keras = dwconv::keras;
namespace fs = std::filesystem;
using keras_oracle::Json;

// A folder with home/ and cwd/, HOME and the working directory in it, no KERAS_HOME; all as it was afterwards.
class KerasSettings : public testing::Test {
   protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / ("dwconv-settings-" + std::string(6, 'X'))).string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
        fs::create_directories(root_ / "home");
        fs::create_directories(root_ / "cwd");
        before_ = fs::current_path();
        fs::current_path(root_ / "cwd");
        for (const char* name : {"HOME", "KERAS_HOME"}) {
            const char* value = getenv(name);
            environment_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
        }
        setenv("HOME", (root_ / "home").c_str(), 1);
        unsetenv("KERAS_HOME");
        keras::reset_settings();
    }
    void TearDown() override {
        for (const auto& [name, value] : environment_) value ? setenv(name, value->c_str(), 1) : unsetenv(name);
        fs::current_path(before_);
        fs::remove_all(root_);
        keras::reset_settings();
    }
    void write(const std::string& path, const std::string& text) {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    std::string home_json(const std::string& text) {
        write("home/.keras/keras.json", text);
        keras::reset_settings();
        return keras_oracle::refusal([] { keras::settings(); });
    }
    static std::string new_format() { return *keras::DepthwiseConv1D({.kernel_size = 1}).config().data_format; }

    fs::path root_, before_;
    std::vector<std::pair<const char*, std::optional<std::string>>> environment_;
};

class KerasSettingsOracle : public KerasSettings, public testing::WithParamInterface<int> {};

TEST_P(KerasSettingsOracle, AsKeras) {
    const Json row = keras_oracle::rows("keras_json.jsonl")[static_cast<size_t>(GetParam())];
    SCOPED_TRACE(row.dump());
    const Json files = row.value("files", Json::object()), environment = row.value("env", Json::object());
    for (const auto& [path, text] : files.items()) write(path, text);
    for (const auto& [name, value] : environment.items()) {
        std::string text = value;
        if (text.compare(0, 3, "TMP") == 0) text.replace(0, 3, root_.string());
        setenv(name.c_str(), text.c_str(), 1);
    }
    keras::LayerConfig config{.kernel_size = 1};
    if (row.contains("data_format")) config.data_format = row["data_format"];
    if (row["error"].is_null()) {
        EXPECT_EQ(keras::DepthwiseConv1D(config).config().data_format, row["result"].get<std::string>());
    } else {
        const std::string message = keras_oracle::refusal([&] { keras::DepthwiseConv1D{config}; });
        EXPECT_HAS(message, row["error"].get<std::string>().substr(std::string("ValueError: ").size()));
        EXPECT_HAS(message, (root_ / "home/.keras/keras.json").string());
    }
    for (const auto& [path, text] : row["files_after"].items()) {
        EXPECT_FALSE(fs::exists(root_ / path)) << "Keras writes " << path << "; this library only reads";
    }
}

INSTANTIATE_TEST_SUITE_P(Rows, KerasSettingsOracle, testing::Range(0, 15));

TEST_F(KerasSettings, EveryRowIsRun) { EXPECT_EQ(keras_oracle::rows("keras_json.jsonl").size(), 15u); }

TEST_F(KerasSettings, ValuesReachTheLayer) {
    EXPECT_EQ(home_json(R"({"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"})"),
              "accepted");
    EXPECT_EQ(keras::settings().epsilon, 1e-3);
    const keras::DepthwiseConv1D layer({.kernel_size = 1});
    EXPECT_EQ(layer.config().dtype, "float16");
    EXPECT_EQ(layer.compute_dtype(), "float16");
    EXPECT_TRUE(layer.channels_first());
    EXPECT_EQ(Json::parse(layer.get_config())["data_format"], "channels_first");
}

TEST_F(KerasSettings, RefusalsNameTheFile) {
    const std::string file = (root_ / "home/.keras/keras.json").string();
    for (const char* text : {"[1]", "3", "null", R"({"floatx": 16})", R"({"floatx": "bfloat16"})",
                             R"({"epsilon": "1e-7"})", R"({"image_data_format": null})"}) {
        EXPECT_HAS(home_json(text), file);
    }
    fs::remove(file);
    fs::create_directories(file);
    keras::reset_settings();
    EXPECT_HAS(keras_oracle::refusal([] { keras::settings(); }), file);
    fs::remove(file);
    EXPECT_EQ(new_format(), "channels_last") << "a refusal is not remembered";
}

TEST_F(KerasSettings, WhereTheFileIs) {
    const std::string first = R"({"image_data_format": "channels_first"})";
    write("cwd/keras.json", first);
    EXPECT_EQ(new_format(), "channels_last");
    setenv("KERAS_HOME", "", 1);
    keras::reset_settings();
    EXPECT_EQ(new_format(), "channels_first") << "an empty KERAS_HOME is the working directory";
    write("home/sub/keras.json", first);
    setenv("KERAS_HOME", "~/sub", 1);
    keras::reset_settings();
    EXPECT_EQ(new_format(), "channels_first");
    setenv("KERAS_HOME", "~", 1);
    keras::reset_settings();
    EXPECT_EQ(new_format(), "channels_last");
    setenv("KERAS_HOME", "~no-such-user-here", 1);
    keras::reset_settings();
    EXPECT_EQ(new_format(), "channels_last");
}

TEST_F(KerasSettings, SetImageDataFormat) {
    const keras::DepthwiseConv1D before({.kernel_size = 1});
    keras::set_image_data_format("Channels_FIRST");
    EXPECT_EQ(new_format(), "channels_first");
    EXPECT_EQ(keras::settings().image_data_format, "channels_first");
    EXPECT_FALSE(before.channels_first()) << "resolved at construction";
    EXPECT_EQ(keras_oracle::refusal([] { keras::set_image_data_format("nchw"); }),
              "The `data_format` argument must be one of {'channels_first', 'channels_last'}. Received: "
              "data_format=nchw");
    EXPECT_EQ(new_format(), "channels_first");
    keras::reset_settings();
    EXPECT_EQ(new_format(), "channels_last");
}

TEST_F(KerasSettings, ReadOnce) {
    EXPECT_EQ(new_format(), "channels_last");
    write("home/.keras/keras.json", R"({"image_data_format": "channels_first"})");
    EXPECT_EQ(new_format(), "channels_last");
    keras::reset_settings();
    EXPECT_EQ(new_format(), "channels_first");
}

}  // namespace
