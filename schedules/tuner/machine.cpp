#include "machine.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "dwconv/dwconv.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace dwc::tuner {
namespace {

std::string first_line(const std::string &path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::string utc(const char *pattern) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[40];
    std::strftime(text, sizeof text, pattern, &parts);
    return text;
}

nlohmann::ordered_json known(const std::string &text) {
    return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
}

nlohmann::ordered_json megahertz(const std::string &kilohertz) {
    const long value = std::strtol(kilohertz.c_str(), nullptr, 10);
    return value > 0 ? nlohmann::ordered_json(value / 1000) : nlohmann::ordered_json();
}

// "Debian GNU/Linux 12 (bookworm)".
std::string os_name() {
    std::ifstream file("/etc/os-release");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("PRETTY_NAME=", 0) != 0) continue;
        line.erase(0, line.find('=') + 1);
        if (line.size() >= 2 && line.front() == '"' && line.back() == '"') return line.substr(1, line.size() - 2);
        return line;
    }
    return "";
}

#if defined(__x86_64__)
// What the hypervisor calls itself; empty on the bare machine.
std::string hypervisor() {
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 31 & 1)) return "";
    uint32_t name[3] = {};
    __cpuid(0x40000000, a, name[0], name[1], name[2]);
    std::string text(reinterpret_cast<const char *>(name), sizeof name);
    text = text.substr(0, text.find('\0'));
    return text.empty() ? "unknown" : text;
}
#endif

}  // namespace

bool under_emulator() {
    // An emulator of user programs answers for this process' own entry in /proc; older ones forget that of its thread.
    char self[4096], thread[4096];
    const ssize_t a = readlink("/proc/self/exe", self, sizeof self);
    const ssize_t b = readlink("/proc/thread-self/exe", thread, sizeof thread);
    if (a > 0 && b > 0 && (a != b || std::memcmp(self, thread, static_cast<size_t>(a)) != 0)) return true;
#if defined(__aarch64__)
    // QEMU's own CPU "max" has implementer 0, which is reserved for software.
    const uint64_t midr = cpu_register(0);
    return midr != 0 && midr >> 24 == 0;
#elif defined(__x86_64__)
    return hypervisor() == "TCGTCGTCGTCG" || std::string(dwc_cpu_name()).find("VirtualApple") != std::string::npos;
#else
    return false;
#endif
}

std::string machine_json(int cpu) {
    const std::string system = "/sys/devices/system/cpu/", of_cpu = system + "cpu" + std::to_string(cpu) + "/";
    const std::string frequency = of_cpu + "cpufreq/";
    utsname names{};
    uname(&names);
    nlohmann::ordered_json machine = {{"architecture", names.machine}, {"cpus", sysconf(_SC_NPROCESSORS_ONLN)}};
    std::string board = first_line("/proc/device-tree/model");
    if (board.empty()) board = first_line("/sys/class/dmi/id/product_name");
    machine["board"] = known(board.substr(0, board.find('\0')));
    nlohmann::ordered_json caches = nlohmann::ordered_json::object();
    for (int index = 0; index < 8; ++index) {
        const std::string folder = of_cpu + "cache/index" + std::to_string(index) + "/";
        const std::string type = first_line(folder + "type"), level = first_line(folder + "level");
        if (!level.empty() && type != "Instruction") caches["L" + level] = first_line(folder + "size");
    }
    machine["caches"] = caches.empty() ? nlohmann::ordered_json() : caches;
    machine["governor"] = known(first_line(frequency + "scaling_governor"));
    machine["driver"] = known(first_line(frequency + "scaling_driver"));
    const std::string boost = first_line(system + "cpufreq/boost");
    const std::string no_turbo = first_line(system + "intel_pstate/no_turbo");
    machine["boost"] = nlohmann::ordered_json();
    if (!boost.empty()) machine["boost"] = boost != "0";
    if (!no_turbo.empty()) machine["boost"] = no_turbo == "0";
    machine["min_mhz"] = megahertz(first_line(frequency + "cpuinfo_min_freq"));
    machine["max_mhz"] = megahertz(first_line(frequency + "cpuinfo_max_freq"));
    machine["os"] = known(os_name());
    machine["kernel"] = std::string(names.sysname) + " " + names.release;
    machine["virtual"] = nlohmann::ordered_json();
#if defined(__x86_64__)
    machine["virtual"] = !hypervisor().empty();
#endif
    machine["emulated"] = under_emulator();
    return machine.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string now_utc() { return utc("%Y-%m-%dT%H:%M:%SZ"); }

std::string new_run_id() {
    std::random_device random;
    char hex[16];
    std::snprintf(hex, sizeof hex, "%08x", random());
    return utc("%Y%m%dT%H%M%S-") + hex;
}

}  // namespace dwc::tuner
