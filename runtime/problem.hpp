// A problem that has been checked, with everything that follows from it worked out once.
#pragma once

#include <cstdint>
#include <string>

#include "dwconv/dwconv.h"

namespace dwc {

// Distances in elements between neighbours in batch, time and channel.
struct Strides {
    int64_t n, t, c;
};

struct Problem {
    dwc_problem given;         // canonical: see resolve
    int64_t out_length;        // 0 only where length is 0
    int64_t out_channels;      // channels * depth_multiplier
    int64_t effective_kernel;  // (kernel_size - 1) * dilation + 1
    Strides x, y;              // resolved: dense strides are filled in
    int64_t x_span, y_span;    // elements from the first to one past the last, 0 where there is none
    int64_t flops;             // useful: 2 * batch * out_length * out_channels * kernel_size
    int64_t bytes;             // useful: x + y + weights + bias, each once, and the state read and written

    bool empty_output() const { return given.batch == 0 || out_length == 0 || out_channels == 0; }
    std::string key() const;  // the canonical string
};

// Bytes of one element; `dtype` must be a valid dwc_dtype.
int64_t element_size(dwc_dtype dtype);

// Checks `given` and fills `problem` (left untouched on failure). Every index, byte offset and count that follows from
// a resolved problem fits int64_t. Returns the status of the first field at fault.
// problem->given is `given` in canonical form, so that two problems that mean the same compare equal field by field:
// activation parameters that are NaN (what dwc_problem_init sets: "the default") hold the activation's defaults, those
// beyond its count are 0; strides that spell out the dense ones are all zero; has_bias is 0 or 1.
dwc_status resolve(const dwc_problem* given, Problem* problem, dwc_error* error);

}  // namespace dwc
