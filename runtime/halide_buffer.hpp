// Views as Halide's buffers: shared by the two files that call kernels, and by nothing else.
#pragma once

#include <HalideRuntime.h>

#include <limits>

#include "halide_glue.hpp"

namespace dwc {

constexpr halide_type_t type_of(dwc_dtype dtype) {
    return dtype == DWC_BF16 ? halide_type_t(halide_type_bfloat, 16, 1) : halide_type_t(halide_type_float, 32, 1);
}

struct Buffer {
    halide_dimension_t dims[4];
    halide_buffer_t raw;

    Buffer(const View& view, int rank, halide_type_t type) : dims{}, raw{} {
        for (int d = 0; d < rank; ++d) {
            const Axis& axis = view.axis[d];
            dims[d].extent = static_cast<int32_t>(axis.extent);
            // The stride of an axis with one element is never used, and need not fit.
            const bool fits = axis.stride <= std::numeric_limits<int32_t>::max();
            dims[d].stride = fits || axis.extent > 1 ? static_cast<int32_t>(axis.stride) : 0;
        }
        raw.host = static_cast<uint8_t*>(view.data);
        raw.type = type;
        raw.dimensions = rank;
        raw.dim = dims;
    }
    Buffer(const Buffer&) = delete;
};

// The runtime is private to this library, so its handlers are set once, before the first call of any kernel.
void install_handlers();

}  // namespace dwc
