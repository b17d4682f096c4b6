// The library's own threads, for plans with more than one and no parallel_for of the caller's.
#pragma once

#include <cstdint>

namespace dwc {

// Runs body(arg, i) for every i in [0, count) on up to `threads` threads, the caller's among them, and returns when all
// are done: 0, or a non-zero value that a body returned. A call from a body, beside another call or in a
// forked process runs on its caller alone. Allocates only where the pool has to grow.
int pool_parallel_for(int threads, int64_t count, int (*body)(void*, int64_t), void* arg);

}  // namespace dwc
