// Neighbouring taps of a vector along time read the same elements, shifted. Loads that start between vectors cross
// cache lines: on AVX2 every other one, on AVX-512 nearly every one, which takes two turns of the load ports. This pass
// makes some of them out of the vectors on both sides, with a shift in registers, so that loads and shuffles share the
// work.
#ifndef DWCONV_GENERATORS_SHIFT_LOADS_HPP
#define DWCONV_GENERATORS_SHIFT_LOADS_HPP

#include <Halide.h>

#include <string>
#include <vector>

namespace dwc {

// For loads of f32 vectors from `buffer`, to be added as a custom lowering pass.
class ShiftLoads : public Halide::Internal::IRMutator {
   public:
    explicit ShiftLoads(const std::string &buffer) : buffer_(buffer) {}
    using IRMutator::mutate;
    Halide::Internal::Stmt mutate(const Halide::Internal::Stmt &s) override;

   protected:
    using IRMutator::visit;
    Halide::Expr visit(const Halide::Internal::Load *op) override;

   private:
    // Loads at base + c for constants c from `least` to `most`.
    struct Group {
        Halide::Expr base;
        int least, most;
    };

    std::string buffer_;
    std::vector<Group> groups_;
    bool collecting_ = false, inside_ = false;

    bool split(const Halide::Internal::Load *op, Halide::Expr *base, int *constant) const;
    Group *group_of(const Halide::Expr &base);
};

}  // namespace dwc

#endif
