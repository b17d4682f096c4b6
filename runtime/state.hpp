// Carried state of causal layers fed in chunks: the last (kernel_size - 1) * dilation inputs of every sequence, as rows
// (time, channel) with the channels side by side in both layouts, oldest first.
#pragma once

#include <cstdint>

#include "problem.hpp"
#include "stage.hpp"

namespace dwc {

// The inputs before time 0 of one sequence, and where those before its next chunk go.
struct Context {
    const char* rows;  // nullptr: zeros
    char* next;        // nullptr: nowhere; or `rows`
    int64_t steps, channels;
};

// Where the elements of a staged piece stand in time and channel: step k of plane r of row i is time
// time + residue(r) + k * time_step + i * time_row of channel channel + i * channel_row.
struct Place {
    int64_t time, time_step, time_row;
    int64_t channel, channel_row;
};

// Puts the context where stage() put zeros because the time is before 0.
void stage_context(void* dst, const Piece& piece, const Context& context, const Place& place, int64_t element);

// out = the last rows of (in, x) for channels [c0, c1): what the next chunk sees before its time 0. `x`: the sequence's
// time 0. `in` may be nullptr (zeros), or be `out`.
void update_state(const Problem& problem, const char* x, const char* in, char* out, int64_t c0, int64_t c1);

inline int64_t state_steps(const Problem& problem) { return problem.effective_kernel - 1; }

}  // namespace dwc
