// Which kernels could compute a problem on a target, compiled or not, in the order in which they promise to be fast.
#pragma once

#include <string>
#include <vector>

#include "dwconv/dwconv.h"
#include "space.hpp"

namespace dwc::tuner {

struct Candidate {
    Point point;
    dwc_dtype dtype = DWC_F32;
    std::string name;  // variant name, without "@target"
    double cost = 0;   // dwc_kernel_cost
};

// A row of the candidate; its strings belong to the candidate and to `target`.
dwc_kernel_row row_of(const Candidate &candidate, const std::string &target, const char *name, void (*function)());

// Every legal point of the named families (empty: all) that dwc_kernel_cost does not refuse, cheapest first, ties by
// name. Empty where x, w and y differ in dtype. Throws InputError for an unknown target or family.
std::vector<Candidate> candidates_of(const dwc_problem &problem, const std::string &target,
                                     const std::vector<std::string> &families);

const char *dtype_word(dwc_dtype dtype);  // "f32", "bf16"

}  // namespace dwc::tuner
