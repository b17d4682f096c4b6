// Matrices of 32-bit elements turned round: how tiles of ncl become tiles of nlc and back.
#pragma once

#include <cstdint>

namespace dwc {

// dst[j * dst_row + i] = src[i * src_row + j] for i < rows and j < columns; the two do not overlap. Reads and writes
// nothing else. Fast from four columns on. `lanes`: f32 in a vector register of the target.
void transpose(float* dst, int64_t dst_row, const float* src, int64_t src_row, int64_t rows, int64_t columns,
               int lanes);

}  // namespace dwc
