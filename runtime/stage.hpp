// Zero-extended copies of small pieces of the input: how padding, strides of the line families and short rows reach
// kernels that know only whole tiles.
#pragma once

#include <cstdint>

namespace dwc {

// A piece of rows to copy: `steps` time steps from `first` (may be outside [0, length), which reads as zero), taken
// `stride` apart and sorted by phase: dst plane r holds steps first + r, first + r + stride, ...
struct Piece {
    int64_t first, steps;  // steps a plane holds
    int64_t stride;        // planes; 1: one plane, in order
    int64_t length;        // of the row
    int64_t source_step;   // elements between neighbours in time
    int64_t group;         // contiguous elements of one time step (channels side by side)
    int64_t rows;          // how many rows
    int64_t source_row;    // elements between them
};

// dst: for every row `stride` planes of steps * group elements, dense. `row`: the first one's time 0. `element`: bytes
// of one element.
void stage(void* dst, const void* row, const Piece& piece, int64_t element);

}  // namespace dwc
