// Family `flat` (nlc with few channels): time and channel are one contiguous line, cut into periods of
// P = lcm(channels, v) positions whose weights repeat. The vector runs over the positions of a period, t periods are
// kept in registers and share each vector of weights.
//
// Register budget, AVX-512: t = 8 accumulators per v = 16, one register of weights, x as memory operand. The taps of a
// run-time K stay a rolled loop over offsets: unrolled, K = 31 drowns in address arithmetic.
#include "family.hpp"

namespace dwc {

void schedule_flat(Kernel &kernel) { tile_in_registers(kernel); }

}  // namespace dwc
