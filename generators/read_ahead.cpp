#include "read_ahead.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace Halide;
using namespace Halide::Internal;

namespace dwc {
namespace {

constexpr int kLineBytes = 64;
constexpr int kElementsAhead = 2048;

Expr integer(const std::string &name) { return Variable::make(Int(32), name); }

// Instructions that fetch `elements` of `type` from buffer[first] on.
void fetch(const std::string &buffer, Type type, const Expr &first, int elements, std::vector<Stmt> *out) {
    for (int at = 0; at < elements; at += kLineBytes / type.bytes()) {
        out->push_back(Evaluate::make(
            Call::make(type, Call::prefetch, {Variable::make(type_of<void *>(), buffer), simplify(first + at), 1, 1},
                       Call::Intrinsic)));
    }
}

// Where in a block of `rows` rows, `stride` elements apart, the share of tile `q` starts; it is `elements` long. One
// line of memory is shared evenly. Of rows with gaps, `rows` tiles in turn take one row each, as many vectors as there
// are rows: what a last, shorter turn leaves out the CPU has to find.
Expr share(const Expr &q, int rows, int elements, const Expr &stride, const Expr &width) {
    return select(stride == width, q * elements, q % rows * stride + q / rows * elements);
}

}  // namespace

Stmt ReadAhead::visit(const For *op) {
    const Point &p = point_;
    if (op->name != "y.s0.i.io") return IRMutator::visit(op);
    const Expr tile = integer(op->name), block = integer("y.s0.j.jo"), n = integer("y.s0.n");
    const Expr taps = p.k > 0 ? Expr(p.k) : integer("w.extent.2");
    const Expr stride = p.stride > 0 ? Expr(p.stride) : integer("step");
    const Expr width = integer("y.extent.1"), x_row = integer("x.stride.1"), y_row = integer("y.stride.2");
    // Blocks of narrow rows take less time than memory does. After the last block of a row of outputs comes the first
    // of the next row, n + 1.
    const Expr distance = max(kElementsAhead / (width * p.t), 1);
    const Expr blocks = (integer("y.extent.2") + (p.t - 1)) / p.t, beyond = block + distance - blocks;
    const Expr next_block = select(beyond >= 0, beyond, block + distance), next_n = select(beyond >= 0, n + 1, n);
    // A block of t outputs reads t * stride + K - stride rows, the first K - stride of them like the block before. With
    // a stride of run time the first t of the others are fetched.
    const int rows = p.t * std::max(p.stride, 1), read = p.v * rows, written = p.v * p.m * p.t;
    const Expr x_at = (next_block * p.t * stride + taps - stride) * x_row + next_n * integer("x.stride.2");
    std::vector<Stmt> body;
    fetch("x", type_, x_at + share(tile, rows, read, x_row, width), read, &body);
    if (outputs_) {
        const Expr y_at = next_block * p.t * y_row + next_n * integer("y.stride.3");
        fetch("y", type_, y_at + share(tile, p.t, written, y_row, width * p.m), written, &body);
    }
    body.push_back(op->body);
    return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api,
                     Block::make(body));
}

}  // namespace dwc
