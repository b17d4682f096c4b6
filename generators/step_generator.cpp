// The forms of family `flat` for a step of decoding: one new input a sequence, whose K - 1 predecessors are the rows of
// the carried state. The pass that reads them moves the state on: every row takes the values of the next one, the last
// row the input. Shifting the rows by copies after the kernel took as long as the kernel.
//
// Output and new rows are one tuple: the values of a vector are all computed before the first is stored. In place the
// rows that are read are the tuple's own, and a vector must not be computed twice, so the tail is predicated; else they
// are inputs. Rows are buffers of their own, K of them at compile time, and the compiler may take it that buffers do
// not overlap: one kernel cannot serve both cases.
//
// Register budget: K rows, the sum and what the activation needs; wider vectors than one register gain nothing, since
// the next vector's loads do not wait.
#include <Halide.h>

#include <string>
#include <vector>

#include "activation.hpp"
#include "algorithm.hpp"

using namespace Halide;

namespace {

// Taps are added in ascending order, as everywhere. Halide's simplifier writes products before sums, so that the last
// tap would be read first, and the compiler, which may reorder additions, keeps the order in which it meets their
// terms.
class SumsFirst : public Internal::IRMutator {
   protected:
    using IRMutator::visit;
    Expr visit(const Internal::Add *op) override {
        const bool turn = op->type.is_float() && op->a.as<Internal::Mul>() && op->b.as<Internal::Add>();
        return Internal::Add::make(mutate(turn ? op->b : op->a), mutate(turn ? op->a : op->b));
    }
};

class StepGenerator : public Generator<StepGenerator> {
   public:
    GeneratorParam<std::string> activation{"activation", "linear"};
    GeneratorParam<int> taps{"k", 4};
    GeneratorParam<int> v{"v", 16};
    GeneratorParam<bool> in_place{"in_place", true};

    // i: channel, contiguous; n: sequence. w is (i, k).
    Input<Buffer<float, 2>> x{"x"}, w{"w"};
    Input<Buffer<float, 1>> b{"b"};
    Input<float> p0{"p0"}, p1{"p1"}, p2{"p2"};
    Output<Func> y{"y"};  // (output, row 0, ..., row K - 2), each (i, n)

    void configure() {
        for (int row = 0; !in_place && row + 1 < taps; ++row)
            rows_.push_back(add_input<Buffer<float, 2>>("row" + std::to_string(row)));
    }

    void generate() {
        const int K = taps;
        const bool fma = dwc::has_fma(get_target());
        if (in_place) step_(i, n) = Tuple(std::vector<Expr>(static_cast<size_t>(K), undef<float>()));
        std::vector<Expr> values = {Expr()};
        Expr sum = b(i);
        for (int k = 0; k < K; ++k) {
            const Expr read = k + 1 == K ? Expr(x(i, n)) : in_place ? step_(i, n)[k + 1] : Expr((*rows_[k])(i, n));
            sum = dwc::multiply_add(read, w(i, k), sum, fma ? dwc::Fused::contracted : dwc::Fused::no);
            if (k > 0) values.push_back(read);
        }
        values[0] = dwc::activation_expr(activation, sum, p0, p1, p2, fma);
        step_(i, n) = Tuple(values);
        y = step_;
    }

    void schedule() {
        if (in_place)
            step_.update().vectorize(i, v, TailStrategy::GuardWithIf);
        else
            step_.vectorize(i, v, TailStrategy::GuardWithIf);
        OutputImageParam output = step_.output_buffers()[0];  // the others have its bounds
        for (int d = 0; d < 2; ++d) output.dim(d).set_min(0), x.dim(d).set_min(0), w.dim(d).set_min(0);
        for (auto *row : rows_) row->dim(0).set_min(0), row->dim(1).set_min(0);
        b.dim(0).set_min(0);
        get_pipeline().add_custom_lowering_pass(new SumsFirst);  // kept and deleted by the pipeline
    }

   private:
    Var i{"i"}, n{"n"};
    Func step_{"step"};
    std::vector<Input<Buffer<float, 2>> *> rows_;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(StepGenerator, dwconv_step)
