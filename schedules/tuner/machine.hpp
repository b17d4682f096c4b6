// Where a run takes place, for its line in the log.
#pragma once

#include <string>

namespace dwc::tuner {

std::string machine_json();  // caches by level, the frequency governor where it can be read, CPUs
std::string now_utc();       // 2026-01-31T12:00:00Z
std::string new_run_id();    // date and eight random hexadecimal digits

}  // namespace dwc::tuner
