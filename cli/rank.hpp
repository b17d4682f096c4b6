// `dwconv tune --rank-only`: the compiled kernels of some problems, measured on this machine.
#pragma once

#include <string>
#include <vector>

namespace cli {

struct RankOptions {
    std::vector<std::string> problems;
    std::string out;     // the file that DWC_TUNED_FILE can name; empty: none is written
    std::string target;  // empty: the best that this CPU runs
    int threads = 1;
    double budget_s = 0;  // for all problems together; 0: half a second each
    bool json = false;
};

// Measures, prints one line a problem and writes the file. Throws Failure.
int rank_kernels(const RankOptions &options);

}  // namespace cli
