// One elementwise activation as a kernel of its own, run in place on an output tile while it is in L1.
//
// y may be x: every element is read once and written once, by the vector that reads it. So the tail is predicated:
// shifting the last vector inwards would apply the function twice, and rounding up would touch memory that is not ours.
//
// A function is one chain of dependent instructions as long as a core looks ahead. Several vectors at a time are
// several chains whose instructions alternate.
#include <Halide.h>

#include <algorithm>

#include "activation.hpp"
#include "fewer_checks.hpp"

namespace {

using namespace Halide;

class ActivationGenerator : public Generator<ActivationGenerator> {
   public:
    GeneratorParam<std::string> function{"function", "clamp"};
    // Lanes worked on at a time in rows that have as many; on devices: threads of a thread block.
    GeneratorParam<int> vector_width{"vector_width", 8};

    // Index order (i, row); i is contiguous, rows lie anywhere.
    Input<Buffer<float, 2>> x{"x"};
    Input<float> p0{"p0"}, p1{"p1"}, p2{"p2"};
    Output<Buffer<float, 2>> y{"y"};

    void generate() { y(i, row) = dwc::activation_expr(function, x(i, row), p0, p1, p2, dwc::has_fma(get_target())); }

    void schedule() {
        x.dim(0).set_min(0);
        y.dim(0).set_min(0).set_extent(x.dim(0).extent());
        x.dim(1).set_min(0);
        y.dim(1).set_min(0).set_extent(x.dim(1).extent());
        if (get_target().has_gpu_feature()) {
            Var line("line"), block("block"), thread("thread");
            y.fuse(i, row, line)
                .split(line, block, thread, vector_width, TailStrategy::GuardWithIf)
                .gpu_blocks(block)
                .gpu_threads(thread)
                .never_partition_all();
            return;
        }
        // What nearly every call asks for, without the rest: only celu divides its argument, only tanh_shrink shrinks.
        const Expr common = function.value() == "elu" ? p1 == 1.0f : function.value() == "tanh" ? p0 == 0.0f : Expr();
        const int lanes = get_target().natural_vector_size<float>();
        if (vector_width > lanes) {
            const Expr wide = y.dim(0).extent() >= vector_width;
            y.specialize(common.defined() ? common && wide : wide).vectorize(i, vector_width, TailStrategy::Predicate);
        }
        y.vectorize(i, std::min<int>(vector_width, lanes), TailStrategy::Predicate);
        if (common.defined()) y.specialize(common);
        if (get_target().arch == Target::X86) get_pipeline().add_custom_lowering_pass(new dwc::FewerChecks);
    }

   private:
    Var i{"i"}, row{"row"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(ActivationGenerator, dwconv_activation)
