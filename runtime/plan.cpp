#include "plan.hpp"

#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <set>

#include "cost.hpp"
#include "error.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "pack.hpp"
#include "pool.hpp"
#include "reference.hpp"
#include "run_device.hpp"
#include "select.hpp"
#include "structs.hpp"

namespace dwc {

std::unique_ptr<Runner> make_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads) {
    switch (k.family) {
        case Family::channels:
            return p.given.layout == DWC_NLC ? make_channels_runner(p, k, e, threads)
                                             : make_turned_runner(p, k, e, threads);
        case Family::width:
            return make_width_runner(p, k, e, threads);
        case Family::flat:
            return is_step(p) ? make_step_runner(p, k, e, threads) : make_flat_runner(p, k, e, threads);
        case Family::gpunlc:
        case Family::gpuncl:
            break;  // not a Runner's: see bind
    }
    return nullptr;
}

Problem simplest(Problem p) {
    if (p.given.kernel_size == 1) p.given.dilation = 1;
    if (p.out_length == 1) p.given.stride = 1;
    return p;
}

namespace {

std::string number_text(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.4g", value);
    return text;
}

void log_once(const std::string& line) {
    static std::mutex mutex;
    static std::set<std::string> said;
    const std::lock_guard lock(mutex);
    if (said.insert(line).second) log_line(line);
}

// As many of the library's own threads as have a microsecond's work each at the speed of a fast core, some 100 flops
// and bytes a nanosecond: handing over less takes longer than doing it.
int worthwhile_threads(const Problem& p, int threads) {
    const double nanoseconds = static_cast<double>(std::max(p.flops, p.bytes)) / 100;
    return static_cast<int>(std::clamp(nanoseconds / 1000, 1.0, static_cast<double>(threads)));
}

// Rows that the next cache holds are fetched well enough by the CPU itself up to a few times the private ones: on Zen 4
// (1 MiB) reading ahead costs 5 % at 4 MB, nothing at 6 and saves 15 to 20 % at 12. From memory it saves half at any
// size. Intel's cores fetch from the last cache as well as they can by themselves: reading ahead costs 5 to 10 % at 4
// to 13 MB (Emerald Rapids, 2 MiB) and saves half at 100.
Form form_for(const Target& target, int64_t bytes, int threads, dwc_stores stores) {
    const bool from_memory = bytes > last_level_bytes() / 2;
    if (stores == DWC_STORES_STREAMED) return Form::stream;
    if (stores == DWC_STORES_AUTO && from_memory) return Form::stream;
    if (target.intel()) return from_memory ? Form::ahead : Form::plain;
    return bytes / threads > 4 * private_bytes() ? Form::ahead : Form::plain;
}

dwc_status bind(dwc_plan& plan, const Selection& s, const dwc_options& options, dwc_error* error) {
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
    if (on_device(kernel.family)) {
        if (epilogue) plan.reason += ", then a kernel for " + std::string(wanted.function);
        dwc_status status = DWC_OK;
        plan.device =
            DeviceRunner::make(plan.problem, kernel, epilogue, plan.memory, options.device_context, &status, error);
        if (plan.device) plan.packed = plan.device->packed();
        return status;
    }
    if (epilogue) plan.reason += ", then " + std::string(wanted.function) + " on each tile in L1";
    const int threads = plan.parallel_for ? plan.threads : worthwhile_threads(plan.problem, plan.threads);
    plan.runner = make_runner(simplest(plan.problem), kernel, epilogue, threads);
    plan.runner->form(form_for(targets()[kernel.target], plan.problem.bytes, threads, options.stores));
    if (plan.runner->form() == Form::ahead) plan.reason += ", rows fetched ahead";
    if (plan.runner->form() == Form::stream) plan.reason += ", y written around the caches";
    plan.packed = plan.runner->packed();
    return DWC_OK;
}

// Puts the result of a measurement in the place of a choice that was not measured on this machine.
void choose_measured(const Problem& problem, const dwc_options& options, Selection* s) {
    if (!s->chosen || s->tuned_here) return;
    const Measured measured = measure(problem, *s, options);
    if (!measured.best) return;
    s->chosen = measured.best;
    s->reason = "measured for this plan: " + number_text(measured.us) + " us, the best of " +
                std::to_string(measured.kernels) + " kernels";
    std::string why;
    auto entry = make_tuned(problem.given, options.threads ? options.threads : usable_cpus(), measured.best->name,
                            measured.us, &why);
    if (entry) tuned_add({std::move(*entry)});
}

dwc_status create(dwc_plan** out, const dwc_problem* problem, const dwc_options* given, dwc_error* error) {
    dwc_options options;
    if (const dwc_status status = options_of(given, &options, error)) return status;
    auto plan = std::make_unique<dwc_plan>();
    if (const dwc_status status = resolve(problem, &plan->problem, error)) return status;
    const dwc_problem& g = plan->problem.given;
    plan->key = plan->problem.key();
    plan->threads = options.threads ? options.threads : usable_cpus();
    plan->memory = static_cast<DeviceKind>(options.memory);
    plan->parallel_for = options.parallel_for;
    plan->parallel_for_user = options.parallel_for_user;

    const Wish wish = wish_of(options);
    if (plan->problem.empty_output()) {
        plan->kernel_name = plan->target_name = "none";
        plan->reason = "the output is empty";
    } else {
        Selection s;
        const Problem seen = simplest(plan->problem);
        if (const dwc_status status = select(seen, wish, own_knowledge(), &s, error)) return status;
        if (options.plan_level == DWC_PLAN_MEASURE && wish.kernel.empty()) choose_measured(plan->problem, options, &s);
        plan->reason = s.reason;
        if (s.chosen) {
            if (const dwc_status status = bind(*plan, s, options, error)) return status;
            if (!s.slower_target.empty())
                log_once("dwconv: running on " + plan->target_name + ", below this CPU's best target " +
                         s.slower_target);
        } else if (options.allow_reference && !g.stateful && plan->memory == DeviceKind::host) {
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
    if (!plan->runner && !plan->device)
        plan->packed = {Family::channels, g.w_dtype, g.kernel_size, plan->problem.out_channels, 1, 0};
    plan->weights_key = plan->packed.key() + (g.has_bias ? "_bias" : "_nobias");
    if (plan->device) plan->weights_key += plan->device->place();
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

// Without outputs (no input, or no multiple of a channel) the state still moves on.
void keep_state(const dwc_plan& plan, const dwc_args& args) {
    const Problem& p = plan.problem;
    const int64_t element = element_size(p.given.x_dtype), slot_bytes = state_steps(p) * p.given.channels * element;
    for (int64_t n = 0; n < p.given.batch && args.state_out; ++n) {
        const int64_t slot = args.sequence_index ? args.sequence_index[n] : n;
        if (slot < 0) continue;
        const char* in = args.state_in ? static_cast<const char*>(args.state_in) + slot * slot_bytes : nullptr;
        update_state(p, static_cast<const char*>(args.x), in, static_cast<char*>(args.state_out) + slot * slot_bytes, 0,
                     p.given.channels);
    }
}

// One sequence after the other, or where the runner moves the state as many as have their slots side by side.
int run_stateful(const Execution& e, const Task& task, Job job) {
    const Problem& p = e.plan->problem;
    const Runner& runner = *e.plan->runner;
    const int64_t element = element_size(p.given.x_dtype), slot_bytes = state_steps(p) * p.given.channels * element;
    const auto slot_of = [&](int64_t n) { return e.args->sequence_index ? e.args->sequence_index[n] : n; };
    Task some = task;
    for (; some.n0 < task.n1; some.n0 = some.n1) {
        const int64_t slot = slot_of(some.n0);
        const char* in = slot < 0 ? nullptr : static_cast<const char*>(e.args->state_in);
        char* out = slot < 0 ? nullptr : static_cast<char*>(e.args->state_out);
        job.context = {in ? in + slot * slot_bytes : nullptr, out ? out + slot * slot_bytes : nullptr, state_steps(p),
                       p.given.channels};
        some.n1 = some.n0 + 1;
        while (runner.moves_state() && slot >= 0 && some.n1 < task.n1 && slot_of(some.n1) == slot + some.n1 - some.n0)
            ++some.n1;
        if (const int code = runner.run(some, job)) return code;
        if (!runner.moves_state() && job.context.next)
            update_state(p, job.x + some.n0 * p.x.n * element, job.context.rows, job.context.next, task.c0, task.c1);
    }
    return 0;
}

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
            {},
            &message,
            weights.zeros_add_nothing};
    if (runner.scratch_bytes() > stack_tile)
        job.scratch = static_cast<char*>(e.args->workspace) + index * ((runner.scratch_bytes() + 63) / 64 * 64);
    const Task& task = runner.tasks()[static_cast<size_t>(index)];
    const int code = e.plan->problem.given.stateful ? run_stateful(e, task, job) : runner.run(task, job);
    if (runner.form() == Form::stream) finish_streaming();
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

dwc_status check_state(const dwc_plan& plan, const dwc_args& args, dwc_error* error) {
    const Problem& p = plan.problem;
    const int64_t slots = args.state_slots ? args.state_slots : p.given.batch;
    if (args.state_slots < 0)
        return fail(error, DWC_ERROR_STATE, "state_slots=%" PRId64 ": must be at least 0", args.state_slots);
    if (!args.sequence_index && slots < p.given.batch)
        return fail(error, DWC_ERROR_STATE,
                    "state_slots=%" PRId64 ": must be at least batch=%" PRId64 " where sequence_index is NULL", slots,
                    p.given.batch);
    for (int64_t n = 0; args.sequence_index && n < p.given.batch; ++n)
        if (args.sequence_index[n] >= slots)
            return fail(error, DWC_ERROR_STATE,
                        "sequence_index[%" PRId64 "]=%" PRId32 ": must be below state_slots=%" PRId64, n,
                        args.sequence_index[n], slots);
    const auto begin = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); };
    const int64_t element = element_size(p.given.x_dtype);
    int64_t bytes;
    if (__builtin_mul_overflow(slots, state_steps(p) * p.given.channels * element, &bytes))
        return fail(error, DWC_ERROR_STATE, "state_slots=%" PRId64 ": the state must be less than 2^63 bytes", slots);
    const auto apart = [&](const void* a, int64_t a_bytes, const void* b, int64_t b_bytes) {
        return !a || !b || begin(a) + static_cast<uintptr_t>(a_bytes) <= begin(b) ||
               begin(b) + static_cast<uintptr_t>(b_bytes) <= begin(a);
    };
    const int64_t x_bytes = p.x_span * element, y_bytes = p.y_span * element_size(p.given.y_dtype);
    if (args.state_in != args.state_out && !apart(args.state_in, bytes, args.state_out, bytes))
        return fail(error, DWC_ERROR_ALIAS,
                    "state_out overlaps state_in: must be the same memory or memory of its own");
    if (!apart(args.state_out, bytes, args.x, x_bytes) || !apart(args.state_out, bytes, args.y, y_bytes) ||
        !apart(args.state_in, bytes, args.y, y_bytes))
        return fail(error, DWC_ERROR_ALIAS, "the state overlaps x or y: it needs memory of its own");
    return DWC_OK;
}

dwc_status check_args(const dwc_plan& plan, const dwc_args& args, dwc_error* error) {
    if (plan.problem.given.stateful)
        if (const dwc_status status = check_state(plan, args, error)) return status;
    if (plan.problem.empty_output()) return DWC_OK;
    if (!args.weights) return fail(error, DWC_ERROR_NULL_POINTER, "weights=NULL: must point to packed weights");
    if (args.weights->key != plan.weights_key)
        return fail(error, DWC_ERROR_WEIGHTS, "weights packed as %s: this plan reads %s", args.weights->key.c_str(),
                    plan.weights_key.c_str());
    if (!args.y) return fail(error, DWC_ERROR_NULL_POINTER, "y=NULL: must point to the output");
    // An input without elements (length 0) is never read.
    if (!args.x && plan.problem.x_span > 0)
        return fail(error, DWC_ERROR_NULL_POINTER, "x=NULL: must point to the input");
    if (plan.memory == DeviceKind::opencl) {  // handles, which have no extent
        if (args.x == args.y) return fail(error, DWC_ERROR_ALIAS, "y is x: the output needs memory of its own");
        return DWC_OK;
    }
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
    if (plan.problem.empty_output()) {
        if (plan.problem.given.stateful) keep_state(plan, args);
        return DWC_OK;
    }
    if (plan.reference) return run_reference(plan, args, error);
    if (plan.device) return plan.device->execute(args, error);
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
        if (plan->device)
            if (const dwc_status status = plan->device->upload(packed, error)) {
                delete packed;
                return status;
            }
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
    constexpr size_t first = offsetof(dwc_args, state_in);
    if (const dwc_status status = dwc::check_size("args", *args, first, error)) return status;
    const bool older = args->struct_size != sizeof *args;
    const dwc_args full = older ? dwc::widened(*args, dwc_args{}, first) : dwc_args{};
    return guarded(error, [&] { return dwc::execute(*plan, older ? full : *args, error); });
}

dwc_status dwc_plan_describe(const dwc_plan* plan, dwc_plan_info* info, dwc_error* error) {
    if (!plan) return fail(error, DWC_ERROR_NULL_POINTER, "plan=NULL: must point to a plan");
    if (!info) return fail(error, DWC_ERROR_NULL_POINTER, "info=NULL: must point to the result");
    constexpr size_t first = offsetof(dwc_plan_info, state_elements);
    if (const dwc_status status = dwc::check_size("info", *info, first, error)) return status;
    const dwc_plan_info full = {
        sizeof *info,
        plan->key.c_str(),
        plan->kernel_name.c_str(),
        plan->target_name.c_str(),
        plan->reason.c_str(),
        plan->weights_key.c_str(),
        plan->problem.out_length,
        plan->problem.flops,
        plan->problem.bytes,
        plan->threads,
        plan->problem.given.stateful ? dwc::state_steps(plan->problem) * plan->problem.given.channels : 0};
    dwc::narrow(full, first, info);
    return DWC_OK;
}

}  // extern "C"
