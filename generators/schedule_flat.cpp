// Family `flat` (nlc with few channels): time and channel are one contiguous line, cut into periods of
// P = lcm(channels, v) positions whose weights repeat. The vector runs over the positions of a period, t periods are
// kept in registers and share each vector of weights.
//
// Register budget, AVX-512: t = 8 accumulators per v = 16, one register of weights, x as memory operand. The taps of a run-time K
// stay a rolled loop over offsets: unrolled, K = 31 drowns in address arithmetic.
#include "family.hpp"

using namespace Halide;

namespace dwc {

void schedule_flat(Kernel &kernel) {
    const Vars &v = kernel.v;
    const Point &p = kernel.point;
    Func &y = kernel.y, &sum = kernel.sum.sum;
    Var io("io"), ii("ii"), jo("jo"), ji("ji");

    y.split(v.i, io, ii, p.v, TailStrategy::ShiftInwards).split(v.j, jo, ji, p.t, TailStrategy::ShiftInwards);
    y.reorder(v.m, ii, ji, io, jo, v.n).vectorize(ii).unroll(ji);
    if (p.m > 1) y.vectorize(v.m);
    sum.compute_at(y, io).store_in(MemoryType::Register).reorder_storage(v.i, v.m, v.j, v.n);
    sum.bound_extent(v.m, p.m).bound_extent(v.i, p.v).bound_extent(v.j, p.t);
    sum.reorder(v.i, v.m, v.j, v.n).vectorize(v.i).unroll(v.m).unroll(v.j);
    unroll_taps(kernel, [&](Stage update) { update.vectorize(v.i).unroll(v.m).unroll(v.j); });
}

}  // namespace dwc
