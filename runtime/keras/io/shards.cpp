// Sharded weights: a `.weights.json` that names the HDF5 files beside it.
#include <algorithm>

#include "errors.hpp"
#include "model_file.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr uint64_t kMaxIndex = uint64_t{256} << 20;
constexpr size_t kMaxShards = 10000;

void add_name(const Json& value, const std::string& where, std::vector<std::string>* names) {
    if (!value.is_string()) fail_value(where + ": a shard is not named by a string");
    const std::string name = value.get<std::string>();
    const bool plain = !name.empty() && name != "." && name != ".." && name.size() < 256 &&
                       name.find_first_of(std::string("/\\:\0", 4)) == std::string::npos;
    if (!plain) fail_value(where + ": shard \"" + printable(name) + "\" is no plain file name; refused");
    if (std::find(names->begin(), names->end(), name) != names->end()) return;
    if (names->size() >= kMaxShards) fail_value(where + ": names more than 10000 shards; refused");
    names->push_back(name);
}

}  // namespace

std::vector<std::string> parse_shard_names(const std::string& text, const std::string& name) {
    const Json root = parse_json(text, name);
    const auto map = root.is_object() ? root.find("weight_map") : root.end();
    if (!root.is_object() || map == root.end() || !map->is_object()) {
        fail_value(name + ": is no index of sharded weights: it has no object \"weight_map\"");
    }
    std::vector<std::string> names;
    for (const Json& shards : *map) {
        if (!shards.is_array()) {
            add_name(shards, name, &names);
            continue;
        }
        for (const Json& shard : shards) add_name(shard, name, &names);
    }
    if (names.empty()) fail_value(name + ": names no shards");
    return names;
}

ModelFile open_shards(const std::string& path) {
    ModelFile file;
    file.name = printable(path);
    file.kind = FileKind::shards;
    const size_t slash = path.find_last_of('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    Hdf5Weights weights;
    for (const std::string& shard : parse_shard_names(read_text(path, kMaxIndex), file.name)) {
        auto reader = std::make_unique<Hdf5Reader>(ByteSource::file(folder + shard));
        weights.files.push_back(reader.get());
        file.sources.push_back(std::move(reader));
    }
    file.layers = layers_by_shape(weights, file);
    return file;
}

}  // namespace dwconv::keras::detail
