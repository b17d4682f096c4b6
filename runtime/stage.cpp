#include "stage.hpp"

#include <algorithm>
#include <cstring>

// Everything below `stage` is inlined into one function a vector width: the library is compiled for the plainest CPU of
// its processor, and copying with 16-byte vectors took a sixth of the time of short strided rows.
#define DWC_INLINE inline __attribute__((always_inline))

namespace dwc {
namespace {

// Rows of a staged piece are mostly short: a call of memcpy or memset would cost more than the copy (the build keeps
// the compiler from making one of these loops). Long ones are worth the calls.
constexpr size_t long_copy = 1024;

// The steps [begin, end) of a plane that start inside the row; the others are zeros.
DWC_INLINE void inside(const Piece& p, int64_t first, int64_t& begin, int64_t& end) {
    const int64_t s = p.phases->stride;
    begin = first >= 0 ? 0 : std::min((-first + s - 1) / s, p.steps);
    end = p.length <= first ? begin : std::clamp((p.length - first + s - 1) / s, begin, p.steps);
}

template <typename T>
DWC_INLINE void gather(T* __restrict dst, const T* __restrict src, int64_t count, int64_t step) {
    // Constant steps let the compiler shuffle whole vectors.
    if (step == 2) {
        for (int64_t i = 0; i < count; ++i) dst[i] = src[2 * i];
    } else {
        for (int64_t i = 0; i < count; ++i) dst[i] = src[step * i];
    }
}

template <typename T>
DWC_INLINE void copy(T* __restrict dst, const T* __restrict src, int64_t count) {
    if (static_cast<size_t>(count) * sizeof(T) >= long_copy) {
        std::memcpy(dst, src, static_cast<size_t>(count) * sizeof(T));
        return;
    }
    for (int64_t i = 0; i < count; ++i) dst[i] = src[i];
}

template <typename T>
DWC_INLINE void clear(T* dst, int64_t count) {
    for (int64_t i = 0; i < count; ++i) dst[i] = T{};
}

// Steps of one plane: zeros, end - begin copied ones from `in`, zeros.
template <typename T>
DWC_INLINE void copy_plane(T* dst, const T* in, const Piece& p, int64_t begin, int64_t end) {
    const int64_t step = p.phases->stride * p.source_step, count = end - begin;
    clear(dst, begin * p.group);
    T* out = dst + begin * p.group;
    if (step == p.group) {
        copy(out, in, count * p.group);
    } else if (p.group == 1) {
        gather(out, in, count, step);
    } else {
        for (int64_t i = 0; i < count; ++i) copy(out + i * p.group, in + i * step, p.group);
    }
    clear(dst + end * p.group, (p.steps - end) * p.group);
}

template <typename T>
DWC_INLINE void stage_as(T* dst, const T* row, const Piece& p) {
    const int64_t plane = p.steps * p.group, planes = p.phases->count();
    for (int64_t r = 0; r < planes; ++r) {
        const int64_t first = p.first + p.phases->residues[r];
        int64_t begin, end;
        inside(p, first, begin, end);
        // Where nothing is inside, the pointer stays in the row and is not read.
        const T* in = end > begin ? row + (first + begin * p.phases->stride) * p.source_step : row;
        for (int64_t i = 0; i < p.rows; ++i)
            copy_plane(dst + (i * planes + r) * plane, in + i * p.source_row, p, begin, end);
    }
}

DWC_INLINE void stage_any(void* dst, const void* row, const Piece& piece, int64_t element) {
    if (element == 4)
        stage_as(static_cast<uint32_t*>(dst), static_cast<const uint32_t*>(row), piece);
    else
        stage_as(static_cast<uint16_t*>(dst), static_cast<const uint16_t*>(row), piece);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void stage_avx2(void* dst, const void* row, const Piece& piece, int64_t element) {
    stage_any(dst, row, piece, element);
}
// Every other element of two vectors is one instruction here: strided rows in ncl take a twentieth less time.
__attribute__((target("avx512f,avx512bw,avx512vl,prefer-vector-width=512"))) void stage_avx512(void* dst,
                                                                                               const void* row,
                                                                                               const Piece& piece,
                                                                                               int64_t element) {
    stage_any(dst, row, piece, element);
}
#endif

}  // namespace

Phases::Phases(int64_t stride, int64_t dilation, int64_t taps) : stride(stride), dilation(dilation), taps(taps) {
    for (int64_t j = 0; j < taps; ++j) residues.push_back(j * dilation % stride);
    std::sort(residues.begin(), residues.end());
    residues.erase(std::unique(residues.begin(), residues.end()), residues.end());
}

std::vector<int32_t> Phases::offsets(int64_t plane, int64_t group) const {
    std::vector<int32_t> result;
    for (int64_t j = 0; j < taps; ++j) {
        const int64_t at = j * dilation;
        const int64_t phase = std::lower_bound(residues.begin(), residues.end(), at % stride) - residues.begin();
        result.push_back(static_cast<int32_t>((phase * plane + at / stride) * group));
    }
    return result;
}

void stage(void* dst, const void* row, const Piece& piece, int64_t element) {
#if defined(__x86_64__)
    static const bool has_avx2 = __builtin_cpu_supports("avx2");
    static const bool has_avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (has_avx512) return stage_avx512(dst, row, piece, element);
    if (has_avx2) return stage_avx2(dst, row, piece, element);
#endif
    stage_any(dst, row, piece, element);
}

}  // namespace dwc
