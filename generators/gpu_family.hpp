// Families of devices: one a layout. A thread computes a tile of v by t outputs in registers; all tiles of all rows and
// sequences are one line of threads, so that no shape leaves a part of a thread block idle but the last one.
#ifndef DWCONV_GENERATORS_GPU_FAMILY_HPP
#define DWCONV_GENERATORS_GPU_FAMILY_HPP

#include <Halide.h>

#include <vector>

#include "algorithm.hpp"
#include "space.hpp"

namespace dwc {

// Taps unrolled where K is known at run time only.
constexpr int gpu_taps = 4;

struct GpuKernel {
    Vars v;
    Halide::Func y, result;  // y(i, j, n) = result(i, j, n): the sum after its activation
    Sum sum;
    Point point;
    // Where taps are neighbours: the inputs of a tile, one per update of the sum; window(i, j, n).
    std::vector<Halide::Func> windows;
    std::vector<std::pair<Halide::Var, int>> tile;  // the outputs of a thread
};

// Makes (tile, row, n) one line of threads, point.block of them a thread block. Returns the loop over the threads of
// one.
inline Halide::Var line_of_threads(GpuKernel &kernel, const Halide::Var &tile, const Halide::Var &row) {
    using namespace Halide;
    Var rows("rows"), line("line"), block("block"), thread("thread");
    // The split before this one may leave a part of a tile over; partitioned loops would be another kernel for it.
    kernel.y.fuse(tile, row, rows)
        .fuse(rows, kernel.v.n, line)
        .split(line, block, thread, kernel.point.block, TailStrategy::GuardWithIf)
        .gpu_blocks(block)
        .gpu_threads(thread)
        .never_partition_all();
    return thread;
}

// The inputs of a tile: once a thread where the number of taps is fixed, else once a block of taps. `inner` schedules
// the loops of a window.
template <typename Inner>
void place_windows(GpuKernel &kernel, const Halide::Var &thread, Inner inner) {
    for (size_t u = 0; u < kernel.windows.size(); ++u) {
        Halide::Func &window = kernel.windows[u];
        const Halide::RDom &k = kernel.sum.taps[u];
        if (kernel.point.k > 0)
            window.compute_at(kernel.y, thread);
        else
            window.compute_at(kernel.sum.sum, k.dimensions() == 2 ? k.y : k.x);
        window.store_in(Halide::MemoryType::Register);
        inner(window);
    }
}

// OpenCL C compares vectors to something that Halide does not expect, so an activation works on single numbers; the
// compilers below make of them what they would make of vectors.
inline void place_result(GpuKernel &kernel, const Halide::Var &thread) {
    if (kernel.point.v == 1 || kernel.point.activation == "linear") return;
    kernel.result.compute_at(kernel.y, thread)
        .store_in(Halide::MemoryType::Register)
        .unroll(kernel.v.i)
        .unroll(kernel.v.j);
    for (const auto &[var, extent] : kernel.tile) kernel.result.bound_extent(var, extent);
    kernel.result.reorder_storage(kernel.v.i, kernel.v.j, kernel.v.n);
}

void schedule_gpunlc(GpuKernel &kernel);
void schedule_gpuncl(GpuKernel &kernel);

}  // namespace dwc

#endif
