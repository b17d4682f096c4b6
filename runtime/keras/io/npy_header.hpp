// The header of a .npy file, parsed and checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dwconv/keras.hpp"
#include "files.hpp"

namespace dwconv::keras::detail {

struct NpyHeader {
    NpyInfo info;
    unsigned item_size = 0;  // bytes of one element
    Shape shape;
    int64_t count = 0;         // elements
    uint64_t data_offset = 0;  // where they start in the file
};

// Throws value_error unless `source` holds exactly one array of a floating-point type, as its header says.
NpyHeader read_npy_header(const ByteSource& source);

}  // namespace dwconv::keras::detail
