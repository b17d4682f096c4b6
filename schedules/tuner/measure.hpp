// Verifying and timing one kernel on one problem, in the process that calls. Needs the public interface alone, so that
// a program on a device can be made of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "log.hpp"

namespace dwc::tuner {

// Runs `kernel` ("name@target") on the problem and on small ones beside it, with inputs that end where a page that
// cannot be read begins and outputs between guards, and compares with dwc_reference. Empty, or one sentence that says
// what is wrong. Throws std::runtime_error where that could not be found out (memory, a plan that fails).
std::string verify(const std::string &problem, const std::string &kernel, int threads);

struct TimingOptions {
    int rounds = 5;
    double sample_ms = 1;  // least length of one sample
};
// A candidate that is slower than this many times the incumbent in every one of the first rounds needs no more.
inline constexpr double kHopeless = 1.5;
inline constexpr int kHopelessRounds = 3;

struct Timing {
    std::vector<double> us, incumbent_us;  // one a round, of the same rounds
};
// Microseconds of one execution, round after round the candidate and (where named) the incumbent on the same buffers in
// alternating order. Throws std::runtime_error.
Timing time_interleaved(const std::string &problem, const std::string &kernel, const std::string &incumbent,
                        int threads, const TimingOptions &options);

// Fills the statistics of `result`.
void summarise(const Timing &timing, Result *result);
// Quantile q of the values, between neighbours linearly; 0 of none.
double quantile(std::vector<double> values, double q);

// Keeps the calling thread, and those it starts, on the CPU it is on; a timing that wanders measures the caches.
void pin_to_current_cpu();

}  // namespace dwc::tuner
