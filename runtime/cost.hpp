// What a kernel can compute and what it is predicted to cost: pure functions of the problem and one row.
#pragma once

#include <string>

#include "problem.hpp"
#include "registry.hpp"

namespace dwc {

// Why a kernel is not for a problem: false where it is. Plans ask hundreds of kernels, so it becomes a sentence only
// where somebody reads it.
struct Refusal {
    const char* format = nullptr;  // of printf: for `word`, or else for numbers
    const char* word = nullptr;
    long long numbers[2] = {};
    explicit operator bool() const { return format; }
    std::string text() const;
};
// Why `kernel` cannot compute the problem.
Refusal refusal(const Problem& problem, const ConvKernel& kernel);

// Predicted cost in multiply-add slots of one lane: the lanes a kernel computes, waste included, times how far from the
// peak its inner loop runs. The factors were measured on Zen 4 (2 x 512-bit halves), f32, 2026-11-22, and order the
// points; only their ratios matter.
double predicted_cost(const Problem& problem, const ConvKernel& kernel);

// Sequences that one launch of a device's kernel may span with 32-bit offsets; 0: not even one.
int64_t device_batch(const Problem& problem);
// Outputs along time that one call of a `channels` kernel sees at least: the rows of the shortest dilation phase.
int64_t phase_rows(const Problem& problem);
// One new input a sequence after its carried state, in rows of channels that touch: a `flat` kernel crosses them at
// once.
bool is_step(const Problem& problem);
// Whether a kernel computes one multiple of the channels at a time, put between the others from a tile in L1.
bool planar(const Problem& problem, const ConvKernel& kernel);
// Whether a kernel for nlc computes tiles of ncl turned round, and where it does whether these go on from sequence to
// sequence because one has fewer channels than its vectors have lanes.
bool turned(const Problem& problem, const ConvKernel& kernel);
bool merges_sequences(const Problem& problem, const ConvKernel& kernel);
// Positions of one period of a `flat` kernel, or of merged sequences.
int64_t flat_period(int64_t channels, int v);

}  // namespace dwc
