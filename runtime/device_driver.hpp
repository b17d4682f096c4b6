// Drivers of devices, which are opened when they are first asked for.
#pragma once

namespace dwc {

// The shared library `name`, or nullptr where there is none. A statically linked program has none: what it opened would
// bring the C library of the system that it runs on beside its own.
void* open_driver(const char* name);

}  // namespace dwc
