// Padding without staging: where taps of family `width` reach beyond a row, its ends are computed by tiles of their
// own. What a row is says its buffer: x.min and x.extent of axis 0. Kernels of a few taps load what lies in the row and
// zeros for the rest, with a mask for each load. Those of many taps, which load the same elements again and again, copy
// what a tile reads to the stack first, with zeros around it. Zen 4, us, masks and copies: 128 rows of 400, K = 31: 53,
// 44; 64 rows of 500, K = 3: 3.2, 4.3, since loads wait for stores that they overlap only in part.
#ifndef DWCONV_GENERATORS_ROW_ENDS_HPP
#define DWCONV_GENERATORS_ROW_ENDS_HPP

#include <Halide.h>

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

}  // namespace dwc

#endif
