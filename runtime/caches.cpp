#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "plan.hpp"

namespace dwc {
namespace {

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// "32K" and "1M" as sysfs writes them; 0 where it is no size.
size_t parse_size(const std::string& text) {
    size_t value = 0, i = 0;
    for (; i < text.size() && i < 9 && text[i] >= '0' && text[i] <= '9'; ++i) value = value * 10 + (text[i] - '0');
    if (i < text.size() && text[i] == 'K') value <<= 10;
    if (i < text.size() && text[i] == 'M') value <<= 20;
    return value;
}

// CPUs in a list such as "0-3,8-11".
int count_cpus(const std::string& list) {
    int count = 0;
    size_t at = 0;
    while (at < list.size()) {
        const size_t end = std::min(list.find(',', at), list.size());
        const std::string range = list.substr(at, end - at);
        const size_t dash = range.find('-');
        const int first = std::atoi(range.c_str());
        count += 1 + (dash == std::string::npos ? 0 : std::atoi(range.c_str() + dash + 1) - first);
        at = end + 1;
    }
    return count;
}

std::vector<dwc_cache_level> from_sysfs() {
    std::vector<dwc_cache_level> levels;
    int cpus_of_l1 = 1;
    for (int index = 0; index < 8; ++index) {
        const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
        const std::string type = first_line(folder + "type"), level = first_line(folder + "level");
        const size_t bytes = parse_size(first_line(folder + "size"));
        if (type.empty() || type == "Instruction" || level.empty() || bytes == 0) continue;
        const int cpus = count_cpus(first_line(folder + "shared_cpu_list"));
        // The threads of one core share its L1; a level that more CPUs share serves several cores.
        if (levels.empty()) cpus_of_l1 = cpus;
        levels.push_back({std::atoi(level.c_str()), cpus > cpus_of_l1, static_cast<int64_t>(bytes)});
    }
    return levels;
}

std::vector<dwc_cache_level> from_sysconf() {
    std::vector<dwc_cache_level> levels;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
    const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
    for (int i = 0; i < 3; ++i) {
        const long bytes = sysconf(names[i]);
        if (bytes > 0) levels.push_back({i + 1, i == 2, bytes});
    }
#endif
    return levels;
}

const std::vector<dwc_cache_level>& cache_levels() {
    static const std::vector<dwc_cache_level> known = [] {
        auto levels = from_sysfs();
        if (levels.empty()) levels = from_sysconf();
        if (levels.empty()) levels = {{1, 0, 32 << 10}, {2, 0, 512 << 10}, {3, 1, 8 << 20}};
        std::sort(levels.begin(), levels.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
        return levels;
    }();
    return known;
}

}  // namespace

int64_t last_level_bytes() {
    // No CPU has more than 12 MiB of the last cache for each of its cores. A virtual machine sees all of a processor's
    // cache and few of its cores: others have the rest. On two CPUs of a Xeon that says 260 MiB a copy was as fast as
    // from the cache up to 32 MiB, and half as fast from 64 on.
    constexpr int64_t least = 32 << 20, of_a_cpu = 16 << 20;
    const int64_t share = std::max(least, of_a_cpu * std::max<int64_t>(std::thread::hardware_concurrency(), 1));
    return std::min(cache_levels().back().bytes, share);
}

int64_t private_bytes() {
    int64_t bytes = cache_levels().front().bytes;
    for (const auto& level : cache_levels())
        if (!level.shared) bytes = level.bytes;
    return bytes;
}

}  // namespace dwc

extern "C" int32_t dwc_cache_levels(dwc_cache_level* levels, int32_t capacity) {
    const auto& known = dwc::cache_levels();
    if (levels) std::copy_n(known.begin(), std::clamp<size_t>(capacity < 0 ? 0 : capacity, 0, known.size()), levels);
    return static_cast<int32_t>(known.size());
}
