// A plan's execution as data: the runner runs on pretended memory, and what it would do is recorded.
#include "dwconv/steps.h"

#include <cstring>
#include <exception>

#include "added_kernels.hpp"
#include "cost.hpp"
#include "error.hpp"
#include "plan.hpp"
#include "stage.hpp"
#include "structs.hpp"

namespace dwc {
namespace {

// Every memory begins at a multiple of 2^58, far from the others whatever is added to it.
constexpr int memory_bits = 58;

char* pretended(dwc_step_memory memory) {
    return reinterpret_cast<char*>(static_cast<uintptr_t>(memory + 1) << memory_bits);
}

// Ends a listing from inside the runner.
struct Ended {};

class Lister final : public Recorder {
   public:
    Lister(dwc_step_callback callback, void* user, int64_t element)
        : callback_(callback), user_(user), element_(element) {}

    void stage(const void* dst, const void* row, const Piece& p) override {
        dwc_step step{};
        step.kind = DWC_STEP_STAGE;
        step.as.stage = {place(dst), place(row),    p.first, p.steps, p.phases->stride, p.phases->count(),
                         p.length,   p.source_step, p.group, p.rows,  p.source_row,     p.phases->residues.data()};
        tell(step);
    }
    void conv(const ConvCall& c) override {
        dwc_step step{};
        step.kind = DWC_STEP_CONV;
        step.as.conv = {view(c.x), view(c.w), view(c.b),
                        view(c.y), c.taps,    c.tap_count,
                        c.max_tap, c.step,    {static_cast<int32_t>(c.x_first[0]), static_cast<int32_t>(c.x_first[1])}};
        tell(step);
    }
    void spread(const void* planes, const View& y) override {
        dwc_step step{};
        step.kind = DWC_STEP_SPREAD;
        step.as.spread = {place(planes), view(y)};
        tell(step);
    }
    void copy(const void* dst, const void* src, int64_t elements) override {
        dwc_step step{};
        step.kind = DWC_STEP_COPY;
        step.as.copy = {place(dst), place(src), elements};
        tell(step);
    }

   private:
    dwc_step_callback callback_;
    void* user_;
    int64_t element_;

    void tell(const dwc_step& step) const {
        if (callback_(user_, &step)) throw Ended();
    }
    dwc_step_place place(const void* pointer) const {
        const auto address = reinterpret_cast<uintptr_t>(pointer);
        const uintptr_t half = uintptr_t{1} << (memory_bits - 1);
        const auto memory = static_cast<dwc_step_memory>(((address + half) >> memory_bits) - 1);
        return {memory, (reinterpret_cast<const char*>(address) - pretended(memory)) / element_};
    }
    dwc_step_view view(const View& v) const {
        dwc_step_view result{place(v.data), {}, {}};
        for (int d = 0; d < 4; ++d) result.extent[d] = v.axis[d].extent, result.stride[d] = v.axis[d].stride;
        return result;
    }
};

dwc_steps_info info_of(const Problem& p, const ActivationKernel& function, const Runner& runner) {
    const PackedLayout l = runner.packed();
    const int64_t K = l.taps, M = l.multiplier, P = l.family == Family::flat ? l.period : l.channels;
    dwc_steps_info info{};
    info.struct_size = sizeof info;
    info.scratch_bytes = runner.scratch_bytes();
    info.x_batch = p.x.n, info.y_batch = p.y.n;
    info.positions = P, info.w_elements = K * M * P, info.b_elements = M * P;
    info.function = function.function;
    std::memcpy(info.parameters, function.p, sizeof info.parameters);
    if (l.family == Family::width) {
        info.w_stride[0] = K, info.w_stride[1] = M * K, info.w_stride[2] = 1;
        info.b_stride[0] = 1, info.b_stride[1] = M;
    } else {
        info.w_stride[0] = P, info.w_stride[1] = 1, info.w_stride[2] = M * P;
        info.b_stride[0] = P, info.b_stride[1] = 1;
    }
    return info;
}

dwc_status list_steps(const dwc_problem* problem, const dwc_kernel_row& row, bool finite, dwc_steps_info* info,
                      dwc_step_callback callback, void* user, dwc_error* error) {
    // An activation is applied to finished outputs one by one: the steps are those of the linear problem.
    Problem p;
    if (const dwc_status status = resolve(problem, &p, error)) return status;
    const ActivationKernel function = activation_kernel(p.given.activation, p.given.activation_params);
    p.given.activation = DWC_LINEAR;
    dwc_kernel_row linear = row;
    linear.activation = "linear";
    ConvKernel kernel;
    if (const dwc_status status = kernel_of_row(linear, &kernel, error)) return status;
    if (on_device(kernel.family))
        return fail(error, DWC_ERROR_UNSUPPORTED, "target=%s: a device's kernel takes the whole problem in one step",
                    targets()[kernel.target].name);
    if (p.given.stateful)
        return fail(error, DWC_ERROR_UNSUPPORTED, "%s: the steps of a stateful problem depend on its state",
                    p.key().c_str());
    p = simplest(p);
    if (const Refusal why = refusal(p, kernel))
        return fail(error, DWC_ERROR_UNSUPPORTED, "%s: %s", p.key().c_str(), why.text().c_str());
    if (turned(p, kernel))
        return fail(error, DWC_ERROR_UNSUPPORTED, "%s: the steps of tiles turned round are not listed",
                    p.key().c_str());
    const std::unique_ptr<Runner> runner = make_runner(p, kernel, nullptr, 1);
    if (info) *info = info_of(p, function, *runner);
    if (p.empty_output()) return DWC_OK;
    Lister lister(callback, user, element_size(p.given.x_dtype));
    KernelError unused;
    const Job job{pretended(DWC_IN_X),
                  pretended(DWC_IN_Y),
                  pretended(DWC_IN_W),
                  pretended(DWC_IN_B),
                  pretended(DWC_IN_SCRATCH),
                  {},
                  &unused,
                  finite,
                  &lister};
    Task one = runner->tasks().at(0);
    one.n1 = 1;
    try {
        runner->run(one, job);
    } catch (const Ended&) {
    }
    return DWC_OK;
}

}  // namespace
}  // namespace dwc

using dwc::fail;

extern "C" {

void dwc_steps_info_init(dwc_steps_info* info) {
    if (!info) return;
    *info = {};
    info->struct_size = sizeof *info;
}

dwc_status dwc_kernel_steps(const dwc_problem* problem, const dwc_kernel_row* row, int32_t finite, dwc_steps_info* info,
                            dwc_step_callback callback, void* user, dwc_error* error) {
    if (!row) return fail(error, DWC_ERROR_NULL_POINTER, "row=NULL: must be a kernel's row");
    if (!callback) return fail(error, DWC_ERROR_NULL_POINTER, "callback=NULL: must be a function");
    if (const dwc_status status = dwc::check_size("row", *row, 0, error)) return status;
    if (info)
        if (const dwc_status status = dwc::check_size("info", *info, 0, error)) return status;
    try {
        return dwc::list_steps(problem, *row, finite != 0, info, callback, user, error);
    } catch (const std::exception&) {
        return fail(error, DWC_ERROR_OUT_OF_MEMORY, "out of memory");
    }
}

}  // extern "C"
