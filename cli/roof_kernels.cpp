// Every function here carries its own target attribute, so the command still starts on a CPU that lacks the wider
// sets; the roof of a plan is that of the instructions its target may use. The inner loops must compile to nothing but
// multiply-adds on registers (or loads and stores) and the loop counter: look at the object code after a change.
#include "roof_kernels.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace cli {
namespace {

// Zen 4, Golden Cove and Neoverse need at most 4 cycles * 2 units = 8 chains for fused multiply-adds, and SSE's
// separate multiply and add (3 + 3 or 4 + 4 cycles, 2 units each) 12 to 16. Two operands stay in registers besides;
// SSE and AVX have 16 registers.
constexpr int kChains = 12;

// The chain v = v * a + b settles at b / (1 - a), far from denormals. Passed as arguments so that nothing can be
// computed ahead.
constexpr float kFactor = 0.5f, kAddend = 0.25f;

// Keeps the result alive.
volatile float g_sink;

#define DWC_MULTIPLY_ADD_KERNEL(NAME, ATTRIBUTE, VECTOR, LANES, BROADCAST, STEP)                                     \
    ATTRIBUTE double NAME(int64_t iterations, float factor, float addend) {                                          \
        const VECTOR a = BROADCAST(factor), b = BROADCAST(addend);                                                   \
        VECTOR v[kChains];                                                                                           \
        _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) v[i] = BROADCAST(addend * static_cast<float>(i)); \
        for (int64_t n = 0; n < iterations; ++n) {                                                                   \
            _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) v[i] = STEP(v[i], a, b);                      \
        }                                                                                                            \
        VECTOR total = v[0];                                                                                         \
        _Pragma("GCC unroll 12") for (int i = 1; i < kChains; ++i) total = STEP(total, a, v[i]);                     \
        float lanes[LANES];                                                                                          \
        std::memcpy(lanes, &total, sizeof(lanes));                                                                   \
        g_sink = lanes[0];                                                                                           \
        return 2.0 * LANES * kChains * static_cast<double>(iterations);                                              \
    }

// Eight vectors are loaded before the first is stored: enough to keep both load units and the store unit busy.
#define DWC_COPY_KERNEL(NAME, ATTRIBUTE, VECTOR, LOAD, STORE, FENCE)                                               \
    ATTRIBUTE void NAME(void *destination, const void *source, size_t bytes) {                                     \
        auto *to = static_cast<float *>(destination);                                                              \
        const auto *from = static_cast<const float *>(source);                                                     \
        constexpr size_t kLanes = sizeof(VECTOR) / sizeof(float);                                                  \
        static_assert(kCopyStep % (8 * sizeof(VECTOR)) == 0);                                                      \
        for (const float *end = from + bytes / sizeof(float); from != end; from += 8 * kLanes, to += 8 * kLanes) { \
            VECTOR v[8];                                                                                           \
            _Pragma("GCC unroll 8") for (size_t i = 0; i < 8; ++i) v[i] = LOAD(from + i * kLanes);                 \
            _Pragma("GCC unroll 8") for (size_t i = 0; i < 8; ++i) STORE(to + i * kLanes, v[i]);                   \
        }                                                                                                          \
        FENCE;                                                                                                     \
    }

#if defined(__x86_64__)

#define DWC_SSE __attribute__((noinline, target("sse4.1")))
#define DWC_AVX2 __attribute__((noinline, target("avx2,fma")))
#define DWC_AVX512 __attribute__((noinline, target("avx512f")))
#define DWC_SSE_STEP(v, a, b) _mm_add_ps(_mm_mul_ps(v, a), b)

DWC_MULTIPLY_ADD_KERNEL(multiply_add_sse41, DWC_SSE, __m128, 4, _mm_set1_ps, DWC_SSE_STEP)
DWC_MULTIPLY_ADD_KERNEL(multiply_add_avx2, DWC_AVX2, __m256, 8, _mm256_set1_ps, _mm256_fmadd_ps)
DWC_MULTIPLY_ADD_KERNEL(multiply_add_avx512, DWC_AVX512, __m512, 16, _mm512_set1_ps, _mm512_fmadd_ps)

DWC_COPY_KERNEL(copy_sse41, DWC_SSE, __m128, _mm_load_ps, _mm_store_ps, )
DWC_COPY_KERNEL(copy_avx2, DWC_AVX2, __m256, _mm256_load_ps, _mm256_store_ps, )
DWC_COPY_KERNEL(copy_avx512, DWC_AVX512, __m512, _mm512_load_ps, _mm512_store_ps, )
DWC_COPY_KERNEL(stream_sse41, DWC_SSE, __m128, _mm_load_ps, _mm_stream_ps, _mm_sfence())
DWC_COPY_KERNEL(stream_avx2, DWC_AVX2, __m256, _mm256_load_ps, _mm256_stream_ps, _mm_sfence())
DWC_COPY_KERNEL(stream_avx512, DWC_AVX512, __m512, _mm512_load_ps, _mm512_stream_ps, _mm_sfence())

#elif defined(__aarch64__)

#define DWC_NEON __attribute__((noinline))
#define DWC_NEON_STEP(v, a, b) vfmaq_f32(b, v, a)

DWC_MULTIPLY_ADD_KERNEL(multiply_add_neon, DWC_NEON, float32x4_t, 4, vdupq_n_f32, DWC_NEON_STEP)
DWC_COPY_KERNEL(copy_neon, DWC_NEON, float32x4_t, vld1q_f32, vst1q_f32, )

#else

using Quad = float __attribute__((vector_size(16)));
inline Quad broadcast(float v) { return Quad{v, v, v, v}; }
inline Quad step(Quad v, Quad a, Quad b) { return v * a + b; }
DWC_MULTIPLY_ADD_KERNEL(multiply_add_generic, , Quad, 4, broadcast, step)

#endif

}  // namespace

Isa widest_isa() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return Isa::kAvx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::kAvx2;
    if (__builtin_cpu_supports("sse4.1")) return Isa::kSse41;
    return Isa::kGeneric;
#elif defined(__aarch64__)
    return Isa::kNeon;
#else
    return Isa::kGeneric;
#endif
}

Isa isa_of_target(const std::string &target) {
    const Isa widest = widest_isa();
    const auto names = [&target](const char *part) { return target.find(part) != std::string::npos; };
    if (names("sse41") && widest > Isa::kSse41 && widest <= Isa::kAvx512) return Isa::kSse41;
    if (names("avx2") && widest == Isa::kAvx512) return Isa::kAvx2;
    return widest;
}

double run_multiply_adds(Isa isa, int64_t iterations) {
    (void)isa;
#if defined(__x86_64__)
    switch (isa) {
        case Isa::kAvx512:
            return multiply_add_avx512(iterations, kFactor, kAddend);
        case Isa::kAvx2:
            return multiply_add_avx2(iterations, kFactor, kAddend);
        default:
            return multiply_add_sse41(iterations, kFactor, kAddend);
    }
#elif defined(__aarch64__)
    return multiply_add_neon(iterations, kFactor, kAddend);
#else
    return multiply_add_generic(iterations, kFactor, kAddend);
#endif
}

CopyKernel vector_copy(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::kAvx512:
            return copy_avx512;
        case Isa::kAvx2:
            return copy_avx2;
        case Isa::kSse41:
            return copy_sse41;
#elif defined(__aarch64__)
        case Isa::kNeon:
            return copy_neon;
#endif
        default:
            return library_copy;
    }
}

CopyKernel streaming_copy(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::kAvx512:
            return stream_avx512;
        case Isa::kAvx2:
            return stream_avx2;
        case Isa::kSse41:
            return stream_sse41;
#endif
        default:
            return nullptr;
    }
}

void library_copy(void *destination, const void *source, size_t bytes) { std::memcpy(destination, source, bytes); }

}  // namespace cli
