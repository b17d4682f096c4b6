// Family `width` (ncl): the vector runs over time, t vectors of v steps in registers, one channel at a time.
//
// Every tap needs its own t vectors of x, plus one broadcast weight, so loads that cross cache lines bound it. Where
// taps are neighbours, which is a branch of its own (and every other tap with stride 2 another), most of these vectors
// are shifts of others (shift_loads.hpp). Where they lie anywhere, half-line vectors (v = 8 on AVX-512) cross a line
// every other time and beat full-line ones, which nearly always do; v / 2 lanes in that branch alone lose the fused
// multiply-add, and with it the bits of the other kernels. M > 1 is a loop outside the tile: the row of x is read again
// from L1.
#include "family.hpp"

using namespace Halide;

namespace dwc {

void schedule_width(Kernel &kernel) {
    const Vars &v = kernel.v;
    const Point &p = kernel.point;
    Func &y = kernel.y, &sum = kernel.sum.sum;
    Var io("io"), ii("ii"), lane("lane");

    y.split(v.i, io, ii, p.v * p.t, TailStrategy::ShiftInwards).split(ii, ii, lane, p.v);
    y.reorder(lane, ii, io, v.m, v.j, v.n).vectorize(lane).unroll(ii);
    if (kernel.ends) y.never_partition(io);  // RowEnds cuts the loop
    sum.compute_at(y, io).store_in(MemoryType::Register).bound_extent(v.i, p.v * p.t);
    sum.split(v.i, ii, lane, p.v).reorder(lane, ii, v.m, v.j, v.n).vectorize(lane).unroll(ii);
    unroll_taps(kernel, [&](Stage update) {
        // The channel and the multiplier are loops around the tile, so they stay outside the taps.
        update.split(v.i, ii, lane, p.v).vectorize(lane).unroll(ii);
    });
    for (const Expr &condition : kernel.neighbours) y.specialize(condition);
}

}  // namespace dwc
