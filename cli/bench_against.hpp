// `dwconv bench --against`: the kernel that a problem gets and another one, in turns on the same buffers.
#pragma once

#include <string>
#include <vector>

#include "bench_report.hpp"
#include "common.hpp"

namespace cli {

struct Duel {
    std::string problem, kernel, other;
    int threads = 1;
    int rounds = 0;
    double us_median = 0, us_min = 0, other_us_median = 0;
    // Of the times within a round; below 1 the problem's own kernel is faster. Quartiles say how far to believe it.
    double ratio = 1, ratio_q25 = 1, ratio_q75 = 1;

    // The rule by which `promote` calls a kernel faster, turned round.
    bool slower() const { return ratio > 1.03 && ratio_q25 > 1; }
};

// `against`: a kernel's name, or "default": the one that would be chosen without any measurement. Both are verified
// before they are timed. Throws Failure with one sentence that begins with the problem.
Duel fight(const std::string &problem, const PlanOptions &plan, const std::string &against, int rounds,
           double sample_ms);

std::string json_line(const Duel &duel, const Provenance &provenance);
std::string text_report(const std::vector<Duel> &duels, const Provenance &provenance);

}  // namespace cli
