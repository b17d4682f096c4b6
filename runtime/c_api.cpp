// The part of the C interface that lists what is compiled.
#include <cstddef>
#include <exception>
#include <string>

#include "activation.hpp"
#include "added_kernels.hpp"
#include "cost.hpp"
#include "error.hpp"
#include "options.hpp"
#include "plan.hpp"
#include "run_device.hpp"
#include "select.hpp"
#include "structs.hpp"

using dwc::fail;

namespace {

template <typename Info>
dwc_status check_info(const Info* info, dwc_error* error) {
    if (!info) return fail(error, DWC_ERROR_NULL_POINTER, "info=NULL: must point to the result");
    if (info->struct_size != sizeof *info)
        return fail(error, DWC_ERROR_STRUCT_SIZE, "info.struct_size=%zu: must be %zu; call the init function",
                    info->struct_size, sizeof *info);
    return DWC_OK;
}

dwc_status check_index(int32_t index, int32_t count, dwc_error* error) {
    if (index >= 0 && index < count) return DWC_OK;
    return fail(error, DWC_ERROR_BUFFER_SIZE, "index=%d: must be from 0 to %d", static_cast<int>(index),
                static_cast<int>(count) - 1);
}

template <typename Info>
void init(Info* info) {
    if (!info) return;
    *info = {};
    info->struct_size = sizeof *info;
}

}  // namespace

extern "C" {

void dwc_target_info_init(dwc_target_info* info) { init(info); }
void dwc_kernel_info_init(dwc_kernel_info* info) { init(info); }

int32_t dwc_target_count(void) { return static_cast<int32_t>(dwc::targets().size()); }

dwc_status dwc_target_at(int32_t index, dwc_target_info* info, dwc_error* error) {
    if (!info) return fail(error, DWC_ERROR_NULL_POINTER, "info=NULL: must point to the result");
    constexpr size_t first = offsetof(dwc_target_info, device);
    if (const dwc_status status = dwc::check_size("info", *info, first, error)) return status;
    if (const dwc_status status = check_index(index, dwc_target_count(), error)) return status;
    const dwc::Target& t = dwc::targets()[index];
    const dwc_target_info full = {sizeof full,   t.name, *t.parent ? t.parent : nullptr, t.built,
                                  t.supported(), t.fma,  static_cast<int32_t>(t.device)};
    dwc::narrow(full, first, info);
    return DWC_OK;
}

int32_t dwc_kernel_count(void) {
    return static_cast<int32_t>(dwc::all_kernels().size() + dwc::activation_rows().size());
}

dwc_status dwc_kernel_at(int32_t index, dwc_kernel_info* info, dwc_error* error) {
    if (!info) return fail(error, DWC_ERROR_NULL_POINTER, "info=NULL: must point to the result");
    constexpr size_t first = offsetof(dwc_kernel_info, streams);
    if (const dwc_status status = dwc::check_size("info", *info, first, error)) return status;
    if (const dwc_status status = check_index(index, dwc_kernel_count(), error)) return status;
    dwc_kernel_info full;
    // Compiled ones, activations, added ones: an index stays that of its kernel when others are added.
    const size_t compiled = dwc::conv_kernels().size(), activations = dwc::activation_rows().size();
    const auto at = static_cast<size_t>(index);
    if (at < compiled || at >= compiled + activations) {
        const dwc::ConvKernel& k = *dwc::all_kernels()[at < compiled ? at : at - activations];
        const dwc::Target& t = dwc::targets()[k.target];
        full = {sizeof full,
                k.name,
                dwc::family_name(k.family),
                t.name,
                k.activation,
                k.dtype,
                k.k,
                k.stride,
                k.m,
                k.v,
                k.t,
                t.supported(),
                k.stream != nullptr};
    } else {
        const dwc::ActivationRow& a = dwc::activation_rows()[at - compiled];
        const dwc::Target& t = dwc::targets()[a.target];
        full = {sizeof full, a.name, "activation", t.name, a.name, DWC_F32, 0, 0, 0, a.v, 1, t.supported(), 0};
    }
    dwc::narrow(full, first, info);
    return DWC_OK;
}

void dwc_kernel_row_init(dwc_kernel_row* row) {
    init(row);
    if (row) row->block = 4;
}

dwc_status dwc_kernel_add(const dwc_kernel_row* row, dwc_error* error) {
    if (const dwc_status status = check_info(row, error)) return status;
    try {
        return dwc::add_kernel(*row, error);
    } catch (const std::exception&) {
        return fail(error, DWC_ERROR_OUT_OF_MEMORY, "out of memory");
    }
}

dwc_status dwc_kernel_cost(const dwc_problem* problem, const dwc_kernel_row* row, double* cost, dwc_error* error) {
    if (const dwc_status status = check_info(row, error)) return status;
    if (!cost) return fail(error, DWC_ERROR_NULL_POINTER, "cost=NULL: must point to the result");
    try {
        dwc::Problem p;
        if (const dwc_status status = dwc::resolve(problem, &p, error)) return status;
        dwc::ConvKernel kernel;
        if (const dwc_status status = dwc::kernel_of_row(*row, &kernel, error)) return status;
        if (const dwc::Refusal why = dwc::refusal(p, kernel))
            return fail(error, DWC_ERROR_UNSUPPORTED, "%s", why.text().c_str());
        *cost = dwc::predicted_cost(p, kernel);
        return DWC_OK;
    } catch (const std::exception&) {
        return fail(error, DWC_ERROR_OUT_OF_MEMORY, "out of memory");
    }
}

dwc_status dwc_explain(const dwc_problem* problem, const dwc_options* given, dwc_explain_callback callback, void* user,
                       dwc_error* error) {
    if (!callback) return fail(error, DWC_ERROR_NULL_POINTER, "callback=NULL: must be a function");
    try {
        dwc_options options;
        if (const dwc_status status = dwc::options_of(given, &options, error)) return status;
        dwc::Problem p;
        if (const dwc_status status = dwc::resolve(problem, &p, error)) return status;
        dwc::Selection s;
        if (const dwc_status status = dwc::select(p, dwc::wish_of(options), dwc::own_knowledge(), &s, error))
            return status;
        for (const bool chosen : {true, false})
            for (const dwc::Candidate& c : s.candidates) {
                if ((c.kernel == s.chosen) != chosen) continue;
                const std::string reason = chosen ? s.reason : dwc::why_not(c, s);
                const dwc_candidate line{c.kernel->name, dwc::targets()[c.kernel->target].name, reason.c_str(), chosen,
                                         c.eligible()};
                callback(user, &line);
            }
        return DWC_OK;
    } catch (const std::exception&) {
        return fail(error, DWC_ERROR_OUT_OF_MEMORY, "out of memory");
    }
}

dwc_status dwc_activation_apply(dwc_activation activation, const float* params, float* values, int64_t count,
                                const char* target, dwc_error* error) {
    float resolved[DWC_MAX_ACTIVATION_PARAMS];
    if (const dwc_status status = dwc::activation_resolve(activation, params, resolved, error)) return status;
    if (count < 0) return fail(error, DWC_ERROR_LENGTH, "count=%lld: must be >= 0", static_cast<long long>(count));
    if (!values && count) return fail(error, DWC_ERROR_NULL_POINTER, "values=NULL: must point to the data");
    int index = -1;
    if (target) {
        index = dwc::find_target(target);
        if (index < 0 || !dwc::targets()[index].supported())
            return fail(error, DWC_ERROR_FORCED_TARGET, "target=%s: not built or not supported by this CPU", target);
    } else {
        index = dwc::best_target();
    }
    const dwc::ActivationKernel kernel = dwc::activation_kernel(activation, resolved);
    if (std::string_view(kernel.function) == "linear" || count == 0) return DWC_OK;
    const dwc::ActivationRow* row = index < 0 ? nullptr : dwc::find_activation(kernel.function, index);
    if (!row) return fail(error, DWC_ERROR_UNSUPPORTED, "activation=%s: no kernel runs here", kernel.function);
    if (dwc::targets()[row->target].on_device()) return dwc::activate_on_device(*row, kernel.p, values, count, error);
    dwc::KernelError message;
    for (int64_t i = 0; i < count; i += dwc::largest_span / 2)
        if (const int code = dwc::call_activation(*row, kernel.p, values + i,
                                                  std::min(count - i, dwc::largest_span / 2), 1, 0, message))
            return fail(error, DWC_ERROR_KERNEL, "kernel %s failed (code %d): %s", row->name, code, message.message);
    return DWC_OK;
}

}  // extern "C"
