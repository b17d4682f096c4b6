// Zero-extended copies of small pieces of the input: how padding, strides of the line families and short rows reach
// kernels that know only whole tiles.
#pragma once

#include <cstdint>
#include <vector>

namespace dwc {

// Which phases of a strided line the taps touch: tap j of output t reads time t*stride + j*dilation, that is element
// t + j*dilation / stride of phase j*dilation mod stride. At most one phase a tap, however large the stride.
struct Phases {
    Phases(int64_t stride, int64_t dilation, int64_t taps);
    int64_t count() const { return static_cast<int64_t>(residues.size()); }
    // Offsets of the taps where the planes of these phases lie side by side, `plane` steps each, `group` elements a
    // step.
    std::vector<int32_t> offsets(int64_t plane, int64_t group) const;

    int64_t stride, dilation, taps;
    std::vector<int64_t> residues;  // ascending
};

// A piece of rows to copy: `steps` time steps from `first` (may be outside [0, length), which reads as zero), sorted by
// phase: the plane of residue r holds steps first + r, first + r + stride, ...
struct Piece {
    int64_t first, steps;  // steps a plane holds
    const Phases* phases;  // one plane each
    int64_t length;        // of the row
    int64_t source_step;   // elements between neighbours in time
    int64_t group;         // contiguous elements of one time step (channels side by side)
    int64_t rows;          // how many rows
    int64_t source_row;    // elements between them
};

// dst: for every row the planes, of steps * group elements, dense. `row`: the first one's time 0. `element`: bytes
// of one element.
void stage(void* dst, const void* row, const Piece& piece, int64_t element);

}  // namespace dwc
