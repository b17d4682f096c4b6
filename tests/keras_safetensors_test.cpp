// `.safetensors`: our own files and PyTorch's are read; headers that do not fit the file are refused.
#include <cstring>

#include "keras_files.hpp"

namespace {

namespace keras = dwconv::keras;
using keras_files::attempt;
using Json = nlohmann::ordered_json;

class Safetensors : public keras_files::FilesTest {
   protected:
    static std::string bytes(const std::string& header, const std::string& data) {
        std::string length;
        for (int i = 0; i < 8; ++i) length += static_cast<char>((header.size() >> (8 * i)) & 255);
        return length + header + data;
    }
    std::string file(const std::string& header, const std::string& data) const {
        return write(bytes(header, data), "m.safetensors");
    }
    // 0, 1, 2, ... as float32.
    static std::string floats(size_t count) {
        std::string data(4 * count, '\0');
        for (size_t i = 0; i < count; ++i) {
            const auto value = static_cast<float>(i);
            std::memcpy(&data[4 * i], &value, 4);
        }
        return data;
    }
    static Json tensor(const std::string& dtype, const keras::Shape& shape, size_t begin, size_t end) {
        return {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, end}}};
    }
};

// K = 2, C = 3, M = 2.
Json small_header() {
    Json header;
    header["a/kernel"] = {{"dtype", "F32"}, {"shape", {2, 3, 2}}, {"data_offsets", {0, 48}}};
    header["a/bias"] = {{"dtype", "F32"}, {"shape", {6}}, {"data_offsets", {48, 72}}};
    return header;
}

TEST_F(Safetensors, KernelAndBiasOfALayer) {
    Json header = small_header();
    header["__metadata__"]["a"] = R"({"name": "a", "kernel_size": [2], "depth_multiplier": 2})";
    const keras::Model model = keras::Model::open(file(header.dump(), floats(18)));
    EXPECT_EQ(model.kind(), keras::FileKind::safetensors);
    ASSERT_EQ(model.size(), 1u);
    EXPECT_TRUE(model.has_configs());
    EXPECT_EQ(model.path(model.find("a")), "a");
    const keras::DepthwiseConv1D layer = model.layer(0);
    EXPECT_EQ(layer.kernel().shape, (keras::Shape{2, 3, 2}));
    EXPECT_EQ(layer.kernel().data[11], 11);
    EXPECT_EQ(layer.bias()->data[0], 12);
    EXPECT_EQ(model.stored(0)[1].path, "a/bias");
    header.erase("__metadata__");
    EXPECT_FALSE(keras::Model::open(file(header.dump(), floats(18))).has_configs());
}

TEST_F(Safetensors, WhatIsSavedIsReadAgain) {
    keras::Sequential chain("chain");
    chain.add(keras::DepthwiseConv1D({.kernel_size = 3, .depth_multiplier = 2, .activation = "relu", .name = "first"}));
    chain.add(keras::DepthwiseConv1D({.kernel_size = 2, .use_bias = false, .name = "second"}));
    chain.build({-1, 10, 3});
    const keras::Tensor x{{1, 10, 3}, std::vector<float>(30, 0.5f)};
    const keras::Tensor want = chain(x);
    for (const char* name : {"m.safetensors", "m.weights.h5", "m.keras", "m.h5"}) {
        SCOPED_TRACE(name);
        const std::string path = (folder_ / name).string();
        const bool whole = std::string(name) == "m.keras" || std::string(name) == "m.h5";
        if (whole) {
            keras::save_model(path, chain);
        } else {
            keras::save_weights(path, chain);
        }
        const keras::Model model = keras::Model::open(path);
        ASSERT_EQ(model.size(), 2u);
        EXPECT_EQ(model.weights(model.find("first")).kernel.data, chain.layers()[0]->get_weights()[0].data);
        EXPECT_EQ(model.weights(model.find("second")).kernel.data, chain.layers()[1]->get_weights()[0].data);
        if (model.has_configs()) {
            keras::Sequential again = model.sequential();
            EXPECT_EQ(again(x).data, want.data);
        } else {
            EXPECT_THROW(model.sequential(), dwconv::value_error);
        }
    }
}

TEST_F(Safetensors, PyTorchsOrder) {
    Json header;
    header["conv.weight"] = tensor("F32", {6, 1, 2}, 0, 48);
    header["conv.bias"] = tensor("F32", {6}, 48, 72);
    header["dense.weight"] = tensor("F32", {2, 2}, 72, 88);
    header["steps.weight"] = tensor("I64", {1, 1, 1}, 88, 96);
    const keras::Model model = keras::Model::open(file(header.dump(), floats(24)));
    ASSERT_EQ(model.size(), 1u);
    EXPECT_EQ(model.name(0), "conv");
    EXPECT_EQ(model.weights(0).kernel.shape, (keras::Shape{2, 6, 1}));
    const keras::LayerConfig config{.kernel_size = 2, .depth_multiplier = 3};
    EXPECT_EQ(model.fitting(config), std::vector<size_t>{0});
    EXPECT_TRUE(model.fitting({.kernel_size = 2, .depth_multiplier = 4}).empty());
    EXPECT_TRUE(model.fitting({.kernel_size = 3}).empty());
    const keras::DepthwiseConv1D layer = model.layer(0, config);
    EXPECT_EQ(layer.kernel().shape, (keras::Shape{2, 2, 3}));
    for (size_t k = 0; k < 2; ++k) {
        for (size_t q = 0; q < 6; ++q) EXPECT_EQ(layer.kernel().data[k * 6 + q], static_cast<float>(q * 2 + k));
    }
    EXPECT_THROW(model.layer(0, {.kernel_size = 2, .depth_multiplier = 4}), dwconv::value_error);
    EXPECT_THROW(model.config(0), dwconv::value_error);
}

TEST_F(Safetensors, SixteenBitsAndDoubles) {
    const std::pair<const char*, std::string> ones[] = {
        {"F16", std::string("\x00\x3c", 2)},
        {"BF16", std::string("\x80\x3f", 2)},
        {"F64", std::string("\x00\x00\x00\x00\x00\x00\xf0\x3f", 8)},
    };
    for (const auto& [dtype, one] : ones) {
        Json header;
        header["a/kernel"] = tensor(dtype, {1, 1, 1}, 0, one.size());
        EXPECT_EQ(keras::Model::open(file(header.dump(), one)).weights(0).kernel.data, std::vector<float>{1}) << dtype;
    }
}

TEST_F(Safetensors, HeadersThatDoNotFitAreRefused) {
    const auto changed = [this](const std::string& pointer, const Json& value) {
        Json header = small_header();
        header[Json::json_pointer(pointer)] = value;
        return file(header.dump(), floats(18));
    };
    EXPECT_EQ(attempt(file(small_header().dump(), floats(18))), "accepted");
    EXPECT_REFUSED(file(small_header().dump(), floats(19)), "take 72 bytes of data, the file has 76");
    EXPECT_REFUSED(file(small_header().dump(), floats(17)), "lie outside");
    EXPECT_REFUSED(changed("/a~1bias/data_offsets", {44, 68}), "starts at byte 44");
    EXPECT_REFUSED(changed("/a~1bias/data_offsets", {72, 48}), "lie outside");
    EXPECT_REFUSED(changed("/a~1bias/data_offsets", {48}), "two data_offsets");
    EXPECT_REFUSED(changed("/a~1bias/data_offsets", {-1, 72}), "is no number from 0");
    EXPECT_REFUSED(changed("/a~1bias/shape", {7}), "does not fit its 24 bytes");
    EXPECT_REFUSED(changed("/a~1bias/shape", {1073741824, 1073741824, 1073741824}), "");
    EXPECT_REFUSED(changed("/a~1bias/dtype", "F31"), "is not known");
    EXPECT_REFUSED(changed("/__metadata__", {{"a", 3}}), "something else than text");
    EXPECT_REFUSED(file("{\"a\"", ""), "is not valid JSON");
    EXPECT_REFUSED(write(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10), "m.safetensors"), "is no model file");
}

TEST_F(Safetensors, DamagedFilesAreNeverACrash) {
    damage(bytes(small_header().dump(), floats(18)), "m.safetensors", 3);
}

}  // namespace
