// Which kernel computes a problem, and why: a pure function of the problem, the kernels, what was measured, the usable
// targets and what is forced.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cost.hpp"
#include "problem.hpp"
#include "records.hpp"
#include "registry.hpp"
#include "tuned.hpp"

namespace dwc {

struct Wish {
    std::string kernel;                    // forced kernel name; empty: none
    std::string target;                    // forced target name; empty: none
    int threads = 1;                       // resolved: at least 1
    bool estimate = false;                 // no measurement decides, the default order does
    DeviceKind memory = DeviceKind::host;  // whose pointers x and y are
};
// The options' wishes, or those of DWC_FORCE_KERNEL and DWC_FORCE_TARGET.
Wish wish_of(const dwc_options& options);

// What the selection knows besides the problem.
struct Knowledge {
    std::vector<const ConvKernel*> kernels;
    std::shared_ptr<const TunedTable> tuned;  // nullptr: nothing
    std::span<const Evidence> records;
    std::string cpu;           // whose records go first
    bool this_machine = true;  // false: targets need neither be built nor run here
};
// This library on this machine; reads DWC_TUNED_FILE where it has not been read.
Knowledge own_knowledge();

// Best target that this CPU itself runs: the first supported row of the table, which lists the best first; -1: none.
int best_target();

struct Candidate {
    const ConvKernel* kernel;
    double cost;      // predicted lane-cycles; smaller is better; only where eligible
    Refusal refused;  // why not
    bool eligible() const { return !refused; }
};

struct Selection {
    const ConvKernel* chosen = nullptr;  // nullptr: none computes the problem
    std::string reason;
    std::vector<Candidate> candidates;  // one per kernel, in the order of `kernels`
    std::string slower_target;          // best target of this CPU where the chosen one is below it and was not forced
    bool tuned_here = false;            // the answer was measured on this machine for this problem or class
    double least = 0;                   // predicted cost of the chosen kernel
};
// Why a candidate was not chosen.
std::string why_not(const Candidate& candidate, const Selection& selection);

// The chain: what is forced; what was tuned on this machine; then, on the best target and after it on its parents: the
// records of the problem's class, of the nearest class, the default order. (A record compares kernels of one target, so
// a parent's record says nothing against a default of the target itself.) Kernels compiled for records only come last
// in the default order. Fails with FORCED_KERNEL or FORCED_TARGET where a wish cannot be met; an empty `chosen` is no
// failure here.
dwc_status select(const Problem& problem, const Wish& wish, const Knowledge& knowledge, Selection* selection,
                  dwc_error* error);

// An answer of what was measured.
struct Answer {
    const Candidate* candidate = nullptr;  // nullptr: it says nothing
    std::string reason;
};
// What was tuned on this machine for the problem, else for one of its class.
Answer tuned_answer(const Problem& problem, int threads, const TunedTable& tuned,
                    const std::vector<Candidate>& candidates);
// The records of `target`, nearest first. One speaks where the cost model does not see its kernel lose to
// `default_choice` (may be nullptr) on this problem: its ratio, times how the predicted work of the two compares here
// and compared there. Records of other CPUs come after those of `cpu`.
Answer record_answer(const Problem& problem, int threads, int target, std::span<const Evidence> records,
                     std::string_view cpu, const std::vector<Candidate>& candidates, const Candidate* default_choice);

}  // namespace dwc
