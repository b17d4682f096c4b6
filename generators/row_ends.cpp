#include "row_ends.hpp"

#include <cstdlib>
#include <iostream>
#include <string>

#include "space.hpp"

using namespace Halide;
using namespace Halide::Internal;

namespace dwc {
namespace {

const std::string tiles_loop = "y.s0.i.io", copied = "x_end", copied_from = "x_end.from", extent = "x_end.extent",
                  steps_of_x = "x_end.steps";

Expr integer(const std::string &name) { return Variable::make(Int(32), name); }

// What the position of a row adds to an index of x.
Expr row_of_x() { return integer("y.s0.j") * integer("x.stride.1") + integer("y.s0.n") * integer("x.stride.2"); }

Expr spread(const Expr &value, int lanes) { return lanes > 1 ? Broadcast::make(value, lanes) : value; }

// x[index], or zeros where that is not element `at` of a row.
Expr load_inside(const Type &type, const Expr &index, const Expr &at) {
    // 0 <= at < extent in one comparison of integers with a sign: AVX2 has no others.
    const auto shifted = [](const Expr &value) {
        const int lanes = value.type().lanes();
        const Expr least = make_const(UInt(32, lanes), int64_t{1} << 31);
        return reinterpret(Int(32, lanes), cast(UInt(32, lanes), value) + least);
    };
    const Expr inside = shifted(at) < spread(shifted(integer(extent)), type.lanes());
    return select(inside, Load::make(type, "x", index, Buffer<>(), Halide::Parameter(), inside, ModulusRemainder()),
                  make_zero(type));
}

[[noreturn]] void refuse(const Expr &e) {
    std::cerr << "no load of a step of x under a condition of its own: " << e << "\n";
    std::exit(1);  // GenGen is built without exceptions
}

// The loop `op` over tiles in three parts: [0, first), [first, second) and [second, all of them).
Stmt three_parts(const For *op, const std::string &part_name, const Expr &first, const Expr &second, const Stmt &ends) {
    const Expr part = integer(part_name);
    const auto loop = [&](const Expr &begin, const Expr &end, const Stmt &body) {
        return For::make(op->name, begin, end - begin, op->for_type, op->partition_policy, op->device_api, body);
    };
    const Stmt middle = loop(first, second, op->body);
    const Stmt others = loop(select(part == 0, 0, second), select(part == 0, first, op->extent), ends);
    return For::make(part_name, 0, 3, ForType::Serial, Partition::Never, op->device_api,
                     IfThenElse::make(part == 1, middle, others));
}

}  // namespace

Stmt RowEnds::visit(const For *op) {
    if (op->name != tiles_loop) return IRMutator::visit(op);
    const Expr tiles = op->extent, outputs = integer("y.extent.1");
    // Outputs in front of `before` read before x; the last `after` ones read behind it.
    const Expr before = integer("x.min.0");
    const Expr after = outputs + integer("max_tap") - before - integer(extent);
    const Expr first = clamp((before + (tile_ - 1)) / tile_, 0, tiles);
    // The last tile is moved back to end with the row, so it may read on either side of x.
    const Expr last_inside = after <= 0 && outputs - tile_ >= before;
    const Expr inside = select(last_inside, tiles, min((outputs - max(after, 0)) / tile_, tiles - 1));
    at_end_ = true;
    Stmt ends = mutate(op->body);
    at_end_ = false;
    if (lanes_) ends = with_copy(ends);
    Stmt parts = three_parts(op, "y.s0.i.part", first, max(inside, first), ends);
    if (lanes_) {  // the copy has room for so much
        const Expr reach = integer("max_tap");
        const Expr error = Call::make(
            Int(32), "halide_error_param_too_large_i64",
            {StringImm::make("max_tap"), cast(Int(64), reach), make_const(Int(64), max_reach_of_ends)}, Call::Extern);
        const Expr fits = reach <= max_reach_of_ends || (before <= 0 && after <= 0);
        parts = Block::make(AssertStmt::make(fits, error), parts);
    }
    // Without checks of the arguments Halide leaves x.extent.0 undefined, which nothing else reads.
    const Expr x = Variable::make(type_of<halide_buffer_t *>(), "x.buffer");
    return LetStmt::make(extent, Call::make(Int(32), Call::buffer_get_extent, {x, 0}, Call::Extern), parts);
}

Stmt RowEnds::with_copy(const Stmt &body) const {
    // Element of the row that the tile's first tap reads.
    const Expr from = min(integer(tiles_loop) * tile_, integer("y.extent.1") - tile_) - integer("x.min.0");
    const std::string vector_name = "x_end.vector";
    const Expr at = integer(vector_name) * lanes_;
    const Expr value =
        load_inside(Float(32, lanes_), Ramp::make(row_of_x() + from + at, 1, lanes_), Ramp::make(from + at, 1, lanes_));
    const Stmt store = Store::make(copied, value, Ramp::make(at, 1, lanes_), Halide::Parameter(), const_true(lanes_),
                                   ModulusRemainder(lanes_, 0));
    const Expr vectors = (integer("max_tap") + (tile_ + lanes_ - 1)) / lanes_;
    const Stmt copy = For::make(vector_name, 0, vectors, ForType::Serial, Partition::Never, DeviceAPI::Host, store);
    const int elements = (tile_ + max_reach_of_ends + lanes_ - 1) / lanes_ * lanes_;
    return Allocate::make(copied, Float(32), MemoryType::Stack, {elements}, const_true(),
                          LetStmt::make(copied_from, row_of_x() + from, Block::make(copy, body)));
}

Expr RowEnds::visit(const Load *op) {
    if (!at_end_ || op->name != "x") return IRMutator::visit(op);
    const int lanes = op->type.lanes();
    if (!lanes_) return load_inside(op->type, op->index, simplify(op->index - spread(row_of_x(), lanes)));
    const Ramp *ramp = op->index.as<Ramp>();
    const Expr from = integer(copied_from);
    const Expr index = ramp ? Ramp::make(ramp->base - from, ramp->stride, lanes) : op->index - spread(from, lanes);
    return Load::make(op->type, copied, index, Buffer<>(), Halide::Parameter(), op->predicate, ModulusRemainder());
}

Stmt StepEnds::visit(const For *op) {
    if (op->name != "y.s0.j.jo") return IRMutator::visit(op);
    inside_ = true;
    const Stmt middle = mutate(op->body);
    at_end_ = true;
    const Stmt ends = mutate(op->body);
    inside_ = at_end_ = false;

    const Expr blocks = op->extent, outputs = integer("y.extent.2"), before = integer("x.min.1");
    const Expr steps = integer(steps_of_x);
    // Outputs in front of `front` read before x, those from `back` on behind it.
    const Expr front = (max(before, 0) + (stride_ - 1)) / stride_;
    const Expr room = steps + before - taps_, back = select(room < 0, 0, room / stride_ + 1);
    const Expr first = min((front + (tile_ - 1)) / tile_, blocks);
    // The last block is moved back to end with the outputs, so it may read on either side of x.
    const Expr last_inside = outputs <= back && outputs - tile_ >= front;
    const Expr inside = select(last_inside, blocks, min(min(back, outputs) / tile_, blocks - 1));
    const Stmt loop =
        For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api, middle);
    const Stmt parts = three_parts(loop.as<For>(), "y.s0.j.part", first, max(inside, first), ends);
    const Expr x = Variable::make(type_of<halide_buffer_t *>(), "x.buffer");
    return LetStmt::make(steps_of_x, Call::make(Int(32), Call::buffer_get_extent, {x, 1}, Call::Extern), parts);
}

Expr StepEnds::visit(const Call *op) {
    if (op->name != step_inside_call) return IRMutator::visit(op);
    if (!at_end_) return const_true();
    const Expr at = op->args[0] - integer("x.min.1");
    return at >= 0 && at < integer(steps_of_x);
}

Expr StepEnds::visit(const Select *op) {
    const Load *load = op->true_value.as<Load>();
    if (!inside_ || !load || load->name != "x") return IRMutator::visit(op);
    if (!at_end_) return load;
    // Where x has no such step, its first channels of the first one are loaded in its place: CPUs take hundreds of
    // cycles for a load whose mask leaves out all of a page that is not there.
    const int lanes = load->type.lanes();
    const Ramp *ramp = load->index.as<Ramp>();
    const Expr condition = mutate(op->condition);
    const Broadcast *everywhere = condition.as<Broadcast>();
    const Expr inside = everywhere ? everywhere->value : condition;
    if (!inside.type().is_scalar() || (lanes > 1 && !ramp)) refuse(op);
    const Expr base = select(inside, ramp ? ramp->base : load->index, integer("y.s0.n") * integer("x.stride.2"));
    const Expr index = ramp ? Ramp::make(base, ramp->stride, lanes) : base;
    const Expr value =
        Load::make(load->type, "x", index, load->image, load->param, load->predicate, ModulusRemainder());
    return select(condition, value, op->false_value);
}

// A load that is not guarded would read outside of x.
Expr StepEnds::visit(const Load *op) {
    if (inside_ && op->name == "x") refuse(op);
    return IRMutator::visit(op);
}

}  // namespace dwc
