// The only door to Halide: builds halide_buffer_t from plain views, calls kernels, catches their errors. Nothing of
// Halide is visible through it.
#pragma once

#include <cstdint>

#include "registry.hpp"

namespace dwc {

struct Axis {
    int64_t extent, stride;  // elements
};

// A strided view, axes innermost first as in generators/algorithm.hpp. Kernels take 32-bit extents and strides and
// refuse spans of 2^31 elements and more: the plan slices larger problems.
struct View {
    void* data;
    Axis axis[4];
};

struct ConvCall {
    View x;  // (i, j, n)
    View w;  // (m, q, k)
    View b;  // (m, q)
    View y;  // (m, i, j, n)
    // Offsets of the taps along i (line families), `tap_count` of them.
    const int32_t* taps = nullptr;
    int32_t tap_count = 0, max_tap = 0;  // the largest of them; with `ends` of any kernel of family width
    // channels: the stride; width: elements between its taps; negative: taps lie in two planes in turns, -step elements
    // apart, neighbours within each; 0: as `taps` say
    int32_t step;
    // Positions of the first element of x along i and j, where output 0 has tap 0 at position 0; not 0 only along time
    // and for kernels with `ends`.
    int64_t x_first[2] = {0, 0};
    const float* parameters;  // three, of the fused activation
};

constexpr int kernel_message_size = 300;
// Where a kernel's own error message goes; one per call in flight.
struct KernelError {
    char message[kernel_message_size];
};

// 0, or the kernel's error code with its message in `error`. Where the kernel lacks the form, or the rows of y do not
// lie on the boundaries of vectors that stores around the caches need, the next lower one runs.
int call_conv(const ConvKernel& kernel, const ConvCall& call, Form form, KernelError& error);

// One step of sequences, which moves their state on: a form of ConvKernel::steps. It checks nothing.
struct StepCall {
    const char *x, *w, *b;
    char* y;
    const char* state;  // `taps` - 1 rows a sequence
    char* next;         // what becomes of it: the same memory or memory of its own
    int64_t channels, sequences, taps;
    int64_t row;                   // elements from tap to tap of w, and from row to row of a state
    int64_t x_next, y_next, slot;  // elements from sequence to sequence of x, y and state
    const float* parameters;
};
int call_step(const ConvKernel& kernel, const StepCall& call, KernelError& error);

// To be called on a thread that streamed, before others read what it wrote.
void finish_streaming();
// In place on `rows` rows of `count` f32, `row_stride` apart.
int call_activation(const ActivationRow& kernel, const float* parameters, float* values, int64_t count, int64_t rows,
                    int64_t row_stride, KernelError& error);

}  // namespace dwc
