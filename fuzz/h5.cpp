// HDF5 model files and weights.
#include "check.hpp"
#include "targets.hpp"

int dwconv_fuzz::fuzz_h5(const std::uint8_t* data, std::size_t size) {
    read_model(data, size);
    return 0;
}

DWC_FUZZ_TARGET(fuzz_h5)
