#include "cpu_features.hpp"

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace dwc {

bool cpu_has([[maybe_unused]] std::string_view feature) {
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks whether the operating system saves the registers.
    if (feature == "intel") return __builtin_cpu_is("intel");
    if (feature == "sse4.1") return __builtin_cpu_supports("sse4.1");
    if (feature == "avx2") return __builtin_cpu_supports("avx2");
    if (feature == "fma") return __builtin_cpu_supports("fma");
    if (feature == "f16c") return __builtin_cpu_supports("f16c");
    if (feature == "avx512f") return __builtin_cpu_supports("avx512f");
    if (feature == "avx512bw") return __builtin_cpu_supports("avx512bw");
    if (feature == "avx512cd") return __builtin_cpu_supports("avx512cd");
    if (feature == "avx512dq") return __builtin_cpu_supports("avx512dq");
    if (feature == "avx512vl") return __builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
    // Linux' names and numbers (HWCAP_*); the kernel's answer is also that it saves the registers.
    const unsigned long capabilities = getauxval(AT_HWCAP);
    if (feature == "asimd") return capabilities >> 1 & 1;
    if (feature == "fphp") return capabilities >> 9 & 1;
    if (feature == "asimdhp") return capabilities >> 10 & 1;
    if (feature == "asimddp") return capabilities >> 20 & 1;
#endif
    return false;
}

}  // namespace dwc
