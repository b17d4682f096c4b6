// Family `gpuncl`: neighbouring threads compute neighbouring stretches of time of one row, t vectors of v outputs each;
// v = 4 stores 128 bits at once. Loads are single: padding moves them off every boundary. Neighbouring threads read
// neighbouring windows, whose cache lines they share in L1.
//
// Register budget as in gpunlc: v * t accumulators and a window of v * t + K - 1, which is also why the sum is unrolled
// and not vectorised: vectors that start anywhere in the window would put it into memory.
#include "gpu_family.hpp"

using namespace Halide;

namespace dwc {

void schedule_gpuncl(GpuKernel &kernel) {
    const Vars &v = kernel.v;
    const Point &p = kernel.point;
    Func &y = kernel.y, &sum = kernel.sum.sum;
    Var io("io"), ii("ii"), vector("vector"), lane("lane");

    // The runtime sees to it that v divides the outputs of a row.
    y.split(v.i, vector, lane, p.v, TailStrategy::RoundUp).split(vector, io, ii, p.t, TailStrategy::GuardWithIf);
    y.reorder(lane, ii, io, v.j, v.n).vectorize(lane).unroll(ii);
    const Var thread = line_of_threads(kernel, io, v.j);

    kernel.tile = {{v.i, p.v * p.t}, {v.j, 1}};
    sum.compute_at(y, thread).store_in(MemoryType::Register).bound_extent(v.i, p.v * p.t).bound_extent(v.j, 1);
    sum.reorder(v.i, v.j, v.m, v.n).unroll(v.i);
    for (size_t u = 0; u < kernel.sum.taps.size(); ++u) {
        const RDom &k = kernel.sum.taps[u];
        Stage update = sum.update(static_cast<int>(u));
        if (k.dimensions() == 2)
            update.reorder(v.i, k.x, k.y, v.j, v.m, v.n).unroll(k.x);
        else
            update.reorder(v.i, k.x, v.j, v.m, v.n);
        if (p.k > 0) update.unroll(k.x);
        update.unroll(v.i);
    }
    place_result(kernel, thread);
    place_windows(kernel, thread, [&](Func &window) { window.unroll(v.i); });
}

}  // namespace dwc
