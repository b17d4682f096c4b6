// An assertion that also holds in release builds, and model files without a disk.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "dwconv/keras.hpp"

#define FUZZ_CHECK(condition)                                                                   \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                       \
        }                                                                                       \
    } while (false)

namespace dwconv_fuzz {

// Bytes as a file in memory, under a path.
class MemoryFile {
   public:
    MemoryFile(const std::uint8_t* data, std::size_t size) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
        FUZZ_CHECK(descriptor_ >= 0);
        for (std::size_t done = 0; done < size;) {
            const ssize_t now = write(descriptor_, data + done, size - done);
            FUZZ_CHECK(now > 0);
            done += static_cast<std::size_t>(now);
        }
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() { close(descriptor_); }
    std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

   private:
    int descriptor_;
};

inline void check_tensor(const dwconv::keras::Tensor& tensor) {
    FUZZ_CHECK(dwconv::keras::element_count(tensor.shape) == static_cast<std::int64_t>(tensor.data.size()));
}

// Opens a model file and reads all of it; what it says of itself must agree.
inline void read_model(const std::uint8_t* data, std::size_t size) {
    namespace keras = dwconv::keras;
    const MemoryFile file(data, size);
    try {
        const keras::Model model = keras::Model::open(file.path());
        FUZZ_CHECK(keras::to_string(model.kind()) != nullptr);
        for (std::size_t i = 0; i < model.size() && i < 50; ++i) {
            FUZZ_CHECK(model.calls(i) >= 0);
            try {
                FUZZ_CHECK(model.find(model.path(i)) < model.size());
            } catch (const dwconv::value_error&) {  // two of one path
            }
            try {
                const keras::LayerWeights weights = model.weights(i);
                check_tensor(weights.kernel);
                if (weights.bias) check_tensor(*weights.bias);
                FUZZ_CHECK(weights.stored.size() == (weights.bias ? 2u : 1u));
                const keras::DepthwiseConv1D layer = model.layer(i);
                FUZZ_CHECK(layer.built());
                FUZZ_CHECK(layer.kernel().data.size() == weights.kernel.data.size());
                FUZZ_CHECK(!model.fitting(layer.config()).empty());
            } catch (const dwconv::error&) {
            }
        }
        try {
            const keras::Sequential chain = model.sequential();
            FUZZ_CHECK(chain.count_params() >= 0);
        } catch (const dwconv::error&) {
        }
    } catch (const dwconv::error&) {
    }
}

}  // namespace dwconv_fuzz
