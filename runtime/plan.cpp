#include "plan.hpp"

#include <cinttypes>
#include <cstring>
#include <mutex>
#include <new>
#include <set>

#include "error.hpp"
#include "pack.hpp"
#include "reference.hpp"
#include "select.hpp"

namespace dwc {
namespace {

constexpr int most_threads = 1024;

std::unique_ptr<Runner> make_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads) {
    switch (k.family) {
        case Family::channels:
            return make_channels_runner(p, k, e, threads);
        case Family::width:
            return make_width_runner(p, k, e, threads);
        case Family::flat:
            return make_flat_runner(p, k, e, threads);
    }
    return nullptr;
}

void log_once(const std::string& line) {
    static std::mutex mutex;
    static std::set<std::string> said;
    const std::lock_guard lock(mutex);
    if (said.insert(line).second) log_line(line);
}

// The same outputs without what they cannot see: the dilation of a single tap, the stride of a single output.
Problem simplest(Problem p) {
    if (p.given.kernel_size == 1) p.given.dilation = 1;
    if (p.out_length == 1) p.given.stride = 1;
    return p;
}

dwc_status bind(dwc_plan& plan, const Selection& s, dwc_error* error) {
    const ConvKernel& kernel = *s.chosen;
    const dwc_problem& g = plan.problem.given;
    const ActivationKernel wanted = activation_kernel(g.activation, g.activation_params);
    const ActivationRow* epilogue = nullptr;
    if (std::string_view(kernel.activation) != wanted.function) {
        epilogue = find_activation(wanted.function, kernel.target);
        if (!epilogue)
            return fail(error, DWC_ERROR_UNSUPPORTED, "activation=%s: no kernel for target %s",
                        dwc_activation_name(g.activation), targets()[kernel.target].name);
    }
    plan.kernel_name = kernel.name;
    plan.target_name = targets()[kernel.target].name;
    if (epilogue) plan.reason += ", then " + std::string(wanted.function) + " on each tile in L1";
    plan.runner = make_runner(simplest(plan.problem), kernel, epilogue, plan.threads);
    plan.packed = plan.runner->packed();
    return DWC_OK;
}

dwc_status create(dwc_plan** out, const dwc_problem* problem, const dwc_options* given, dwc_error* error) {
    dwc_options options;
    dwc_options_init(&options);
    if (given) {
        if (given->struct_size != sizeof options)
            return fail(error, DWC_ERROR_STRUCT_SIZE, "options.struct_size=%zu: must be %zu; call dwc_options_init",
                        given->struct_size, sizeof options);
        options = *given;
    }
    if (options.threads < 0 || options.threads > most_threads)
        return fail(error, DWC_ERROR_THREADS, "threads=%" PRId32 ": must be from 0 (as many as usable) to %d",
                    options.threads, most_threads);
    auto plan = std::make_unique<dwc_plan>();
    if (const dwc_status status = resolve(problem, &plan->problem, error)) return status;
    const dwc_problem& g = plan->problem.given;
    plan->key = plan->problem.key();
    plan->threads = options.threads ? options.threads : usable_cpus();
    plan->parallel_for = options.parallel_for;
    plan->parallel_for_user = options.parallel_for_user;

    const Wish wish = wish_of(options);
    if (plan->problem.empty_output()) {
        plan->kernel_name = plan->target_name = "none";
        plan->reason = "the output is empty";
    } else {
        Selection s;
        if (const dwc_status status = select(simplest(plan->problem), wish, &s, error)) return status;
        plan->reason = s.reason;
        if (s.chosen) {
            if (const dwc_status status = bind(*plan, s, error)) return status;
            if (!s.slower_target.empty())
                log_once("dwconv: running on " + plan->target_name + ", below this CPU's best target " +
                         s.slower_target);
        } else if (options.allow_reference) {
            plan->kernel_name = plan->target_name = "reference";
            plan->reference = true;
            plan->reason += "; the plain loop was allowed";
            log_once("dwconv: no compiled kernel computes " + plan->key + "; running the plain loop");
        } else {
            return fail(error, DWC_ERROR_UNSUPPORTED, "%s: no compiled kernel computes this problem%s",
                        plan->key.c_str(), wish.target.empty() ? "" : " on the forced target");
        }
    }
    // Without a runner weights stay in Keras' order, which is family channels with the multiplier among the channels.
    if (!plan->runner) plan->packed = {Family::channels, g.w_dtype, g.kernel_size, plan->problem.out_channels, 1, 0};
    plan->weights_key = plan->packed.key() + (g.has_bias ? "_bias" : "_nobias");
    if (verbose())
        log_line("dwconv: plan " + plan->key + " kernel " + plan->kernel_name + " threads " +
                 std::to_string(plan->threads) + ": " + plan->reason);
    *out = plan.release();
    return DWC_OK;
}

// What one execution hands to its tasks.
struct Execution {
    const dwc_plan* plan;
    const dwc_args* args;
    dwc_error* error;
    std::once_flag first;
    dwc_status status = DWC_OK;
};

int run_task(void* arg, int64_t index) {
    auto& e = *static_cast<Execution*>(arg);
    const Runner& runner = *e.plan->runner;
    KernelError message;
    alignas(64) char tile[stack_tile];
    const dwc_weights& weights = *e.args->weights;
    Job job{static_cast<const char*>(e.args->x),
            static_cast<char*>(e.args->y),
            weights.data.get(),
            weights.data.get() + weights.bias_offset,
            tile,
            &message};
    if (runner.scratch_bytes() > stack_tile)
        job.scratch = static_cast<char*>(e.args->workspace) + index * ((runner.scratch_bytes() + 63) / 64 * 64);
    const int code = runner.run(runner.tasks()[static_cast<size_t>(index)], job);
    if (code)
        std::call_once(e.first, [&] {
            e.status = fail(e.error, DWC_ERROR_KERNEL, "kernel %s refused its buffers (code %d): %s",
                            e.plan->kernel_name.c_str(), code, message.message);
        });
    return code;
}

dwc_status run_reference(const dwc_plan& plan, const dwc_args& args, dwc_error* error) {
    const dwc_weights& w = *args.weights;
    return dwc_reference(&plan.problem.given, args.x, w.data.get(),
                         plan.problem.given.has_bias ? w.data.get() + w.bias_offset : nullptr, args.y,
                         DWC_WEIGHTS_KERAS, 1, error);
}

dwc_status check_args(const dwc_plan& plan, const dwc_args& args, dwc_error* error) {
    if (args.struct_size != sizeof args)
        return fail(error, DWC_ERROR_STRUCT_SIZE, "args.struct_size=%zu: must be %zu; call dwc_args_init",
                    args.struct_size, sizeof args);
    if (plan.problem.empty_output()) return DWC_OK;
    if (!args.weights) return fail(error, DWC_ERROR_NULL_POINTER, "weights=NULL: must point to packed weights");
    if (args.weights->key != plan.weights_key)
        return fail(error, DWC_ERROR_WEIGHTS, "weights packed as %s: this plan reads %s", args.weights->key.c_str(),
                    plan.weights_key.c_str());
    if (!args.y) return fail(error, DWC_ERROR_NULL_POINTER, "y=NULL: must point to the output");
    // An input without elements (length 0) is never read.
    if (!args.x && plan.problem.x_span > 0)
        return fail(error, DWC_ERROR_NULL_POINTER, "x=NULL: must point to the input");
    const auto x = reinterpret_cast<uintptr_t>(args.x), y = reinterpret_cast<uintptr_t>(args.y);
    const auto x_bytes = static_cast<uintptr_t>(plan.problem.x_span * element_size(plan.problem.given.x_dtype));
    const auto y_bytes = static_cast<uintptr_t>(plan.problem.y_span * element_size(plan.problem.given.y_dtype));
    if (x < y + y_bytes && y < x + x_bytes)
        return fail(error, DWC_ERROR_ALIAS, "y overlaps x: the output needs memory of its own");
    if (const size_t needed = dwc_plan_workspace_size(&plan); needed) {
        if (!args.workspace)
            return fail(error, DWC_ERROR_WORKSPACE, "workspace=NULL: this plan needs %zu bytes", needed);
        if (reinterpret_cast<uintptr_t>(args.workspace) % 64)
            return fail(error, DWC_ERROR_WORKSPACE, "workspace=%p: must be aligned to 64 bytes", args.workspace);
    }
    return DWC_OK;
}

dwc_status execute(const dwc_plan& plan, const dwc_args& args, dwc_error* error) {
    if (const dwc_status status = check_args(plan, args, error)) return status;
    if (plan.problem.empty_output()) return DWC_OK;
    if (plan.reference) return run_reference(plan, args, error);
    Execution e{&plan, &args, error, {}, DWC_OK};
    const auto count = static_cast<int64_t>(plan.runner->tasks().size());
    if (count == 1)
        run_task(&e, 0);
    else if (plan.parallel_for)
        plan.parallel_for(plan.parallel_for_user, count, run_task, &e);
    else
        pool_parallel_for(plan.threads, count, run_task, &e);
    return e.status;
}

}  // namespace
}  // namespace dwc

using dwc::fail;

// Memory is the only thing that can throw in here.
template <typename Body>
static dwc_status guarded(dwc_error* error, Body body) {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return fail(error, DWC_ERROR_OUT_OF_MEMORY, "out of memory");
    } catch (...) {
        return fail(error, DWC_ERROR_INTERNAL, "unexpected exception");
    }
}

extern "C" {

void dwc_options_init(dwc_options* options) {
    if (!options) return;
    *options = {};
    options->struct_size = sizeof *options;
    options->threads = 1;
}

void dwc_args_init(dwc_args* args) {
    if (!args) return;
    *args = {};
    args->struct_size = sizeof *args;
}

void dwc_plan_info_init(dwc_plan_info* info) {
    if (!info) return;
    *info = {};
    info->struct_size = sizeof *info;
}

dwc_status dwc_plan_create(dwc_plan** plan, const dwc_problem* problem, const dwc_options* options, dwc_error* error) {
    if (!plan) return fail(error, DWC_ERROR_NULL_POINTER, "plan=NULL: must point to where the plan goes");
    return guarded(error, [&] { return dwc::create(plan, problem, options, error); });
}

void dwc_plan_destroy(dwc_plan* plan) { delete plan; }

dwc_status dwc_weights_pack(const dwc_plan* plan, const void* w, const void* bias, dwc_weights_order order,
                            dwc_weights** weights, dwc_error* error) {
    if (!plan) return fail(error, DWC_ERROR_NULL_POINTER, "plan=NULL: must point to a plan");
    if (!weights) return fail(error, DWC_ERROR_NULL_POINTER, "weights=NULL: must point to where the weights go");
    if (order != DWC_WEIGHTS_KERAS && order != DWC_WEIGHTS_PYTORCH)
        return fail(error, DWC_ERROR_LAYOUT, "order=%d: must be DWC_WEIGHTS_KERAS or DWC_WEIGHTS_PYTORCH",
                    static_cast<int>(order));
    const dwc_problem& g = plan->problem.given;
    if ((bias != nullptr) != (g.has_bias != 0))
        return fail(error, DWC_ERROR_BIAS, "bias %s: the problem has %s", bias ? "given" : "is NULL",
                    g.has_bias ? "one" : "none");
    return guarded(error, [&] {
        if (!w && plan->problem.out_channels)
            return fail(error, DWC_ERROR_NULL_POINTER, "w=NULL: must point to the weights");
        dwc_weights* packed = dwc::pack(plan->packed, w, bias, order);
        if (!packed) return fail(error, DWC_ERROR_OUT_OF_MEMORY, "out of memory for packed weights");
        packed->key = plan->weights_key;
        *weights = packed;
        return DWC_OK;
    });
}

void dwc_weights_destroy(dwc_weights* weights) { delete weights; }

size_t dwc_plan_workspace_size(const dwc_plan* plan) {
    if (!plan || !plan->runner || plan->runner->scratch_bytes() <= dwc::stack_tile) return 0;
    const auto each = static_cast<size_t>((plan->runner->scratch_bytes() + 63) / 64 * 64);
    return each * plan->runner->tasks().size();
}

dwc_status dwc_plan_execute(const dwc_plan* plan, const dwc_args* args, dwc_error* error) {
    if (!plan) return fail(error, DWC_ERROR_NULL_POINTER, "plan=NULL: must point to a plan");
    if (!args) return fail(error, DWC_ERROR_NULL_POINTER, "args=NULL: must point to the arguments");
    return guarded(error, [&] { return dwc::execute(*plan, *args, error); });
}

dwc_status dwc_plan_describe(const dwc_plan* plan, dwc_plan_info* info, dwc_error* error) {
    if (!plan) return fail(error, DWC_ERROR_NULL_POINTER, "plan=NULL: must point to a plan");
    if (!info) return fail(error, DWC_ERROR_NULL_POINTER, "info=NULL: must point to the result");
    if (info->struct_size != sizeof *info)
        return fail(error, DWC_ERROR_STRUCT_SIZE, "info.struct_size=%zu: must be %zu; call dwc_plan_info_init",
                    info->struct_size, sizeof *info);
    *info = {sizeof *info,
             plan->key.c_str(),
             plan->kernel_name.c_str(),
             plan->target_name.c_str(),
             plan->reason.c_str(),
             plan->weights_key.c_str(),
             plan->problem.out_length,
             plan->problem.flops,
             plan->problem.bytes,
             plan->threads};
    return DWC_OK;
}

}  // extern "C"
