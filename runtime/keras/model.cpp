// Finding the layers of a `.keras` archive. Layout as written by Keras 3 (keras/src/saving/saving_lib.py): config.json
// is a tree of serialized objects, model.weights.h5 a tree of groups whose names follow attribute names and, within
// lists, class names with a counter. That counter is what Keras itself loads by. Since 3.6 the groups also carry the
// layer's name as a string attribute, which is not read: HDF5 1.10 crashes on damaged variable-length strings.
#include <map>

#include "dwconv/keras.hpp"
#include "errors.hpp"
#include "hdf5_image.hpp"
#include "json.hpp"
#include "zip_archive.hpp"

namespace dwconv::keras {
namespace {

using detail::fail_value;
using detail::Json;
using detail::printable;
using detail::string_member;

constexpr uint64_t kMaxConfig = uint64_t{256} << 20;
constexpr uint64_t kMaxWeights = uint64_t{1} << 40;

// keras/src/utils/naming.py: "DepthwiseConv1D" -> "depthwise_conv1d". Two replacements after each other, as there:
// (.)([A-Z][a-z]+) and then ([a-z])([A-Z]) get an underscore between their groups.
std::string snake_case(const std::string& class_name) {
    const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
    std::string name, words, text;
    for (const char c : class_name) {
        if (upper(c) || lower(c) || (c >= '0' && c <= '9') || c == '_') name += c;
    }
    for (size_t i = 0; i < name.size();) {
        words += name[i++];
        if (i + 1 >= name.size() || !upper(name[i]) || !lower(name[i + 1])) continue;
        words += '_';
        words += name[i++];
        while (i < name.size() && lower(name[i])) words += name[i++];
    }
    for (size_t i = 0; i < words.size();) {
        text += words[i++];
        if (i >= words.size() || !lower(words[i - 1]) || !upper(words[i])) continue;
        text += '_';
        text += words[i++];
    }
    for (char& c : text) c = upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
}

// One step down the tree of groups: to the attribute `attribute`, and if that is a list or dict, to a child of it.
struct Step {
    std::string attribute;
    std::string child;  // by the class counter; empty for an attribute that is the layer itself
};

struct Entry {
    std::string name, path;
    std::string config;  // JSON
    std::vector<Step> steps;
};

bool is_envelope(const Json& value) {
    return value.is_object() && !string_member(value, "class_name").empty() && value.contains("config");
}

// The layer itself, not somebody's own class of the same name.
bool is_depthwise_conv(const Json& envelope) {
    if (string_member(envelope, "class_name") != "DepthwiseConv1D") return false;
    const std::string registered = string_member(envelope, "registered_name");
    const std::string module = string_member(envelope, "module");
    const auto starts = [&module](const char* prefix) { return module.rfind(prefix, 0) == 0; };
    return (registered.empty() || registered == "DepthwiseConv1D") &&
           (module.empty() || starts("keras") || starts("tf_keras") || starts("tensorflow"));
}

class LayerFinder {
   public:
    explicit LayerFinder(std::vector<Entry>* found) : found_(found) {}

    void visit(const Json& envelope, const std::vector<Step>& steps, const std::string& path) {
        const Json& config = envelope["config"];
        if (is_depthwise_conv(envelope)) {
            const std::string name = string_member(config, "name");
            found_->push_back({name, path.empty() ? name : path, config.dump(), steps});
            return;
        }
        if (!config.is_object()) return;
        for (const auto& [key, value] : config.items()) {
            if (is_envelope(value)) {
                std::vector<Step> deeper = steps;
                deeper.push_back({key, ""});
                visit(value, deeper, joined(path, string_member(value["config"], "name"), key));
            } else if (value.is_structured()) {
                visit_container(value, key, steps, path);
            }
        }
    }

   private:
    static std::string joined(const std::string& path, const std::string& name, const std::string& fallback) {
        return (path.empty() ? "" : path + "/") + (name.empty() ? fallback : name);
    }

    // A list or dict attribute: its members are told apart by class name and a counter, in order.
    void visit_container(const Json& members, const std::string& attribute, const std::vector<Step>& steps,
                         const std::string& path) {
        std::map<std::string, int> seen;
        for (const Json& member : members) {
            if (!is_envelope(member)) continue;
            std::string child = snake_case(string_member(member, "class_name"));
            const int count = seen[child]++;
            if (count > 0) child += "_" + std::to_string(count);
            const std::string name = string_member(member["config"], "name");
            std::vector<Step> deeper = steps;
            deeper.push_back({attribute, child});
            visit(member, deeper, joined(path, name, child));
        }
    }

    std::vector<Entry>* found_;
};

std::string join(const std::string& group, const std::string& child) {
    return group.empty() ? child : group + "/" + child;
}

}  // namespace

struct Model::Impl {
    std::string file;
    std::vector<Entry> entries;
    std::unique_ptr<detail::Hdf5Image> weights;

    const Entry& entry(size_t index) const {
        if (index >= entries.size()) {
            fail_value("layer index " + std::to_string(index) + ": the model has " + std::to_string(entries.size()) +
                       " DepthwiseConv1D layers");
        }
        return entries[index];
    }

    std::string listed() const {
        std::string text;
        for (const Entry& entry : entries) text += (text.empty() ? "" : ", ") + printable(entry.path);
        return entries.empty() ? "the model has no DepthwiseConv1D layer" : "its DepthwiseConv1D layers are " + text;
    }

    // The group of an entry's `vars`, or "" where the file has none for it.
    std::string vars_group(const Entry& entry) const {
        std::string group;
        for (const Step& step : entry.steps) {
            std::string container = join(group, step.attribute);
            const std::string old = join(group, "_layer_checkpoint_dependencies");  // Keras 2.12 and 2.13
            if (step.attribute == "layers" && !weights->has_group(container) && weights->has_group(old))
                container = old;
            group = step.child.empty() ? container : join(container, step.child);
        }
        group = join(group, "vars");
        return weights->has_group(group) ? group : "";
    }

    // A layer that two models share stands in both configs and once among the weights.
    std::string shared_vars_group(const Entry& entry) const {
        std::string group = vars_group(entry);
        for (const Entry& twin : entries) {
            if (!group.empty()) break;
            if (&twin != &entry && twin.name == entry.name && twin.config == entry.config) group = vars_group(twin);
        }
        return group;
    }
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::open(const std::string& path) {
    const detail::ZipArchive archive(path);
    auto impl = std::make_unique<Impl>();
    impl->file = printable(path);
    const auto text = archive.read("config.json", kMaxConfig);
    const Json root = detail::parse_json(std::string(text.begin(), text.end()), impl->file + ": config.json");
    if (!is_envelope(root)) fail_value(impl->file + ": config.json is not a serialized Keras model");
    LayerFinder(&impl->entries).visit(root, {}, "");
    if (!archive.has("model.weights.h5")) {
        if (archive.has("model.weights.npz")) {
            fail_value(impl->file +
                       ": keeps its weights in model.weights.npz, as pickled objects, which are never "
                       "loaded (Keras itself cannot); save the model with weights_format='h5'");
        }
        if (archive.has("model.weights.json")) {
            fail_value(impl->file + ": keeps its weights in shards, which is not supported in this version");
        }
    }
    impl->weights = std::make_unique<detail::Hdf5Image>(archive.read("model.weights.h5", kMaxWeights),
                                                        impl->file + ": model.weights.h5");
    return Model(std::move(impl));
}

std::size_t Model::size() const { return impl_->entries.size(); }
const std::string& Model::name(std::size_t index) const { return impl_->entry(index).name; }
const std::string& Model::path(std::size_t index) const { return impl_->entry(index).path; }

std::size_t Model::find(const std::string& name) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < size(); ++i) {
        if (impl_->entries[i].path == name) return i;
        if (impl_->entries[i].name == name) found.push_back(i);
    }
    if (found.size() == 1) return found[0];
    const std::string quoted = impl_->file + ": layer \"" + printable(name) + "\"";
    if (found.empty()) fail_value(quoted + " is not there; " + impl_->listed());
    fail_value(quoted + " is there " + std::to_string(found.size()) +
               " times; name one by its path: " + impl_->listed());
}

LayerConfig Model::config(std::size_t index) const {
    const Entry& entry = impl_->entry(index);
    try {
        return parse_layer_config(entry.config, ConfigSource::saved);
    } catch (const value_error& error) {
        throw value_error(error.status(), impl_->file + ": layer " + printable(entry.path) + ": " + error.what());
    }
}

LayerWeights Model::weights(std::size_t index) const {
    const Entry& entry = impl_->entry(index);
    const std::string where = impl_->file + ": layer " + printable(entry.path);
    const bool has_bias = config(index).use_bias;
    const std::string group = impl_->shared_vars_group(entry);
    if (group.empty()) fail_value(where + ": model.weights.h5 holds no weights for it");
    const std::size_t expected = has_bias ? 2 : 1, present = impl_->weights->children(group).size();
    if (present != expected) {
        fail_value(where + ": model.weights.h5 holds " + std::to_string(present) +
                   " weights for it, the config needs " + std::to_string(expected) +
                   (has_bias ? " (kernel and bias)" : " (kernel only)"));
    }
    LayerWeights result;
    detail::Hdf5Image::Dataset kernel = impl_->weights->read(group + "/0");
    result.kernel = std::move(kernel.values);
    result.dtype = kernel.dtype;
    result.h5_paths.push_back(group + "/0");
    if (has_bias) {
        result.bias = impl_->weights->read(group + "/1").values;
        result.h5_paths.push_back(group + "/1");
    }
    return result;
}

DepthwiseConv1D Model::layer(std::size_t index) const {
    DepthwiseConv1D layer(config(index));
    LayerWeights loaded = weights(index);
    try {
        layer.set_weights(std::move(loaded.kernel), std::move(loaded.bias));
    } catch (const value_error& error) {
        throw value_error(error.status(), impl_->file + ": layer " + printable(path(index)) + ": " + error.what());
    }
    return layer;
}

}  // namespace dwconv::keras
