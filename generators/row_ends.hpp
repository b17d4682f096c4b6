// Padding without staging: where taps of family `width` reach beyond a row, its ends are computed by tiles of their
// own. What a row is says its buffer: x.min and x.extent of axis 0. Kernels of a few taps load what lies in the row and
// zeros for the rest, with a mask for each load. Those of many taps, which load the same elements again and again, copy
// what a tile reads to the stack first, with zeros around it. Zen 4, us, masks and copies: 128 rows of 400, K = 31: 53,
// 44; 64 rows of 500, K = 3: 3.2, 4.3, since loads wait for stores that they overlap only in part.
#ifndef DWCONV_GENERATORS_ROW_ENDS_HPP
#define DWCONV_GENERATORS_ROW_ENDS_HPP

#include <Halide.h>

#include <utility>

namespace dwc {

// To be added as a custom lowering pass. The loop over the tiles of a row becomes three, in the order of memory: tiles
// that read before x, tiles that read only x, tiles that read behind it. Both ends share one copy of the code.
class RowEnds : public Halide::Internal::IRMutator {
   public:
    // `tile`: outputs; `lanes`: elements copied at once; 0: none are copied.
    RowEnds(int tile, int lanes) : tile_(tile), lanes_(lanes) {}

   protected:
    using IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;
    Halide::Expr visit(const Halide::Internal::Load *op) override;

   private:
    int tile_, lanes_;
    bool at_end_ = false;  // mutating the copy of the loop's body for ends

    Halide::Internal::Stmt with_copy(const Halide::Internal::Stmt &body) const;
};

// The same for family `channels`, whose taps reach beyond the first and the last steps of time: x.min and x.extent of
// axis 1. 512 channels, K = 3 with dilation 128, Zen 4: 274 to 243 us; 16 x 64 channels, 20 steps, K = 3: 5.6 to 3.1.
// For kernels of fixed K: with many taps, K = 15 at 128 steps of 64 channels, the ends of a kernel of any K took 2.68
// us where staged ones, that leave out taps which read only padding, take 2.48. To be added as a custom lowering pass,
// like the one above; taps must be written with `step_inside`.
class StepEnds : public Halide::Internal::IRMutator {
   public:
    // `tile`: steps of a block; `taps` and `stride` of the kernel, constants or variables.
    StepEnds(int tile, Halide::Expr taps, Halide::Expr stride)
        : tile_(tile), taps_(std::move(taps)), stride_(std::move(stride)) {}

   protected:
    using IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;
    Halide::Expr visit(const Halide::Internal::Select *op) override;
    Halide::Expr visit(const Halide::Internal::Call *op) override;
    Halide::Expr visit(const Halide::Internal::Load *op) override;

   private:
    int tile_;
    Halide::Expr taps_, stride_;
    bool inside_ = false, at_end_ = false;  // of the loop over blocks; of its copy for ends
};

// x(i, step, n), or zero where x has no such step. The question is a call that StepEnds replaces: of a comparison with
// x.min.1 Halide would say, without checks of the arguments, that it always holds.
constexpr const char *step_inside_call = "dwc_step_inside";
template <typename X>
Halide::Expr step_inside(const X &x, const Halide::Expr &i, const Halide::Expr &step, const Halide::Expr &n) {
    using Halide::Internal::Call;
    const Halide::Expr inside = Call::make(Halide::Bool(), step_inside_call, {step}, Call::PureExtern);
    return Halide::select(inside, x(i, step, n), Halide::cast(x.type(), 0));
}

}  // namespace dwc

#endif
