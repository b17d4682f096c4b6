// HDF5 model files. A whole model (Keras 2, and Keras 3's legacy format, keras/src/legacy/saving/legacy_h5_format.py):
// attribute model_config, and a group per layer of the root model whose attribute weight_names lists its weights, those
// of nested models included. Weights alone are such groups at the root (Keras 2), or Keras 3's tree.
#include <algorithm>
#include <map>
#include <set>

#include "config_tree.hpp"
#include "errors.hpp"
#include "model_file.hpp"

namespace dwconv::keras::detail {
namespace {

using Strings = std::vector<std::string>;

std::string join(const std::string& group, const std::string& child) {
    return group.empty() ? child : group + "/" + child;
}

// A list attribute; Keras cuts long ones into <name>0, <name>1, ...
std::optional<Strings> string_list(const Hdf5Reader& file, const std::string& group, const std::string& name) {
    if (auto whole = file.strings(group, name)) return whole;
    std::optional<Strings> list;
    for (size_t i = 0;; ++i) {
        auto part = file.strings(group, name + std::to_string(i));
        if (!part) return list;
        if (!list) list.emplace();
        list->insert(list->end(), part->begin(), part->end());
    }
}

Strings components(const std::string& path) {
    Strings parts;
    for (size_t start = 0; start <= path.size();) {
        const size_t end = std::min(path.find('/', start), path.size());
        if (end > start) parts.push_back(path.substr(start, end - start));
        start = end + 1;
    }
    return parts;
}

// "kernel", "depthwise_kernel", "pointwise_kernel" or "bias" out of Keras 2's "depthwise_kernel:0" and Keras 3's
// "kernel"; "" for any other weight.
std::string role(const std::string& weight_name) {
    std::string leaf = weight_name.substr(weight_name.find_last_of('/') + 1);
    leaf.resize(std::min(leaf.size(), leaf.find(':')));
    return leaf == "kernel" || leaf == "depthwise_kernel" || leaf == "pointwise_kernel" || leaf == "bias" ? leaf : "";
}

// The groups of the root model's layers.
class LegacyGroups {
   public:
    LegacyGroups(const Hdf5Reader& file, std::string base) : file_(file), base_(std::move(base)) {
        const auto names = string_list(file_, base_, "layer_names");
        if (!names) fail_value(printable(base_) + " has no attribute layer_names");
        names_ = *names;
        known_.insert(names_.begin(), names_.end());
    }
    const Strings& names() const { return names_; }

    // Names of a layer's weights; value_error where they are not there.
    const Strings& weights_of(const std::string& layer) {
        const auto known = weights_.find(layer);
        if (known != weights_.end()) return known->second;
        const auto list = string_list(file_, join(base_, layer), "weight_names");
        if (!list) fail_value(printable(join(base_, layer)) + " has no attribute weight_names");
        return weights_.emplace(layer, *list).first->second;
    }
    // The weights of a layer that lies at `names` below the root; empty with a reason in `fault`.
    std::vector<WeightPlace> find(const Strings& names, std::string* fault) {
        const std::string& top = names.front();
        if (known_.count(top) == 0) {
            *fault = "the file holds no weights for it";
            return {};
        }
        const Strings& all = weights_of(top);
        std::vector<WeightPlace> places;
        for (const std::string& name : names.size() == 1 ? all : nested(all, names, fault)) {
            places.push_back({0, join(join(base_, top), name)});
        }
        if (places.empty() && fault->empty() && names.size() > 1) *fault = "the file holds no weights for it";
        return places;
    }
    std::string path(const std::string& layer, const std::string& weight) const {
        return join(join(base_, layer), weight);
    }

   private:
    // Those of a nested model's weights that belong to the layer: their path ends in the layer's name and the weight's,
    // and of several such layers, in the names of more of the models around it.
    static Strings nested(const Strings& all, const Strings& names, std::string* fault) {
        std::map<std::string, Strings> best;  // by what precedes the weight's own name
        size_t most = 1;
        for (const std::string& weight : all) {
            Strings parts = components(weight);
            if (parts.size() < 2 || role(weight).empty()) continue;
            parts.pop_back();
            size_t same = 0;
            while (same < parts.size() && same < names.size() &&
                   parts[parts.size() - 1 - same] == names[names.size() - 1 - same]) {
                ++same;
            }
            if (same < most) continue;
            if (same > most) best.clear();
            most = same;
            best[join_names(parts)].push_back(weight);
        }
        if (best.size() > 1) {
            *fault = "the file holds several layers of this name and does not tell which is which";
            return {};
        }
        return best.empty() ? Strings() : best.begin()->second;
    }

    const Hdf5Reader& file_;
    std::string base_;
    Strings names_;
    std::set<std::string> known_;
    std::map<std::string, Strings> weights_;
};

// Each name in front of what it says about the file.
template <typename Work>
auto naming(const std::string& name, Work work) {
    try {
        return work();
    } catch (const value_error& error) {
        const std::string what = error.what();
        throw value_error(error.status(), what.rfind(name, 0) == 0 ? what : name + ": " + what);
    }
}

void add_configured_layers(const Hdf5Reader& reader, ModelFile* file) {
    LegacyGroups groups(reader, "model_weights");
    for (const FoundLayer& found : find_layers(file->root)) {
        LayerEntry entry;
        entry.class_name = found.class_name;
        entry.name = found.names.back();
        entry.path = join_names(found.names);
        entry.config = found.config;
        entry.calls = found.calls;
        entry.weights = groups.find(found.names, &entry.fault);
        file->layers.push_back(std::move(entry));
    }
}

// Without a config: a layer is a kernel of rank 3 by the name that only this class uses, or, for files that call every
// kernel `kernel`, with the shapes of one.
void add_layers_of_weights(const Hdf5Reader& reader, const std::string& base, ModelFile* file) {
    LegacyGroups groups(reader, base);
    std::set<std::string> seen;
    for (const std::string& layer : groups.names()) {
        if (!seen.insert(layer).second) continue;
        std::map<std::string, std::map<std::string, std::string>> by_parent;
        Strings order;
        for (const std::string& weight : groups.weights_of(layer)) {
            const size_t slash = weight.find_last_of('/');
            const std::string parent = slash == std::string::npos ? "" : weight.substr(0, slash);
            if (role(weight).empty()) continue;
            if (by_parent.count(parent) == 0) order.push_back(parent);
            by_parent[parent].try_emplace(role(weight), weight);
        }
        for (const std::string& parent : order) {
            auto& roles = by_parent[parent];
            if (roles.count("depthwise_kernel") == 0 || roles.count("pointwise_kernel") != 0) continue;
            LayerEntry entry;
            entry.class_name = "DepthwiseConv1D";
            const Strings parts = components(parent);
            entry.name = parts.empty() ? layer : parts.back();
            entry.path = entry.name == layer ? layer : layer + "/" + entry.name;
            entry.weights.push_back({0, groups.path(layer, roles["depthwise_kernel"])});
            // A DepthwiseConv2D calls its kernel the same.
            if (file->describe(entry.weights[0]).shape.size() != 3) continue;
            if (roles.count("bias") != 0) entry.weights.push_back({0, groups.path(layer, roles["bias"])});
            file->layers.push_back(std::move(entry));
        }
    }
}

}  // namespace

ModelFile open_hdf5_model(ByteSource source) {
    ModelFile file;
    file.name = source.name();
    auto owned = std::make_unique<Hdf5Reader>(std::move(source));
    const Hdf5Reader& reader = *owned;
    file.sources.push_back(std::move(owned));
    naming(file.name, [&] {
        const auto has_layers = [&](const std::string& group) {
            return reader.has_group(group) &&
                   (reader.strings(group, "layer_names") || reader.strings(group, "layer_names0"));
        };
        const auto config = reader.strings("", "model_config");
        if (config && config->size() == 1) {
            file.kind = FileKind::h5;
            file.root = parse_json(config->front(), file.name + ": model_config");
            if (!is_envelope(file.root)) fail_value(file.name + ": model_config is not a serialized Keras model");
            add_configured_layers(reader, &file);
        } else if (has_layers("") || has_layers("model_weights")) {
            file.kind = FileKind::weights_h5;
            add_layers_of_weights(reader, has_layers("") ? "" : "model_weights", &file);
        } else {
            file.kind = FileKind::weights_h5;
            Hdf5Weights weights;
            weights.files.push_back(&reader);
            if (weights.variable_groups().empty()) {
                fail_value(file.name +
                           ": is an HDF5 file that Keras did not write: it holds neither layer_names nor a "
                           "group vars");
            }
            file.layers = layers_by_shape(weights, file);
        }
        return 0;
    });
    return file;
}

}  // namespace dwconv::keras::detail
