// A kernel that has nothing to do with dwconv: y(i) = 2 x(i) + 1. It stands for the Halide code that a user's program
// may bring along, with a Halide runtime of its own.
#include <Halide.h>

namespace {

class Foreign : public Halide::Generator<Foreign> {
   public:
    Input<Buffer<float, 1>> x{"x"};
    Output<Buffer<float, 1>> y{"y"};

    void generate() { y(i) = 2.0f * x(i) + 1.0f; }

    void schedule() {
        // Parallel, so that the thread pool of the foreign runtime starts too.
        y.split(i, outer, inner, 64, Halide::TailStrategy::GuardWithIf).parallel(outer);
    }

   private:
    Halide::Var i{"i"}, outer{"outer"}, inner{"inner"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Foreign, foreign)
