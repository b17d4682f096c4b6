// .npy in and out: every supported type, order and version; everything else refused in words and without allocation.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "dwconv/keras.hpp"

namespace {

namespace keras = dwconv::keras;

class NpyTest : public testing::Test {
   protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("dwconv-npy-" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string file(const char* name) const { return (folder_ / name).string(); }
    size_t files() const {
        return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
    }
    std::filesystem::path folder_;
};

std::string with_header(const std::string& dict, int major = 1) {
    std::string bytes = "\x93NUMPY";
    bytes += static_cast<char>(major);
    bytes += '\0';
    for (int i = 0; i < (major == 1 ? 2 : 4); ++i) bytes += static_cast<char>((dict.size() >> (8 * i)) & 255);
    return bytes + dict;
}

std::string dict(const std::string& descr, bool fortran, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape +
           ", }\n";
}

template <typename T>
std::string raw(std::initializer_list<T> values, bool swap = false) {
    std::string bytes;
    for (const T value : values) {
        char one[sizeof(T)];
        std::memcpy(one, &value, sizeof(T));
        if (swap) std::reverse(one, one + sizeof(T));
        bytes.append(one, sizeof(T));
    }
    return bytes;
}

keras::Tensor parse(const std::string& bytes, keras::NpyInfo* info = nullptr) {
    return keras::parse_npy(bytes.data(), bytes.size(), "t.npy", info);
}

// The message of the value_error, or "accepted".
std::string refusal(const std::string& bytes) {
    try {
        parse(bytes);
        return "accepted";
    } catch (const dwconv::value_error& error) {
        EXPECT_EQ(std::string(error.what()).rfind("t.npy: ", 0), 0u) << error.what();
        return error.what();
    }
}

void expect_refusal(const std::string& bytes, const std::string& words) {
    EXPECT_NE(refusal(bytes).find(words), std::string::npos) << refusal(bytes) << "\n  lacks: " << words;
}

TEST_F(NpyTest, RoundTripKeepsBitsAndShape) {
    for (const keras::Shape& shape : {keras::Shape{}, {3}, {0}, {2, 0, 4}, {2, 3, 4}}) {
        keras::Tensor tensor;
        tensor.shape = shape;
        for (int64_t i = 0; i < keras::element_count(shape); ++i) tensor.data.push_back(0.1f * static_cast<float>(i));
        if (!tensor.data.empty()) tensor.data[0] = std::numeric_limits<float>::quiet_NaN();
        keras::write_npy(file("a.npy"), tensor);
        keras::NpyInfo info;
        const keras::Tensor back = keras::read_npy(file("a.npy"), &info);
        EXPECT_EQ(back.shape, shape);
        EXPECT_FALSE(info.converted());
        ASSERT_EQ(back.data.size(), tensor.data.size());
        EXPECT_TRUE(back.data.empty() || std::memcmp(back.data.data(), tensor.data.data(), 4 * back.data.size()) == 0);
        EXPECT_EQ(std::filesystem::file_size(file("a.npy")) % 64, 4 * tensor.data.size() % 64) << "NumPy aligns to 64";
    }
    EXPECT_EQ(files(), 1u) << "a temporary file is left";
}

TEST_F(NpyTest, ConvertsOtherFloatsAndOrders) {
    keras::NpyInfo info;
    EXPECT_EQ(parse(with_header(dict("<f8", false, "(2,)")) + raw({1.5, -0.1}), &info).data,
              (std::vector<float>{1.5f, -0.1f}));
    EXPECT_EQ(info.describe(), "float64");
    EXPECT_EQ(parse(with_header(dict(">f4", false, "(2,)")) + raw({1.5f, -2.0f}, true), &info).data,
              (std::vector<float>{1.5f, -2.0f}));
    EXPECT_EQ(info.describe(), "float32, big-endian");
    EXPECT_EQ(parse(with_header(dict(">f8", false, "(1,)")) + raw({0.25}, true)).data, std::vector<float>{0.25f});
    // float16: 1, -2, smallest subnormal, largest, inf, NaN
    const auto halves = parse(with_header(dict("<f2", false, "(6,)")) +
                              raw<uint16_t>({0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00}));
    EXPECT_EQ(halves.data[0], 1.0f);
    EXPECT_EQ(halves.data[1], -2.0f);
    EXPECT_EQ(halves.data[2], std::ldexp(1.0f, -24));
    EXPECT_EQ(halves.data[3], 65504.0f);
    EXPECT_TRUE(std::isinf(halves.data[4]));
    EXPECT_TRUE(std::isnan(halves.data[5]));
    // (2, 3) in Fortran order: columns one after the other.
    const auto fortran = parse(with_header(dict("<f4", true, "(2, 3)")) + raw({0.f, 3.f, 1.f, 4.f, 2.f, 5.f}), &info);
    EXPECT_EQ(fortran.data, (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(info.describe(), "float32, Fortran order");
}

TEST_F(NpyTest, ReadsEveryVersionAndSpelling) {
    for (int major = 1; major <= 3; ++major) {
        EXPECT_EQ(parse(with_header(dict("<f4", false, "(1,)"), major) + raw({7.f})).data[0], 7.f);
    }
    EXPECT_EQ(parse(with_header("{\"shape\":(1L,),\"fortran_order\":False,\"descr\":\"<f4\"}") + raw({7.f})).data[0],
              7.f);
    expect_refusal(with_header(dict("<f4", false, "(1,)"), 4) + raw({7.f}), ".npy version 4.0");
    expect_refusal(with_header(dict("<f4", false, "(1,)"), 0) + raw({7.f}), ".npy version 0.0");
}

TEST_F(NpyTest, RefusesOtherTypesInWords) {
    for (const auto& [descr, words] : {std::pair{"<i4", "integers"},
                                       {"|u1", "integers"},
                                       {"|b1", "booleans"},
                                       {"<c8", "complex"},
                                       {"|O", "Python objects"},
                                       {"<U3", "strings"},
                                       {"|S3", "strings"},
                                       {"<V2", "raw bytes"},
                                       {"<f16", "extended"},
                                       {"", "no float"},
                                       {"<M8[s]", "no float"},
                                       {"<f", "no float"}}) {
        expect_refusal(with_header(dict(descr, false, "(1,)")) + "0123456789abcdef", words);
    }
    expect_refusal(with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}") + raw({1.f}),
                   "fields");
}

TEST_F(NpyTest, RefusesBrokenFiles) {
    const std::string good = with_header(dict("<f4", false, "(2,)")) + raw({1.f, 2.f});
    ASSERT_EQ(refusal(good), "accepted");
    for (size_t length = 0; length < good.size(); ++length) {
        EXPECT_NE(refusal(good.substr(0, length)), "accepted") << length;
    }
    expect_refusal(good + "x", "needs 8 bytes of data, the file has 9");
    expect_refusal("hello, this is no array", "is not a .npy file");
    expect_refusal(with_header("{'descr': '<f4', 'shape': (1,)}") + raw({1.f}), "is missing");
    expect_refusal(with_header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"), "repeated");
    expect_refusal(with_header("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}"), "neither True nor False");
    expect_refusal(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "whole numbers");
    expect_refusal(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}"), "shape");
    expect_refusal(with_header("__import__('os').abort()"), "expected '{'");
    expect_refusal(with_header(dict("<f4", false, "(1,)") + "more") + raw({1.f}), "after the closing");
}

TEST_F(NpyTest, RefusesAbsurdSizesBeforeAllocating) {
    expect_refusal(with_header(dict("<f4", false, "(99999999999999999999,)")), "does not fit 64 bits");
    expect_refusal(with_header(dict("<f4", false, "(9223372036854775807, 9223372036854775807)")), "more elements");
    expect_refusal(with_header(dict("<f4", false, "(0, 9223372036854775807, 9)")), "more elements");
    expect_refusal(with_header(dict("<f4", false, "(1000000000000,)")), "needs 4000000000000 bytes");
    std::string many = "(";
    for (int i = 0; i < 40; ++i) many += "1,";
    expect_refusal(with_header(dict("<f4", false, many + ")")) + raw({1.f}), "32 dimensions");
    std::string huge = with_header("", 2);
    huge.replace(8, 4, "\xff\xff\xff\x7f");
    expect_refusal(huge, "no plain array's");
}

TEST_F(NpyTest, EveryFlippedBitIsReadOrRefused) {
    const std::string good = with_header(dict("<f4", false, "(2, 1, 3)")) + raw({1.f, 2.f, 3.f, 4.f, 5.f, 6.f});
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::string bytes = good;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        try {
            const keras::Tensor tensor = parse(bytes);
            EXPECT_EQ(static_cast<size_t>(keras::element_count(tensor.shape)), tensor.data.size());
        } catch (const dwconv::value_error&) {
        }
    }
}

TEST_F(NpyTest, MissingAndOddPathsAreRefused) {
    EXPECT_THROW(keras::read_npy(file("none.npy")), dwconv::value_error);
    EXPECT_THROW(keras::read_npy(folder_.string()), dwconv::value_error);
    EXPECT_THROW(keras::read_npy("/dev/zero"), dwconv::value_error);
    ASSERT_EQ(mkfifo(file("pipe").c_str(), 0600), 0);
    EXPECT_THROW(keras::read_npy(file("pipe")), dwconv::value_error);  // and does not wait for a writer
}

TEST_F(NpyTest, NeverLeavesHalfAFile) {
    const keras::Tensor tensor{{2}, {1, 2}};
    EXPECT_THROW(keras::write_npy(file("no/such/folder.npy"), tensor), dwconv::value_error);
    EXPECT_THROW(keras::write_npy(folder_.string(), tensor), dwconv::value_error);
    EXPECT_THROW(keras::write_npy("/dev/null", tensor), dwconv::value_error);
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
    EXPECT_THROW(keras::write_npy(file("a.npy"), {{3}, {1, 2}}), dwconv::value_error);
    EXPECT_EQ(files(), 0u);
    // A link stays a link.
    keras::write_npy(file("target.npy"), tensor);
    std::filesystem::create_symlink(file("target.npy"), file("link.npy"));
    keras::write_npy(file("link.npy"), {{1}, {5}});
    EXPECT_TRUE(std::filesystem::is_symlink(file("link.npy")));
    EXPECT_EQ(keras::read_npy(file("target.npy")).data, std::vector<float>{5});
}

}  // namespace
