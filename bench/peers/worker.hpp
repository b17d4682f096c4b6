// A peer is a program of its own that answers the driver's requests (drive.py says which), so that several versions of
// one library can take part, what crashes takes nobody with it, and each runs with the environment that it wants. This
// is what the C++ peers share: the requests, buffers and clocks. A peer's own file says what it is and how it computes
// a problem.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "dwconv/dwconv.h"

namespace peers {

// What to compute, on dense f32: x (n, l, c) and y (n, out, c*m), or with the last two axes swapped where the layout is
// ncl; w (k, c, m), b (c*m) or nullptr. Each x and w is followed by 4 KiB that may be read.
struct Case {
    dwc_problem problem;
    int64_t out;  // length of y
    const float* x;
    const float* w;
    const float* b;
    int threads;

    bool ncl() const { return problem.layout == DWC_NCL; }
    bool silu() const { return problem.activation == DWC_SILU; }
    int64_t channels_out() const { return problem.channels * problem.depth_multiplier; }
    int64_t y_elements() const { return problem.batch * out * channels_out(); }
    // Weights as (c*m, k), which is how libraries with groups hold them.
    std::vector<float> weights_by_channel() const;
};

// One way in which a peer computes the problem; weights are packed and everything is allocated before run().
struct Form {
    std::string name;
    std::function<void(float* y)> run;  // y: 64-byte aligned, of the case's own
    std::string refusal;                // why this form cannot compute the problem; run is empty then
};

// What a peer computes nothing with.
struct Refused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Peer {
    std::string name, version;
    std::vector<Form> (*forms)(const Case&);
};

Peer peer();  // in the peer's file

// Runs `make`, which returns a form's run(), and turns what it throws into the form's refusal.
Form form(const std::string& name, const std::function<std::function<void(float*)>()>& make);

}  // namespace peers
