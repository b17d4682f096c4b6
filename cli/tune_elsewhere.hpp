// `dwconv tune` for machines that are not at hand: --cost static, --emit-remote and --remote.
#pragma once

#include "tune.hpp"

namespace cli {

struct ElsewhereOptions {
    std::string cost = "measured", cpu;  // --cost static --cpu NAME
    double ghz = 3;
    std::string emit_remote, remote;      // a file to write; a command that runs what follows on the device
    std::string schedules = "schedules";  // where the default points stand, for targets that are not built here
    bool wanted() const { return cost != "measured" || !cpu.empty() || !emit_remote.empty() || !remote.empty(); }
};

void add_elsewhere_options(CLI::App &command, ElsewhereOptions &options);
// Throws Failure (invalid) where the options do not go together.
int tune_elsewhere(const TuneOptions &tune, const ElsewhereOptions &options);

}  // namespace cli
