// `dwconv report`: records of `dwconv bench --json` and of bench/peers, read without trust into runs and rows.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cli::report {

// One problem, timed once by one library. What the record does not tell is empty or 0.
struct Row {
    std::string problem, layout;
    int threads = 1;
    std::string who = "dwconv";  // or a peer and its version
    bool ours = true;
    std::string detail;  // the kernel, or a peer's form
    std::string cache = "hot", level;
    std::string fault;  // why there is no time
    double us_median = 0, us_min = 0, us_q25 = 0, us_q75 = 0;
    std::vector<double> samples_us;  // in the order they were taken
    double flops = 0, bytes = 0;     // useful ones, of the problem
    double roof_us = 0, copy_gbs = 0, fma_gflops = 0, max_error = -1;

    double gflops() const { return us_median > 0 ? flops / us_median * 1e-3 : 0; }
    double intensity() const { return flops / bytes; }
    double share_of_roof() const { return us_median > 0 ? roof_us / us_median : 0; }
    // Rows of two runs with this in common are the same measurement.
    std::string key() const;
};

// What `dwconv bench --overhead` found.
struct OverheadRow {
    std::string problem;
    double plan_us = 0, execute_ns = 0, kernel_calls = 0;
};

// What one file says of one machine and program.
struct Run {
    std::string name;                              // "A", "B", in the order of the files
    std::string file, cpu, target, date, command;  // commands, one a line
    bool emulated = false, of_peers = false;
    std::vector<std::pair<std::string, std::string>> facts;  // of machine and program, for reading
    std::vector<Row> rows;
    std::vector<OverheadRow> overheads;

    // CPU and instruction set, which runs that can be compared have in common.
    std::string machine() const { return cpu + (target.empty() ? "" : ", " + target); }
};

// The runs of all files. Throws dwc::tuner::InputError, naming file and line, for what is no such record.
std::vector<Run> read_runs(const std::vector<std::string> &files);

}  // namespace cli::report
