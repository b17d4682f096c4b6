// The predicted time of candidates on a CPU that is not at hand: llvm-mca on what one register tile executes, times the
// tiles of the problem. It sees the core alone: data comes from L1, every branch is foreseen, a call costs nothing. So
// it orders candidates for one problem and says nothing of problems that memory bounds.
#pragma once

#include <string>
#include <vector>

#include "dwconv/dwconv.h"
#include "listing.hpp"
#include "space.hpp"

namespace dwc::tuner {

// The program llvm-mca: DWC_LLVM_MCA of the environment, else the first of llvm-mca-19, newer ones, llvm-mca in PATH.
// Throws InputError where there is none.
std::string find_llvm_mca();

struct StaticCandidate {
    Point point;
    std::string assembly, function;  // the generator's listing and the name of the kernel in it
};

struct StaticEstimate {
    double us = 0;           // of one execution
    double tile_cycles = 0;  // of one register tile
    double share = 0;        // of the rate at which the CPU issues independent multiply-adds
    std::string refused;     // why there is no estimate, or empty
};

// A CPU by LLVM's name for it (znver4, neoverse-v2) and the vectors that the target's kernels use on it.
struct StaticCpu {
    std::string program, name;
    Processor processor = Processor::x86_64;
    int lanes = 16;
    bool fma = true;
    double ghz = 3;  // a nominal clock: only ratios of estimates mean something
};

// One estimate a candidate. Throws InputError where llvm-mca does not know the CPU and std::runtime_error where it
// fails.
std::vector<StaticEstimate> static_cost(const dwc_problem &problem, const std::vector<StaticCandidate> &candidates,
                                        const StaticCpu &cpu);

// Register tiles of such a kernel that the problem takes.
double tiles_of(const dwc_problem &problem, const Point &point);

}  // namespace dwc::tuner
