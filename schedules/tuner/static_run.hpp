// A tuning run without the machine: the same search as engine.hpp's, its answers from static_cost.hpp.
#pragma once

#include <limits>

#include "engine.hpp"
#include "static_cost.hpp"

namespace dwc::tuner {

struct StaticRequest {
    std::string target;                 // need not run here
    std::vector<std::string> problems;  // canonical strings
    std::vector<std::string> families;  // empty: all
    std::vector<std::string> defaults;  // variant names of the target; the one of least predicted cost is the incumbent
    int jobs = 1;
    std::optional<size_t> allowance;  // as in TuneRequest
    int shard = 1, shards = 1;
    double budget_s = std::numeric_limits<double>::infinity();  // no problem is begun after it
    std::string cpu;                                            // LLVM's name
    double ghz = 3;
    std::string log_path, command, generator;
};

// As tune(); results carry source "static" and no samples. Throws InputError where the request cannot be met or the
// target belongs to a processor that llvm-mca does not know under this CPU.
std::vector<ProblemSummary> static_tune(const StaticRequest &request, Reporter &reporter,
                                        const std::atomic<bool> &stop);

// The one of `names` (variant names) with the least predicted cost; empty where none computes the problem.
std::string cheapest(const dwc_problem &problem, const std::string &target, const std::vector<std::string> &names);

}  // namespace dwc::tuner
