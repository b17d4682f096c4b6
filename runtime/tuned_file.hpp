// The file of what was tuned on a machine, as text both ways; pure functions.
//
//   dwconv-tuned 1 <version of the library> <name of the CPU>
//   <problem> TAB <threads> TAB <kernel@target> TAB <us>
//   end <number of lines between> <FNV-1a of every byte before this line, 16 hexadecimal digits>
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "class_key.hpp"

namespace dwc {

// One thing known about this machine: on `problem`, with `threads` threads, `kernel` took `us` and no other less.
struct TunedEntry {
    std::string problem;  // canonical
    int threads;
    std::string kernel;  // "...@target"
    double us;
    bool from_file;  // or measured in this process
    dwc_problem fields;
    ClassKey key;
};

// The entry, or nothing and why it cannot be right.
std::optional<TunedEntry> make_tuned(const dwc_problem& problem, int threads, std::string_view kernel, double us,
                                     std::string* why);

std::string format_tuned(std::span<const TunedEntry> entries, std::string_view version, std::string_view cpu);

struct TunedText {
    std::vector<TunedEntry> entries;
    std::string miss;                  // why nothing was taken; empty: the file is whole and ours
    std::vector<std::string> skipped;  // lines of a whole file that were passed over, one sentence each
};
TunedText parse_tuned(std::string_view text, std::string_view version, std::string_view cpu);

}  // namespace dwc
