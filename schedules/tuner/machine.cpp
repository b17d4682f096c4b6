#include "machine.hpp"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

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

}  // namespace

std::string machine_json() {
    nlohmann::ordered_json machine = {{"cpus", sysconf(_SC_NPROCESSORS_ONLN)}};
    nlohmann::ordered_json caches = nlohmann::ordered_json::object();
    for (int index = 0; index < 8; ++index) {
        const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
        const std::string type = first_line(folder + "type"), level = first_line(folder + "level");
        if (!level.empty() && type != "Instruction") caches["L" + level] = first_line(folder + "size");
    }
    if (!caches.empty()) machine["caches"] = caches;
    const std::string governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    if (!governor.empty()) machine["governor"] = governor;
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
