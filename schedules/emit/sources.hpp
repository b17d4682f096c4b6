// The text of an emitted folder: C of the layers, header, dispatch, build file, example.
#pragma once

#include <string>
#include <vector>

#include "emit.hpp"
#include "program.hpp"

namespace dwc::emit {

// One layer on one target.
struct Unit {
    const Layer *layer;
    const tuner::TunerTarget *target;
    Kernel kernel;
    Program program;
    std::string symbol;  // of the kernel
    int64_t code_bytes = 0;
};

struct Folder {
    const Request *request;
    std::vector<const tuner::TunerTarget *> targets;  // best first
    std::vector<Unit> units;                          // by target, then by layer
    std::vector<const Unit *> of(const tuner::TunerTarget *target) const;
    std::vector<const Unit *> of(const Layer *layer) const;
};

// Where the bias begins in the packed weights of a unit, and where they end; elements.
int64_t bias_at(const Unit &unit);
int64_t packed_elements(const Unit &unit);

// An expression of C that is true where the CPU has `feature`. Throws InputError for one that is not known here.
std::string cpu_test(const std::string &feature);

std::string target_source(const Folder &folder, const tuner::TunerTarget *target);  // NAME_<target>.c
std::string header(const Folder &folder);                                           // NAME.h
std::string dispatch_source(const Folder &folder);                                  // NAME.c
std::string cmake_lists(const Folder &folder);                                      // CMakeLists.txt
std::string readme(const Folder &folder);                                           // README.md
std::string example_data(const Folder &folder);                                     // example_data.h
std::string example(const Folder &folder);                                          // example.c
const char *runtime_header();                                                       // dwconv_emitted.h

// Pieces of C.
std::string literal(float value);
std::string float_list(const std::vector<float> &values);
std::string upper(std::string text);

}  // namespace dwc::emit
