#include "shift_loads.hpp"

#include <algorithm>
#include <optional>

using namespace Halide;
using namespace Halide::Internal;

namespace dwc {
namespace {

// Of eight neighbouring taps those that are shifted: five of them keep the shuffle ports of Zen 4, one of which
// multiplies, too, as busy as the three that stay keep its load ports. K = 31 in L1, GF/s: odd ones shifted as fast as
// these, all 70.
bool worth_shifting(int shift) {
    constexpr unsigned mask = 0b10110110;
    return shift != 0 && (mask >> (shift % 8) & 1);
}

// `lanes` elements from the shift-th one on of two vectors side by side.
Expr slice(const Expr &before, const Expr &after, int shift) {
    return Shuffle::make_slice(Shuffle::make_concat({before, after}), shift, 1, before.type().lanes());
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

// As integers on AVX-512: for those there is one plain instruction (valignd), for floats LLVM makes a permutation by a
// table of it (vpermt2ps), which takes a seventh more time.
Expr ShiftLoads::load_at(const Load *like, const Expr &base, int start) const {
    const int lanes = like->type.lanes();
    return Load::make(whole_ ? Int(32, lanes) : like->type, like->name, Ramp::make(simplify(base + start), 1, lanes),
                      like->image, like->param, like->predicate, ModulusRemainder());
}

Expr ShiftLoads::part(const Expr &value) {
    for (const Part &known : parts_)
        if (equal(known.value, value)) return Variable::make(value.type(), known.name);
    parts_.push_back({unique_name("part"), value});
    return Variable::make(value.type(), parts_.back().name);
}

Stmt ShiftLoads::with_parts(const Stmt &body) {
    std::vector<Part> outer;
    outer.swap(parts_);
    Stmt result = IRMutator::mutate(body);
    for (auto part = parts_.rbegin(); part != parts_.rend(); ++part)
        result = LetStmt::make(part->name, part->value, result);
    parts_ = std::move(outer);
    return result;
}

Stmt ShiftLoads::visit(const For *op) {
    if (collecting_) return IRMutator::visit(op);
    return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api,
                     with_parts(op->body));
}

Stmt ShiftLoads::visit(const LetStmt *op) {
    if (collecting_) return IRMutator::visit(op);
    return LetStmt::make(op->name, op->value, with_parts(op->body));
}

Stmt ShiftLoads::visit(const IfThenElse *op) {
    if (collecting_) return IRMutator::visit(op);
    return IfThenElse::make(op->condition, with_parts(op->then_case),
                            op->else_case.defined() ? with_parts(op->else_case) : Stmt());
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
    const auto as_floats = [&](const Expr &bits) { return reinterpret(op->type, bits); };
    if (!worth_shifting(shift) || low < group->least || low + lanes > group->most)
        return as_floats(part(load_at(op, base, constant)));
    const Expr before = part(load_at(op, base, low)), after = part(load_at(op, base, low + lanes));
    return as_floats(slice(before, after, shift));
}

}  // namespace dwc
