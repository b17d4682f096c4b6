// Files written and read again; what a file may not be. That real Keras reads them is shown by tests/with_keras.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zip.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "dwconv/keras.hpp"
#include "keras_oracle.hpp"

namespace keras = dwconv::keras;
namespace fs = std::filesystem;
using keras::DepthwiseConv1D;
using keras::SeparableConv1D;
using keras::Sequential;
using keras::Tensor;
using keras_oracle::Json;
using keras_oracle::refusal;

namespace {

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string member(const std::string& path, const char* name) {
    int code = 0;
    zip_t* archive = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
    if (!archive) return "no archive";
    zip_stat_t status;
    std::string bytes;
    if (zip_stat(archive, name, 0, &status) == 0) {
        EXPECT_EQ(status.comp_method, ZIP_CM_STORE);
        bytes.resize(static_cast<size_t>(status.size));
        zip_file_t* file = zip_fopen(archive, name, 0);
        EXPECT_EQ(zip_fread(file, bytes.data(), bytes.size()), static_cast<zip_int64_t>(bytes.size()));
        zip_fclose(file);
    }
    zip_discard(archive);
    return bytes;
}

class KerasSave : public testing::Test {
   protected:
    void SetUp() override {
        keras::reset_settings();
        directory_ = fs::temp_directory_path() / ("dwconv-save-" + std::to_string(getpid()));
        fs::create_directories(directory_);
    }
    void TearDown() override { fs::remove_all(directory_); }
    std::string path(const std::string& name) const { return (directory_ / name).string(); }
    size_t files() const {
        return static_cast<size_t>(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
    }

    // Two depthwise layers of one class, a separable one between them.
    static Sequential model(const std::string& dtype = "float32") {
        Sequential model;
        model.add(DepthwiseConv1D({.kernel_size = 3, .activation = "relu", .name = "front", .dtype = dtype}));
        model.add(SeparableConv1D({.filters = 5, .kernel_size = 2, .strides = 2, .dtype = dtype}));
        model.add(DepthwiseConv1D({.kernel_size = 2, .depth_multiplier = 2, .use_bias = false, .dtype = dtype}));
        model.build({-1, 12, 4});
        float next = -1;
        for (const auto& layer : model.layers()) {
            std::vector<Tensor> weights = layer->get_weights();
            for (Tensor& weight : weights) {
                for (float& value : weight.data) value = (next += 0.0625f) / 8;
            }
            layer->set_weights(std::move(weights));
        }
        return model;
    }
    static Tensor input() {
        Tensor x{{2, 12, 4}, std::vector<float>(96)};
        for (size_t i = 0; i < x.data.size(); ++i)
            x.data[i] = static_cast<float>(static_cast<int>(i * 7 % 31) - 15) / 16;
        return x;
    }

    fs::path directory_;
};

TEST_F(KerasSave, ModelsComeBack) {
    for (const char* dtype : {"float32", "float16", "bfloat16", "float64", "mixed_float16"}) {
        Sequential written = model(dtype);
        const Tensor y = written(input());
        for (const char* name : {"m.keras", "m.h5"}) {
            SCOPED_TRACE(std::string(dtype) + " " + name);
            keras::save_model(path(name), written);
            Sequential read = keras::Model::open(path(name)).sequential();
            ASSERT_EQ(read.layers().size(), 3u);
            for (size_t i = 0; i < 3; ++i) {
                EXPECT_EQ(read.layers()[i]->get_config(), written.layers()[i]->get_config());
            }
            EXPECT_EQ(read(input()).data, y.data);
        }
    }
}

TEST_F(KerasSave, TypesOfTheVariables) {
    const std::vector<std::vector<const char*>> rows = {{"float16", "float16", "float16"},
                                                        {"bfloat16", "bfloat16", "float32"},
                                                        {"float64", "float64", "float64"},
                                                        {"mixed_bfloat16", "float32", "float32"}};
    for (const auto& row : rows) {
        const Sequential written = model(row[0]);
        keras::save_weights(path("m.weights.h5"), written);
        keras::save_weights(path("m.safetensors"), written);
        keras::save_model(path("m.h5"), written);
        EXPECT_EQ(keras::Model::open(path("m.weights.h5")).stored(0)[0].dtype, row[1]) << row[0];
        EXPECT_EQ(keras::Model::open(path("m.safetensors")).stored(0)[0].dtype, row[1]) << row[0];
        // HDF5 has no bfloat16, and this format no place to say that two bytes are one.
        EXPECT_EQ(keras::Model::open(path("m.h5")).stored(0)[0].dtype, row[2]) << row[0];
    }
}

TEST_F(KerasSave, ArchiveHoldsWhatKerasPutsThere) {
    keras::save_model(path("m.keras"), model());
    const Json metadata = Json::parse(member(path("m.keras"), "metadata.json"));
    EXPECT_EQ(metadata["keras_version"], "3.15.1");
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    EXPECT_EQ(std::sscanf(metadata["date_saved"].get<std::string>().c_str(), "%d-%d-%d@%d:%d:%d", &year, &month, &day,
                          &hour, &minute, &second),
              6);
    const Json config = Json::parse(member(path("m.keras"), "config.json"));
    EXPECT_EQ(config["class_name"], "Sequential");
    const Json& layers = config["config"]["layers"];
    ASSERT_EQ(layers.size(), 4u);
    EXPECT_EQ(layers[0]["class_name"], "InputLayer");
    EXPECT_EQ(layers[0]["config"]["batch_shape"].dump(), "[null,12,4]");
    EXPECT_EQ(layers[2]["build_config"]["input_shape"].dump(), "[null,10,4]");
    EXPECT_EQ(config["build_config"]["input_shape"].dump(), "[null,12,4]");
    EXPECT_EQ(member(path("m.keras"), "model.weights.h5").substr(0, 4), "\x89HDF");
}

TEST_F(KerasSave, InputLayerHasANameOfItsOwn) {
    Sequential model;
    model.add(DepthwiseConv1D({.kernel_size = 1, .name = "input_layer"}));
    model.build({-1, 3, 2});
    keras::save_model(path("m.keras"), model);
    EXPECT_EQ(Json::parse(member(path("m.keras"), "config.json"))["config"]["layers"][0]["config"]["name"],
              "input_layer_1");
}

TEST_F(KerasSave, SameModelSameBytes) {
    const Sequential written = model();
    for (const char* name : {"m.weights.h5", "m.safetensors"}) {
        keras::save_weights(path(name), written);
        const std::string first = content(path(name));
        keras::save_weights(path(name), written);
        EXPECT_EQ(content(path(name)), first) << name;
    }
    keras::save_model(path("m.h5"), written);
    const std::string first = content(path("m.h5"));
    keras::save_model(path("m.h5"), written);
    EXPECT_EQ(content(path("m.h5")), first);
    keras::save_model(path("m.keras"), written);
    EXPECT_EQ(member(path("m.keras"), "model.weights.h5"), content(path("m.weights.h5")));
    EXPECT_EQ(files(), 4u) << "no temporary files are left";
}

TEST_F(KerasSave, SafetensorsHeader) {
    const Sequential written = model("float16");
    keras::save_weights(path("m.safetensors"), written);
    const std::string bytes = content(path("m.safetensors"));
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    ASSERT_LT(length + 8, bytes.size());
    EXPECT_EQ(length % 8, 0u);
    const Json header = Json::parse(bytes.substr(8, length));
    EXPECT_EQ(header["front/kernel"]["dtype"], "F16");
    EXPECT_EQ(header["front/kernel"]["shape"].dump(), "[3,4,1]");
    EXPECT_EQ(header["front/kernel"]["data_offsets"].dump(), "[0,24]");
    EXPECT_EQ(header["separable_conv1d/pointwise_kernel"]["shape"].dump(), "[1,4,5]");
    const Json layers = Json::parse(header["__metadata__"]["layers"].get<std::string>());
    ASSERT_EQ(layers.size(), 3u);
    EXPECT_EQ(layers[1]["class_name"], "SeparableConv1D");
    EXPECT_EQ(layers[1]["config"].dump(), Json::parse(written.layers()[1]->get_config()).dump());
    const std::int64_t last = header["depthwise_conv1d/kernel"]["data_offsets"][1];
    EXPECT_EQ(static_cast<std::uint64_t>(last) + 8 + length, bytes.size());
}

TEST_F(KerasSave, StridesWithDilationAreKerasToo) {
    Sequential model;
    model.add(
        DepthwiseConv1D({.kernel_size = 2, .strides = 2, .dilation_rate = 2, .allow_stride_with_dilation = true}));
    model.build({-1, 9, 2});
    keras::save_model(path("m.keras"), model);
    // Keras 3.15 refuses arguments that it does not know, and computes this without being asked.
    EXPECT_EQ(member(path("m.keras"), "config.json").find("allow_stride_with_dilation"), std::string::npos);
}

TEST_F(KerasSave, ManyLayersAndLongNames) {
    Sequential model;
    for (int i = 0; i < 300; ++i) {
        model.add(DepthwiseConv1D({.kernel_size = 1, .name = std::string(400, 'n') + std::to_string(i)}));
    }
    model.build({-1, 4, 1});
    keras::save_model(path("m.h5"), model);  // a list of names longer than an attribute may be
    const keras::Model read = keras::Model::open(path("m.h5"));
    ASSERT_EQ(read.size(), 300u);
    EXPECT_EQ(read.name(299), std::string(400, 'n') + "299");
    EXPECT_EQ(read.weights(299).kernel.data, model.weights()[598].value.data);
}

TEST_F(KerasSave, RefusesInWords) {
    const Sequential good = model();
    const auto saved = [&](const char* name) { return refusal([&] { keras::save_model(path(name), good); }); };
    const auto weights = [&](const char* name) { return refusal([&] { keras::save_weights(path(name), good); }); };
    EXPECT_NE(saved("m.onnx").find("must end in .keras or .h5"), std::string::npos);
    EXPECT_NE(saved("m").find("must end in"), std::string::npos);
    EXPECT_NE(saved("m.weights.h5").find("save_weights writes it"), std::string::npos);
    EXPECT_NE(weights("m.h5").find("must end in .weights.h5 or .safetensors"), std::string::npos);
    EXPECT_NE(refusal([&] { keras::save_model(path("none/m.keras"), good); }).find("cannot be written"),
              std::string::npos);

    Sequential open;
    EXPECT_NE(refusal([&] { keras::save_model(path("m.keras"), open); }).find("no layers"), std::string::npos);
    open.add(DepthwiseConv1D({.kernel_size = 1}));
    EXPECT_NE(refusal([&] { keras::save_model(path("m.keras"), open); }).find("is not built"), std::string::npos);

    Sequential callable;
    callable.add(DepthwiseConv1D({.kernel_size = 1, .activation = [](Tensor x) { return x; }}));
    callable.build({-1, 3, 1});
    EXPECT_NE(refusal([&] { keras::save_model(path("m.keras"), callable); }).find("activation is a callable"),
              std::string::npos);
    keras::save_weights(path("only.weights.h5"), callable);  // which needs no config
    EXPECT_TRUE(fs::remove(path("only.weights.h5")));

    Sequential unknown;
    unknown.add(DepthwiseConv1D({.kernel_size = 1, .activation = keras::Activation::celu(0.5f), .name = "c"}));
    unknown.build({-1, 3, 1});
    EXPECT_NE(refusal([&] { keras::save_model(path("m.keras"), unknown); }).find("layer 'c': Keras has no object for"),
              std::string::npos);

    Sequential named;
    named.add(DepthwiseConv1D({.kernel_size = 1, .name = "."}));
    named.build({-1, 3, 1});
    EXPECT_NE(refusal([&] { keras::save_model(path("m.h5"), named); }).find("layer name '.'"), std::string::npos);
    EXPECT_EQ(files(), 0u) << "nothing was written";
}

TEST_F(KerasSave, AFileThatStandsThereSurvivesARefusal) {
    keras::save_model(path("m.keras"), model());
    const std::string before = content(path("m.keras"));
    Sequential callable;
    callable.add(DepthwiseConv1D({.kernel_size = 1, .activation = [](Tensor x) { return x; }}));
    callable.build({-1, 3, 1});
    EXPECT_THROW(keras::save_model(path("m.keras"), callable), dwconv::value_error);
    EXPECT_EQ(content(path("m.keras")), before);
}

}  // namespace
