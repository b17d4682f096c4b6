// `.keras` archives: every one of the oracle's is read as Keras wrote it; damaged ones are refused, never a crash.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zip.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "dwconv/keras.hpp"

namespace {

namespace keras = dwconv::keras;
using Json = nlohmann::json;

const std::string kOracle = std::string(DWC_TEST_DATA) + "/keras_oracle/";

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// Rows of models.jsonl by their .keras file.
std::map<std::string, std::vector<Json>> keras_rows() {
    std::map<std::string, std::vector<Json>> rows;
    std::istringstream lines(content(kOracle + "models.jsonl"));
    for (std::string line; std::getline(lines, line);) {
        const Json row = Json::parse(line);
        const std::string file = row["file"];
        if (file.size() > 6 && file.substr(file.size() - 6) == ".keras") rows[file].push_back(row);
    }
    return rows;
}

class KerasArchive : public testing::Test {
   protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("dwconv-archive-" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& bytes) const {
        const std::string path = (folder_ / "m.keras").string();
        std::ofstream(path, std::ios::binary) << bytes;
        return path;
    }
    // A zip archive of these members, deflated where asked.
    std::string zip(const std::vector<std::pair<std::string, std::string>>& members, bool deflate = false) const {
        const std::string path = (folder_ / "made.keras").string();
        std::filesystem::remove(path);
        int code = 0;
        zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_EXCL, &code);
        for (const auto& [name, bytes] : members) {
            zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
            const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
            zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                     0);
        }
        zip_close(archive);
        return path;
    }
    static std::string member(const std::string& file, const char* name) {
        int code = 0;
        zip_t* archive = zip_open((kOracle + file).c_str(), ZIP_RDONLY, &code);
        zip_stat_t stat;
        zip_stat(archive, name, 0, &stat);
        std::string bytes(stat.size, '\0');
        zip_file_t* open = zip_fopen(archive, name, 0);
        zip_fread(open, bytes.data(), bytes.size());
        zip_fclose(open);
        zip_discard(archive);
        return bytes;
    }
    // Opens and reads everything; the message of the dwconv::error, or "accepted".
    static std::string attempt(const std::string& path) {
        try {
            const keras::Model model = keras::Model::open(path);
            for (size_t i = 0; i < model.size(); ++i) model.layer(i);
            return "accepted";
        } catch (const dwconv::error& error) {
            return error.what();
        }
    }
    std::filesystem::path folder_;
};

#define EXPECT_REFUSED(path, words)                                                             \
    do {                                                                                        \
        const std::string message = attempt(path);                                              \
        EXPECT_NE(message.find(words), std::string::npos) << message << "\n  lacks: " << words; \
    } while (false)

TEST_F(KerasArchive, EveryOracleArchiveIsReadAsKerasWroteIt) {
    const auto files = keras_rows();
    ASSERT_EQ(files.size(), 16u);
    for (const auto& [file, rows] : files) {
        SCOPED_TRACE(file);
        const keras::Model model = keras::Model::open(kOracle + file);
        std::set<std::string> names;
        for (const Json& row : rows) {
            SCOPED_TRACE(row["layer"]);
            names.insert(row["layer"]);
            const size_t index = model.find(row["layer"]);
            EXPECT_EQ(model.name(index), row["layer"]);
            const keras::LayerConfig config = model.config(index);
            EXPECT_EQ(config.name, row["layer"]);
            EXPECT_EQ(config.kernel_size, row["config"]["kernel_size"][0]);
            EXPECT_EQ(config.strides, row["config"]["strides"][0]);
            EXPECT_EQ(config.dilation_rate, row["config"]["dilation_rate"][0]);
            EXPECT_EQ(config.depth_multiplier, row["config"]["depth_multiplier"]);
            EXPECT_EQ(to_string(config.padding), row["config"]["padding"]);
            EXPECT_EQ(to_string(config.data_format), row["config"]["data_format"]);
            EXPECT_EQ(config.use_bias, row["config"]["use_bias"]);
            EXPECT_EQ(config.compute_dtype(), row["compute_dtype"]);
            if (row["config"]["activation"].is_string() && row["config"]["activation"] != "swish") {
                EXPECT_EQ(config.activation.name, row["config"]["activation"]);
            }
            const keras::LayerWeights weights = model.weights(index);
            ASSERT_EQ(weights.h5_paths.size(), row["weights"].size());
            for (size_t i = 0; i < row["weights"].size(); ++i) {
                const Json& expected = row["weights"][i];
                const keras::Tensor want = keras::read_npy(kOracle + expected["file"].get<std::string>());
                const keras::Tensor& got = i == 0 ? weights.kernel : *weights.bias;
                EXPECT_EQ(got.shape, want.shape);
                ASSERT_EQ(got.data.size(), want.data.size());
                EXPECT_EQ(std::memcmp(got.data.data(), want.data.data(), 4 * got.data.size()), 0);
                EXPECT_EQ(weights.dtype, expected["dtype"]);
                EXPECT_EQ(weights.h5_paths[i], expected["h5_paths"][0]);
            }
        }
        EXPECT_EQ(model.size(), names.size()) << "a layer that is called several times is there once";
    }
}

TEST_F(KerasArchive, LayersAreFoundByNameOrPath) {
    const keras::Model model = keras::Model::open(kOracle + "models/nested.keras");
    EXPECT_EQ(model.path(model.find("depthwise_conv1d")), "pub_inner/depthwise_conv1d");
    EXPECT_EQ(model.find("pub_inner/depthwise_conv1d"), model.find("depthwise_conv1d"));
    try {
        model.find("nope");
        ADD_FAILURE();
    } catch (const dwconv::value_error& error) {
        EXPECT_NE(std::string(error.what()).find("depthwise_conv1d_1, pub_inner/depthwise_conv1d, depthwise_conv1d_2"),
                  std::string::npos)
            << error.what();
    }
    EXPECT_THROW(model.name(3), dwconv::value_error);
}

TEST_F(KerasArchive, DeflatedAndForeignMembersAreFine) {
    const std::string config = member("models/nested.keras", "config.json");
    const std::string weights = member("models/nested.keras", "model.weights.h5");
    EXPECT_EQ(attempt(zip({{"config.json", config}, {"model.weights.h5", weights}})), "accepted");
    EXPECT_EQ(attempt(zip({{"config.json", config}, {"model.weights.h5", weights}, {"assets/a.txt", "a"}}, true)),
              "accepted");
}

TEST_F(KerasArchive, MissingMembersAndWrongOnesAreNamed) {
    const std::string config = member("models/seq_single.keras", "config.json");
    const std::string weights = member("models/seq_single.keras", "model.weights.h5");
    EXPECT_REFUSED((folder_ / "none.keras").string(), "cannot be opened");
    EXPECT_REFUSED(folder_.string(), "not a regular file");
    EXPECT_REFUSED(write(""), "the file is empty");
    EXPECT_REFUSED(write("no archive at all"), "does not start like one");
    EXPECT_REFUSED(kOracle + "models/seq_single.h5", "it is an HDF5 file");
    EXPECT_REFUSED(zip({{"model.weights.h5", weights}}), "has no member config.json");
    EXPECT_REFUSED(zip({{"config.json", config}}), "has no member model.weights.h5");
    EXPECT_REFUSED(zip({{"config.json", config}, {"model.weights.npz", "x"}}), "pickled objects");
    EXPECT_REFUSED(zip({{"config.json", "{"}, {"model.weights.h5", weights}}), "is not valid JSON");
    EXPECT_REFUSED(zip({{"config.json", "[1]"}, {"model.weights.h5", weights}}), "not a serialized Keras model");
    EXPECT_REFUSED(zip({{"config.json", config}, {"model.weights.h5", "no HDF5"}}), "not a readable HDF5 file");
    EXPECT_REFUSED(zip({{"config.json", config}, {"model.weights.h5", ""}}), "not a readable HDF5 file");
    EXPECT_REFUSED(zip({{"config.json", config}, {"model.weights.h5", weights.substr(0, weights.size() / 2)}}),
                   "model.weights.h5");
}

TEST_F(KerasArchive, ConfigAndWeightsMustAgree) {
    const std::string weights = member("models/seq_single.keras", "model.weights.h5");
    const auto changed = [&](const std::string& from, const std::string& to) {
        std::string config = member("models/seq_single.keras", "config.json");
        const size_t at = config.find(from);
        EXPECT_NE(at, std::string::npos);
        return zip({{"config.json", config.replace(at, from.size(), to)}, {"model.weights.h5", weights}});
    };
    EXPECT_REFUSED(changed("\"use_bias\": true", "\"use_bias\": false"), "holds 2 weights for it, the config needs 1");
    EXPECT_REFUSED(changed("\"kernel_size\": [3]", "\"kernel_size\": [4]"), "does not fit the config");
    // A second layer of the class, which the weights do not have.
    auto config = nlohmann::json::parse(member("models/seq_single.keras", "config.json"));
    auto& layers = config["config"]["layers"];
    layers.push_back(layers.back());
    layers.back()["config"]["name"] = "other";
    EXPECT_REFUSED(zip({{"config.json", config.dump()}, {"model.weights.h5", weights}}), "holds no weights for it");
    EXPECT_REFUSED(changed("\"strides\": [1]", "\"strides\": [1, 1]"),
                   "layer depthwise_conv1d: The `strides` argument");
    EXPECT_REFUSED(changed("\"kernel_size\": [3]", "\"kernel_size\": [99999999999999]"), "does not fit the config");
}

TEST_F(KerasArchive, BombsAreRefused) {
    const std::string config = member("models/seq_single.keras", "config.json");
    const std::string zeros(size_t{80} << 20, '\0');
    EXPECT_REFUSED(zip({{"config.json", config}, {"model.weights.h5", zeros}}, true), "would unpack from");
    std::string nested;
    for (int i = 0; i < 100000; ++i) nested += "{\"a\":";
    EXPECT_REFUSED(zip({{"config.json", nested}, {"model.weights.h5", ""}}, true), "nested more than");
}

TEST_F(KerasArchive, EveryTruncationIsRefused) {
    const std::string good = content(kOracle + "models/seq_single.keras");
    for (size_t length = 0; length < good.size(); length += length < 200 || length + 200 > good.size() ? 1 : 61) {
        EXPECT_NE(attempt(write(good.substr(0, length))), "accepted") << length;
    }
}

TEST_F(KerasArchive, FlippedBitsAreNeverACrashNorAWrongWeight) {
    const std::string file = "models/seq_single.keras", good = content(kOracle + file);
    const keras::DepthwiseConv1D expected = keras::Model::open(kOracle + file).layer(0);
    for (size_t at = 0; at < good.size(); at += 7) {
        std::string bytes = good;
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
        const std::string path = write(bytes);
        try {
            const keras::Model model = keras::Model::open(path);
            for (size_t i = 0; i < model.size(); ++i) {
                // What is accepted passed its checksum.
                EXPECT_EQ(model.layer(i).kernel().data, expected.kernel().data) << at;
            }
        } catch (const dwconv::error&) {
        }
    }
}

// Behind a right checksum: damage that only the HDF5 reader can notice.
TEST_F(KerasArchive, DamagedHdf5IsNeverACrash) {
    const std::string config = member("models/nobias_cf.keras", "config.json");
    const std::string good = member("models/nobias_cf.keras", "model.weights.h5");
    for (size_t at = 0; at < good.size(); at += 97) {
        std::string bytes = good;
        bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
        attempt(zip({{"config.json", config}, {"model.weights.h5", bytes}}));
    }
}

}  // namespace
