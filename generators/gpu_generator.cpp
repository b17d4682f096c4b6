// The generator of the convolution kernels of devices (CUDA, OpenCL): binds the mathematics to buffers in the device's
// memory, a family and a point.
//
// A launch costs microseconds and threads are plenty, so nothing is cut into views and strips: batch, padding, stride,
// dilation, multiplier and tails are inside one kernel. The multiplier lies among the channels: output channel q reads
// input channel q / multiplier, weights and bias are (k, q) and (q).
#include <Halide.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "activation.hpp"
#include "algorithm.hpp"
#include "gpu_family.hpp"
#include "space.hpp"

using namespace Halide;

namespace {

class GpuConv : public Generator<GpuConv> {
   public:
    GeneratorParam<std::string> family{"family", "gpunlc"};
    GeneratorParam<std::string> activation{"activation", "linear"};
    GeneratorParam<int> fixed_k{"k", 0};
    GeneratorParam<int> fixed_stride{"stride", 1};
    GeneratorParam<int> fixed_multiplier{"m", 1};
    GeneratorParam<int> v{"v", 4};
    GeneratorParam<int> t{"t", 4};
    GeneratorParam<int> block{"block", 128};

    // Index order innermost first; i is the axis with element stride 1: channels in nlc, time in ncl.
    Input<Buffer<float, 3>> x{"x"};  // (i, j, n)
    Input<Buffer<float, 2>> w{"w"};  // (q, k)
    Input<Buffer<float, 1>> b{"b"};  // (q)
    Input<int32_t> multiplier{"multiplier"}, step{"step"}, dilation{"dilation"}, pad{"pad"};
    Input<float> p0{"p0"}, p1{"p1"}, p2{"p2"};  // parameters of the fused activation
    Output<Buffer<float, 3>> y{"y"};            // (i, j, n)

    void generate() {
        kernel_.point = {family, activation, fixed_k, fixed_stride, fixed_multiplier, v, t, block};
        check();
        const dwc::Point &p = kernel_.point;
        const dwc::Vars &at = kernel_.v;
        const bool nlc = p.family == "gpunlc";
        const Expr q = nlc ? Expr(at.i) : Expr(at.j), time = nlc ? Expr(at.j) : Expr(at.i);
        const Expr c = p.m == 1 ? q : q / multiplier;
        const Expr length = nlc ? x.dim(1).extent() : x.dim(0).extent();

        // Zero outside the row. The index is clamped first, so no load leaves it.
        const auto x_at = [=, this](const Expr &channel, const Expr &when, const Expr &n) {
            const Expr inside = clamp(when, 0, length - 1);
            return select(when == inside, nlc ? x(channel, inside, n) : x(inside, channel, n), 0.0f);
        };
        // With neighbouring taps a thread reads the inputs of its tile once, into registers; one window per update.
        const auto dense = [=, this](const Expr &k) {
            Func window("window");
            if (nlc)
                window(at.i, at.j, at.n) = x_at(p.m == 1 ? Expr(at.i) : at.i / multiplier, at.j - pad, at.n);
            else
                window(at.i, at.j, at.n) = x_at(p.m == 1 ? Expr(at.j) : at.j / multiplier, at.i - pad, at.n);
            kernel_.windows.push_back(window);
            return nlc ? window(at.i, at.j + k, at.n) : window(at.i + k, at.j, at.n);
        };
        const auto any = [=, this](const Expr &k) { return x_at(c, time * step + k * dilation - pad, at.n); };
        // PTX contracts to one instruction; OpenCL C has a function for it, which is correctly rounded everywhere.
        const bool opencl = get_target().has_feature(Target::OpenCL);
        kernel_.sum = dwc::depthwise(
            at, b(q), [&](const Expr &k) { return p.stride == 1 ? dense(k) : any(k); },
            [=, this](const Expr &k) { return w(q, k); }, p.k, w.dim(1).extent(), dwc::gpu_taps,
            opencl ? dwc::Fused::called : dwc::Fused::contracted);

        const Expr sum = kernel_.sum.sum(0, at.i, at.j, at.n);
        kernel_.result(at.i, at.j, at.n) = dwc::activation_expr(p.activation, sum, p0, p1, p2, true);
        y(at.i, at.j, at.n) = kernel_.result(at.i, at.j, at.n);
        kernel_.y = y;
        bind_buffers();
    }

    void schedule() {
        if (kernel_.point.family == "gpunlc") dwc::schedule_gpunlc(kernel_);
        if (kernel_.point.family == "gpuncl") dwc::schedule_gpuncl(kernel_);
    }

   private:
    dwc::GpuKernel kernel_;

    // Every buffer starts at 0. With vectors, what they step by is a multiple of their width and every buffer starts on
    // a multiple of 16 bytes: the runtime checks that.
    void bind_buffers() {
        const dwc::Point &p = kernel_.point;
        const bool nlc = p.family == "gpunlc";
        const auto whole = [&](auto dim) { return dim.stride() / p.v * p.v; };
        for (int d = 0; d < 3; ++d) x.dim(d).set_min(0), y.dim(d).set_min(0);
        w.dim(0).set_min(0);
        w.dim(1).set_min(0);
        b.dim(0).set_min(0);
        if (!nlc) {
            w.dim(0).set_stride(Expr());
            w.dim(1).set_stride(1);
        }
        if (p.v == 1) return;
        y.dim(0).set_extent(y.dim(0).extent() / p.v * p.v);
        for (int d = 1; d < 3; ++d) y.dim(d).set_stride(whole(y.dim(d)));
        y.set_host_alignment(16);
        if (!nlc) return;
        for (int d = 1; d < 3; ++d) x.dim(d).set_stride(whole(x.dim(d)));
        w.dim(1).set_stride(whole(w.dim(1)));
        x.set_host_alignment(16);
        w.set_host_alignment(16);
        b.set_host_alignment(16);
    }

    void check() {
        const std::string rule = dwc::broken_rule(kernel_.point, 1, 0);
        if (rule.empty()) return;
        std::cerr << "illegal point of family " << kernel_.point.family << ": " << rule << "\n";
        std::exit(1);  // GenGen is built without exceptions
    }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GpuConv, dwconv_gpu)
