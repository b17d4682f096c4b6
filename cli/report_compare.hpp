// `dwconv report`: two runs of one machine, and which of their differences are more than noise.
#pragma once

#include <string>
#include <vector>

#include "report_data.hpp"

namespace cli::report {

enum class Verdict { same, slower, faster, untold };  // untold: a record without samples

struct Change {
    const Row *before, *after;
    double ratio = 1, low = 1, high = 1;  // of the medians, after / before, and its 95 % interval
    double p = 1;                         // Mann-Whitney, two-sided, corrected for the number of rows (Holm)
    Verdict verdict = Verdict::untold;
};

struct Comparison {
    const Run *before, *after;
    double drift = 0;  // how far the halves of one run lie apart, as a share: what the machine does by itself
    double roofs = 1;  // median ratio of the roofs, after / before: what the machine did between the runs
    double noise = 0;  // a change must exceed it
    std::vector<Change> changes;
    int count(Verdict verdict) const;
};

// Of a row: ratio, interval and p without correction. Deterministic.
Change compare(const Row &before, const Row &after);
// Every run with the one before it on the same machine, by date, where they have rows in common. Runs under an emulator
// are compared with nothing. A row is slower or faster where p < 0.05 and the whole interval lies beyond the noise.
std::vector<Comparison> compare_runs(const std::vector<Run> &runs);

}  // namespace cli::report
