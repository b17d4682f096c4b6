// The space of schedules: what a point is, which values are legal, which combinations make sense. Plain C++ without
// Halide, so that the generator, the tuner and the validator of records share one statement of it.
#ifndef DWCONV_SCHEDULES_SPACE_HPP
#define DWCONV_SCHEDULES_SPACE_HPP

#include <string>

namespace dwc {

// One variant of a family: what is fixed at compile time, and the numbers of its schedule.
struct Point {
    std::string family;      // "channels", "width", "flat"
    std::string activation;  // fused: "linear", "clamp", "silu"
    int k = 0;               // taps; 0: any, at run time
    int stride = 0;          // 0: any, at run time (channels); the line families read through tap offsets, see below
    int m = 1;               // depth multiplier; 0: any, at run time
    int v = 0;               // lanes of the vectorised axis in one register tile: channels, or positions of a line
    int t = 0;               // register tiles along the other blocking axis
    int block = 4;           // taps unrolled where K is known at run time only
};

// Vector registers of f32 that the accumulators of one tile take.
inline int accumulators(const Point &p, int lanes) {
    const int vectors = (p.v + lanes - 1) / lanes;
    return vectors * p.t * (p.m > 1 ? p.m : 1);
}

// The first rule that `p` breaks on a target with `lanes` f32 lanes and `registers` vector registers; empty if legal.
//
//   channels  i = channel (v lanes), j = time (t steps); k, stride, m each fixed or at run time
//   width     i = time (v lanes, t vectors of them), j = channel; tap offsets, or with a fixed k one distance of taps
//   flat      i = position in one period of (time, channel) (v lanes), j = period (t of them); tap offsets; m fixed
inline std::string broken_rule(const Point &p, int lanes, int registers) {
    const bool channels = p.family == "channels", width = p.family == "width", flat = p.family == "flat";
    if (!channels && !width && !flat) return "family must be channels, width or flat";
    if (p.activation != "linear" && p.activation != "clamp" && p.activation != "silu")
        return "activation must be linear, clamp or silu";
    if (p.k < 0 || p.k > 16) return "k must be 0 (run time) or 1..16: longer kernels drown in their own code";
    if (p.v < 1 || p.v > 64 || (p.v & (p.v - 1)) != 0) return "v must be a power of two from 1 to 64";
    if (p.t < 1 || p.t > 32) return "t must be from 1 to 32";
    if (p.block < 1 || p.block > 16) return "block must be from 1 to 16";
    if (p.stride < 0 || p.stride > 4) return "stride must be 0 (run time) or 1..4";
    if (!channels && p.stride != 1) return "stride must be 1: the line families see a strided row as phases";
    if (width && p.m != 0) return "m must be 0 in family width, where it is a loop";
    if (p.m < 0 || p.m > 8) return "m must be 0 (run time) or 1..8";
    if (channels && p.m == 0 && p.v != 1) return "m at run time needs v 1";
    if (flat && p.m == 0) return "m must be fixed in family flat";
    // One register for the input, one for the weights and two for the compiler to move through.
    if (accumulators(p, lanes) > registers - 4) return "the accumulators must leave four vector registers free";
    return {};
}

}  // namespace dwc

#endif
