// A tuning run: for every problem the search, and for every candidate it asks for compilation, a child process that
// verifies and times, and a line in the log.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "log.hpp"
#include "search.hpp"

namespace dwc::tuner {

struct TuneRequest {
    std::string target;                 // of this CPU
    std::vector<std::string> problems;  // canonical strings
    std::vector<std::string> families;  // empty: all
    int threads = 1;                    // of an execution
    int jobs = 1;                       // compilations at once
    double budget_s = std::numeric_limits<double>::infinity();
    std::optional<size_t> allowance;  // candidates a problem; 0: all; absent: default_allowance
    SearchOptions search;
    int shard = 1, shards = 1;  // this run takes problems number shard, shard + shards, ... (from 1)
    double sample_ms = 1;
    double timeout_s = 60;          // of one child
    std::string log_path, command;  // the log is created where missing, and continued where not
    std::string program;            // what `<program> tune-worker` runs; see cli/tune_worker.cpp
    std::string generator;          // see find_generator
    std::string c_compiler = "cc";
};

// Where a run stands; strings are empty where there is nothing yet.
struct Standing {
    size_t problem = 0, problems = 0;      // number of the problem, from 1
    size_t candidate = 0, candidates = 0;  // distinct ones asked for, and how many there may be
    std::string name;                      // the problem
    std::string doing;                     // "compiling 8 candidates", "timing NAME"
    std::string best;                      // kernel, on this problem
    double best_ratio = 0;                 // of its time to the incumbent's; 0: no incumbent
    double elapsed_s = 0, left_s = 0;      // left: estimated
};

struct ProblemSummary {
    std::string problem, incumbent, best;  // kernel names; empty where there is none
    std::optional<double> best_us, ratio, ratio_q25, ratio_q75;
    size_t candidates = 0, measured = 0, failed = 0;
    bool complete = false;  // the search came to its end
};

struct Reporter {
    virtual ~Reporter() = default;
    virtual void standing(const Standing &standing) = 0;  // often; may be drawn over the last one
    virtual void failure(const Result &result) = 0;       // a candidate that is out, and why
    virtual void problem_done(const ProblemSummary &done) = 0;
};

// Throws InputError where the request cannot be met, std::runtime_error where the machine fails. Ends early, with a
// valid log, when `stop` becomes true.
std::vector<ProblemSummary> tune(const TuneRequest &request, Reporter &reporter, const std::atomic<bool> &stop);

// A line of the log answers an ask for `rounds` rounds against `incumbent`.
bool answers(const Result &result, int rounds, const std::string &incumbent);

}  // namespace dwc::tuner
