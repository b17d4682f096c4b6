// Which kernels a library is compiled with: as few percent as possible from the best of every problem, within a budget.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "database.hpp"

namespace dwc::promote {

// How far the chosen kernels are from the best measured ones, of the problems of one target.
struct Loss {
    int problems = 0, not_best = 0;
    double mean = 0;   // geometric mean of time over best time, less 1
    double worst = 0;  // the same of the worst problem
    std::string worst_problem;
};

struct Coverage {
    std::vector<std::string> recorded;  // kernels besides the default points, sorted
    Loss measured;
};

// Chooses at most `budget` kernels of `target` besides `defaults` (names without "@target"), which are compiled anyway,
// and sets `chosen` of its evidence. Greedily by what a kernel saves over all problems, then by exchanges and by
// leaving out one at a time, while that saves more. No kernel is compiled for an estimate, which knows neither spills
// nor caches well enough: it names the best of those that are there. Ties by name.
Coverage choose(Database *database, const std::string &target, const std::set<std::string> &defaults, size_t budget);

}  // namespace dwc::promote
