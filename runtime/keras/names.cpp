#include "names.hpp"

#include <map>
#include <mutex>

namespace dwconv::keras::detail {
namespace {

struct Counters {
    std::mutex mutex;
    std::map<std::string, long> given;
};

Counters& counters() {
    static Counters counters;
    return counters;
}

}  // namespace

std::string automatic_name(const std::string& base) {
    const std::lock_guard lock(counters().mutex);
    const long count = counters().given[base]++;
    return count == 0 ? base : base + "_" + std::to_string(count);
}

void reset_automatic_names() {
    const std::lock_guard lock(counters().mutex);
    counters().given.clear();
}

}  // namespace dwconv::keras::detail
