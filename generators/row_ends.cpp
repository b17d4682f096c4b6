#include "row_ends.hpp"

#include <string>

#include "space.hpp"

using namespace Halide;
using namespace Halide::Internal;

namespace dwc {
namespace {

const std::string tiles_loop = "y.s0.i.io", copied = "x_end", copied_from = "x_end.from", extent = "x_end.extent";

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

}  // namespace

Stmt RowEnds::visit(const For *op) {
    if (op->name != tiles_loop) return IRMutator::visit(op);
    const std::string part_name = "y.s0.i.part";
    const Expr part = integer(part_name), tiles = op->extent, outputs = integer("y.extent.1");
    // Outputs in front of `before` read before x; the last `after` ones read behind it.
    const Expr before = integer("x.min.0");
    const Expr after = outputs + integer("max_tap") - before - integer(extent);
    const Expr first = clamp((before + (tile_ - 1)) / tile_, 0, tiles);
    // The last tile is moved back to end with the row, so it may read on either side of x.
    const Expr last_inside = after <= 0 && outputs - tile_ >= before;
    const Expr inside = select(last_inside, tiles, min((outputs - max(after, 0)) / tile_, tiles - 1));
    const Expr second = max(inside, first);
    const auto loop = [&](const Expr &begin, const Expr &end, const Stmt &body) {
        return For::make(op->name, begin, end - begin, op->for_type, op->partition_policy, op->device_api, body);
    };
    const Stmt middle = loop(first, second, op->body);
    at_end_ = true;
    Stmt body = mutate(op->body);
    at_end_ = false;
    if (lanes_) body = with_copy(body);
    const Stmt ends = loop(select(part == 0, 0, second), select(part == 0, first, tiles), body);
    const Stmt parts = For::make(part_name, 0, 3, ForType::Serial, Partition::Never, op->device_api,
                                 IfThenElse::make(part == 1, middle, ends));
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

}  // namespace dwc
