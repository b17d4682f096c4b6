// Shared by the tests of devices: functions of drivers by name, options of a device.
#pragma once

#include <dlfcn.h>

#include "plan_support.hpp"

namespace dwc_test {

template <typename Function>
Function symbol(const char* library, const char* name) {
    void* handle = dlopen(library, RTLD_NOW);
    return handle ? reinterpret_cast<Function>(dlsym(handle, name)) : nullptr;
}

inline dwc_options device_options(dwc_memory memory, void* context = nullptr) {
    dwc_options o = options_with();
    o.memory = memory;
    o.device_context = context;
    return o;
}

inline dwc_status create(const char* problem, const dwc_options& options, dwc_error* error) {
    const dwc_problem p = parse(problem);
    dwc_plan* plan = nullptr;
    const dwc_status status = dwc_plan_create(&plan, &p, &options, error);
    dwc_plan_destroy(plan);
    return status;
}

inline const char* const kProblem = "f32_nlc_n2_l37_c8_k4_m1_s1_d1_pl3_pr0_bias_silu";

}  // namespace dwc_test
