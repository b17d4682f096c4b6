// A family is the code of a schedule: how outputs are tiled, what is vectorised, unrolled, kept in registers. It sees
// one output Func and one accumulator Func and knows nothing of bias, activation or dtype.
#ifndef DWCONV_GENERATORS_FAMILY_HPP
#define DWCONV_GENERATORS_FAMILY_HPP

#include <Halide.h>

#include "algorithm.hpp"
#include "space.hpp"

namespace dwc {

struct Kernel {
    Vars v;
    Halide::Func y;  // y(m, i, j, n)
    Sum sum;
    Point point;
    int lanes = 1, registers = 0;          // of f32 in a vector register, and how many there are
    std::vector<Halide::Expr> neighbours;  // family width: conditions under which taps lie side by side
    bool ends = false;                     // family width: rows with padding, see row_ends.hpp
    bool step_by_step = false;             // family channels: all taps of a step before the next step, see below
};

// Puts the taps outside the register tile, unrolled where they are few: the blocks of a run-time K, all of a fixed one.
// `tile` gives the loops inside, (i, m, j) in that order.
template <typename Tile>
void unroll_taps(Kernel &kernel, Tile tile) {
    const Vars &v = kernel.v;
    for (size_t u = 0; u < kernel.sum.taps.size(); ++u) {
        const Halide::RDom &k = kernel.sum.taps[u];
        Halide::Stage update = kernel.sum.sum.update(static_cast<int>(u));
        if (k.dimensions() == 2) {
            update.reorder(v.i, v.m, v.j, k.x, k.y).unroll(k.x);
        } else {
            update.reorder(v.i, v.m, v.j, k.x);
            if (kernel.point.k > 0) update.unroll(k.x);
        }
        tile(update);
    }
}

// v positions of i by t of j by all of m: the tile of channels and of flat, which differ in what i and j are and in how
// a tap is found. Taps go outside, which keeps the additions of one sum apart; step by step a tile of neighbouring taps
// reads x just ahead of the sums instead of all of it first, so that larger tiles find registers. With `march` > 1 so
// many tiles follow each other along j before the next ones along i, which read the same weights.
void tile_in_registers(Kernel &kernel, int march = 1);

void schedule_channels(Kernel &kernel);
void schedule_width(Kernel &kernel);
void schedule_flat(Kernel &kernel);

}  // namespace dwc

#endif
