// The mathematics of depthwise 1-D convolution, stated once. Nothing here knows a target, a vector size or a schedule.
#ifndef DWCONV_GENERATORS_ALGORITHM_HPP
#define DWCONV_GENERATORS_ALGORITHM_HPP

#include <Halide.h>

#include <functional>
#include <vector>

namespace dwc {

// Index order of every kernel, innermost first:
//   x(i, j, n)      i: the axis with element stride 1; j: the other one; n: batch or dilation phase
//   w(m, q, k)      q: the axis of i and j that names the channel; k: tap
//   b(m, q)
//   y(m, i, j, n)   m < depth_multiplier
struct Vars {
    Halide::Var m{"m"}, i{"i"}, j{"j"}, n{"n"};
};

// The input or weight that tap k of output (m, i, j, n) reads, as f32.
using At = std::function<Halide::Expr(Halide::Expr k)>;

struct Sum {
    Halide::Func sum{"sum"};         // sum(m, i, j, n), f32
    std::vector<Halide::RDom> taps;  // one per update, in ascending tap order
};

// How a multiply and an add become one operation of one rounding: not at all, by the compiler's contraction, or by a
// function of the language that is compiled to (OpenCL C).
enum class Fused { no, contracted, called };

// x * w + acc. Halide 21 has no strict fused multiply-add, but contracts this expression to one wherever the target has
// it, and one is never reordered. Without it the compiler would reorder the additions: there each step is strict.
inline Halide::Expr multiply_add(const Halide::Expr &x, const Halide::Expr &w, const Halide::Expr &acc, Fused fused) {
    using Halide::Internal::Call;
    if (fused == Fused::contracted) return acc + x * w;
    if (fused == Fused::called) return Call::make(acc.type(), "fma", {x, w, acc}, Call::PureExtern);
    const Halide::Expr product = Call::make(acc.type(), Call::strict_mul, {x, w}, Call::PureIntrinsic);
    return Call::make(acc.type(), Call::strict_add, {acc, product}, Call::PureIntrinsic);
}

// sum = bias + sum_k x_at(k) * w_at(k), taps ascending, one multiply-add each: the order is part of the contract, all
// kernels of a target agree to the bit. With a compile-time K there is one update over its taps. With a run-time one
// (fixed_k = 0) the taps go by blocks of `block`, the inner dimension of the first update, and a remainder; padding K
// with zero weights instead would turn 0 * Inf into NaN.
inline Sum depthwise(const Vars &v, const Halide::Expr &bias, const At &x_at, const At &w_at, int fixed_k,
                     const Halide::Expr &k, int block, Fused fused) {
    Sum s;
    s.sum(v.m, v.i, v.j, v.n) = bias;
    const auto add_tap = [&](const Halide::Expr &tap) {
        s.sum(v.m, v.i, v.j, v.n) = multiply_add(x_at(tap), w_at(tap), s.sum(v.m, v.i, v.j, v.n), fused);
    };
    if (fixed_k > 0) {
        Halide::RDom all(0, fixed_k, "k");
        add_tap(all.x);
        s.taps = {all};
        return s;
    }
    Halide::RDom blocks(0, block, 0, k / block, "k");
    add_tap(blocks.y * block + blocks.x);
    Halide::RDom rest(0, k % block, "k_rest");
    add_tap((k / block) * block + rest.x);
    s.taps = {blocks, rest};
    return s;
}

}  // namespace dwc

#endif
