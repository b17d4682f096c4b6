// Every elementwise activation, stated once, as Halide expressions of an f32 value; fused into the convolution kernels
// (linear, clamp, silu) and compiled alone by activation_generator.cpp (the rest; see kActivationFunctions).
//
// Two facts of Halide shape this file. Its default arithmetic is fast-math (NaN, Inf and rounding do not count, terms
// move freely), which is wanted inside polynomials for the sake of FMA and fatal in comparisons and error-compensated
// steps; so those use single strict operations, never strict_float(), which turns a whole tree strict and loses the
// FMAs. And tanh, log and erf are libm calls per lane; so everything here is built from one exponential of our own.
#ifndef DWCONV_GENERATORS_ACTIVATION_HPP
#define DWCONV_GENERATORS_ACTIVATION_HPP

#include <Halide.h>

#include <cfloat>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace dwc {

// What `function` may be when compiled alone. "linear" is the identity and is only ever fused.
inline const char *const kActivationFunctions[] = {
    "clamp",  "elu",     "exponential", "gelu",     "gelu_tanh", "hard_gate",  "mish", "relu",
    "shrink", "sigmoid", "silu",        "softplus", "softsign",  "squareplus", "tanh", "threshold",
};

namespace activation {

using Halide::Expr;
using Halide::Internal::Call;

// One strict operation on operands that stay as they are. (Not strict_le: Halide lowers a <= b to !(b < a), true on
// NaN.)
inline Expr strict(Call::IntrinsicOp op, const Expr &a, const Expr &b) {
    const bool compare = op == Call::strict_lt || op == Call::strict_eq;
    return Call::make(compare ? Halide::Bool(a.type().lanes()) : a.type(), op, {a, b}, Call::PureIntrinsic);
}
inline Expr add(const Expr &a, const Expr &b) { return strict(Call::strict_add, a, b); }
inline Expr sub(const Expr &a, const Expr &b) { return strict(Call::strict_sub, a, b); }
inline Expr mul(const Expr &a, const Expr &b) { return strict(Call::strict_mul, a, b); }
inline Expr div(const Expr &a, const Expr &b) { return strict(Call::strict_div, a, b); }
inline Expr less(const Expr &a, const Expr &b) { return strict(Call::strict_lt, a, b); }  // false on NaN
// Let NaN in v through, unlike Halide's max and min.
inline Expr at_least(const Expr &v, const Expr &lo) { return select(less(v, lo), lo, v); }
inline Expr at_most(const Expr &v, const Expr &hi) { return select(less(hi, v), hi, v); }
inline Expr between(const Expr &v, float lo, float hi) { return at_most(at_least(v, lo), hi); }

inline Expr bits(const Expr &v) { return Halide::reinterpret<uint32_t>(v); }
inline Expr from_bits(const Expr &v) { return Halide::reinterpret<float>(v); }
inline Expr u32(uint32_t v) { return Halide::Internal::make_const(Halide::UInt(32), v); }
inline Expr magnitude(const Expr &v) { return from_bits(bits(v) & u32(0x7fffffff)); }
inline Expr with_sign_of(const Expr &v, const Expr &sign) {
    return from_bits(bits(v) | (bits(sign) & u32(0x80000000)));
}

// c[0] + c[1] x + c[2] x^2 + ...
inline Expr polynomial(const Expr &x, std::initializer_list<float> c) {
    const std::vector<float> v(c);
    Expr sum = v.back();
    for (size_t i = v.size() - 1; i-- > 0;) sum = sum * x + v[i];
    return sum;
}

// x = n ln2 + r with integer n and |r| <= ln2/2. Adding 1.5 * 2^23 rounds to integer and leaves n + bias in the low
// bits, so that shifting them up by 23 makes 2^(n + bias - 127).
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kMagic = 12582912.0f;
struct Reduced {
    Expr n, r;
    Expr scale;  // 2^(n + bias - 127), where that is a normal float
};

// x = hi + lo. n * 0.693359375 is exact (10 bits), so the reduction loses nothing with or without FMA. |x| < 130.
inline Reduced reduce(const Expr &hi, const Expr &lo = Expr(), float bias = 127.0f) {
    const Expr rounded = hi * kLog2e + (kMagic + bias);
    const Expr n = sub(rounded, kMagic + bias);
    Expr r = sub(hi, mul(n, 0.693359375f)) + n * 2.12194440e-4f;
    if (lo.defined()) r = r + lo;
    return {n, r, from_bits(bits(rounded) << 23)};
}

// e^r - 1 for |r| <= ln2/2, relative error below 2e-8 before rounding.
inline Expr expm1_reduced(const Expr &r) {
    return r * r * polynomial(r, {0.49999997f, 0.166665435f, 0.0416672006f, 0.00836658012f, 0.00138825097f}) + r;
}

// e^(hi + lo) for hi <= 88, 0 from hi < -87 (the result is under 1.7e-38). NaN stays: 2^n may come out as anything
// then, so it is a factor, not added to the exponent bits.
inline Expr exp_normal(const Expr &hi, const Expr &lo = Expr()) {
    const Reduced x = reduce(at_least(hi, -87.0f), lo);
    return select(less(hi, -87.0f), 0.0f, mul(add(expm1_reduced(x.r), 1.0f), x.scale));
}

// e^x, from denormals to Inf. 2^n itself may be no float: 2^(n/2) twice, the odd one by a factor of 2.
inline Expr exponential(const Expr &x) {
    const Expr bounded = between(x, -104.0f, 89.0f);
    const Reduced whole = reduce(bounded);
    const Expr n = Halide::reinterpret<int32_t>(bits(add(whole.n, kMagic)) - bits(Expr(kMagic)));
    const Expr half = Halide::reinterpret<uint32_t>(n >> 1);
    const Expr rest = Halide::reinterpret<uint32_t>(n) - half;
    const auto power = [](const Expr &k) { return from_bits((k + u32(127)) << 23); };
    return mul(mul(add(expm1_reduced(whole.r), 1.0f), power(half)), power(rest));
}

// e^x - 1 without cancellation, computed at half its size so that 2^n stays finite up to the overflow.
inline Expr expm1(const Expr &x) {
    const Reduced v = reduce(between(x, -30.0f, 89.0f), Expr(), 126.0f);
    return mul(v.scale * expm1_reduced(v.r) + sub(v.scale, 0.5f), 2.0f);
}

// log(1 + t) for 0 <= t <= 1 as 2 atanh(t / (2 + t)).
inline Expr log1p(const Expr &t) {
    const Expr s = div(t, add(t, 2.0f));
    const Expr z = s * s;
    return s * z * polynomial(z, {0.666666746f, 0.39998877f, 0.286168844f, 0.214276582f, 0.243009344f}) + 2.0f * s;
}

// c with e^(u r) = (c + r) / (c - r), that is r / tanh(u r / 2), to 2e-9 of e^(u r) where |u r| <= 0.4; minimax in r*r
// with c(0) = 2 / u; u is a power of two. Functions that divide anyway spend fewer multiply-adds on a quotient than on
// a polynomial, and its additions have units of their own.
inline Expr exp_quotient(const Expr &r, float u) {
    return polynomial(r * r, {2.0f / u, 0.166665802f * u, -0.00276208855f * u * u * u});
}

// 1 / (1 + e^-x) as (c + r) / (c + r + 2^n (c - r)) with x = r - n ln2. With FMA one constant for ln2 suffices
// (n (ln2 - float(ln2)) stays under 2.4e-7); without, the product must be exact. At -88.3 the divisor is Inf.
inline Expr sigmoid(const Expr &v, bool fma) {
    const Expr x = between(v, -88.3f, 88.0f);
    const Expr rounded = x * -kLog2e + (kMagic + 127.0f);
    const Expr n = sub(rounded, kMagic + 127.0f);
    const Expr r = fma ? n * 0.693147181f + x : add(x, mul(n, 0.693359375f)) - n * 2.12194440e-4f;
    const Expr c = exp_quotient(r, 1.0f);
    const Expr high = add(c, r);
    return div(high, sub(c, r) * from_bits(bits(rounded) << 23) + high);
}

// v / (1 + e^-x) with x <= -88.3 where v <= lo: there the factor is 0, which must not meet -Inf.
inline Expr sigmoid_times(const Expr &v, float lo, const Expr &x, bool fma) {
    return mul(at_least(v, lo), sigmoid(x, fma));
}

inline Expr relu(const Expr &v, const Expr &slope, const Expr &max_value, const Expr &threshold) {
    // max_value clips to [0, max_value]; without one (Inf) a negative threshold lets negative values pass.
    const float inf = std::numeric_limits<float>::infinity();
    const Expr lo = select(less(max_value, inf), 0.0f, -inf);
    const Expr below = less(v, threshold), at = strict(Call::strict_eq, v, threshold);
    const Expr passed = at_most(at_least(select(below || at, 0.0f, v), lo), max_value);
    const Expr sloped = below && slope != 0.0f;  // a slope of 0 times an infinite distance is no NaN
    return sub(passed, select(sloped, mul(slope, sub(threshold, v)), 0.0f));
}

// h = 3: hard_sigmoid (mode 0), hard_silu (mode 1); h = 1: sparse_sigmoid (mode 0), sparse_plus (mode 2).
// scale = 1 / (2h).
inline Expr hard_gate(const Expr &v, const Expr &h, const Expr &scale, const Expr &mode) {
    const Expr s = mul(at_most(at_least(add(v, h), 0.0f), h + h), scale);
    const Expr floor = select(mode == 1.0f, -h, s);  // v * s with v >= -h, or max(v, s) * s
    return select(mode == 0.0f, s, mul(s, at_least(v, floor)));
}

// v * Phi(v) = max(v, 0) - a q with a = |v| and q = Phi(-a) = e^(-a*a/2) G(a), which keeps its relative error in the
// tail. a*a is head*head, which is exact, and a rest; w = a*a + 2n ln2, so that q = 2^n G (c - w) / (c + w). G is a
// cubic over a quartic, minimax to 12.65 (beyond, q < 1e-36) on erfcx(a / sqrt 2) / 2 times what the constant for 2 ln2
// errs by: 3.3e-7 (reweighted least squares in double, then a search among the neighbouring floats). Knuth's form of
// the quartic takes two multiplications. 2^n is added to the exponent; what falls below the exponents is 0.
inline Expr gelu(const Expr &v, bool fma) {
    const Expr a = at_most(magnitude(v), 14.5f);
    const Expr head = from_bits(bits(a) & u32(0xfffff000));
    const Expr square = mul(head, head);
    const Expr rounded = square * (-0.5f * kLog2e) + kMagic;
    const Expr n = sub(rounded, kMagic);
    const Expr rest = fma ? n * 1.38629436f + square : add(square, mul(n, 1.38671875f)) - n * 4.24385071e-4f;
    const Expr w = add(mul(sub(a, head), add(a, head)), rest);
    const Expr c = exp_quotient(w, 0.5f);
    const Expr y = add(a, 3.03402948f) * a + 4.75348234f;
    const Expr above = sub(c, w) * polynomial(a, {11.9648285f, 8.59461403f, 2.82193255f, 0.39888519f});
    const Expr below = add(c, w) * (y * add(add(a, 0.884649694f), y) - 2.87109613f);
    const Expr scaled = Halide::reinterpret<int32_t>(bits(above) + (bits(rounded) << 23));
    const Expr q = div(Halide::reinterpret<float>(Halide::max(scaled, 0)), below);
    return sub(at_least(v, 0.0f), mul(a, q));
}

// tanh (shrink = 0) or v - tanh v (shrink = 1; below 1 the odd series after its first term). tanh is
// (e^2a - 1) / (e^2a + 1) of a = |v| with e^2a = 2^n (c + r) / (c - r). Near 0, where n = 0, r / c is left.
inline Expr tanh(const Expr &v, const Expr &shrink, bool fma) {
    const Expr a = at_most(magnitude(v), 10.0f);
    const Expr rounded = a * (2.0f * kLog2e) + (kMagic + 126.0f);
    const Expr n = sub(rounded, kMagic + 126.0f);
    const Expr r = fma ? n * -0.346573591f + a : sub(a, mul(n, 0.3466796875f)) + n * 1.06097220e-4f;
    const Expr c = exp_quotient(r, 2.0f);
    const Expr p = mul(sub(from_bits(bits(rounded) << 23), 0.5f), add(c, r));  // (2^n - 1) / 2 times c + r
    const Expr t = with_sign_of(div(add(p, r), add(p, c)), v);
    const Expr z = v * v;
    const Expr series =
        mul(mul(v, z), polynomial(z, {0.333333343f, -0.133333102f, 0.0539634228f, -0.0218295846f, 0.00869795121f,
                                      -0.00320695341f, 0.000923609012f, -0.00014282389f}));
    return select(shrink != 0.0f, select(less(a, 1.0f), series, sub(v, t)), t);
}

inline Expr mish(const Expr &v) {
    const Expr e = exp_normal(at_most(v, 30.0f));
    const Expr w = e * (e + 2.0f);  // tanh(log(1 + e)) = w / (w + 2)
    return mul(at_least(v, -120.0f), div(w, add(w, 2.0f)));
}

// (v + sqrt(v*v + b)) / 2, below 0 as (b/2) / (sqrt(v*v + b) - v). v is scaled by 2^-70 where v*v would overflow, by
// 2^70 where it would vanish beside a tiny b.
inline Expr squareplus(const Expr &v, const Expr &b) {
    const Expr a = magnitude(v);
    const Expr large = less(1.1529215e18f, a);
    const Expr small = less(a, 8.6736174e-19f) && b < 7.5231638e-37f;
    const Expr k = select(large, 8.4703295e-22f, select(small, 1.1805916e21f, 1.0f));
    const Expr inverse = select(large, 1.1805916e21f, select(small, 8.4703295e-22f, 1.0f));
    const Expr x = mul(a, k);
    const Expr half = mul(add(sqrt(add(mul(x, x), mul(mul(b, k), k))), x), 0.5f);
    return select(less(v, 0.0f), mul(div(mul(b, 0.25f), half), k), mul(half, inverse));
}

}  // namespace activation

// Whether a multiply and an add become one instruction of one rounding (what `fma` below asks).
inline bool has_fma(const Halide::Target &target) {
    return target.arch != Halide::Target::X86 || target.has_feature(Halide::Target::FMA);
}

// `function` of v: linear, or one of kActivationFunctions. p0, p1, p2 are scalars, unused (and may be undefined) where
// the function has fewer:
//   clamp(lo, hi)  relu(slope, max_value, threshold)  elu(alpha, divisor, scale)  hard_gate(h, 1/(2h), mode)
//   shrink(threshold, shift)  softplus(sign: -1 is log_sigmoid)  squareplus(b)  tanh(shrink)  threshold(threshold,
//   value)
// NaN gives NaN but in shrink (0) and threshold (value). fma: has_fma(target).
inline Halide::Expr activation_expr(const std::string &function, const Halide::Expr &v, const Halide::Expr &p0,
                                    const Halide::Expr &p1, const Halide::Expr &p2, bool fma) {
    using namespace activation;
    if (function == "linear") return v;
    if (function == "clamp") return at_most(at_least(v, p0), p1);
    if (function == "relu") return relu(v, p0, p1, p2);
    if (function == "elu") {
        return select(less(0.0f, v), mul(v, p2), mul(p0, expm1(div(v, p1))));
    }
    if (function == "gelu") return gelu(v, fma);
    if (function == "gelu_tanh") {
        const Expr x = between(v, -14.0f, 14.0f);
        return sigmoid_times(v, -14.0f, x * (x * x * 0.0713548163f + 1.59576912f), fma);
    }
    if (function == "silu") return sigmoid_times(v, -88.3f, v, fma);
    if (function == "sigmoid") return sigmoid(v, fma);
    if (function == "tanh") return activation::tanh(v, p0, fma);
    if (function == "softplus") {
        const Expr x = mul(v, p0);
        return mul(p0, add(at_least(x, 0.0f), activation::log1p(exp_normal(-magnitude(x)))));
    }
    if (function == "softsign") {
        const Expr x = between(v, -FLT_MAX, FLT_MAX);
        return div(x, add(magnitude(x), 1.0f));
    }
    if (function == "shrink") return select(less(p0, v), sub(v, p1), select(less(v, -p0), add(v, p1), 0.0f));
    if (function == "threshold") return select(less(p0, v), v, p1);
    if (function == "hard_gate") return hard_gate(v, p0, p1, p2);
    if (function == "squareplus") return squareplus(v, p0);
    if (function == "mish") return mish(v);
    if (function == "exponential") return activation::exponential(v);
    throw std::invalid_argument("function=" + function + ": is no elementwise function of activation.hpp");
}

}  // namespace dwc

#endif
