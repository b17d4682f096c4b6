// What a kernel asks of its buffers when it is called. Halide writes some ninety questions, 70 ns a call on Zen 4, as
// much as a small row takes; this pass leaves those about memory: whether a buffer is there, as large as what the
// kernel reads and writes of it, and small enough to be counted in 32 bits. The others hold by construction, since
// halide_glue.cpp makes every buffer from a view: its type and rank, that it starts at 0, that it lies on no device.
#ifndef DWCONV_GENERATORS_FEWER_CHECKS_HPP
#define DWCONV_GENERATORS_FEWER_CHECKS_HPP

#include <Halide.h>

#include <string>

namespace dwc {

// To be added as a custom lowering pass.
class FewerChecks : public Halide::Internal::IRMutator {
   public:
    // `ends`: the axis of x outside which the kernel reads zeros, or -1.
    explicit FewerChecks(int ends = -1) : ends_(ends) {}

   protected:
    using IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::AssertStmt *op) override {
        Halide::Expr message = op->message;
        while (const auto *let = message.as<Halide::Internal::Let>()) message = let->body;
        const auto *error = message.as<Halide::Internal::Call>();
        for (const char *kept : {"halide_error_access_out_of_bounds", "halide_error_host_is_null",
                                 "halide_error_buffer_allocation_too_large", "halide_error_buffer_extents_too_large",
                                 "halide_error_param_too_large_i64"})
            if (error && error->name == kept && !is_end_of_x(error)) return op;
        return Halide::Internal::Evaluate::make(0);
    }

   private:
    int ends_;

    bool is_end_of_x(const Halide::Internal::Call *error) const {
        if (error->name != "halide_error_access_out_of_bounds") return false;
        const auto *buffer = error->args[0].as<Halide::Internal::StringImm>();
        return buffer && buffer->value == "Input buffer x" && Halide::Internal::is_const(error->args[1], ends_);
    }
};

}  // namespace dwc

#endif
