// The CPU's name in records and tuned files.
#pragma once

#include <string>

namespace dwc {

// "AMD EPYC 9R14 96-Core Processor": the brand string of cpuid, as the system lists it; elsewhere the architecture and,
// where it can be read, the main identification register. One printable line, asked once.
const std::string& cpu_name();

}  // namespace dwc
