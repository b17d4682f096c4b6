// Kernels as archives of the folder: runs the generator program, once a kernel that several layers may share.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "choose.hpp"

namespace dwc::emit {

// One kernel on one target.
struct Job {
    Kernel kernel;
    const tuner::TunerTarget *target;
    std::string symbol;      // the C function
    int64_t code_bytes = 0;  // result: of instructions and constants
};

// FOLDER/lib<symbol>.a for each, FOLDER/<target>/ made where missing. Kernels need no runtime and import nothing of
// Halide. Throws std::runtime_error with the generator's words.
void compile(const std::string &generator, const std::string &folder, std::vector<Job> *jobs,
             const std::atomic<bool> &stop);

}  // namespace dwc::emit
