// Which way a kernel of family `width` walks through its outputs. A load waits for an earlier store to the same place
// of another page: the address modulo 4 KiB is what CPUs compare first. Where y lies a little ahead of x in this sense,
// or level with it as large allocations do, every tile stores where the next one reads; walking back, it reads where
// nothing was stored yet. Rows and tiles turn round together, since prefetchers follow only one direction. Zen 4, 1536
// rows of 2048, K = 4, us with y 0, 64, 128 and 2048 bytes ahead: 603, 1262, 875, 495 without this pass and 495 in
// every case with it.
#ifndef DWCONV_GENERATORS_ROW_DIRECTION_HPP
#define DWCONV_GENERATORS_ROW_DIRECTION_HPP

#include <Halide.h>

#include <string>

namespace dwc {

// To be added as a custom lowering pass: all loops over tiles run backwards where y starts less than half a page ahead
// of x, modulo pages. For tiles of at most two lines of memory, taken one after the other: those of larger tiles are
// read forwards in a tile and backwards from tile to tile, which no prefetcher follows (512 rows of 3072, K = 13: 500
// and 2000 us).
class RowDirection : public Halide::Internal::IRMutator {
   public:
    static bool pays(int tile) { return tile <= 32; }

   protected:
    using IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::For *op) override {
        using namespace Halide;
        using namespace Halide::Internal;
        bool turned = false;
        for (const char *loop : {"y.s0.n", "y.s0.j", "y.s0.m", "y.s0.i.part", "y.s0.i.io"})
            turned = turned || op->name == loop;
        if (!turned) return IRMutator::visit(op);

        const Expr walk = Variable::make(Int(32), "walk");  // 1 or -1
        const bool outermost = !inside_;
        inside_ = true;
        const std::string counter = op->name + ".counter", first = op->name + ".first";
        Stmt body = LetStmt::make(op->name, Variable::make(Int(32), first) + walk * Variable::make(Int(32), counter),
                                  mutate(op->body));
        body = For::make(counter, 0, op->extent, op->for_type, op->partition_policy, op->device_api, body);
        body = LetStmt::make(first, select(walk < 0, op->min + op->extent - 1, op->min), body);
        if (!outermost) return body;
        inside_ = false;
        const auto address = [](const char *buffer) {
            return reinterpret(UInt(64), Variable::make(type_of<void *>(), buffer));
        };
        const Expr ahead = (address("y") - address("x")) & make_const(UInt(64), 4095);
        return LetStmt::make("walk", select(ahead < make_const(UInt(64), 2048), make_const(Int(32), -1), 1), body);
    }

   private:
    bool inside_ = false;  // of a loop that turns
};

}  // namespace dwc

#endif
