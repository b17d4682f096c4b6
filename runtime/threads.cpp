#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "plan.hpp"

namespace dwc {
namespace {

// CPUs of a cgroup v2 quota ("200000 100000": two), or of v1's pair of files; 0: no quota.
int quota() {
    std::string limit;
    double period = 0;
    if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> limit >> period) {
        if (limit == "max" || period <= 0) return 0;
        return static_cast<int>(std::max(1.0, std::atof(limit.c_str()) / period + 0.5));
    }
    double micros = -1;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> micros;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
    return micros > 0 && period > 0 ? static_cast<int>(std::max(1.0, micros / period + 0.5)) : 0;
}

}  // namespace

int usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    if (const int most = quota()) count = std::min(count, most);
    return std::max(count, 1);
}

}  // namespace dwc
