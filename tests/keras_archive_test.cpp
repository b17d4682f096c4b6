// `.keras` archives: layers by name, members that must be there, damaged ones refused, never a crash.
#include "keras_files.hpp"

namespace {

namespace keras = dwconv::keras;
using keras_files::attempt;
using keras_files::content;
using Json = nlohmann::json;

const std::string kOracle = keras_oracle::kFolder;

class KerasArchive : public keras_files::FilesTest {};

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
    EXPECT_REFUSED(write("PK no archive at all"), "does not start like one");
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
    EXPECT_REFUSED(changed("\"kernel_size\": [3]", "\"kernel_size\": [4]"), "kernel");
    // A second layer of the class, which the weights do not have.
    auto config = Json::parse(member("models/seq_single.keras", "config.json"));
    auto& layers = config["config"]["layers"];
    layers.push_back(layers.back());
    layers.back()["config"]["name"] = "other";
    EXPECT_REFUSED(zip({{"config.json", config.dump()}, {"model.weights.h5", weights}}), "holds no weights for it");
    EXPECT_REFUSED(changed("\"strides\": [1]", "\"strides\": [1, 1]"),
                   "layer depthwise_conv1d: The `strides` argument");
    EXPECT_REFUSED(changed("\"kernel_size\": [3]", "\"kernel_size\": [99999999999999]"), "kernel");
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
