#include "transpose.hpp"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define DWC_INLINE inline __attribute__((always_inline))

namespace dwc {
namespace {

struct Matrix {
    float* dst;
    int64_t dst_row;
    const float* src;
    int64_t src_row, rows, columns;
};

void narrow(const Matrix& m) {
    for (int64_t j = 0; j < m.columns; ++j)
        for (int64_t i = 0; i < m.rows; ++i) m.dst[j * m.dst_row + i] = m.src[i * m.src_row + j];
}

// Four columns of as many rows as a vector has lanes: lanes 4g to 4g + 3 of vector r are loaded from row 4g + r, which
// leaves transpositions of 4 x 4 elements. A load that fills a part of a vector needs no turn of the shuffle unit, so
// that has two a vector left to do where whole rows would take four. Where there are fewer `rows`, the last one stands
// for the others, whose elements are not stored.
DWC_INLINE void four_rows(float* dst, int64_t dst_row, const float* src, int64_t src_row, int rows) {
    typedef float Four __attribute__((vector_size(16)));
    Four v[4];
    for (int r = 0; r < 4; ++r) std::memcpy(&v[r], src + std::min(r, rows - 1) * src_row, sizeof v[r]);
    const Four low01 = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
    const Four high01 = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
    const Four low23 = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
    const Four high23 = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
    const Four columns[4] = {
        __builtin_shufflevector(low01, low23, 0, 1, 4, 5), __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
        __builtin_shufflevector(high01, high23, 0, 1, 4, 5), __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
    for (int c = 0; c < 4; ++c) {
        if (rows >= 4)
            std::memcpy(dst + c * dst_row, &columns[c], sizeof columns[c]);
        else
            for (int r = 0; r < rows; ++r) dst[c * dst_row + r] = columns[c][r];
    }
}

#if defined(__x86_64__)

#define DWC_AVX2 __attribute__((target("avx2,prfchw")))
DWC_AVX2 DWC_INLINE void eight_rows(float* dst, int64_t dst_row, const float* src, int64_t src_row, int rows) {
    const __m256i inside = _mm256_cmpgt_epi32(_mm256_set1_epi32(rows), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256 v[4];
    for (int r = 0; r < 4; ++r) {
        const float* second = src + std::min(r + 4, rows - 1) * src_row;
        v[r] = _mm256_castps128_ps256(_mm_loadu_ps(src + std::min(r, rows - 1) * src_row));
        v[r] = _mm256_insertf128_ps(v[r], _mm_loadu_ps(second), 1);
    }
    const __m256 low01 = _mm256_unpacklo_ps(v[0], v[1]), high01 = _mm256_unpackhi_ps(v[0], v[1]);
    const __m256 low23 = _mm256_unpacklo_ps(v[2], v[3]), high23 = _mm256_unpackhi_ps(v[2], v[3]);
    _mm256_maskstore_ps(dst, inside, _mm256_shuffle_ps(low01, low23, 0x44));
    _mm256_maskstore_ps(dst + dst_row, inside, _mm256_shuffle_ps(low01, low23, 0xee));
    _mm256_maskstore_ps(dst + 2 * dst_row, inside, _mm256_shuffle_ps(high01, high23, 0x44));
    _mm256_maskstore_ps(dst + 3 * dst_row, inside, _mm256_shuffle_ps(high01, high23, 0xee));
}

#define DWC_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,prfchw")))
DWC_AVX512 DWC_INLINE void sixteen_rows(float* dst, int64_t dst_row, const float* src, int64_t src_row, int rows) {
    const auto inside = static_cast<__mmask16>((1u << rows) - 1);
    __m512 v[4];
    for (int r = 0; r < 4; ++r) {
        v[r] = _mm512_castps128_ps512(_mm_loadu_ps(src + std::min(r, rows - 1) * src_row));
        v[r] = _mm512_insertf32x4(v[r], _mm_loadu_ps(src + std::min(r + 4, rows - 1) * src_row), 1);
        v[r] = _mm512_insertf32x4(v[r], _mm_loadu_ps(src + std::min(r + 8, rows - 1) * src_row), 2);
        v[r] = _mm512_insertf32x4(v[r], _mm_loadu_ps(src + std::min(r + 12, rows - 1) * src_row), 3);
    }
    const __m512 low01 = _mm512_unpacklo_ps(v[0], v[1]), high01 = _mm512_unpackhi_ps(v[0], v[1]);
    const __m512 low23 = _mm512_unpacklo_ps(v[2], v[3]), high23 = _mm512_unpackhi_ps(v[2], v[3]);
    _mm512_mask_storeu_ps(dst, inside, _mm512_shuffle_ps(low01, low23, 0x44));
    _mm512_mask_storeu_ps(dst + dst_row, inside, _mm512_shuffle_ps(low01, low23, 0xee));
    _mm512_mask_storeu_ps(dst + 2 * dst_row, inside, _mm512_shuffle_ps(high01, high23, 0x44));
    _mm512_mask_storeu_ps(dst + 3 * dst_row, inside, _mm512_shuffle_ps(high01, high23, 0xee));
}

#endif

// The longer side goes inside: rows are read from end to end a band at a time, or written so, four at a time, which
// spares the few entries that CPUs have for the pages of stores. The last four columns overlap those before them; a few
// rows left over are not worth long vectors (1024 rows of 4 elements, K = 4: 5.0 and 2.5 us for the whole
// convolution). Stores across lines of memory wait for both; lines asked for before the shuffles come in time (rows of
// 100 in the second-level cache of an Emerald Rapids: a fifth of the time of a whole convolution).
#define DWC_BLOCKS(block, lanes)                                                                  \
    const int64_t bands = (m.rows + lanes - 1) / lanes, fours = (m.columns + 3) / 4;              \
    const bool along_rows = m.columns >= m.rows;                                                  \
    for (int64_t outer = 0; outer < (along_rows ? bands : fours); ++outer)                        \
        for (int64_t inner = 0; inner < (along_rows ? fours : bands); ++inner) {                  \
            const int64_t i = (along_rows ? outer : inner) * lanes;                               \
            const int64_t j = std::min((along_rows ? inner : outer) * 4, m.columns - 4);          \
            float* to = m.dst + j * m.dst_row + i;                                                \
            const float* from = m.src + i * m.src_row + j;                                        \
            for (int c = 0; !along_rows && c < 4; ++c) __builtin_prefetch(to + c * m.dst_row, 1); \
            if (m.rows - i >= lanes)                                                              \
                block(to, m.dst_row, from, m.src_row, lanes);                                     \
            else if (m.rows - i <= 4)                                                             \
                four_rows(to, m.dst_row, from, m.src_row, static_cast<int>(m.rows - i));          \
            else                                                                                  \
                block(to, m.dst_row, from, m.src_row, static_cast<int>(m.rows - i));              \
        }

void plain(const Matrix m) { DWC_BLOCKS(four_rows, 4); }
#if defined(__x86_64__)
DWC_AVX2 void avx2(const Matrix m) { DWC_BLOCKS(eight_rows, 8); }
DWC_AVX512 void avx512(const Matrix m) { DWC_BLOCKS(sixteen_rows, 16); }
#endif

}  // namespace

void transpose(float* dst, int64_t dst_row, const float* src, int64_t src_row, int64_t rows, int64_t columns,
               int lanes) {
    const Matrix m{dst, dst_row, src, src_row, rows, columns};
    if (columns < 4) return narrow(m);
#if defined(__x86_64__)
    if (lanes == 16) return avx512(m);
    if (lanes == 8) return avx2(m);
#endif
    static_cast<void>(lanes);
    plain(m);
}

}  // namespace dwc
