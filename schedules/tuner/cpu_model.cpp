#include <cstdint>
#include <cstdlib>
#include <fstream>

#include "dwconv/dwconv.h"
#include "machine.hpp"

namespace dwc::tuner {
namespace {

// Arm's CPUs by implementer and part number of their identification register (MIDR_EL1).
struct Part {
    uint32_t implementer, part;
    const char *name;
};
constexpr Part kParts[] = {
    {0x41, 0xd03, "ARM Cortex-A53"},  {0x41, 0xd04, "ARM Cortex-A35"},   {0x41, 0xd05, "ARM Cortex-A55"},
    {0x41, 0xd07, "ARM Cortex-A57"},  {0x41, 0xd08, "ARM Cortex-A72"},   {0x41, 0xd09, "ARM Cortex-A73"},
    {0x41, 0xd0a, "ARM Cortex-A75"},  {0x41, 0xd0b, "ARM Cortex-A76"},   {0x41, 0xd0c, "ARM Neoverse N1"},
    {0x41, 0xd0d, "ARM Cortex-A77"},  {0x41, 0xd40, "ARM Neoverse V1"},  {0x41, 0xd41, "ARM Cortex-A78"},
    {0x41, 0xd44, "ARM Cortex-X1"},   {0x41, 0xd46, "ARM Cortex-A510"},  {0x41, 0xd47, "ARM Cortex-A710"},
    {0x41, 0xd48, "ARM Cortex-X2"},   {0x41, 0xd49, "ARM Neoverse N2"},  {0x41, 0xd4d, "ARM Cortex-A715"},
    {0x41, 0xd4e, "ARM Cortex-X3"},   {0x41, 0xd4f, "ARM Neoverse V2"},  {0x41, 0xd80, "ARM Cortex-A520"},
    {0x41, 0xd81, "ARM Cortex-A720"}, {0x41, 0xd82, "ARM Cortex-X4"},    {0x41, 0xd84, "ARM Neoverse V3"},
    {0x46, 0x001, "Fujitsu A64FX"},   {0x48, 0xd01, "HiSilicon TSV110"}, {0xc0, 0xac3, "Ampere-1"},
};

std::string first_line(const std::string &path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

}  // namespace

uint64_t cpu_register(int cpu) {
    std::string text =
        first_line("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/regs/identification/midr_el1");
    const std::string name = dwc_cpu_name();
    if (const size_t at = name.find("midr 0x"); text.empty() && at != std::string::npos) text = name.substr(at + 5);
    return std::strtoull(text.c_str(), nullptr, 16);
}

std::string cpu_model(int cpu) {
    const uint64_t midr = cpu_register(cpu);
    for (const Part &row : kParts)
        if (midr >> 24 == row.implementer && ((midr >> 4) & 0xfff) == row.part) return row.name;
    return dwc_cpu_name();
}

}  // namespace dwc::tuner
