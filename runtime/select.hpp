// Which kernel computes a problem, and why: a pure function of the problem, the compiled rows, the usable targets and
// what is forced.
#pragma once

#include <string>
#include <vector>

#include "problem.hpp"
#include "registry.hpp"

namespace dwc {

struct Wish {
    std::string kernel;  // forced kernel name; empty: none
    std::string target;  // forced target name; empty: none
};
// The options' wishes, or those of DWC_FORCE_KERNEL and DWC_FORCE_TARGET.
Wish wish_of(const dwc_options& options);

struct Candidate {
    const ConvKernel* kernel;
    bool eligible;
    double cost;         // predicted lane-cycles; smaller is better; only where eligible
    std::string reason;  // why not, or what it would cost
};

struct Selection {
    const ConvKernel* chosen = nullptr;  // nullptr: none computes the problem
    std::string reason;
    std::vector<Candidate> candidates;  // one per compiled row, in table order
    std::string slower_target;          // best target of this CPU where the chosen one is below it and was not forced
};

// The chain: what is forced, then the default order on the best target that has an eligible kernel, best first. Fails
// with FORCED_KERNEL or FORCED_TARGET where a wish cannot be met; an empty `chosen` is no failure here.
dwc_status select(const Problem& problem, const Wish& wish, Selection* selection, dwc_error* error);

}  // namespace dwc
