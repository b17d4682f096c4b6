#include "hdf5_messages.hpp"

#include <algorithm>
#include <cstring>

namespace dwconv::keras::detail {
namespace {

constexpr uint8_t kMaxRank = 32;  // HDF5's own limit
constexpr uint64_t kMaxDimension = uint64_t{1} << 60;

std::string float_name(uint32_t size, unsigned precision, unsigned sign, unsigned exponent, unsigned exponent_bits,
                       unsigned mantissa_bits, uint32_t bias) {
    const auto is = [&](uint32_t bytes, unsigned exponent_width, unsigned mantissa_width, uint32_t expected_bias) {
        return size == bytes && precision == 8 * bytes && sign == 8 * bytes - 1 && exponent == mantissa_width &&
               exponent_bits == exponent_width && mantissa_bits == mantissa_width && bias == expected_bias;
    };
    if (is(4, 8, 23, 127)) return "float32";
    if (is(8, 11, 52, 1023)) return "float64";
    if (is(2, 5, 10, 15)) return "float16";
    if (is(2, 8, 7, 127)) return "bfloat16";
    return "";
}

struct AttributeParts {
    std::string name;
    Hdf5Cursor type, space, data;
};

AttributeParts split_attribute(const Hdf5Message& message) {
    Hdf5Cursor in(message.data);
    if (message.shared) throw Hdf5Fault("shares an attribute with other objects, which is not supported");
    const unsigned version = in.u8();
    if (version < 1 || version > 3) throw Hdf5Fault("has an attribute of an unknown version");
    const unsigned flags = in.u8();
    const size_t name_size = in.u16(), type_size = in.u16(), space_size = in.u16();
    if (version == 3) in.skip(1);
    if (version > 1 && (flags & 3) != 0) {
        throw Hdf5Fault("has an attribute of a named type, which is not supported");
    }
    const auto padded = [version](size_t size) { return version == 1 ? (size + 7) / 8 * 8 : size; };
    Hdf5Cursor name = in.take(padded(name_size));
    std::string text = name.text(name_size);
    text.resize(std::min(text.size(), text.find('\0')));
    const Hdf5Cursor type = in.take(padded(type_size)), space = in.take(padded(space_size));
    return {std::move(text), type, space, in};
}

}  // namespace

uint64_t Hdf5Cursor::sized(size_t bytes) {
    switch (bytes) {
        case 1:
            return u8();
        case 2:
            return u16();
        case 4:
            return u32();
        default:
            return u64();
    }
}

bool Hdf5Cursor::starts_with(const char (&signature)[5]) {
    const Hdf5Cursor start = take(4);
    return std::memcmp(start.at_, signature, 4) == 0;
}

Hdf5Space decode_space(Hdf5Cursor in) {
    Hdf5Space space;
    const unsigned version = in.u8(), rank = in.u8();
    in.skip(1);  // flags: whether maximum dimensions follow
    const unsigned kind = in.u8();
    if (version == 1) {
        in.skip(4);
    } else if (version == 2) {
        space.null = kind == 2;
    } else {
        throw Hdf5Fault("has a shape of an unknown version");
    }
    if (rank > kMaxRank) throw Hdf5Fault("has more than 32 dimensions");
    for (unsigned i = 0; i < rank; ++i) {
        const uint64_t dimension = in.u64();
        if (dimension > kMaxDimension) throw Hdf5Fault("has an absurd shape");
        space.shape.push_back(static_cast<int64_t>(dimension));
    }
    return space;
}

Hdf5Type decode_type(Hdf5Cursor in) {
    const unsigned start = in.u8(), kind = start & 15;
    const unsigned low = in.u8(), middle = in.u8();
    in.skip(1);
    Hdf5Type type;
    type.size = in.u32();
    if (type.size == 0) throw Hdf5Fault("has elements of no size");
    if (kind == 1) {
        const unsigned offset = in.u16(), precision = in.u16();
        const unsigned exponent = in.u8(), exponent_bits = in.u8(), mantissa = in.u8(), mantissa_bits = in.u8();
        const uint32_t bias = in.u32();
        const bool plain = offset == 0 && mantissa == 0 && (low & 0x40) == 0 && ((low >> 4) & 3) == 2;
        type.big_endian = (low & 1) != 0;
        if (plain) type.dtype = float_name(type.size, precision, middle, exponent, exponent_bits, mantissa_bits, bias);
        if (!type.dtype.empty()) type.kind = Hdf5Type::Kind::floating;
    } else if (kind == 3) {
        type.kind = Hdf5Type::Kind::fixed_string;
        type.space_padded = (low & 15) == 2;
    } else if (kind == 5) {
        type.kind = Hdf5Type::Kind::opaque;
    } else if (kind == 9 && (low & 15) == 1 && type.size == 16) {
        type.kind = Hdf5Type::Kind::variable_string;
    }
    return type;
}

std::string decode_attribute_name(const Hdf5Message& message) { return split_attribute(message).name; }

Hdf5Attribute decode_attribute(const Hdf5Message& message) {
    AttributeParts parts = split_attribute(message);
    return {std::move(parts.name),
            decode_type(parts.type),
            decode_space(parts.space),
            {parts.data.bytes(), parts.data.bytes() + parts.data.left()}};
}

Hdf5Layout decode_layout(Hdf5Cursor in) {
    Hdf5Layout layout;
    const unsigned version = in.u8(), kind = in.u8();
    if (version < 3 || version > 5) throw Hdf5Fault("has a layout of an unknown version");
    if (kind == 0) {
        const size_t size = in.u16();
        const Hdf5Cursor data = in.take(size);
        layout.compact.emplace(data.bytes(), data.bytes() + size);
        layout.size = size;
    } else if (kind == 1) {
        layout.address = in.u64();
        layout.size = in.u64();
    } else if (kind == 2) {
        throw Hdf5Fault("is stored in chunks, which Keras does not do; h5repack -l CONTI -f NONE rewrites it");
    } else if (kind == 3) {
        throw Hdf5Fault("is a virtual dataset; refused");
    } else {
        throw Hdf5Fault("has an unknown layout");
    }
    return layout;
}

Hdf5Link decode_link(Hdf5Cursor in) {
    if (in.u8() != 1) throw Hdf5Fault("has a link of an unknown version");
    const unsigned flags = in.u8();
    const unsigned kind = (flags & 8) != 0 ? in.u8() : 0;
    if ((flags & 4) != 0) in.skip(8);   // creation order
    if ((flags & 16) != 0) in.skip(1);  // character set
    const uint64_t size = in.sized(size_t{1} << (flags & 3));
    if (size > in.left()) throw Hdf5Fault("is damaged: a link's name reaches beyond its end");
    Hdf5Link link;
    link.name = in.text(static_cast<size_t>(size));
    link.hard = kind == 0;
    if (link.hard) link.address = in.u64();
    return link;
}

const Hdf5Message* find_message(const std::vector<Hdf5Message>& messages, Hdf5Message::Type type) {
    for (const Hdf5Message& message : messages) {
        if (message.type == type) return &message;
    }
    return nullptr;
}

bool is_group(const std::vector<Hdf5Message>& messages) {
    return find_message(messages, Hdf5Message::symbol_table) || find_message(messages, Hdf5Message::link_info) ||
           find_message(messages, Hdf5Message::link);
}

}  // namespace dwconv::keras::detail
