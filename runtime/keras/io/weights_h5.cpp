// Weights alone in Keras 3's layout: a tree of groups, in which every layer has a group `vars` with datasets 0, 1, ...
#include <algorithm>
#include <set>

#include "errors.hpp"
#include "model_file.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr size_t kMaxDepth = 200;

// "depthwise_conv1d_12" -> "depthwise_conv1d", 12; without a number, -1.
std::pair<std::string, int64_t> split_counter(const std::string& name) {
    const size_t at = name.find_last_of('_');
    if (at == std::string::npos || at + 1 == name.size() || name.size() - at > 10) return {name, -1};
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (!std::all_of(name.begin() + static_cast<std::ptrdiff_t>(at) + 1, name.end(), digit)) return {name, -1};
    return {name.substr(0, at), std::stoll(name.substr(at + 1))};
}

// Classes whose weights can have the shapes of a DepthwiseConv1D's.
bool other_class(const std::string& name) {
    static const std::set<std::string> others = {"conv1d",       "conv1d_transpose",     "separable_conv1d",
                                                 "einsum_dense", "multi_head_attention", "group_query_attention"};
    return others.count(name) != 0;
}

bool depthwise_shapes(const std::vector<StoredTensor>& stored) {
    if (stored.empty() || stored.size() > 2 || stored[0].shape.size() != 3) return false;
    if (stored.size() == 1) return true;
    const Shape& kernel = stored[0].shape;
    int64_t outputs = 0;
    return stored[1].shape.size() == 1 && !__builtin_mul_overflow(kernel[1], kernel[2], &outputs) &&
           stored[1].shape[0] == outputs;
}

std::string last_component(const std::string& path) { return path.substr(path.find_last_of("/\\") + 1); }

}  // namespace

bool Hdf5Weights::has_group(const std::string& path) const {
    return std::any_of(files.begin(), files.end(), [&](const Hdf5Reader* file) { return file->has_group(path); });
}

std::vector<WeightPlace> Hdf5Weights::variables(const std::string& group) const {
    std::vector<WeightPlace> places;
    for (;;) {
        const std::string path = group + "/" + std::to_string(places.size());
        size_t source = 0;
        while (source < files.size() && !files[source]->has_dataset(path)) ++source;
        if (source == files.size()) return places;
        places.push_back({source, path});
    }
}

std::vector<std::string> Hdf5Weights::variable_groups() const {
    std::vector<std::string> groups;
    std::set<std::string> known;
    for (const Hdf5Reader* file : files) {
        std::set<uint64_t> seen;  // hard links may lead in circles
        std::vector<std::string> open = {""};
        while (!open.empty()) {
            const std::string group = std::move(open.back());
            open.pop_back();
            if (!file->has_group(group) || !seen.insert(file->address(group)).second) continue;
            if (static_cast<size_t>(std::count(group.begin(), group.end(), '/')) > kMaxDepth) {
                fail_value("groups nested more than 200 deep");
            }
            if (last_component(group) == "vars") {
                if (known.insert(group).second) groups.push_back(group);
                continue;
            }
            auto names = file->children(group);
            std::sort(names.begin(), names.end(),
                      [](const std::string& a, const std::string& b) { return split_counter(a) < split_counter(b); });
            for (auto name = names.rbegin(); name != names.rend(); ++name) {
                // Of a link that leads out of the file only the name is known; it is refused where it is used.
                if (name->find('/') == std::string::npos) open.push_back(group.empty() ? *name : group + "/" + *name);
            }
        }
    }
    return groups;
}

std::string Hdf5Weights::layer_name(const std::string& vars) const {
    for (const Hdf5Reader* file : files) {
        if (!file->has_group(vars)) continue;
        const auto names = file->strings(vars, "name");
        if (names && names->size() == 1 && !names->front().empty()) return names->front();
    }
    return "";
}

std::vector<LayerEntry> layers_by_shape(const Hdf5Weights& weights, const ModelFile& file) {
    std::vector<LayerEntry> layers;
    for (const std::string& group : weights.variable_groups()) {
        const std::string parent = group.size() > 5 ? group.substr(0, group.size() - 5) : "";
        if (other_class(split_counter(last_component(parent)).first)) continue;
        LayerEntry entry;
        entry.weights = weights.variables(group);
        if (entry.weights.empty() || entry.weights.size() > 2) continue;
        std::vector<StoredTensor> stored;
        try {
            for (const WeightPlace& place : entry.weights) stored.push_back(file.describe(place));
        } catch (const value_error&) {
            // No floating-point numbers, so no layer of ours; unless it calls itself one, and then that is an error.
            if (split_counter(last_component(parent)).first == "depthwise_conv1d") throw;
            continue;
        }
        if (!depthwise_shapes(stored)) continue;
        entry.class_name = "DepthwiseConv1D";
        entry.path = parent;
        entry.name = weights.layer_name(group);
        if (entry.name.empty()) entry.name = last_component(parent);
        layers.push_back(std::move(entry));
    }
    return layers;
}

}  // namespace dwconv::keras::detail
