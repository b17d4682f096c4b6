// Plan level `measure`: the eligible kernels of a problem, timed on scratch memory within a budget.
#pragma once

#include <string>
#include <vector>

#include "select.hpp"

namespace dwc {

struct Measured {
    const ConvKernel* best = nullptr;  // nullptr: nothing could be measured
    double us = 0;                     // its time
    int kernels = 0;                   // how many were timed
};

// Times the kernels of the chosen one's target that can compute the problem, the chosen first and then by predicted
// work, in interleaved rounds; those that fall behind drop out. Another kernel must take at least 3 % less than the
// chosen to be the best. `options` is checked; its budget is kept but for the one execution that overruns it.
Measured measure(const Problem& problem, const Selection& selection, const dwc_options& options);

// The rule that ends a measurement: index of the best of `times` (seconds; the first is the incumbent's).
size_t best_of(const std::vector<double>& times);

}  // namespace dwc
