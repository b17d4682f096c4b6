// What the tuner must know of a target beyond the public interface: how to compile for it.
#pragma once

#include <string>

namespace dwc::tuner {

struct TunerTarget {
    const char *name;
    const char *halide;     // target string without features of a runtime
    const char *processor;  // as uname -m has it
    int lanes;              // f32 in a vector register
    const char *cpu;        // comma-separated features it needs
    bool on_x86() const;
    bool intel() const;  // tuned for cores of Intel's
    int registers() const;  // vector registers
};

// nullptr where schedules/targets.json has no such target.
const TunerTarget *tuner_target(const std::string &name);
std::string halide_version();  // of this build; empty where its generator was given ready-made

}  // namespace dwc::tuner
