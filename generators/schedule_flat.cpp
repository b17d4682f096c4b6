// Family `flat` (nlc with few channels): time and channel are one contiguous line, cut into periods of
// P = lcm(channels, v) positions whose weights repeat. The vector runs over the positions of a period, t periods are
// kept in registers and share each vector of weights.
//
// Register budget, AVX-512: t = 8 accumulators per v = 16, one register of weights, x as memory operand. The taps of a
// run-time K stay a rolled loop over offsets: unrolled, K = 31 drowns in address arithmetic.
#include "family.hpp"

namespace dwc {

// With a fixed K and M > 1 a tile takes K * M vectors of weights, half as many as products: where they find registers,
// they stay there over sixteen tiles. C = 12, K = 3, M = 3: 2.6 to 1.9 us with a busy neighbour, 1.95 to 1.9 without
// one.
void schedule_flat(Kernel &kernel) {
    const Point &p = kernel.point;
    const int weights = (p.k + 1) * p.m * p.v / kernel.lanes;  // and bias
    const bool march = p.k > 0 && p.m > 1 && weights + accumulators(p, kernel.lanes) <= kernel.registers - 4;
    tile_in_registers(kernel, march ? 16 : 1);
}

}  // namespace dwc
