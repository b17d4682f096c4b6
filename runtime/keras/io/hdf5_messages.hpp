// The messages of an HDF5 object header, decoded with every length checked. Format:
// https://docs.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html ("HDF5 File Format Specification Version 3.0").
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "dwconv/keras.hpp"
#include "floats.hpp"

namespace dwconv::keras::detail {

// What is wrong with an object, to be put after its path.
struct Hdf5Fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Little-endian fields out of a run of bytes, which must outlive it. Reading past the end throws Hdf5Fault.
class Hdf5Cursor {
   public:
    Hdf5Cursor(const unsigned char* bytes, size_t size) : at_(bytes), left_(size) {}
    explicit Hdf5Cursor(const std::vector<unsigned char>& bytes) : Hdf5Cursor(bytes.data(), bytes.size()) {}

    size_t left() const { return left_; }
    const unsigned char* bytes() const { return at_; }
    Hdf5Cursor take(size_t count) {
        if (count > left_) throw Hdf5Fault("is damaged: a field reaches beyond its end");
        const Hdf5Cursor part(at_, count);
        at_ += count;
        left_ -= count;
        return part;
    }
    void skip(size_t count) { take(count); }
    uint8_t u8() { return number<uint8_t>(); }
    uint16_t u16() { return number<uint16_t>(); }
    uint32_t u32() { return number<uint32_t>(); }
    uint64_t u64() { return number<uint64_t>(); }
    // An unsigned number of 1, 2, 4 or 8 bytes.
    uint64_t sized(size_t bytes);
    std::string text(size_t count) {
        const Hdf5Cursor part = take(count);
        return std::string(reinterpret_cast<const char*>(part.at_), count);
    }
    bool starts_with(const char (&signature)[5]);

   private:
    template <typename T>
    T number() {
        return load_unsigned<T>(take(sizeof(T)).at_, false);
    }
    const unsigned char* at_;
    size_t left_;
};

constexpr uint64_t kHdf5Undefined = ~uint64_t{0};

struct Hdf5Message {
    enum Type : uint16_t {
        dataspace = 0x01,
        link_info = 0x02,
        datatype = 0x03,
        link = 0x06,
        external_files = 0x07,
        layout = 0x08,
        attribute = 0x0c,
        continuation = 0x10,
        symbol_table = 0x11,
        attribute_info = 0x15,
    };
    uint16_t type = 0;
    bool shared = false;  // stands elsewhere in the file
    std::vector<unsigned char> data;
};

// The first of its type; nullptr without.
const Hdf5Message* find_message(const std::vector<Hdf5Message>& messages, Hdf5Message::Type type);
// Whether the object with these messages is a group.
bool is_group(const std::vector<Hdf5Message>& messages);

struct Hdf5Space {
    bool null = false;
    Shape shape;
};
Hdf5Space decode_space(Hdf5Cursor in);

struct Hdf5Type {
    enum class Kind { floating, opaque, fixed_string, variable_string, other };
    Kind kind = Kind::other;
    uint32_t size = 0;  // bytes of an element
    std::string dtype;  // of a floating-point type: "float16", "bfloat16", "float32", "float64"
    bool big_endian = false;
    bool space_padded = false;  // a fixed string's end
};
Hdf5Type decode_type(Hdf5Cursor in);

struct Hdf5Attribute {
    std::string name;
    Hdf5Type type;
    Hdf5Space space;
    std::vector<unsigned char> data;
};
// The name alone, which is cheaper.
std::string decode_attribute_name(const Hdf5Message& message);
Hdf5Attribute decode_attribute(const Hdf5Message& message);

struct Hdf5Layout {
    uint64_t address = kHdf5Undefined, size = 0;  // of contiguous data
    std::optional<std::vector<unsigned char>> compact;
};
// Contiguous or compact: Keras asks for nothing else.
Hdf5Layout decode_layout(Hdf5Cursor in);

struct Hdf5Link {
    std::string name;
    bool hard = false;
    uint64_t address = kHdf5Undefined;
};
Hdf5Link decode_link(Hdf5Cursor in);

}  // namespace dwconv::keras::detail
