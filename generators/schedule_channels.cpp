// Family `channels` (nlc): the vector runs over channels, t steps of time are kept in registers.
//
// Register budget, AVX-512 (32 registers): v = 16, t = 12 keeps 12 accumulators; one register holds the weights of tap
// k and x comes as the memory operand of the multiply-add, or is shared by neighbouring steps where K and the stride
// are compile-time numbers (t + K - 1 loads for t * K products). With M > 1 one load of x feeds M accumulators; they
// are interleaved once, when the tile is stored. Zen 4, x and y in L2, us: 192,384,4 with (v, t) = (16, 4) 7.1, (16,
// 8) 8.0, (32, 4) 7.5; 192,384,31 with (16, 12) 45.5, (32, 8) 48.4; 64,1670,33 at stride 2 with (16, 8) 35.8, (32,
// 4) 37.2.
#include "family.hpp"

using namespace Halide;

namespace dwc {

void schedule_channels(Kernel &kernel) { tile_in_registers(kernel); }

void tile_in_registers(Kernel &kernel) {
    const Vars &v = kernel.v;
    const Point &p = kernel.point;
    Func &y = kernel.y, &sum = kernel.sum.sum;
    Var io("io"), ii("ii"), jo("jo"), ji("ji");
    const int steps = kernel.step_by_step ? 1 : p.t;  // summed together, and stored

    y.split(v.i, io, ii, p.v, TailStrategy::ShiftInwards).split(v.j, jo, ji, p.t, TailStrategy::ShiftInwards);
    if (p.m == 0) {  // any multiplier: one output at a time, the kernel that computes what no other can
        y.reorder(ii, ji, v.m, io, jo, v.n).unroll(ji);
        sum.compute_at(y, v.m);
    } else {
        y.reorder(v.m, ii, ji, io, jo, v.n).vectorize(ii).unroll(ji);
        if (p.m > 1) y.vectorize(v.m);
        sum.compute_at(y, kernel.step_by_step ? ji : io).bound_extent(v.m, p.m).unroll(v.m);
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
