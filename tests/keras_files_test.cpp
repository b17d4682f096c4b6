// Model files of every kind: all 70 rows of the oracle are found with their config and weights; damaged copies, links
// and files of other programs are refused in words.
#include "keras_files.hpp"

#include <hdf5.h>

#include <cstring>
#include <map>

namespace {

namespace keras = dwconv::keras;
using keras_files::attempt;
using keras_files::content;
using keras_oracle::Json;
using keras_oracle::kFolder;

class KerasFiles : public keras_files::FilesTest {};

keras::LayerConfig config_of(const Json& row) { return keras::parse_layer_config(row["config"].dump()); }

// The layer of a row: in a file of weights alone by their shapes, where only one fits, else by name. (Keras 2.13 names
// no layers in such files, and a group may bear the name of another layer.)
size_t index_of(const keras::Model& model, const Json& row) {
    if (!model.has_configs()) {
        const auto fitting = model.fitting(config_of(row));
        if (fitting.size() == 1) return fitting[0];
    }
    return model.find(row["layer"]);
}

void expect_config(const keras::LayerConfig& config, const Json& row) {
    const auto normal = [](const keras::LayerConfig& from) { return keras::DepthwiseConv1D(from).get_config(); };
    EXPECT_EQ(normal(config), normal(config_of(row)));
    EXPECT_EQ(config.name, row["layer"].get<std::string>());
}

void expect_weights(const keras::Model& model, size_t index, const Json& row) {
    const keras::LayerWeights weights = model.weights(index);
    const Json& expected = row["weights"];
    ASSERT_EQ(weights.stored.size(), expected.size());
    ASSERT_EQ(weights.bias.has_value(), expected.size() == 2);
    const auto stored = model.stored(index);
    ASSERT_EQ(stored.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
        const keras::Tensor want = keras_oracle::array(expected[i]["file"]);
        const keras::Tensor& got = i == 0 ? weights.kernel : *weights.bias;
        EXPECT_EQ(got.shape, want.shape);
        ASSERT_EQ(got.data.size(), want.data.size());
        EXPECT_EQ(std::memcmp(got.data.data(), want.data.data(), 4 * got.data.size()), 0);
        EXPECT_EQ(weights.stored[i].dtype, expected[i]["dtype"]);
        EXPECT_EQ(weights.stored[i].name, expected[i]["name"]);
        EXPECT_EQ(weights.stored[i].shape, want.shape);
        if (!expected[i]["h5_paths"].empty()) {
            EXPECT_EQ(weights.stored[i].path, expected[i]["h5_paths"][0]);
        }
        EXPECT_EQ(stored[i].path, weights.stored[i].path);
    }
}

keras::FileKind kind_of(const std::string& file) {
    const auto ends = [&file](const std::string& tail) {
        return file.size() > tail.size() && file.compare(file.size() - tail.size(), tail.size(), tail) == 0;
    };
    if (ends(".keras")) return keras::FileKind::keras;
    if (ends(".weights.json")) return keras::FileKind::shards;
    return ends("weights.h5") ? keras::FileKind::weights_h5 : keras::FileKind::h5;
}

TEST_F(KerasFiles, EveryRowOfTheOracleIsFound) {
    const auto rows = keras_oracle::rows("models.jsonl");
    ASSERT_EQ(rows.size(), 70u);
    std::map<std::string, std::map<std::string, int>> calls;
    for (const Json& row : rows) ++calls[row["file"]][row["layer"]];
    for (const Json& row : rows) {
        const std::string file = row["file"], layer = row["layer"];
        SCOPED_TRACE(file + " " + layer);
        const keras::Model model = keras::Model::open(kFolder + file);
        EXPECT_EQ(model.kind(), kind_of(file));
        EXPECT_EQ(model.size(), calls[file].size());
        const bool configs = model.kind() == keras::FileKind::keras || model.kind() == keras::FileKind::h5;
        EXPECT_EQ(model.has_configs(), configs);
        const size_t index = index_of(model, row);
        expect_weights(model, index, row);
        if (configs) {
            expect_config(model.config(index), row);
            EXPECT_EQ(model.calls(index), calls[file][layer]);
            EXPECT_EQ(model.find(layer), index);
        } else {
            EXPECT_THROW(model.config(index), dwconv::value_error);
            EXPECT_EQ(model.calls(index), 0);
        }
        // Built and called.
        const keras::Tensor x = keras_oracle::array(row["x"]), y = keras_oracle::array(row["y"]);
        keras::DepthwiseConv1D built = configs ? model.layer(index) : model.layer(index, config_of(row));
        EXPECT_EQ(built.kernel().shape, model.weights(index).kernel.shape);
    }
}

TEST_F(KerasFiles, PathsTellWhereALayerLies) {
    const auto paths = [](const char* file) {
        const keras::Model model = keras::Model::open(kFolder + "models/" + file);
        std::vector<std::string> paths;
        for (size_t i = 0; i < model.size(); ++i) paths.push_back(model.path(i));
        return paths;
    };
    using Paths = std::vector<std::string>;
    const Paths deep = {"pub_mid/pub_block2/depthwise_conv1d_1", "pub_mid/pub_block3/depthwise_conv1d", "pub_head"};
    EXPECT_EQ(paths("deep.h5"), deep);
    EXPECT_EQ(paths("deep.keras"), deep);
    EXPECT_EQ(paths("subclass.weights.h5"),
              (Paths{"blocks/depthwise_conv1d", "blocks/depthwise_conv1d_1", "layers/depthwise_conv1d"}));
    EXPECT_EQ(paths("k2_seq_multi_weights.h5"), (Paths{"pub_first", "depthwise_conv1d"}));
}

TEST_F(KerasFiles, DamagedFilesAreNeverACrash) {
    damage(content(kFolder + "models/nobias_cf.h5"), "m.h5", 64);
    damage(content(kFolder + "models/k2_seq_multi_weights.h5"), "m.h5", 192);
    damage(content(kFolder + "models/subclass.weights.h5"), "m.weights.h5", 64);
    damage(content(kFolder + "models/seq_single.keras"), "m.keras", 128);
}

TEST_F(KerasFiles, ShardsLieBesideTheirIndex) {
    const std::string index = content(kFolder + "models/seq_multi_shards.weights.json");
    for (const char* shard : {"seq_multi_shards_00000.weights.h5", "seq_multi_shards_00001.weights.h5"}) {
        write(content(kFolder + "models/" + shard), shard);
    }
    const std::string path = write(index, "seq_multi_shards.weights.json");
    EXPECT_EQ(attempt(path), "accepted");
    const auto named = [&](const std::string& name) {
        return write(R"({"weight_map": {"/layers/a/vars": [)" + Json(name).dump() + "]}}", "m.weights.json");
    };
    EXPECT_EQ(attempt(named("seq_multi_shards_00000.weights.h5")), "accepted");
    EXPECT_REFUSED(named("../secret.weights.h5"), "is no plain file name");
    EXPECT_REFUSED(named("/etc/passwd"), "is no plain file name");
    EXPECT_REFUSED(named(".."), "is no plain file name");
    EXPECT_REFUSED(named(""), "is no plain file name");
    EXPECT_REFUSED(named("missing.weights.h5"), "cannot be opened");
    EXPECT_REFUSED(write("{}", "m.weights.json"), "no object \"weight_map\"");
    EXPECT_REFUSED(write(R"({"weight_map": {"a": 3}})", "m.weights.json"), "not named by a string");
    EXPECT_REFUSED(write(R"({"weight_map": {}})", "m.weights.json"), "names no shards");
    std::filesystem::remove(folder_ / "seq_multi_shards_00001.weights.h5");
    EXPECT_REFUSED(path, "seq_multi_shards_00001.weights.h5");
    damage(index, "seq_multi_shards.weights.json", 16);
}

TEST_F(KerasFiles, AnArchiveMayKeepItsWeightsInShards) {
    const std::string config = member("models/seq_multi.keras", "config.json");
    const std::string index = content(kFolder + "models/seq_multi_shards.weights.json");
    const auto shard = [](const char* name) { return content(kFolder + "models/" + name); };
    const char *first = "seq_multi_shards_00000.weights.h5", *second = "seq_multi_shards_00001.weights.h5";
    const std::string path =
        zip({{"config.json", config}, {"model.weights.json", index}, {first, shard(first)}, {second, shard(second)}});
    EXPECT_EQ(attempt(path), "accepted");
    const keras::Model sharded = keras::Model::open(path),
                       whole = keras::Model::open(kFolder + "models/seq_multi.keras");
    ASSERT_EQ(sharded.size(), 2u);
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ(sharded.weights(i).kernel.shape, whole.weights(i).kernel.shape);
    EXPECT_REFUSED(zip({{"config.json", config}, {"model.weights.json", index}, {first, shard(first)}}),
                   "has no member seq_multi_shards_00001.weights.h5");
}

// ---------------------------------------------------------------- HDF5 files as Keras does not write them

class Hdf5Files : public KerasFiles {
   protected:
    void SetUp() override {
        KerasFiles::SetUp();
        H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
        path_ = (folder_ / "made.weights.h5").string();
    }
    // A file with layers/conv/vars, in which `fill` makes what the test is about.
    template <class Fill>
    std::string make(Fill fill, H5F_libver_t version = H5F_LIBVER_EARLIEST) {
        const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
        H5Pset_libver_bounds(access, version, H5F_LIBVER_LATEST);
        const hid_t file = H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
        const hid_t links = H5Pcreate(H5P_LINK_CREATE);
        H5Pset_create_intermediate_group(links, 1);
        const hid_t group = H5Gcreate2(file, "layers/conv/vars", links, H5P_DEFAULT, H5P_DEFAULT);
        fill(group);
        H5Gclose(group);
        H5Pclose(links);
        H5Fclose(file);
        H5Pclose(access);
        return path_;
    }
    static void dataset(hid_t group, const char* name, std::vector<hsize_t> shape, hid_t type = H5T_IEEE_F32LE,
                        hid_t properties = H5P_DEFAULT) {
        size_t count = 1;
        for (const hsize_t dimension : shape) count *= dimension;
        std::vector<float> values(count);
        for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) - 2;
        const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
        const hid_t made = H5Dcreate2(group, name, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
        if (made >= 0) H5Dwrite(made, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
        H5Dclose(made);
        H5Sclose(space);
    }
    std::string path_;
};

TEST_F(Hdf5Files, TypesLayoutsAndVersionsOfTheFormat) {
    for (const H5F_libver_t version : {H5F_LIBVER_EARLIEST, H5F_LIBVER_V18, H5F_LIBVER_LATEST}) {
        for (const hid_t type : {H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_IEEE_F64LE, H5T_IEEE_F64BE}) {
            for (const H5D_layout_t layout : {H5D_CONTIGUOUS, H5D_COMPACT}) {
                const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
                H5Pset_layout(properties, layout);
                const std::string path = make(
                    [&](hid_t group) {
                        dataset(group, "0", {2, 3, 2}, type, properties);
                        dataset(group, "1", {6}, type, properties);
                    },
                    version);
                H5Pclose(properties);
                const keras::Model model = keras::Model::open(path);
                ASSERT_EQ(model.size(), 1u);
                EXPECT_EQ(model.name(0), "conv");
                const keras::LayerWeights weights = model.weights(0);
                EXPECT_EQ(weights.kernel.shape, (keras::Shape{2, 3, 2}));
                for (size_t i = 0; i < 12; ++i) EXPECT_EQ(weights.kernel.data[i], static_cast<float>(i) - 2);
                ASSERT_TRUE(weights.bias);
                EXPECT_EQ(weights.bias->data[5], 3);
            }
        }
    }
}

TEST_F(Hdf5Files, ManyLinksAndManyMessages) {
    const std::string path = make([&](hid_t group) {
        dataset(group, "0", {2, 3, 2});
        const hid_t file = H5Iget_file_id(group);
        for (int i = 0; i < 3000; ++i) {  // enough for a tree of two levels
            H5Gclose(
                H5Gcreate2(file, ("layers/other_" + std::to_string(i)).c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        }
        H5Fclose(file);
    });
    EXPECT_EQ(keras::Model::open(path).size(), 1u);
}

TEST_F(Hdf5Files, LinksAndForeignStorageAreRefused) {
    EXPECT_REFUSED(make([](hid_t group) { H5Lcreate_soft("/x", group, "0", H5P_DEFAULT, H5P_DEFAULT); }),
                   "soft or external link");
    EXPECT_REFUSED(
        make([](hid_t group) { H5Lcreate_external("/etc/passwd", "/x", group, "0", H5P_DEFAULT, H5P_DEFAULT); }),
        "soft or external link");
    const hid_t external = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(external, (folder_ / "beside.bin").c_str(), 0, H5F_UNLIMITED);
    EXPECT_REFUSED(make([&](hid_t group) {
                       const hid_t file = H5Iget_file_id(group);
                       const hid_t named =
                           H5Gcreate2(file, "layers/depthwise_conv1d", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
                       const hid_t vars = H5Gcreate2(named, "vars", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
                       dataset(vars, "0", {2, 3, 1}, H5T_IEEE_F32LE, external);
                       H5Gclose(vars);
                       H5Gclose(named);
                       H5Fclose(file);
                   }),
                   "in another file; refused");
    H5Pclose(external);
}

TEST_F(Hdf5Files, GroupsInACircleEnd) {
    const std::string path = make([&](hid_t group) {
        dataset(group, "0", {2, 3, 2});
        const hid_t file = H5Iget_file_id(group);
        H5Lcreate_hard(file, "layers", file, "layers/again", H5P_DEFAULT, H5P_DEFAULT);
        H5Lcreate_hard(file, "/", file, "layers/root", H5P_DEFAULT, H5P_DEFAULT);
        H5Fclose(file);
    });
    EXPECT_EQ(keras::Model::open(path).size(), 1u);
}

TEST_F(KerasFiles, OtherFilesAreNamedInWords) {
    EXPECT_REFUSED((folder_ / "none").string(), "cannot be opened");
    EXPECT_REFUSED(folder_.string(), "not a regular file");
    EXPECT_REFUSED(write(""), "the file is empty");
    EXPECT_REFUSED(write("no model at all"), "is no model file");
    EXPECT_REFUSED(write("{\"a\": "), "is not valid JSON");
    EXPECT_REFUSED(write(std::string("\x89HDF\r\n\x1a\n", 8)), "is not a readable HDF5 file");
    EXPECT_REFUSED(write(std::string(8, '\0') + "{}"), "is no model file");
}

}  // namespace
