#include "safetensors_reader.hpp"

#include <algorithm>
#include <tuple>

#include "config_tree.hpp"
#include "errors.hpp"
#include "float_block.hpp"
#include "model_file.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr uint64_t kMaxHeader = uint64_t{100} << 20;  // the format's own limit

struct TypeName {
    const char* name;
    size_t size;
    const char* dtype;
};
constexpr TypeName kTypes[] = {
    {"F32", 4, "float32"}, {"F16", 2, "float16"}, {"BF16", 2, "bfloat16"}, {"F64", 8, "float64"}, {"BOOL", 1, ""},
    {"U8", 1, ""},         {"I8", 1, ""},         {"U16", 2, ""},          {"I16", 2, ""},        {"U32", 4, ""},
    {"I32", 4, ""},        {"U64", 8, ""},        {"I64", 8, ""},          {"F8_E4M3", 1, ""},    {"F8_E5M2", 1, ""},
};

std::string prefix_of(const std::string& name, const char* ending) {
    const std::string tail = ending;
    const bool ends = name.size() > tail.size() && name.compare(name.size() - tail.size(), tail.size(), tail) == 0;
    return ends ? name.substr(0, name.size() - tail.size()) : "";
}

uint64_t header_length(const ByteSource& source) {
    unsigned char start[8];
    source.read(0, start, sizeof start);
    return load_unsigned<uint64_t>(start, false);
}

}  // namespace

bool SafetensorsReader::is_safetensors(const ByteSource& source) {
    if (source.size() < 10) return false;
    unsigned char brace = 0;
    source.read(8, &brace, 1);
    const uint64_t length = header_length(source);
    return brace == '{' && length >= 2 && length <= source.size() - 8;
}

SafetensorsReader::SafetensorsReader(ByteSource source) : source_(std::move(source)) {
    const std::string& name = source_.name();
    if (source_.size() < 10) fail_value(name + ": is no .safetensors file: it is too short");
    const uint64_t length = header_length(source_);
    if (length > kMaxHeader) {
        fail_value(name + ": is no .safetensors file: a header of " + std::to_string(length) + " bytes is too long");
    }
    if (length > source_.size() - 8) fail_value(name + ": is cut off within its header");
    data_ = 8 + length;
    std::string text(static_cast<size_t>(length), '\0');
    source_.read(8, text.data(), text.size());
    const Json header = parse_json(text, name + ": header");
    if (!header.is_object()) fail_value(name + ": its header is no JSON object");
    for (const auto& [key, value] : header.items()) {
        if (key != "__metadata__") {
            add(key, value);
            continue;
        }
        if (!value.is_object()) fail_value(name + ": __metadata__ is no object");
        for (const auto& [field, word] : value.items()) {
            if (!word.is_string()) fail_value(name + ": __metadata__ holds something else than text");
            metadata_[field] = word.get<std::string>();
        }
    }
    check_order();
}

void SafetensorsReader::add(const std::string& name, const Json& value) {
    const std::string where = source_.name() + ": tensor " + printable(name);
    const auto natural = [&where](const Json& number, const char* what) {
        if (!number.is_number_unsigned() || number.get<uint64_t>() > (uint64_t{1} << 62)) {
            fail_value(where + ": " + what + " " + python_str(number) + " is no number from 0 to 2^62");
        }
        return number.get<uint64_t>();
    };
    Entry entry;
    entry.type = string_member(value, "dtype");
    const auto type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&entry](const TypeName& known) { return entry.type == known.name; });
    if (type == std::end(kTypes)) fail_value(where + ": dtype " + printable(entry.type) + " is not known");
    entry.stored.dtype = type->dtype;
    const auto shape = value.find("shape"), offsets = value.find("data_offsets");
    if (shape == value.end() || !shape->is_array() || offsets == value.end() || !offsets->is_array() ||
        offsets->size() != 2 || shape->size() > 32) {
        fail_value(where + ": needs a shape and two data_offsets");
    }
    for (const Json& dimension : *shape) {
        entry.stored.shape.push_back(static_cast<int64_t>(natural(dimension, "dimension")));
    }
    entry.begin = natural((*offsets)[0], "data_offset");
    entry.end = natural((*offsets)[1], "data_offset");
    const uint64_t present = source_.size() - data_;
    if (entry.begin > entry.end || entry.end > present) {
        fail_value(where + ": data_offsets " + python_str(*offsets) + " lie outside of the " + std::to_string(present) +
                   " bytes of data");
    }
    uint64_t needed = 0;
    const auto count = static_cast<uint64_t>(element_count(entry.stored.shape));
    if (__builtin_mul_overflow(count, type->size, &needed) || needed != entry.end - entry.begin) {
        fail_value(where + ": shape " + to_string(entry.stored.shape) + " of " + entry.type + " does not fit its " +
                   std::to_string(entry.end - entry.begin) + " bytes");
    }
    if (!tensors_.emplace(name, std::move(entry)).second) fail_value(where + " is there twice");
    names_.push_back(name);
}

void SafetensorsReader::check_order() {
    const auto before = [this](const std::string& a, const std::string& b) {
        const Entry &first = tensors_.at(a), &second = tensors_.at(b);
        return std::tie(first.begin, first.end) < std::tie(second.begin, second.end);
    };
    std::stable_sort(names_.begin(), names_.end(), before);
    uint64_t end = 0;
    for (const std::string& name : names_) {
        const Entry& entry = tensors_.at(name);
        if (entry.begin != end) {
            fail_value(source_.name() + ": tensor " + printable(name) + " starts at byte " +
                       std::to_string(entry.begin) + " of the data, the one before it ends at " + std::to_string(end));
        }
        end = entry.end;
    }
    if (end != source_.size() - data_) {
        fail_value(source_.name() + ": the tensors take " + std::to_string(end) + " bytes of data, the file has " +
                   std::to_string(source_.size() - data_));
    }
}

std::string SafetensorsReader::metadata(const std::string& key) const {
    const auto found = metadata_.find(key);
    return found == metadata_.end() ? "" : found->second;
}

const SafetensorsReader::Entry& SafetensorsReader::entry(const std::string& path) const {
    const auto found = tensors_.find(path);
    if (found == tensors_.end()) fail_value(source_.name() + ": has no tensor " + printable(path));
    return found->second;
}

StoredTensor SafetensorsReader::describe(const std::string& path) const {
    const Entry& from = entry(path);
    if (from.stored.dtype.empty()) {
        fail_value(source_.name() + ": tensor " + printable(path) + " is of type " + from.type +
                   ", not float16, bfloat16, float32 or float64");
    }
    return from.stored;
}

Tensor SafetensorsReader::read(const std::string& path) const {
    Tensor tensor;
    const StoredTensor stored = describe(path);
    tensor.shape = stored.shape;
    const uint64_t begin = data_ + entry(path).begin;
    tensor.data.resize(static_cast<size_t>(element_count(stored.shape)));
    const auto fetch = [&](size_t offset, void* to, size_t size) { source_.read(begin + offset, to, size); };
    load_floats(tensor.data.size(), stored.dtype, false, fetch, tensor.data.data());
    return tensor;
}

const Shape* SafetensorsReader::float_shape(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() || found->second.stored.dtype.empty() ? nullptr : &found->second.stored.shape;
}

namespace {

LayerEntry make_entry(const SafetensorsReader& reader, const std::string& layer, const char* class_name,
                      const std::vector<std::string>& weights) {
    LayerEntry entry;
    entry.class_name = class_name;
    entry.name = entry.path = layer;
    entry.config = reader.metadata(layer);
    for (const std::string& weight : weights) {
        if (reader.has(weight)) entry.weights.push_back({0, weight});
    }
    if (entry.weights.empty()) entry.fault = "the file holds no weights for it";
    return entry;
}

// Layers in the order of the metadata's list of configs, which makes a chain of them.
void add_listed_layers(const SafetensorsReader& reader, const std::string& text, ModelFile* file) {
    const Json layers = parse_json(text, file->name + ": metadata \"layers\"");
    if (!layers.is_array()) fail_value(file->name + ": metadata \"layers\" is no list of layers");
    file->root = {{"class_name", "Sequential"}, {"config", {{"layers", layers}}}};
    for (const FoundLayer& found : find_layers(file->root)) {
        const std::string layer = join_names(found.names), at = layer + "/";
        file->layers.push_back(found.class_name == "SeparableConv1D"
                                   ? make_entry(reader, layer, "SeparableConv1D",
                                                {at + "depthwise_kernel", at + "pointwise_kernel", at + "bias"})
                                   : make_entry(reader, layer, "DepthwiseConv1D", {at + "kernel", at + "bias"}));
        file->layers.back().config = found.config;
        file->layers.back().calls = found.calls;
    }
}

}  // namespace

// Ours: "<layer>/kernel" and "<layer>/bias", "<layer>/depthwise_kernel" and "<layer>/pointwise_kernel" for a separable
// layer; configs in the metadata, under "layers" in a list or under each layer's name. PyTorch's: "<prefix>.weight"
// (C*M, 1, K) and "<prefix>.bias".
ModelFile open_safetensors(ByteSource source) {
    ModelFile file;
    file.name = source.name();
    file.kind = FileKind::safetensors;
    auto owned = std::make_unique<SafetensorsReader>(std::move(source));
    const SafetensorsReader& reader = *owned;
    file.sources.push_back(std::move(owned));
    if (const std::string listed = reader.metadata("layers"); !listed.empty()) {
        add_listed_layers(reader, listed, &file);
        return file;
    }
    for (const std::string& name : reader.names()) {
        const Shape* shape = reader.float_shape(name);
        if (!shape || shape->size() != 3) continue;  // of some other layer
        if (const std::string layer = prefix_of(name, "/depthwise_kernel"); !layer.empty()) {
            file.layers.push_back(
                make_entry(reader, layer, "SeparableConv1D", {name, layer + "/pointwise_kernel", layer + "/bias"}));
        } else if (const std::string kernel = prefix_of(name, "/kernel"); !kernel.empty()) {
            file.layers.push_back(make_entry(reader, kernel, "DepthwiseConv1D", {name, kernel + "/bias"}));
        } else if (const std::string module = prefix_of(name, ".weight"); !module.empty() && (*shape)[1] == 1) {
            file.layers.push_back(make_entry(reader, module, "DepthwiseConv1D", {name, module + ".bias"}));
            file.layers.back().torch = true;
        }
    }
    return file;
}

}  // namespace dwconv::keras::detail
