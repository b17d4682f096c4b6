// Candidates for a machine without Halide: one static program that holds them, verifies and times them there and prints
// the log (remote_main.cpp).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "targets.hpp"

namespace dwc::tuner {

struct RemoteRequest {
    std::string target;                 // need not run here
    std::vector<std::string> problems;  // canonical strings
    std::vector<std::string> families;  // empty: all
    int jobs = 1;                       // compilations at once
    std::optional<size_t>
        allowance;  // candidates a problem, cheapest predicted first; 0: all; absent: default_allowance
    int threads = 1, rounds = 31;
    double sample_ms = 1, timeout_s = 60;
    std::string command, program, generator;  // as in TuneRequest
};

// Where libdwconv.a and libdwc_tuner_remote.a for a processor lie: DWC_REMOTE_KIT, or beside `program` as an install
// tree (../libexec/dwconv/remote/PROCESSOR) or a build tree has them. Throws InputError where none of them does.
std::string find_remote_kit(const std::string &program, const std::string &processor);
// The C++ compiler that links for a processor: CXX of the environment, else c++ here and PROCESSOR-linux-gnu-g++ for
// another one.
std::string remote_compiler(const std::string &processor);

struct Emitted {
    size_t kernels = 0, problems = 0;
    int64_t bytes = 0;
};
// Writes the program to `path`, under a temporary name first. Throws InputError or std::runtime_error.
Emitted emit_remote(const RemoteRequest &request, const std::string &path, const std::atomic<bool> &stop);

struct RemoteRun {
    size_t results = 0;
};
// Hands the program to `command` ("ssh host") as the standard input of a small shell script, and appends what it prints
// to the log. Throws InputError or std::runtime_error; what came before a failure is in the log.
RemoteRun run_remote(const RemoteRequest &request, const std::string &command, const std::string &log_path,
                     const std::atomic<bool> &stop);

}  // namespace dwc::tuner
