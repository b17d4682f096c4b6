// `.npy` arrays.
#include "check.hpp"
#include "targets.hpp"

int dwconv_fuzz::fuzz_npy(const std::uint8_t* data, std::size_t size) {
    namespace keras = dwconv::keras;
    try {
        keras::NpyInfo info;
        const keras::Tensor tensor = keras::parse_npy(data, size, "fuzz.npy", &info);
        check_tensor(tensor);
        FUZZ_CHECK(tensor.data.size() * 2 <= size);
        FUZZ_CHECK(!info.describe().empty());
    } catch (const dwconv::value_error&) {
    }
    return 0;
}

DWC_FUZZ_TARGET(fuzz_npy)
