// What every kind of model file is opened to: layers, and where their weights lie.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dwconv/keras.hpp"
#include "files.hpp"
#include "hdf5_reader.hpp"
#include "json.hpp"
#include "weight_source.hpp"

namespace dwconv::keras::detail {

struct WeightPlace {
    size_t source = 0;  // in ModelFile::sources
    std::string path;
};

// A DepthwiseConv1D, or a SeparableConv1D, which a chain may hold too.
struct LayerEntry {
    std::string class_name, name, path;
    std::string config;  // JSON; empty where the file has none
    int calls = 0;
    std::vector<WeightPlace> weights;  // kernel before bias
    std::string fault;                 // why there are none
    // PyTorch's order: weight (C*M, 1, K). The file does not tell C from M.
    bool torch = false;

    bool is_depthwise() const { return class_name == "DepthwiseConv1D"; }
};

struct ModelFile {
    std::string name;  // for messages
    FileKind kind = FileKind::keras;
    Json root;  // the model's config; null where there is none
    std::vector<LayerEntry> layers;
    std::vector<std::unique_ptr<WeightSource>> sources;

    Tensor read(const WeightPlace& place) const { return sources[place.source]->read(place.path); }
    StoredTensor describe(const WeightPlace& place) const { return sources[place.source]->describe(place.path); }
};

// Each throws value_error.
ModelFile open_model_file(const std::string& path);
ModelFile open_keras_archive(const std::string& path);
ModelFile open_hdf5_model(ByteSource source);
ModelFile open_shards(const std::string& path);
ModelFile open_safetensors(ByteSource source);

// The HDF5 files of one model in Keras 3's layout of weights; more than one where it is sharded.
class Hdf5Weights {
   public:
    std::vector<const Hdf5Reader*> files;

    bool has_group(const std::string& path) const;
    // Datasets "0", "1", ... of a group, each in the first file that has it.
    std::vector<WeightPlace> variables(const std::string& group) const;
    // Every group named `vars`, by its path, each object once; files with many levels are refused.
    std::vector<std::string> variable_groups() const;
    // The layer's name as written by Keras 3.6 and later; "" without.
    std::string layer_name(const std::string& vars) const;
};

// The depthwise layers of a file of weights alone, told from others by class where the path shows it, and by shape.
std::vector<LayerEntry> layers_by_shape(const Hdf5Weights& weights, const ModelFile& file);

// The names of the shards in the text of a `.weights.json`. Each is a plain file name: a path would lead elsewhere.
std::vector<std::string> parse_shard_names(const std::string& text, const std::string& name);

}  // namespace dwconv::keras::detail
