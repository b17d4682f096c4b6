// The options of a plan, as any version of the header made them.
#pragma once

#include "dwconv/dwconv.h"

namespace dwc {

// Checks `given` (may be NULL: defaults) and fills `options`; fields that its version did not have are at their
// default.
dwc_status options_of(const dwc_options* given, dwc_options* options, dwc_error* error);

}  // namespace dwc
