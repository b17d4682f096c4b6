// The microkernels behind the roof of a problem: peak multiply-add rate and copy bandwidth, by instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cli {

// Instruction sets with microkernels of their own. Multiply-adds are fused but on sse41 and generic.
enum class Isa { kGeneric, kSse41, kAvx2, kAvx512, kNeon };

// The widest set of this CPU.
Isa widest_isa();
// The set a target's kernels use ("x86-64-avx2"), as far as this CPU runs it; widest_isa() for a name that is none.
Isa isa_of_target(const std::string &target);

// Runs 12 or more independent chains of multiply-adds in registers, `iterations` steps each; returns the number of
// floating-point operations done.
double run_multiply_adds(Isa isa, int64_t iterations);

// Copies `bytes` (a multiple of kCopyStep) between buffers aligned to 64 bytes that do not overlap.
using CopyKernel = void (*)(void *destination, const void *source, size_t bytes);
inline constexpr size_t kCopyStep = 512;
// Loads and stores of full vectors through the caches.
CopyKernel vector_copy(Isa isa);
// Stores that go around the caches; NULL where the instruction set has none.
CopyKernel streaming_copy(Isa isa);
// The C library's memcpy.
void library_copy(void *destination, const void *source, size_t bytes);

}  // namespace cli
