#include <algorithm>
#include <bit>
#include <cstring>

#include "errors.hpp"
#include "files.hpp"
#include "floats.hpp"
#include "npy_header.hpp"

namespace dwconv::keras {
namespace {

using detail::ByteSource;
using detail::NpyHeader;

float load_float(const unsigned char* bytes, const NpyHeader& header) {
    const bool big = header.info.big_endian;
    switch (header.item_size) {
        case 2:
            return detail::float_from_half(detail::load_unsigned<uint16_t>(bytes, big));
        case 4:
            return detail::float_from_bits(detail::load_unsigned<uint32_t>(bytes, big));
        default:
            return static_cast<float>(std::bit_cast<double>(detail::load_unsigned<uint64_t>(bytes, big)));
    }
}

// Elements in the order of the file, converted a block at a time.
void load_converted(const ByteSource& source, const NpyHeader& header, float* to) {
    constexpr size_t kBlock = 8192;
    unsigned char block[kBlock * 8];
    const auto count = static_cast<size_t>(header.count);
    for (size_t done = 0; done < count; done += kBlock) {
        const size_t now = std::min(kBlock, count - done);
        source.read(header.data_offset + done * header.item_size, block, now * header.item_size);
        for (size_t i = 0; i < now; ++i) to[done + i] = load_float(block + i * header.item_size, header);
    }
}

// First axis fastest to last axis fastest.
std::vector<float> from_fortran_order(const std::vector<float>& values, const Shape& shape) {
    std::vector<float> ordered(values.size());
    std::vector<size_t> index(shape.size(), 0);
    for (size_t from = 0; from < values.size(); ++from) {
        size_t to = 0;
        for (size_t axis = 0; axis < shape.size(); ++axis) to = to * static_cast<size_t>(shape[axis]) + index[axis];
        ordered[to] = values[from];
        for (size_t axis = 0; axis < shape.size(); ++axis) {
            if (++index[axis] < static_cast<size_t>(shape[axis])) break;
            index[axis] = 0;
        }
    }
    return ordered;
}

Tensor load(const ByteSource& source, NpyInfo* info) {
    const NpyHeader header = detail::read_npy_header(source);
    Tensor tensor;
    tensor.shape = header.shape;
    tensor.data.resize(static_cast<size_t>(header.count));
    const bool as_it_lies =
        header.item_size == 4 && header.info.big_endian == (std::endian::native == std::endian::big);
    if (as_it_lies) {
        source.read(header.data_offset, tensor.data.data(), tensor.data.size() * sizeof(float));
    } else {
        load_converted(source, header, tensor.data.data());
    }
    if (header.info.fortran_order) tensor.data = from_fortran_order(tensor.data, tensor.shape);
    if (info) *info = header.info;
    return tensor;
}

std::string npy_header_text(const Shape& shape) {
    std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': " + to_string(shape) + ", }";
    // NumPy aligns the data to 64 bytes: magic, version and length take 10, the text ends with a newline.
    text.append((64 - (10 + text.size() + 1) % 64) % 64, ' ');
    return text + '\n';
}

}  // namespace

std::string NpyInfo::describe() const {
    return dtype + (big_endian ? ", big-endian" : "") + (fortran_order ? ", Fortran order" : "");
}

Tensor read_npy(const std::string& path, NpyInfo* info) { return load(ByteSource::file(path), info); }

Tensor parse_npy(const void* bytes, std::size_t size, const std::string& name, NpyInfo* info) {
    return load(ByteSource::memory(bytes, size, name), info);
}

void write_npy(const std::string& path, const Tensor& tensor) {
    if (element_count(tensor.shape) != static_cast<int64_t>(tensor.data.size())) {
        detail::fail_value(detail::printable(path) + ": a tensor of shape " + to_string(tensor.shape) + " holds " +
                           std::to_string(tensor.data.size()) + " values");
    }
    const std::string text = npy_header_text(tensor.shape);
    const unsigned char start[10] = {0x93,
                                     'N',
                                     'U',
                                     'M',
                                     'P',
                                     'Y',
                                     1,
                                     0,
                                     static_cast<unsigned char>(text.size() & 255),
                                     static_cast<unsigned char>(text.size() >> 8)};
    detail::AtomicFile file(path);
    file.write(start, sizeof start);
    file.write(text.data(), text.size());
    if constexpr (std::endian::native == std::endian::little) {
        file.write(tensor.data.data(), tensor.data.size() * sizeof(float));
    } else {
        for (const float value : tensor.data) {
            const auto bits = __builtin_bswap32(std::bit_cast<uint32_t>(value));
            file.write(&bits, sizeof bits);
        }
    }
    file.commit();
}

}  // namespace dwconv::keras
