// An HDF5 file made in memory, of what Keras' files consist of: groups, strings as attributes, arrays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dwconv/keras/tensor.hpp"

namespace dwconv::keras::detail {

// Paths are component names joined by "/"; "" is the root. Groups on the way to an object are made. Everything throws
// error (DWC_ERROR_INTERNAL) where libhdf5 fails.
class Hdf5Writer {
   public:
    Hdf5Writer();
    Hdf5Writer(const Hdf5Writer&) = delete;
    Hdf5Writer& operator=(const Hdf5Writer&) = delete;
    ~Hdf5Writer();

    void group(const std::string& path);
    // One string, as h5py stores a str.
    void attribute(const std::string& path, const std::string& name, const std::string& value);
    // A list of strings. Keras' rule for those that an object's header cannot hold: it is split into <name>0, <name>1,
    // ...
    void attributes(const std::string& path, const std::string& name, const std::vector<std::string>& values);
    // dtype: "float16", "bfloat16" (which HDF5 does not know: two opaque bytes), "float32" or "float64".
    void dataset(const std::string& path, const Tensor& values, const std::string& dtype);

    // The file so far.
    std::vector<unsigned char> bytes();

   private:
    void string_attribute(const std::string& path, const std::string& name, const std::string* values, size_t count,
                          bool scalar);
    int64_t file_ = -1;
};

// Whether a group or dataset may have this name: not empty, not ".", no "/" and no NUL in it.
bool is_hdf5_name(const std::string& name);

}  // namespace dwconv::keras::detail
