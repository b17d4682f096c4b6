// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include "npy_header.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "errors.hpp"
#include "floats.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr uint64_t kMaxHeader = 65536;  // far more than NumPy writes for any array without fields
constexpr size_t kMaxRank = 32;         // NumPy's own limit for long

// Reads the literal that NumPy writes: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class DictParser {
   public:
    DictParser(const std::string& name, const std::string& text) : name_(name), text_(text) {}

    void parse() {
        expect('{');
        while (!accept('}')) {
            const std::string key = quoted();
            expect(':');
            if (key == "descr" && !descr) {
                descr = peek() == '[' ? structured() : quoted();
            } else if (key == "fortran_order" && !fortran_order) {
                fortran_order = boolean();
            } else if (key == "shape" && !shape) {
                shape = tuple();
            } else {
                fail("unexpected or repeated key '" + printable(key) + "'");
            }
            if (!accept(',') && peek() != '}') fail("expected ',' or '}'");
        }
        if (peek() != '\0' || position_ != text_.size()) fail("text after the closing '}'");
        if (!descr || !fortran_order || !shape) fail("one of descr, fortran_order and shape is missing");
    }

    std::optional<std::string> descr;
    std::optional<bool> fortran_order;
    std::optional<Shape> shape;

   private:
    [[noreturn]] void fail(const std::string& what) const { fail_value(name_ + ": broken .npy header: " + what); }

    // The next character that is no blank, '\0' at the end.
    char peek() {
        while (position_ < text_.size() && std::strchr(" \t\n", text_[position_]) && text_[position_]) ++position_;
        return position_ < text_.size() ? text_[position_] : '\0';
    }
    bool accept(char c) {
        if (peek() != c) return false;
        ++position_;
        return true;
    }
    void expect(char c) {
        if (!accept(c)) fail(std::string("expected '") + c + "'");
    }
    std::string quoted() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') fail("expected a quoted string");
        const size_t end = text_.find(quote, position_ + 1);
        if (end == std::string::npos) fail("a string that does not end");
        std::string value = text_.substr(position_ + 1, end - position_ - 1);
        position_ = end + 1;
        return value;
    }
    [[noreturn]] std::string structured() const {
        fail_value(name_ + ": holds records with fields; convert it to a plain float32 array");
    }
    bool boolean() {
        peek();
        for (const auto& [word, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
            if (text_.compare(position_, std::strlen(word), word) == 0) {
                position_ += std::strlen(word);
                return value;
            }
        }
        fail("fortran_order is neither True nor False");
    }
    int64_t dimension() {
        if (peek() < '0' || peek() > '9') fail("shape holds something other than whole numbers >= 0");
        int64_t value = 0;
        while (position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9') {
            if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
                __builtin_add_overflow(value, int64_t{text_[position_] - '0'}, &value)) {
                fail("a dimension of the shape does not fit 64 bits");
            }
            ++position_;
        }
        if (position_ < text_.size() && text_[position_] == 'L') ++position_;  // written under Python 2
        return value;
    }
    Shape tuple() {
        Shape dimensions;
        expect('(');
        while (!accept(')')) {
            if (dimensions.size() == kMaxRank) fail("shape has more than 32 dimensions");
            dimensions.push_back(dimension());
            if (!accept(',') && peek() != ')') fail("expected ',' or ')' in shape");
        }
        return dimensions;
    }

    const std::string& name_;
    const std::string& text_;
    size_t position_ = 0;
};

// "<f4" and its kin; refuses everything that is no float of 2, 4 or 8 bytes.
void parse_descr(const std::string& name, const std::string& descr, NpyHeader* header) {
    const std::string shown = "dtype '" + printable(descr) + "'";
    const bool has_order = !descr.empty() && std::strchr("<>|=", descr[0]) != nullptr;
    const std::string type = has_order ? descr.substr(1) : descr;
    if (type == "f2") {
        header->info.dtype = "float16";
    } else if (type == "f4") {
        header->info.dtype = "float32";
    } else if (type == "f8") {
        header->info.dtype = "float64";
    } else {
        const char kind = type.empty() ? '\0' : type[0];
        const char* what = "is no float type";
        if (kind == 'i' || kind == 'u' || kind == 'b') what = "holds integers or booleans";
        if (kind == 'c') what = "holds complex numbers";
        if (kind == 'O') what = "holds Python objects, which are never loaded";
        if (kind == 'S' || kind == 'U' || kind == 'a') what = "holds strings";
        if (kind == 'V') what = "holds raw bytes (bfloat16 arrays are saved so)";
        if (type == "f16" || type == "f12") what = "is an extended float";
        fail_value(name + ": " + shown + " " + what + "; save it as float32, e.g. numpy.save(f, a.astype('float32'))");
    }
    header->item_size = static_cast<unsigned>(type[1] - '0');
    header->info.big_endian = descr[0] == '>';
}

// Elements, with the guarantee that their bytes and ours fit 62 bits; zero where a dimension is.
int64_t count_elements(const std::string& name, const Shape& shape) {
    int64_t count = 1;
    for (const int64_t dimension : shape) {
        // Empty dimensions do not excuse absurd ones beside them: strides would overflow.
        if (__builtin_mul_overflow(count, std::max<int64_t>(dimension, 1), &count) || count > (int64_t{1} << 59)) {
            fail_value(name + ": shape " + to_string(shape) + " has more elements than any memory holds");
        }
    }
    return std::find(shape.begin(), shape.end(), 0) != shape.end() ? 0 : count;
}

}  // namespace

NpyHeader read_npy_header(const ByteSource& source) {
    static constexpr unsigned char kMagic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    const std::string& name = source.name();
    unsigned char start[12] = {};
    source.read(0, start, static_cast<size_t>(std::min<uint64_t>(source.size(), sizeof start)));
    if (source.size() < 10 || std::memcmp(start, kMagic, sizeof kMagic) != 0) {
        fail_value(name + ": is not a .npy file (it does not start with \\x93NUMPY)");
    }
    const unsigned major = start[6];
    if (major < 1 || major > 3) {
        fail_value(name + ": .npy version " + std::to_string(major) + "." + std::to_string(start[7]) +
                   " is none of 1.0, 2.0, 3.0");
    }
    const uint64_t prefix = major == 1 ? 10 : 12;
    if (source.size() < prefix) fail_value(name + ": ends within the .npy header");
    const uint64_t length =
        major == 1 ? load_unsigned<uint16_t>(start + 8, false) : load_unsigned<uint32_t>(start + 8, false);
    if (length > kMaxHeader) {
        fail_value(name + ": a .npy header of " + std::to_string(length) + " bytes is no plain array's");
    }
    if (length > source.size() - prefix) fail_value(name + ": ends within the .npy header");

    std::string text(static_cast<size_t>(length), '\0');
    source.read(prefix, text.data(), text.size());
    DictParser dict(name, text);
    dict.parse();

    NpyHeader header;
    parse_descr(name, *dict.descr, &header);
    header.info.fortran_order = *dict.fortran_order;
    header.shape = *dict.shape;
    header.count = count_elements(name, header.shape);
    header.data_offset = prefix + length;
    const uint64_t expected = static_cast<uint64_t>(header.count) * header.item_size;
    const uint64_t present = source.size() - header.data_offset;
    if (expected != present) {
        fail_value(name + ": shape " + to_string(header.shape) + " of " + header.info.dtype + " needs " +
                   std::to_string(expected) + " bytes of data, the file has " + std::to_string(present));
    }
    return header;
}

}  // namespace dwconv::keras::detail
