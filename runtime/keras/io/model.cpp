// Model: one face of every kind of model file.
#include <algorithm>
#include <cctype>

#include "config_tree.hpp"
#include "errors.hpp"
#include "model_file.hpp"
#include "safetensors_reader.hpp"

namespace dwconv::keras {
namespace {

using detail::fail_value;
using detail::Json;
using detail::LayerEntry;
using detail::ModelFile;
using detail::printable;

constexpr size_t kMaxListed = 40;

// PyTorch's (C*M, 1, K) to (K, C, M); output channel c*M + m in both.
Tensor from_torch(const Tensor& weight, int64_t multiplier, const std::string& where) {
    const int64_t outputs = weight.shape[0], taps = weight.shape[2];
    if (multiplier < 1 || outputs % multiplier != 0) {
        fail_value(where + ": its weight of shape " + to_string(weight.shape) +
                   " does not fit depth_multiplier=" + std::to_string(multiplier));
    }
    Tensor kernel;
    kernel.shape = {taps, outputs / multiplier, multiplier};
    kernel.data.resize(weight.data.size());
    for (int64_t q = 0; q < outputs; ++q) {
        for (int64_t k = 0; k < taps; ++k) {
            kernel.data[static_cast<size_t>(k * outputs + q)] = weight.data[static_cast<size_t>(q * taps + k)];
        }
    }
    return kernel;
}

// A shape of a config: null for what is not known. Empty where it is no such thing.
Shape shape_from(const Json& value) {
    Shape shape;
    if (!value.is_array() || value.size() > 8) return {};
    for (const Json& dimension : value) {
        const bool number = dimension.is_number_integer() && dimension.get<int64_t>() >= 0;
        if (!number && !dimension.is_null()) return {};
        shape.push_back(number ? dimension.get<int64_t>() : -1);
    }
    return shape;
}

const Json& member(const Json& object, const char* key) {
    static const Json none;
    if (!object.is_object()) return none;
    const auto found = object.find(key);
    return found == object.end() ? none : *found;
}

// The shape a chain was built for; empty where its config does not say.
Shape input_shape(const Json& root) {
    const Json& config = root["config"];
    for (const Json* value :
         {&member(config, "build_input_shape"), &member(member(root, "build_config"), "input_shape"),
          &member(config, "batch_input_shape")}) {
        if (Shape shape = shape_from(*value); !shape.empty()) return shape;
    }
    const Json& layers = member(config, "layers");
    if (!layers.is_array() || layers.empty()) return {};
    const Json& first = member(layers.front(), "config");
    for (const char* key : {"batch_shape", "batch_input_shape"}) {
        if (Shape shape = shape_from(member(first, key)); !shape.empty()) return shape;
    }
    return {};
}

}  // namespace

const char* to_string(FileKind kind) {
    switch (kind) {
        case FileKind::keras:
            return "Keras archive";
        case FileKind::h5:
            return "HDF5 model";
        case FileKind::weights_h5:
            return "HDF5 weights";
        case FileKind::shards:
            return "sharded HDF5 weights";
        default:
            return "safetensors";
    }
}

namespace detail {

ModelFile open_model_file(const std::string& path) {
    ByteSource source = ByteSource::file(path);
    if (source.size() == 0) fail_value(source.name() + ": the file is empty");
    unsigned char start[4] = {};
    source.read(0, start, static_cast<size_t>(std::min<uint64_t>(source.size(), sizeof start)));
    if (Hdf5Reader::is_hdf5(source)) return open_hdf5_model(std::move(source));
    if (start[0] == 'P' && start[1] == 'K') return open_keras_archive(path);
    if (SafetensorsReader::is_safetensors(source)) return open_safetensors(std::move(source));
    if (start[0] == '{' || (std::isspace(start[0]) != 0 && start[1] != 0)) return open_shards(path);
    fail_value(source.name() +
               ": is no model file: it starts neither like a zip archive (.keras), nor like HDF5 (.h5), .safetensors "
               "or JSON (.weights.json)");
}

}  // namespace detail

struct Model::Impl {
    ModelFile file;
    std::vector<size_t> depthwise;  // indices into file.layers

    const LayerEntry& entry(size_t index) const {
        if (index >= depthwise.size()) {
            fail_value("layer index " + std::to_string(index) + ": the model has " + std::to_string(depthwise.size()) +
                       " DepthwiseConv1D layers");
        }
        return file.layers[depthwise[index]];
    }
    std::string where(const LayerEntry& entry) const { return file.name + ": layer " + printable(entry.path); }

    std::string listed() const {
        if (depthwise.empty()) return "the model has no DepthwiseConv1D layer";
        std::string text;
        for (size_t i = 0; i < depthwise.size() && i < kMaxListed; ++i) {
            text += (i == 0 ? "" : ", ") + printable(entry(i).path);
        }
        if (depthwise.size() > kMaxListed) text += " and " + std::to_string(depthwise.size() - kMaxListed) + " more";
        return "its DepthwiseConv1D layers are " + text;
    }

    // Runs `work` with the layer named in front of what is wrong.
    template <typename Work>
    auto at(const LayerEntry& entry, Work work) const {
        try {
            return work();
        } catch (const value_error& error) {
            const std::string what = error.what();
            const bool named = what.rfind(file.name, 0) == 0;
            throw value_error(error.status(), named ? what : where(entry) + ": " + what);
        }
    }

    // The places of an entry's weights, as many as `expected`.
    void check_count(const LayerEntry& entry, size_t expected, const char* what) const {
        if (!entry.fault.empty()) fail_value(where(entry) + ": " + entry.fault);
        if (entry.weights.size() == expected) return;
        fail_value(where(entry) + ": the file holds " + std::to_string(entry.weights.size()) +
                   " weights for it, the config needs " + std::to_string(expected) + " (" + what + ")");
    }

    LayerWeights weights(const LayerEntry& entry, const LayerConfig* config) const {
        if (config) {
            check_count(entry, config->use_bias ? 2 : 1, config->use_bias ? "kernel and bias" : "kernel only");
        } else if (!entry.fault.empty() || entry.weights.empty() || entry.weights.size() > 2) {
            check_count(entry, 2, "kernel and bias");
        }
        LayerWeights result;
        result.stored = stored(entry);
        result.kernel = file.read(entry.weights[0]);
        if (entry.torch) {
            result.kernel = from_torch(result.kernel, config ? config->depth_multiplier : 1, where(entry));
        }
        if (entry.weights.size() > 1) result.bias = file.read(entry.weights[1]);
        return result;
    }

    std::vector<StoredWeight> stored(const LayerEntry& entry) const {
        if (!entry.fault.empty()) fail_value(where(entry) + ": " + entry.fault);
        static const char* const plain[] = {"kernel", "bias"};
        static const char* const separable[] = {"depthwise_kernel", "pointwise_kernel", "bias"};
        std::vector<StoredWeight> list;
        for (size_t i = 0; i < entry.weights.size(); ++i) {
            const detail::StoredTensor tensor = file.describe(entry.weights[i]);
            std::string name = std::to_string(i);
            if (entry.is_depthwise() && i < 2) name = plain[i];
            if (!entry.is_depthwise() && i < 3) name = separable[i];
            list.push_back({name, tensor.dtype, entry.weights[i].path, tensor.shape});
        }
        return list;
    }

    std::shared_ptr<Layer> make_layer(const LayerEntry& entry) const {
        if (entry.is_depthwise()) {
            return std::make_shared<DepthwiseConv1D>(parse_layer_config(entry.config, ConfigSource::saved));
        }
        return std::make_shared<SeparableConv1D>(parse_separable_config(entry.config, ConfigSource::saved));
    }
    // Weights of a built layer, whatever its class.
    void load(const LayerEntry& entry, Layer* layer) const {
        check_count(entry, layer->weights().size(), "one for each of the layer's");
        std::vector<Tensor> values;
        for (const detail::WeightPlace& place : entry.weights) values.push_back(file.read(place));
        layer->set_weights(std::move(values));
    }
    // What a layer without a known input can be built for: the channels of its kernel.
    Shape shape_of_kernel(const LayerEntry& entry) const {
        if (!entry.fault.empty() || entry.weights.empty()) check_count(entry, 1, "kernel");
        const Shape kernel = file.describe(entry.weights[0]).shape;
        if (kernel.size() != 3) fail_value("its kernel has the shape " + to_string(kernel) + ", not (K, C, M)");
        const std::string config = entry.config;
        const bool first =
            detail::string_member(detail::parse_json(config, "config"), "data_format") == "channels_first";
        return first ? Shape{-1, kernel[1], -1} : Shape{-1, -1, kernel[1]};
    }
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::open(const std::string& path) {
    auto impl = std::make_unique<Impl>();
    try {
        impl->file = detail::open_model_file(path);
    } catch (const value_error& error) {  // some rules know nothing of files
        const std::string what = error.what(), name = printable(path);
        if (what.find(name) != std::string::npos) throw;
        throw value_error(error.status(), name + ": " + what);
    }
    for (size_t i = 0; i < impl->file.layers.size(); ++i) {
        if (impl->file.layers[i].is_depthwise()) impl->depthwise.push_back(i);
    }
    return Model(std::move(impl));
}

FileKind Model::kind() const { return impl_->file.kind; }

bool Model::has_configs() const {
    if (impl_->file.root.is_object()) return true;
    return size() > 0 && std::all_of(impl_->depthwise.begin(), impl_->depthwise.end(),
                                     [this](size_t i) { return !impl_->file.layers[i].config.empty(); });
}

std::size_t Model::size() const { return impl_->depthwise.size(); }
const std::string& Model::name(std::size_t index) const { return impl_->entry(index).name; }
const std::string& Model::path(std::size_t index) const { return impl_->entry(index).path; }
int Model::calls(std::size_t index) const { return impl_->entry(index).calls; }

std::size_t Model::find(const std::string& name) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < size(); ++i) {
        if (impl_->entry(i).path == name) return i;
        if (impl_->entry(i).name == name) found.push_back(i);
    }
    if (found.size() == 1) return found[0];
    const std::string quoted = impl_->file.name + ": layer \"" + printable(name) + "\"";
    if (found.empty()) fail_value(quoted + " is not there; " + impl_->listed());
    fail_value(quoted + " is there " + std::to_string(found.size()) +
               " times; name one by its path: " + impl_->listed());
}

std::vector<std::size_t> Model::fitting(const LayerConfig& config) const {
    const int64_t taps = config.kernel_size, multiplier = config.depth_multiplier;
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < size(); ++i) {
        const LayerEntry& entry = impl_->entry(i);
        if (!entry.fault.empty() || entry.weights.size() != (config.use_bias ? 2u : 1u) || multiplier < 1) continue;
        const Shape kernel = impl_->file.describe(entry.weights[0]).shape;
        if (kernel.size() != 3) continue;
        const bool fits = entry.torch ? kernel[2] == taps && kernel[0] % multiplier == 0
                                      : kernel[0] == taps && kernel[2] == multiplier;
        if (fits) found.push_back(i);
    }
    return found;
}

LayerConfig Model::config(std::size_t index) const {
    const LayerEntry& entry = impl_->entry(index);
    if (entry.config.empty()) {
        fail_value(impl_->where(entry) + ": the file holds weights alone; the layer's config must come from elsewhere");
    }
    return impl_->at(entry, [&] { return parse_layer_config(entry.config, ConfigSource::saved); });
}

std::vector<StoredWeight> Model::stored(std::size_t index) const {
    const LayerEntry& entry = impl_->entry(index);
    return impl_->at(entry, [&] { return impl_->stored(entry); });
}

LayerWeights Model::weights(std::size_t index) const {
    const LayerEntry& entry = impl_->entry(index);
    if (entry.config.empty()) {
        return impl_->at(entry, [&] { return impl_->weights(entry, nullptr); });
    }
    const LayerConfig known = config(index);
    return impl_->at(entry, [&] { return impl_->weights(entry, &known); });
}

DepthwiseConv1D Model::layer(std::size_t index) const { return layer(index, config(index)); }

DepthwiseConv1D Model::layer(std::size_t index, const LayerConfig& config) const {
    const LayerEntry& entry = impl_->entry(index);
    return impl_->at(entry, [&] {
        DepthwiseConv1D layer(config);
        LayerWeights loaded = impl_->weights(entry, &config);
        layer.set_weights(std::move(loaded.kernel), std::move(loaded.bias));
        return layer;
    });
}

Sequential Model::sequential() const {
    const ModelFile& file = impl_->file;
    const auto refuse = [&file](const std::string& why) {
        fail_value(file.name + ": is no chain of DepthwiseConv1D and SeparableConv1D layers: " + why);
    };
    if (!file.root.is_object()) refuse("it holds no configs");
    const std::string root_class = detail::string_member(file.root, "class_name");
    if (root_class != "Sequential") refuse("its model is a " + printable(root_class));
    const Json& config = file.root["config"];
    const Json& layers = member(config, "layers");
    if (!layers.is_array()) refuse("its config has no layers");
    std::vector<const LayerEntry*> entries;
    for (const Json& layer : layers) {
        const std::string class_name = detail::string_member(layer, "class_name");
        if (class_name == "InputLayer") continue;
        const bool ours = detail::is_envelope(layer) && (detail::is_keras_class(layer, "DepthwiseConv1D") ||
                                                         detail::is_keras_class(layer, "SeparableConv1D"));
        if (!ours) refuse("it holds a " + printable(class_name));
        entries.push_back(&file.layers.at(entries.size()));
    }
    const std::string name = detail::string_member(config, "name");
    Sequential chain(name.empty() ? std::nullopt : std::optional<std::string>(name));
    const Shape input = input_shape(file.root);
    std::vector<std::shared_ptr<Layer>> made;
    for (const LayerEntry* entry : entries) {
        impl_->at(*entry, [&] {
            made.push_back(impl_->make_layer(*entry));
            if (input.empty()) made.back()->build(impl_->shape_of_kernel(*entry));
            return 0;
        });
        chain.add(made.back());
    }
    if (!input.empty() && !made.empty()) chain.build(input);
    for (size_t i = 0; i < made.size(); ++i) {
        impl_->at(*entries[i], [&] {
            impl_->load(*entries[i], made[i].get());
            return 0;
        });
    }
    return chain;
}

}  // namespace dwconv::keras
