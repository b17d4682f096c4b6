// Family `gpunlc`: neighbouring threads compute neighbouring channels (v of them each, one 128-bit access for v = 4),
// each t steps of time.
//
// Register budget: 64 a thread keep half of an SM's threads resident, which is enough for 128-bit loads. v = 4, t = 4
// keeps 16 accumulators and, at K = 4, a window of 7 vectors; the weights of one tap are one vector.
#include "gpu_family.hpp"

using namespace Halide;

namespace dwc {

void schedule_gpunlc(GpuKernel &kernel) {
    const Vars &v = kernel.v;
    const Point &p = kernel.point;
    Func &y = kernel.y, &sum = kernel.sum.sum;
    Var io("io"), ii("ii"), jo("jo"), ji("ji");

    // The runtime sees to it that v divides the channels.
    y.split(v.i, io, ii, p.v, TailStrategy::RoundUp).split(v.j, jo, ji, p.t, TailStrategy::GuardWithIf);
    y.reorder(ii, ji, io, jo, v.n).vectorize(ii).unroll(ji);
    const Var thread = line_of_threads(kernel, io, jo);

    kernel.tile = {{v.i, p.v}, {v.j, p.t}};
    sum.compute_at(y, thread).store_in(MemoryType::Register).bound_extent(v.i, p.v).bound_extent(v.j, p.t);
    sum.reorder(v.i, v.j, v.m, v.n).vectorize(v.i).unroll(v.j);
    for (size_t u = 0; u < kernel.sum.taps.size(); ++u) {
        const RDom &k = kernel.sum.taps[u];
        Stage update = sum.update(static_cast<int>(u));
        if (k.dimensions() == 2)
            update.reorder(v.i, v.j, k.x, k.y, v.m, v.n).unroll(k.x);
        else
            update.reorder(v.i, v.j, k.x, v.m, v.n);
        if (p.k > 0) update.unroll(k.x);
        update.vectorize(v.i).unroll(v.j);
    }
    place_result(kernel, thread);
    place_windows(kernel, thread, [&](Func &window) { window.bound_extent(v.i, p.v).vectorize(v.i).unroll(v.j); });
}

}  // namespace dwc
