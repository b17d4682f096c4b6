// How the runtime reports a failure: one status, one sentence.
#pragma once

#include "dwconv/dwconv.h"

namespace dwc {

// Fills `error` (may be NULL) with `status` and the formatted sentence, cut to fit, and returns `status`. Allocates
// nothing, so it may be called from execute.
dwc_status fail(dwc_error* error, dwc_status status, const char* format, ...) __attribute__((format(printf, 3, 4)));

}  // namespace dwc
