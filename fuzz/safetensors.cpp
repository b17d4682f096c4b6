// `.safetensors` files.
#include "check.hpp"
#include "targets.hpp"

int dwconv_fuzz::fuzz_safetensors(const std::uint8_t* data, std::size_t size) {
    read_model(data, size);
    return 0;
}

DWC_FUZZ_TARGET(fuzz_safetensors)
