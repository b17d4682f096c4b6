// The part of the C interface that lists what is compiled.
#include <exception>
#include <string>

#include "activation.hpp"
#include "error.hpp"
#include "plan.hpp"
#include "select.hpp"

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
    if (const dwc_status status = check_info(info, error)) return status;
    if (const dwc_status status = check_index(index, dwc_target_count(), error)) return status;
    const dwc::Target& t = dwc::targets()[index];
    *info = {sizeof *info, t.name, *t.parent ? t.parent : nullptr, t.built, t.supported(), t.fma};
    return DWC_OK;
}

int32_t dwc_kernel_count(void) {
    return static_cast<int32_t>(dwc::conv_kernels().size() + dwc::activation_rows().size());
}

dwc_status dwc_kernel_at(int32_t index, dwc_kernel_info* info, dwc_error* error) {
    if (const dwc_status status = check_info(info, error)) return status;
    if (const dwc_status status = check_index(index, dwc_kernel_count(), error)) return status;
    const auto conv = dwc::conv_kernels();
    if (static_cast<size_t>(index) < conv.size()) {
        const dwc::ConvKernel& k = conv[index];
        const dwc::Target& t = dwc::targets()[k.target];
        *info = {sizeof *info, k.name,       dwc::family_name(k.family),
                 t.name,       k.activation, k.dtype,
                 k.k,          k.stride,     k.m,
                 k.v,          k.t,          t.supported()};
    } else {
        const dwc::ActivationRow& a = dwc::activation_rows()[index - conv.size()];
        const dwc::Target& t = dwc::targets()[a.target];
        *info = {sizeof *info, a.name, "activation", t.name, a.name, DWC_F32, 0, 0, 0, a.v, 1, t.supported()};
    }
    return DWC_OK;
}

dwc_status dwc_explain(const dwc_problem* problem, const dwc_options* given, dwc_explain_callback callback, void* user,
                       dwc_error* error) {
    if (!callback) return fail(error, DWC_ERROR_NULL_POINTER, "callback=NULL: must be a function");
    try {
        dwc_options options;
        dwc_options_init(&options);
        if (given) {
            if (const dwc_status status = check_info(given, error)) return status;
            options = *given;
        }
        dwc::Problem p;
        if (const dwc_status status = dwc::resolve(problem, &p, error)) return status;
        dwc::Selection s;
        if (const dwc_status status = dwc::select(p, dwc::wish_of(options), &s, error)) return status;
        for (const bool chosen : {true, false})
            for (const dwc::Candidate& c : s.candidates) {
                if ((c.kernel == s.chosen) != chosen) continue;
                const dwc_candidate line{c.kernel->name, dwc::targets()[c.kernel->target].name,
                                         chosen ? s.reason.c_str() : c.reason.c_str(), chosen, c.eligible};
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
        for (size_t i = 0; i < dwc::targets().size() && index < 0; ++i)
            if (dwc::targets()[i].supported()) index = static_cast<int>(i);
    }
    const dwc::ActivationKernel kernel = dwc::activation_kernel(activation, resolved);
    if (std::string_view(kernel.function) == "linear" || count == 0) return DWC_OK;
    const dwc::ActivationRow* row = index < 0 ? nullptr : dwc::find_activation(kernel.function, index);
    if (!row) return fail(error, DWC_ERROR_UNSUPPORTED, "activation=%s: no kernel runs here", kernel.function);
    dwc::KernelError message;
    for (int64_t i = 0; i < count; i += dwc::largest_span / 2)
        if (const int code = dwc::call_activation(*row, kernel.p, values + i,
                                                  std::min(count - i, dwc::largest_span / 2), 1, 0, message))
            return fail(error, DWC_ERROR_KERNEL, "kernel %s failed (code %d): %s", row->name, code, message.message);
    return DWC_OK;
}

}  // extern "C"
