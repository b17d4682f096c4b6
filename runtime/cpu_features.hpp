// What this CPU can do, by the names that schedules/targets.json uses.
#pragma once

#include <string_view>

namespace dwc {

// False for a feature of another architecture and for a name this library does not know.
bool cpu_has(std::string_view feature);

}  // namespace dwc
