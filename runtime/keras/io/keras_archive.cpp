// `.keras` archives, as written by Keras 3 (keras/src/saving/saving_lib.py): config.json is a tree of serialized
// objects, model.weights.h5 a tree of groups whose names follow attribute names and, within lists, class names with a
// counter. That counter is what Keras itself loads by.
#include <map>

#include "config_tree.hpp"
#include "errors.hpp"
#include "model_file.hpp"
#include "zip_archive.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr uint64_t kMaxConfig = uint64_t{256} << 20;
constexpr uint64_t kMaxWeights = uint64_t{1} << 40;

std::string join(const std::string& group, const std::string& child) {
    return group.empty() ? child : group + "/" + child;
}

// The group of a layer's variables, or "" where the file has none for it.
std::string variables_group(const Hdf5Weights& weights, const FoundLayer& layer) {
    std::string group, windows;
    for (const ConfigStep& step : layer.steps) {
        std::string container = join(group, step.attribute);
        const std::string old = join(group, "_layer_checkpoint_dependencies");  // Keras 2.12 and 2.13
        if (step.attribute == "layers" && !weights.has_group(container) && weights.has_group(old)) container = old;
        group = step.child.empty() ? container : join(container, step.child);
        windows += (windows.empty() ? "" : "\\") + step.attribute + (step.child.empty() ? "" : "\\" + step.child);
    }
    // Early versions on Windows took their path separator into the group's name.
    for (const std::string& candidate : {join(group, "vars"), join(windows, "vars")}) {
        if (weights.has_group(candidate)) return candidate;
    }
    return "";
}

void open_weights(const ZipArchive& archive, ModelFile* file, Hdf5Weights* weights) {
    const auto add = [&](const std::string& member) {
        auto reader = std::make_unique<Hdf5Reader>(
            ByteSource::owned(archive.read(member, kMaxWeights), file->name + ": " + member));
        weights->files.push_back(reader.get());
        file->sources.push_back(std::move(reader));
    };
    if (!archive.has("model.weights.h5")) {
        if (archive.has("model.weights.npz")) {
            fail_value(file->name +
                       ": keeps its weights in model.weights.npz, as pickled objects, which are never "
                       "loaded (Keras itself cannot); save the model with weights_format='h5'");
        }
        if (archive.has("model.weights.json")) {
            const auto text = archive.read("model.weights.json", kMaxConfig);
            const std::string name = file->name + ": model.weights.json";
            for (const std::string& shard : parse_shard_names({text.begin(), text.end()}, name)) add(shard);
            return;
        }
    }
    add("model.weights.h5");
}

}  // namespace

ModelFile open_keras_archive(const std::string& path) {
    const ZipArchive archive(path);
    ModelFile file;
    file.name = printable(path);
    file.kind = FileKind::keras;
    const auto text = archive.read("config.json", kMaxConfig);
    file.root = parse_json(std::string(text.begin(), text.end()), file.name + ": config.json");
    if (!is_envelope(file.root)) fail_value(file.name + ": config.json is not a serialized Keras model");
    Hdf5Weights weights;
    open_weights(archive, &file, &weights);

    // A layer that two models share stands in both configs and once among the weights.
    std::map<std::pair<std::string, std::string>, std::string> shared;
    for (const FoundLayer& found : find_layers(file.root)) {
        LayerEntry entry;
        entry.class_name = found.class_name;
        entry.name = found.names.back();
        entry.path = join_names(found.names);
        entry.config = found.config;
        entry.calls = found.calls;
        const std::string group = variables_group(weights, found);
        if (!group.empty()) shared.try_emplace({entry.name, entry.config}, group);
        entry.weights = group.empty() ? std::vector<WeightPlace>() : weights.variables(group);
        if (group.empty()) entry.fault = "no group";
        file.layers.push_back(std::move(entry));
    }
    for (LayerEntry& entry : file.layers) {
        if (entry.fault.empty()) continue;
        const auto twin = shared.find({entry.name, entry.config});
        if (twin == shared.end()) {
            entry.fault = "model.weights.h5 holds no weights for it";
        } else {
            entry.weights = weights.variables(twin->second);
            entry.fault.clear();
        }
    }
    return file;
}

}  // namespace dwconv::keras::detail
