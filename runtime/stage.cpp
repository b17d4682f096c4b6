#include "stage.hpp"

#include <algorithm>
#include <cstring>

namespace dwc {
namespace {

// The steps [begin, end) of a plane that start inside the row; the others are zeros.
void inside(const Piece& p, int64_t first, int64_t& begin, int64_t& end) {
    const int64_t s = p.stride;
    begin = first >= 0 ? 0 : std::min((-first + s - 1) / s, p.steps);
    end = p.length <= first ? begin : std::clamp((p.length - first + s - 1) / s, begin, p.steps);
}

template <typename T>
void gather(T* __restrict dst, const T* __restrict src, int64_t count, int64_t step) {
    // Constant steps let the compiler shuffle whole vectors.
    if (step == 2) {
        for (int64_t i = 0; i < count; ++i) dst[i] = src[2 * i];
    } else {
        for (int64_t i = 0; i < count; ++i) dst[i] = src[step * i];
    }
}

template <typename T>
void stage_as(T* dst, const T* row, const Piece& p) {
    for (int64_t r = 0; r < p.stride; ++r, dst += p.steps * p.group) {
        const int64_t first = p.first + r;
        int64_t begin, end;
        inside(p, first, begin, end);
        std::fill_n(dst, begin * p.group, T{});
        const int64_t step = p.stride * p.source_step;
        T* out = dst + begin * p.group;
        if (end > begin) {
            const T* in = row + (first + begin * p.stride) * p.source_step;
            if (step == p.group) {
                std::memcpy(out, in, static_cast<size_t>((end - begin) * p.group) * sizeof(T));
            } else if (p.group == 1) {
                gather(out, in, end - begin, step);
            } else {
                for (int64_t i = begin; i < end; ++i, in += step, out += p.group)
                    std::memcpy(out, in, static_cast<size_t>(p.group) * sizeof(T));
            }
        }
        std::fill_n(dst + end * p.group, (p.steps - end) * p.group, T{});
    }
}

}  // namespace

void stage(void* dst, const void* row, const Piece& piece, int64_t element) {
    if (element == 4)
        stage_as(static_cast<uint32_t*>(dst), static_cast<const uint32_t*>(row), piece);
    else
        stage_as(static_cast<uint16_t*>(dst), static_cast<const uint16_t*>(row), piece);
}

}  // namespace dwc
