// Where, when, with what and how figures were taken; every record carries it.
#pragma once

#include <string>

#include "common.hpp"

namespace cli {

struct Provenance {
    std::string cpu, isa;  // the CPU's name, and the best target of this library that it runs
    std::string machine;   // a JSON object, of tuner/machine.hpp
    std::string date, command;
    bool emulated = false;
    int pinned_cpu = -1;  // -1: not pinned
    int repeats = 0;
};

// Of this process, now. To be called after it was pinned: cores of one machine differ.
Provenance provenance_of(const std::string &command, int pinned_cpu, int repeats);
JsonObject json_of(const Provenance &provenance);
// "AMD EPYC, 1 thread pinned to CPU 1, 31 interleaved repeats, dwconv 0.1.0, 2026-01-31T12:00:00Z", as a line.
std::string origin_line(const Provenance &provenance, int threads);

}  // namespace cli
