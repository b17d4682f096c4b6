// One elementwise activation as a kernel of its own, run in place on an output tile while it is in L1.
//
// y may be x: every element is read once and written once, by the vector that reads it. So the tail is predicated:
// shifting the last vector inwards would apply the function twice, and rounding up would touch memory that is not ours.
#include <Halide.h>

#include "activation.hpp"

namespace {

using namespace Halide;

class ActivationGenerator : public Generator<ActivationGenerator> {
   public:
    GeneratorParam<std::string> function{"function", "clamp"};
    GeneratorParam<int> vector_width{"vector_width", 8};  // on devices: threads of a thread block

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
        y.vectorize(i, vector_width, TailStrategy::Predicate);
        // Only celu divides its argument; elu and selu need not pay for it.
        if (function.value() == "elu") y.specialize(p1 == 1.0f);
    }

   private:
    Var i{"i"}, row{"row"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(ActivationGenerator, dwconv_activation)
