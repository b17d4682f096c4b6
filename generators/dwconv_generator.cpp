// The generator of every convolution kernel: binds the mathematics to buffers, a family and a point.
#include <Halide.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "activation.hpp"
#include "algorithm.hpp"
#include "family.hpp"
#include "fewer_checks.hpp"
#include "read_ahead.hpp"
#include "row_direction.hpp"
#include "row_ends.hpp"
#include "shift_loads.hpp"
#include "space.hpp"

using namespace Halide;

namespace {

class DepthwiseConv : public Generator<DepthwiseConv> {
   public:
    GeneratorParam<std::string> family{"family", "channels"};
    GeneratorParam<std::string> activation{"activation", "linear"};
    GeneratorParam<int> fixed_k{"k", 0};
    GeneratorParam<int> fixed_stride{"stride", 1};
    GeneratorParam<int> multiplier{"m", 1};
    GeneratorParam<int> v{"v", 16};
    GeneratorParam<int> t{"t", 8};
    GeneratorParam<int> block{"block", 4};
    // width: elements between neighbouring taps. 0: at run time, `step` or `taps` say; -1: `taps` say; -2: they take
    // two halves of a row in turns.
    GeneratorParam<int> apart{"apart", 0};
    // channels: what a tile fetches for the next block of rows. 0: nothing; 1: x; 2: x and y.
    GeneratorParam<int> ahead{"ahead", 0};

    // Index order innermost first; see algorithm.hpp. Types are set by x.type, w.type, b.type, y.type.
    Input<Buffer<void, 3>> x{"x"};           // (i, j, n)
    Input<Buffer<void, 3>> w{"w"};           // (m, q, k)
    Input<Buffer<void, 2>> b{"b"};           // (m, q)
    Input<Buffer<int32_t, 1>> taps{"taps"};  // (k): offset of tap k along i, line families with run-time K
    Input<int32_t> max_tap{"max_tap"};       // the largest of them
    // channels: the stride, where it is not fixed; width: the distance of the taps, where K is fixed or it is 1, or
    // with a minus that of the two halves of a row which the taps take in turns (stride 2), or 0: as `taps` say.
    Input<int32_t> step{"step"};
    Input<float> p0{"p0"}, p1{"p1"}, p2{"p2"};  // parameters of the fused activation
    Output<Buffer<void, 4>> y{"y"};             // (m, i, j, n)

    void generate() {
        kernel_.point = {family, activation, fixed_k, fixed_stride, multiplier, v, t, block};
        const dwc::Point &p = kernel_.point;
        kernel_.lanes = get_target().natural_vector_size<float>();
        kernel_.registers = dwc::vector_registers(get_target().arch == Target::X86, kernel_.lanes);
        kernel_.ends =
            dwc::computes_ends(p.family, p.k, p.m, x.type() == Float(32), get_target().arch == Target::X86, kernel_.lanes);
        check(p);
        const dwc::Vars &at = kernel_.v;
        const bool channels = p.family == "channels", width = p.family == "width";

        // Padding is no kernel's business: the plan hands rows that hold every element a tap reads.
        dwc::At x_at;
        if (channels) {
            const Expr stride = p.stride > 0 ? Expr(p.stride) : Expr(step);
            x_at = [=, this](const Expr &k) {
                const Expr step_of_x = at.j * stride + k;
                return kernel_.ends ? dwc::step_inside(x, at.i, step_of_x, at.n) : x(at.i, step_of_x, at.n);
            };
        } else if (width && apart > 0) {
            const int distance = apart;
            x_at = [=, this](const Expr &k) { return x(at.i + k * distance, at.j, at.n); };
        } else if (width && p.k > 0) {
            kernel_.neighbours = {step == 1};
            x_at = [=, this](const Expr &k) { return x(at.i + k * step, at.j, at.n); };
        } else if (width && apart == 0) {
            // Taps two apart are loads like any others where nothing is shifted.
            const Expr two_apart = shifts_loads() ? step == 2 : Expr(false);
            kernel_.neighbours = {step == 1, step < 0};
            if (shifts_loads()) kernel_.neighbours.insert(kernel_.neighbours.begin() + 1, two_apart);
            x_at = [=, this](const Expr &k) {
                const Expr offset = unsafe_promise_clamped(taps(k), 0, max_tap);
                const Expr alternating = unsafe_promise_clamped(k / 2 - k % 2 * step, 0, max_tap);
                const Expr every_other = unsafe_promise_clamped(2 * k, 0, max_tap);
                const Expr here = select(step == 1, k, two_apart, every_other, step < 0, alternating, offset);
                return x(at.i + here, at.j, at.n);
            };
        } else if (width && apart == -2) {
            x_at = [=, this](const Expr &k) {
                return x(at.i + unsafe_promise_clamped(k / 2 - k % 2 * step, 0, max_tap), at.j, at.n);
            };
        } else {
            x_at = [=, this](const Expr &k) {
                return x(at.i + unsafe_promise_clamped(taps(k), 0, max_tap), at.j, at.n);
            };
        }
        const Expr q = width ? Expr(at.j) : Expr(at.i);
        kernel_.sum = dwc::depthwise(
            at, cast<float>(b(at.m, loads_bias(p) ? q + at.j * (step - 1) : q)),
            [=](const Expr &k) { return cast<float>(x_at(k)); },
            [=, this](const Expr &k) { return cast<float>(w(at.m, q, k)); }, p.k, w.dim(2).extent(), p.block,
            has_fma() ? dwc::Fused::contracted : dwc::Fused::no);

        const Expr sum = kernel_.sum.sum(at.m, at.i, at.j, at.n);
        y(at.m, at.i, at.j, at.n) = cast(y.type(), dwc::activation_expr(p.activation, sum, p0, p1, p2, has_fma()));
        kernel_.y = y;
        kernel_.step_by_step = get_target().arch == Target::ARM && channels && p.k > 0 && p.m == 1 && !loads_bias(p);
        bind_buffers(p);
    }

    void schedule() {
        const std::string &name = kernel_.point.family;
        if (name == "channels") dwc::schedule_channels(kernel_);
        if (name == "width") dwc::schedule_width(kernel_);
        if (name == "flat") dwc::schedule_flat(kernel_);
        // The pipeline takes the passes into its keeping.
        if (shifts_loads()) {
            const bool whole = get_target().has_feature(Target::AVX512);
            // LLVM's pass would turn shifts of integers into permutations of floats.
            if (whole) setenv("HL_LLVM_ARGS", "-disable-vector-combine", 0);
            get_pipeline().add_custom_lowering_pass(new dwc::ShiftLoads("x", whole));
        }
        const int tile = kernel_.point.v * kernel_.point.t;
        if (kernel_.ends && name == "channels") {
            const dwc::Point &p = kernel_.point;
            const auto known = [](int number, const char *variable) {
                return number > 0 ? Expr(number) : Internal::Variable::make(Int(32), variable);
            };
            get_pipeline().add_custom_lowering_pass(
                new dwc::StepEnds(p.t, known(p.k, "w.extent.2"), known(p.stride, "step")));
        } else if (kernel_.ends) {
            const int copied_at_once = kernel_.point.k > 0 ? 0 : kernel_.lanes;
            get_pipeline().add_custom_lowering_pass(new dwc::RowEnds(tile, copied_at_once));
        }
        // Measured on x86; without these checks LLVM makes longer loops for ARM (K = 3 on cortex-a76: 80 to 77 %).
        if (get_target().arch == Target::X86)
            get_pipeline().add_custom_lowering_pass(new dwc::FewerChecks(kernel_.ends ? axis_of_ends() : -1));
        if (ahead > 0) get_pipeline().add_custom_lowering_pass(new dwc::ReadAhead(kernel_.point, x.type(), ahead > 1));
        if (name == "width" && get_target().arch == Target::X86 && dwc::RowDirection::pays(tile))
            get_pipeline().add_custom_lowering_pass(new dwc::RowDirection);
    }

   private:
    dwc::Kernel kernel_;

    // The axis of x that may begin and end where taps do not: time.
    int axis_of_ends() const { return kernel_.point.family == "width" ? 0 : 1; }

    // Shifts across whole vectors take one instruction or two.
    bool shifts_loads() const { return kernel_.point.family == "width" && get_target().has_feature(Target::AVX2); }

    // Whether each step of a tile loads its bias, which the compiler would rather load once and copy from register to
    // register: on the larger ARM cores copies take turns of the units that multiply. The offset is 0, since such a
    // kernel's stride is 1, but the compiler does not know that of `step`: it keeps an address for each step's bias
    // beside those of the rows, and from eight steps on has no registers for them. A tile of one register a step has
    // more loads than copies to gain; docs/arm.md has the figures.
    bool loads_bias(const dwc::Point &p) const {
        const Target target = get_target();
        return target.arch == Target::ARM && p.family == "channels" && p.k >= 3 && p.stride == 1 && p.m == 1 &&
               p.activation == "linear" && p.v > target.natural_vector_size<float>() && p.t < 8;
    }

    bool has_fma() const { return get_target().arch != Target::X86 || get_target().has_feature(Target::FMA); }

    // Variants of the library fuse a few activations; a kernel for one problem may fuse any.
    void check(dwc::Point p) {
        for (const char *function : dwc::kActivationFunctions)
            if (p.activation == function) p.activation = "linear";
        const std::string rule = dwc::broken_rule(p, kernel_.lanes, kernel_.registers);
        if (rule.empty()) return;
        std::cerr << "illegal point of family " << p.family << ": " << rule << "\n";
        std::exit(1);  // GenGen is built without exceptions
    }

    // Every buffer starts at 0. The axis with stride 1 is i, but in y with a fixed M > 1, where the M outputs of one
    // channel lie side by side; weights and bias are packed with their channels side by side in every case.
    void bind_buffers(const dwc::Point &p) {
        for (int d = 0; d < 3; ++d) {
            w.dim(d).set_min(0);
            if (!kernel_.ends || d != axis_of_ends()) x.dim(d).set_min(0);
        }
        for (int d = 0; d < 4; ++d) y.dim(d).set_min(0);
        b.dim(0).set_min(0).set_stride(Expr());
        b.dim(1).set_min(0);
        w.dim(0).set_stride(Expr());
        taps.dim(0).set_min(0);
        if (p.m > 0) {
            y.dim(0).set_bounds(0, p.m);
            w.dim(0).set_bounds(0, p.m);
            b.dim(0).set_bounds(0, p.m);
            y.bound(kernel_.v.m, 0, p.m);
        }
        if (p.m > 1) {
            y.dim(1).set_stride(p.m);
        } else {
            y.dim(0).set_stride(Expr());
            if (p.m == 1 || p.family == "width") y.dim(1).set_stride(1);
        }
        if (p.family != "width") {
            w.dim(1).set_stride(1);
            b.dim(1).set_stride(1);
        }
    }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(DepthwiseConv, dwconv)
