// Family `channels` (nlc): the vector runs over channels, t steps of time are kept in registers.
//
// Register budget, AVX-512 (32 registers): v = 32, t = 7 keeps 14 accumulators; one register holds the weights of tap
// k and x comes as the memory operand of the multiply-add, or is shared by neighbouring steps where K and the stride
// are compile-time numbers (t + K - 1 loads for t * K products). With M > 1 one load of x feeds M accumulators; they
// are interleaved once, when the tile is stored.
//
// Rows of 512 channels and multiples lie in the same sets of a first-level cache, and so do the outputs where x and y
// start alike: few rows of two registers do better there than many of one. Zen 4, x and y in L2, GF/s with (v, t) =
// (16, 12), (16, 8), (32, 7): 512 channels, K = 31: 91, 93, 106; 1024: 40, 48, 72; 1000: 88, 97, 94; 192: 111, 111,
// 107.
#include "family.hpp"

using namespace Halide;

namespace dwc {

void schedule_channels(Kernel &kernel) { tile_in_registers(kernel); }

void tile_in_registers(Kernel &kernel, int march) {
    const Vars &v = kernel.v;
    const Point &p = kernel.point;
    Func &y = kernel.y, &sum = kernel.sum.sum;
    Var io("io"), ii("ii"), jb("jb"), jo("jo"), ji("ji");
    const int steps = kernel.step_by_step ? 1 : p.t;  // summed together, and stored

    y.split(v.i, io, ii, p.v, TailStrategy::ShiftInwards).split(v.j, jo, ji, p.t, TailStrategy::ShiftInwards);
    if (p.m == 0) {  // any multiplier: one output at a time, the kernel that computes what no other can
        y.reorder(ii, ji, v.m, io, jo, v.n).unroll(ji);
        sum.compute_at(y, v.m);
    } else {
        if (march > 1)
            y.split(jo, jb, jo, march, TailStrategy::GuardWithIf).reorder(v.m, ii, ji, jo, io, jb, v.n);
        else
            y.reorder(v.m, ii, ji, io, jo, v.n);
        if (kernel.ends) y.never_partition(jo);  // StepEnds cuts the loop
        y.vectorize(ii).unroll(ji);
        if (p.m > 1) y.vectorize(v.m);
        const Var tile = march > 1 ? jo : io;
        sum.compute_at(y, kernel.step_by_step ? ji : tile).bound_extent(v.m, p.m).unroll(v.m);
    }
    sum.store_in(MemoryType::Register)
        .bound_extent(v.i, p.v)
        .bound_extent(v.j, steps)
        .reorder_storage(v.i, v.m, v.j, v.n);
    sum.reorder(v.i, v.m, v.j, v.n).vectorize(v.i).unroll(v.j);
    unroll_taps(kernel, [&](Stage update) {
        update.vectorize(v.i).unroll(v.j);
        if (p.m > 0) update.unroll(v.m);
    });
}

}  // namespace dwc
