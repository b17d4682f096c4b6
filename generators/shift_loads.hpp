// Neighbouring taps of a vector along time read the same elements, shifted. Loads that start between vectors cross
// cache lines: on AVX2 every other one, on AVX-512 nearly every one, which takes two turns of the load ports. This pass
// makes some of them out of the vectors on both sides, with a shift in registers, so that loads and shuffles share the
// work. Zen 4, AVX-512, ncl in L1, GF/s without the pass, with permutations by a table, with plain shifts: K = 32 57,
// 75, 90 to 104 (by tile); K = 87 of dilation 2 in L2 39, -, 68.
#ifndef DWCONV_GENERATORS_SHIFT_LOADS_HPP
#define DWCONV_GENERATORS_SHIFT_LOADS_HPP

#include <Halide.h>

#include <string>
#include <vector>

namespace dwc {

// For loads of f32 vectors from `buffer`, to be added as a custom lowering pass.
class ShiftLoads : public Halide::Internal::IRMutator {
   public:
    // `whole`: one instruction shifts across a whole vector, as on AVX-512.
    ShiftLoads(const std::string &buffer, bool whole) : buffer_(buffer), whole_(whole) {}
    using IRMutator::mutate;
    Halide::Internal::Stmt mutate(const Halide::Internal::Stmt &s) override;

   protected:
    using IRMutator::visit;
    Halide::Expr visit(const Halide::Internal::Load *op) override;
    Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;
    Halide::Internal::Stmt visit(const Halide::Internal::LetStmt *op) override;
    Halide::Internal::Stmt visit(const Halide::Internal::IfThenElse *op) override;

   private:
    // Loads at base + c for constants c from `least` to `most`.
    struct Group {
        Halide::Expr base;
        int least, most;
    };

    // A vector that several taps are made of, defined where the innermost loop, definition or branch around them
    // begins.
    struct Part {
        std::string name;
        Halide::Expr value;
    };

    std::string buffer_;
    bool whole_;
    std::vector<Group> groups_;
    std::vector<Part> parts_;
    bool collecting_ = false, inside_ = false;

    bool split(const Halide::Internal::Load *op, Halide::Expr *base, int *constant) const;
    Group *group_of(const Halide::Expr &base);
    Halide::Expr load_at(const Halide::Internal::Load *like, const Halide::Expr &base, int start) const;
    Halide::Expr part(const Halide::Expr &value);
    Halide::Internal::Stmt with_parts(const Halide::Internal::Stmt &body);
};

}  // namespace dwc

#endif
