#include "shift_loads.hpp"

#include <algorithm>
#include <optional>

using namespace Halide;
using namespace Halide::Internal;

namespace dwc {
namespace {

// Of eight neighbouring taps those that are shifted: five of them keep the shuffle ports of Zen 4 as busy as the three
// that stay keep its load ports. Measured at K = 15 and 31 in L1 (GF/s): all loaded 57, odd ones shifted 74 to 80,
// these 74 to 86, all shifted 70.
bool worth_shifting(int shift) {
    constexpr unsigned mask = 0b10110110;
    return shift != 0 && (mask >> (shift % 8) & 1);
}

}  // namespace

// The vectors on both sides of a shifted load are read by other loads of its group or lie between them: nothing is read
// that the kernel would not read without the pass. That is found out before anything is changed.
Stmt ShiftLoads::mutate(const Stmt &s) {
    if (inside_) return IRMutator::mutate(s);
    inside_ = collecting_ = true;
    IRMutator::mutate(s);
    collecting_ = false;
    Stmt changed = IRMutator::mutate(s);
    inside_ = false;
    groups_.clear();
    return changed;
}

bool ShiftLoads::split(const Load *op, Expr *base, int *constant) const {
    const Ramp *ramp = op->index.as<Ramp>();
    if (op->name != buffer_ || !ramp || !op->type.is_float() || op->type.bits() != 32 || !is_const_one(ramp->stride) ||
        !is_const_one(op->predicate))
        return false;
    const Add *sum = ramp->base.as<Add>();
    const std::optional<int64_t> number = sum ? as_const_int(sum->b) : std::nullopt;
    *base = number ? sum->a : ramp->base;
    *constant = number ? static_cast<int>(*number) : 0;
    return true;
}

ShiftLoads::Group *ShiftLoads::group_of(const Expr &base) {
    for (Group &group : groups_)
        if (equal(group.base, base)) return &group;
    return nullptr;
}

Expr ShiftLoads::visit(const Load *op) {
    Expr base;
    int constant = 0;
    if (!split(op, &base, &constant)) return IRMutator::visit(op);
    Group *group = group_of(base);
    if (collecting_) {
        if (!group) {
            groups_.push_back({base, constant, constant});
        } else {
            group->least = std::min(group->least, constant);
            group->most = std::max(group->most, constant);
        }
        return op;
    }
    const int lanes = op->type.lanes(), shift = (constant % lanes + lanes) % lanes, low = constant - shift;
    const auto at = [&](int start) {
        return Load::make(op->type, op->name, Ramp::make(simplify(base + start), 1, lanes), op->image, op->param,
                          op->predicate, ModulusRemainder());
    };
    if (!worth_shifting(shift) || low < group->least || low + lanes > group->most) return op;
    // LLVM makes a permutation by a table of it (vpermt2ps), also where it is written on integers, for which there is
    // one plain instruction (valignd): it moves the casts to the loads.
    return Shuffle::make_slice(Shuffle::make_concat({at(low), at(low + lanes)}), shift, 1, lanes);
}

}  // namespace dwc
