// Kernels that were compiled outside the library and added at run time (dwc_kernel_add): tuner candidates, plug-ins.
#pragma once

#include <vector>

#include "registry.hpp"

namespace dwc {

// The row as a kernel; its strings are the row's own. Fails with KERNEL_ROW, naming the field.
dwc_status kernel_of_row(const dwc_kernel_row& row, ConvKernel* kernel, dwc_error* error);
// See dwc_kernel_add.
dwc_status add_kernel(const dwc_kernel_row& row, dwc_error* error);

// The compiled kernels in table order, then the added ones in theirs. Pointers stay valid for the rest of the process.
std::vector<const ConvKernel*> all_kernels();

}  // namespace dwc
