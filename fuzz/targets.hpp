// What is fuzzed, one function a target, each with libFuzzer's contract: any bytes, no crash. They assert that what is
// accepted can be used. fuzz/<target>.cpp defines DWC_FUZZ_ENTRY as LLVMFuzzerTestOneInput when it is built by
// scripts/fuzz.sh; in the test of the kept inputs all of them are linked together.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dwconv_fuzz {

int fuzz_config(const std::uint8_t* data, std::size_t size);
int fuzz_keras(const std::uint8_t* data, std::size_t size);
int fuzz_h5(const std::uint8_t* data, std::size_t size);
int fuzz_npy(const std::uint8_t* data, std::size_t size);
int fuzz_safetensors(const std::uint8_t* data, std::size_t size);

}  // namespace dwconv_fuzz

#ifdef DWC_FUZZ_LIBFUZZER
#define DWC_FUZZ_TARGET(function)                                                       \
    extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
        return dwconv_fuzz::function(data, size);                                       \
    }
#else
#define DWC_FUZZ_TARGET(function)
#endif
