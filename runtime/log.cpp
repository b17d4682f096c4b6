#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "plan.hpp"

namespace dwc {
namespace {

struct Sink {
    std::mutex mutex;
    dwc_log_callback callback = nullptr;
    void* user = nullptr;
};
Sink& sink() {
    static Sink the;
    return the;
}

}  // namespace

bool verbose() {
    const char* value = std::getenv("DWC_VERBOSE");
    return value && std::strcmp(value, "1") == 0;
}

void log_line(const std::string& line) {
    const std::lock_guard lock(sink().mutex);
    if (sink().callback)
        sink().callback(sink().user, line.c_str());
    else if (verbose())
        std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace dwc

extern "C" void dwc_set_log_callback(dwc_log_callback callback, void* user) {
    const std::lock_guard lock(dwc::sink().mutex);
    dwc::sink().callback = callback;
    dwc::sink().user = user;
}
