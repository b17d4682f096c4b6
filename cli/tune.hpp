// `dwconv tune`: what its ways of working share. Each way is a file: measured here (tune_search.cpp), the compiled
// kernels only (rank.cpp), for machines that are not at hand (tune_elsewhere.cpp).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common.hpp"
#include "tuner/engine.hpp"

namespace cli {

struct TuneOptions {
    // As given; `problems` holds, after parsing, the canonical strings of all three sources in their order.
    std::vector<std::string> problem_words, lengths;
    std::string problems_file, model;
    std::vector<std::string> problems;

    std::string target;  // empty: the best that this CPU runs
    std::vector<std::string> families;
    std::string log;      // --resume; empty: a new file, named after the run
    std::string command;  // the command line, for the log
    int threads = 1, jobs = 0;
    double budget_s = 0;  // 0: none
    std::optional<size_t> candidates;
    int shard = 1, shards = 1;
    int first_rounds = 5, rounds = 31;
    double sample_ms = 1, timeout_s = 60;
    bool json = false;
};

// "90s", "10m", "2h". Throws Failure (invalid).
double parse_budget(const std::string &text);
// "2/8". Throws Failure (invalid).
void parse_shard(const std::string &text, int *shard, int *shards);
// The problems of a file, one a line, '#' starts a comment, each as `canonical` makes it. Throws Failure (invalid).
std::vector<std::string> read_problems(const std::string &path, std::string (*canonical)(const std::string &));
// Fills `problems`. Throws Failure (invalid) that names option or file and line, and where there is no problem at all.
void collect_problems(TuneOptions *options);
// The problem of every DepthwiseConv1D layer of the model on every length, one row at a time. Throws Failure.
std::vector<std::string> problems_of_model(const std::string &path, const std::vector<std::int64_t> &lengths);
// `wanted`, or where it is empty the best target of this CPU. Throws Failure (invalid) for a device's.
std::string target_to_tune(const std::string &wanted);
// As it was given, without the program's own path.
std::string command_line();

// How a run goes, on stderr: on a terminal one line that is drawn anew, elsewhere a plain line every ten seconds.
std::unique_ptr<dwc::tuner::Reporter> make_progress();
// Takes what make_progress() has drawn off the terminal.
void clear_progress(dwc::tuner::Reporter &progress);
// True once the user or the system asks the process to end; the second time it ends.
const std::atomic<bool> &stop_on_signals();
void print_summaries(const std::vector<dwc::tuner::ProblemSummary> &summaries, bool json);

// Searches, compiles and measures on this machine.
int tune_search(const TuneOptions &options);

}  // namespace cli
