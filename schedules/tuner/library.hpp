// What the parts of the tuner ask the library for in the same words.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "dwconv/dwconv.h"
#include "log.hpp"

namespace dwc::tuner {

// Throws InputError for what is no problem string.
inline dwc_problem parsed(const std::string &text) {
    dwc_problem problem;
    dwc_problem_init(&problem);
    dwc_error error{};
    if (dwc_problem_parse(text.c_str(), &problem, &error) != DWC_OK) throw InputError(error.message);
    return problem;
}

// Names of all kernels, "@target" included: compiled and added ones.
inline std::set<std::string> kernel_names() {
    std::set<std::string> names;
    for (int32_t i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        if (dwc_kernel_at(i, &info, nullptr) == DWC_OK) names.insert(info.name);
    }
    return names;
}

// The kernel of the default order, which every candidate is compared with whatever was promoted before; on `target`
// alone where it is not nullptr. Empty where the plan runs no kernel, nothing where there is no plan.
inline std::optional<std::string> default_kernel(const dwc_problem &problem, const char *target, int threads) {
    dwc_options options;
    dwc_options_init(&options);
    options.threads = threads;
    options.force_target = target;
    options.plan_level = DWC_PLAN_ESTIMATE;
    dwc_plan *plan = nullptr;
    if (dwc_plan_create(&plan, &problem, &options, nullptr) != DWC_OK) return std::nullopt;
    dwc_plan_info info;
    dwc_plan_info_init(&info);
    std::string kernel;
    if (dwc_plan_describe(plan, &info, nullptr) == DWC_OK) kernel = info.kernel;
    dwc_plan_destroy(plan);
    return kernel.find('@') == std::string::npos ? "" : kernel;
}

}  // namespace dwc::tuner
