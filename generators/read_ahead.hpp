// A tile of family `channels` takes a few lines of many rows, which the prefetchers of a CPU do not follow from one
// block of rows to the next. Where the rows come from beyond the second-level cache, this pass makes every tile fetch
// its share of the rows of the next block, or where rows are narrow of one further on, into that cache, and of the rows
// that it will store, in the order of memory: the q-th tile of a block takes the q-th part. Zen 4, us with and without,
// medians on a machine with loud neighbours: 512 channels, 3072 steps, in L3: K = 4 283 and 310 to 410, K = 13 540 and
// 627 to 849, K = 31 1220 and 1390; in memory, stored around the caches, 6144 steps, K = 3: 650 and 1600. Fetched column
// by column, as the tile reads, or into the first-level cache: no gain.
#ifndef DWCONV_GENERATORS_READ_AHEAD_HPP
#define DWCONV_GENERATORS_READ_AHEAD_HPP

#include <Halide.h>

#include "space.hpp"

namespace dwc {

// To be added as a custom lowering pass. `outputs`: fetch the lines of y, too. Halide 21 gives these instructions the
// hint of data that is used once, which keeps them out of the second-level cache; cmake/run_generator.cmake changes it.
class ReadAhead : public Halide::Internal::IRMutator {
   public:
    ReadAhead(const Point &point, Halide::Type type, bool outputs) : point_(point), type_(type), outputs_(outputs) {}

   protected:
    using IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;

   private:
    Point point_;
    Halide::Type type_;  // of x and y
    bool outputs_;
};

}  // namespace dwc

#endif
