#include "cpu_name.hpp"

#include <cstdint>
#include <cstdio>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace dwc {
namespace {

#if defined(__x86_64__)
std::string ask() {
    uint32_t words[13] = {};
    for (uint32_t leaf = 0; leaf < 3; ++leaf) {
        uint32_t* at = words + 4 * leaf;
        if (!__get_cpuid(0x80000002 + leaf, at, at + 1, at + 2, at + 3)) return "x86_64";
    }
    return reinterpret_cast<const char*>(words);
}
#elif defined(__aarch64__)
std::string ask() {
    constexpr unsigned long registers_readable = 1ul << 11;  // HWCAP_CPUID: the kernel emulates the read
    if (!(getauxval(AT_HWCAP) & registers_readable)) return "aarch64";
    uint64_t midr = 0;
    asm("mrs %0, MIDR_EL1" : "=r"(midr));
    char text[40];
    std::snprintf(text, sizeof text, "aarch64 midr 0x%08llx", static_cast<unsigned long long>(midr));
    return text;
}
#else
std::string ask() { return "unknown"; }
#endif

std::string one_line(const std::string& text) {
    std::string line;
    for (const char c : text) {
        const bool printable = c > 0x20 && c < 0x7f;
        if (printable)
            line += c;
        else if (!line.empty() && line.back() != ' ')
            line += ' ';
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line.empty() ? "unknown" : line;
}

}  // namespace

const std::string& cpu_name() {
    static const std::string name = one_line(ask());
    return name;
}

}  // namespace dwc
