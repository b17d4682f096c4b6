// An HDF5 file in memory, read with suspicion: hard links only, datasets checked before a byte is allocated, the
// library's own error printing silenced.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dwconv/keras.hpp"

namespace dwconv::keras::detail {

class Hdf5Image {
   public:
    struct Dataset {
        Tensor values;
        std::string dtype;  // "float32", "float16", "bfloat16", "float64"
    };

    // `name` stands for the file in messages. Throws value_error where the bytes are no HDF5 file.
    Hdf5Image(std::vector<unsigned char> bytes, std::string name);
    Hdf5Image(const Hdf5Image&) = delete;
    Hdf5Image& operator=(const Hdf5Image&) = delete;
    ~Hdf5Image();

    // Paths are component names joined by "/", "" is the root. Each throws value_error where it meets a soft or
    // external link, or damage.
    bool has_group(const std::string& path) const;
    // Names of what lies in a group, in the order of their names.
    std::vector<std::string> children(const std::string& group) const;
    // A dataset of floating-point numbers, widened or rounded to float32.
    Dataset read(const std::string& path) const;

   private:
    bool exists(const std::string& path) const;
    [[noreturn]] void fail(const std::string& path, const std::string& what) const;

    std::vector<unsigned char> bytes_;
    std::string name_;
    int64_t file_ = -1;
};

}  // namespace dwconv::keras::detail
