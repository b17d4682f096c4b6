// Values out of an HDF5 file: strings of attributes, numbers of datasets.
#include <algorithm>
#include <cstring>

#include "errors.hpp"
#include "float_block.hpp"
#include "hdf5_reader.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr uint64_t kMaxString = uint64_t{256} << 20;  // a model's config

std::string without_padding(std::string text, bool spaces) {
    text.resize(std::min(text.size(), text.find('\0')));
    while (spaces && !text.empty() && text.back() == ' ') text.pop_back();
    return text;
}

const Hdf5Message& needed(const std::vector<Hdf5Message>& messages, Hdf5Message::Type type, const char* what) {
    const Hdf5Message* message = find_message(messages, type);
    if (!message) throw Hdf5Fault(std::string("has no ") + what);
    if (message->shared) throw Hdf5Fault(std::string("shares its ") + what + " with others, which is not supported");
    return *message;
}

}  // namespace

std::optional<std::vector<std::string>> Hdf5Reader::strings(const std::string& path,
                                                            const std::string& attribute) const {
    return at(path, [&]() -> std::optional<std::vector<std::string>> {
        for (const Hdf5Message& message : object(existing(path))) {
            if (message.type == Hdf5Message::attribute_info) {
                Hdf5Cursor in(message.data);
                in.skip(1);
                if ((in.u8() & 1) != 0) in.skip(2);
                if (in.u64() != kHdf5Undefined)
                    throw Hdf5Fault("keeps its attributes in a heap, which is not supported");
            }
            if (message.type != Hdf5Message::attribute || decode_attribute_name(message) != attribute) continue;
            try {
                return attribute_strings(decode_attribute(message));
            } catch (const Hdf5Fault& fault) {
                throw Hdf5Fault("has an attribute " + printable(attribute) + " that " + fault.what());
            }
        }
        return std::nullopt;
    });
}

std::vector<std::string> Hdf5Reader::attribute_strings(const Hdf5Attribute& attribute) const {
    const Hdf5Type& type = attribute.type;
    const bool variable = type.kind == Hdf5Type::Kind::variable_string;
    std::vector<std::string> strings;
    if (attribute.space.null) return strings;  // h5py's empty list
    const auto count = static_cast<uint64_t>(element_count(attribute.space.shape));
    if (count == 0) return strings;  // of any type: NumPy's empty list holds floats
    if (!variable && type.kind != Hdf5Type::Kind::fixed_string) throw Hdf5Fault("holds no strings");
    if (count > attribute.data.size() / type.size) throw Hdf5Fault("is damaged: it breaks off");
    spend(count);
    Hdf5Cursor in(attribute.data);
    uint64_t total = 0;
    for (uint64_t i = 0; i < count; ++i) {
        if (variable) {
            const uint32_t length = in.u32();
            const uint64_t collection = in.u64();
            strings.push_back(heap_string(collection, in.u32(), length));
        } else {
            strings.push_back(without_padding(in.text(type.size), type.space_padded));
        }
        total += strings.back().size();
        if (total > kMaxString) throw Hdf5Fault("is too long");
    }
    return strings;
}

// A string out of a global heap collection, whose objects are numbered.
std::string Hdf5Reader::heap_string(uint64_t collection, uint32_t index, uint32_t length) const {
    if (length == 0) return "";
    auto known = heaps_.find(collection);
    if (known == heaps_.end()) {
        const auto start = bytes(collection, 16);
        Hdf5Cursor header(start);
        if (!header.starts_with("GCOL") || header.u8() != 1) throw Hdf5Fault("is damaged: its text is missing");
        header.skip(3);
        const uint64_t size = header.u64();
        if (size < 16 || size > source_.size() || collection > source_.size() - size) {
            throw Hdf5Fault("is damaged: its text lies beyond the end of the file");
        }
        std::unordered_map<uint32_t, std::pair<uint64_t, uint64_t>> objects;
        for (uint64_t at = 16; at + 16 <= size;) {
            const auto entry = bytes(collection + at, 16);
            Hdf5Cursor in(entry);
            const uint32_t number = in.u16();
            in.skip(6);
            const uint64_t object_size = in.u64();
            if (number == 0) break;  // the free space at the end
            at += 16;
            if (object_size > size - at) throw Hdf5Fault("is damaged: its text breaks off");
            objects.emplace(number, std::make_pair(collection + at, object_size));
            at += (object_size + 7) / 8 * 8;
            spend(1);
        }
        known = heaps_.emplace(collection, std::move(objects)).first;
    }
    const auto object = known->second.find(index);
    if (object == known->second.end() || object->second.second < length || length > kMaxString) {
        throw Hdf5Fault("is damaged: its text is missing");
    }
    spend(length / 64);
    const auto text = bytes(object->second.first, length);
    return without_padding(std::string(text.begin(), text.end()), false);
}

Hdf5Reader::Dataset Hdf5Reader::dataset(const std::string& path) const {
    const Messages& messages = object(existing(path));
    if (is_group(messages)) throw Hdf5Fault("is a group, not a dataset");
    Dataset result;
    const Hdf5Space space = decode_space(Hdf5Cursor(needed(messages, Hdf5Message::dataspace, "shape").data));
    if (space.null) throw Hdf5Fault("has no shape");
    result.type = decode_type(Hdf5Cursor(needed(messages, Hdf5Message::datatype, "type").data));
    result.stored = {space.shape, result.type.dtype};
    // Keras stores bfloat16 as two opaque bytes: HDF5 has no such type.
    if (result.type.kind == Hdf5Type::Kind::opaque && result.type.size == 2) result.stored.dtype = "bfloat16";
    if (result.stored.dtype.empty()) throw Hdf5Fault("does not hold float16, bfloat16, float32 or float64 values");
    if (find_message(messages, Hdf5Message::external_files)) {
        throw Hdf5Fault("keeps its values in another file; refused");
    }
    result.layout = decode_layout(Hdf5Cursor(needed(messages, Hdf5Message::layout, "layout").data));
    uint64_t count = 0;
    try {
        count = static_cast<uint64_t>(element_count(space.shape));
    } catch (const value_error&) {
        throw Hdf5Fault("has an absurd shape");
    }
    if (__builtin_mul_overflow(count, uint64_t{result.type.size}, &result.bytes))
        throw Hdf5Fault("has an absurd shape");
    if (result.bytes == 0) return result;
    if (!result.layout.compact && result.layout.address == kHdf5Undefined) throw Hdf5Fault("holds no values");
    if (result.layout.size < result.bytes) throw Hdf5Fault("stores fewer values than its shape needs");
    if (!result.layout.compact &&
        (result.layout.address > source_.size() || result.bytes > source_.size() - result.layout.address)) {
        throw Hdf5Fault("is damaged: its values lie beyond the end of the file");
    }
    return result;
}

StoredTensor Hdf5Reader::describe(const std::string& path) const {
    return at(path, [&] { return dataset(path).stored; });
}

Tensor Hdf5Reader::read(const std::string& path) const {
    return at(path, [&] {
        const Dataset from = dataset(path);
        Tensor tensor;
        tensor.shape = from.stored.shape;
        tensor.data.resize(static_cast<size_t>(from.bytes / from.type.size));
        const auto fetch = [&](size_t offset, void* to, size_t size) {
            if (from.layout.compact) {
                std::memcpy(to, from.layout.compact->data() + offset, size);
            } else {
                source_.read(from.layout.address + offset, to, size);
            }
        };
        load_floats(tensor.data.size(), from.stored.dtype, from.type.big_endian, fetch, tensor.data.data());
        return tensor;
    });
}

}  // namespace dwconv::keras::detail
