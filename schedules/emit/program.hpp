// The steps of a problem on a kernel as loops: what the library does is recorded, and repetitions are folded.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "choose.hpp"

namespace dwc::emit {

// What of a step never changes from one repetition to the next.
struct Shape {
    std::array<int64_t, 4> extent, stride;
    bool operator==(const Shape &) const = default;
};
struct ConvShape {
    Shape x, w, b, y;
    std::vector<int32_t> taps;
    int32_t max_tap, step;
    std::array<int32_t, 2> x_first;  // along i and j
    bool operator==(const ConvShape &) const = default;
};
struct Piece {
    int64_t steps, stride, length, source_step, group, rows, source_row;
    std::vector<int64_t> residues;
    bool operator==(const Piece &) const = default;
};

// A step, or (count > 0) a loop. The numbers `at` that change are, by kind:
//   stage (to, from, first)   conv (x, w, b, y)   spread (from, y)   copy (to, from)
struct Node {
    int64_t count = 0;
    std::vector<Node> body;

    dwc_step_kind kind = DWC_STEP_CONV;
    size_t shape = 0;  // index into pieces (stage), calls (conv), spreads (spread); copy: the number of elements
    std::array<dwc_step_memory, 4> memory{};
    std::array<int64_t, 4> at{};
    std::vector<std::array<int64_t, 4>> per_turn;  // what each enclosing loop adds, the outermost first
};

struct Program {
    dwc_steps_info info;
    std::vector<Piece> pieces;
    std::vector<ConvShape> calls;
    std::vector<Shape> spreads;
    std::vector<Node> nodes;
    int64_t scratch_elements = 0;  // that the steps touch
    bool leaves_out = false;       // taps that read only padding: right for finite weights
};

// Throws InputError where the kernel cannot compute the problem, and where its steps are too many.
Program record(const dwc_problem &problem, const Kernel &kernel, const tuner::TunerTarget &target,
               bool finite_weights = true);

}  // namespace dwc::emit
