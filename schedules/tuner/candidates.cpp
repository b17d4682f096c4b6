#include "candidates.hpp"

#include <algorithm>

#include "log.hpp"
#include "targets.hpp"

namespace dwc::tuner {
namespace {

void check_families(const std::vector<std::string> &families) {
    for (const std::string &family : families) {
        std::string known;
        bool found = false;
        for (const FamilySpace &space : spaces()) {
            found = found || family == space.family;
            known += (known.empty() ? "" : ", ") + std::string(space.family);
        }
        if (!found) throw InputError("families=" + family + ": no such family; there are " + known);
    }
}

}  // namespace

const char *dtype_word(dwc_dtype dtype) { return dtype == DWC_BF16 ? "bf16" : "f32"; }

dwc_kernel_row row_of(const Candidate &candidate, const std::string &target, const char *name, void (*function)()) {
    dwc_kernel_row row;
    dwc_kernel_row_init(&row);
    const Point &p = candidate.point;
    row.name = name;
    row.family = p.family.c_str();
    row.target = target.c_str();
    row.activation = p.activation.c_str();
    row.dtype = candidate.dtype;
    row.k = p.k, row.stride = p.stride, row.m = p.m;
    row.v = p.v, row.t = p.t, row.block = p.block;
    row.function = function;
    return row;
}

std::vector<Candidate> candidates_of(const dwc_problem &problem, const std::string &target,
                                     const std::vector<std::string> &families) {
    check_families(families);
    const TunerTarget *to = tuner_target(target);
    if (!to) throw InputError("target=" + target + ": no such target; `dwconv list` names the targets");
    std::vector<Candidate> candidates;
    // Numbers beyond a point's range are compiled as run-time ones only: broken_rule refuses the rest.
    const auto number = [](int64_t value) { return static_cast<int>(std::min<int64_t>(value, 1000)); };
    const Fixed fixed{number(problem.kernel_size), number(problem.stride), number(problem.depth_multiplier)};
    for (const FamilySpace &space : spaces()) {
        if (!families.empty() && std::find(families.begin(), families.end(), space.family) == families.end()) continue;
        for (Point &point : points_of(space, fixed, to->lanes, to->registers())) {
            Candidate candidate{std::move(point), problem.x_dtype, {}, 0};
            candidate.name = variant_name(candidate.point, dtype_word(candidate.dtype));
            const dwc_kernel_row row = row_of(candidate, target, nullptr, nullptr);
            if (dwc_kernel_cost(&problem, &row, &candidate.cost, nullptr) != DWC_OK) continue;
            candidates.push_back(std::move(candidate));
        }
    }
    std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
        return a.cost != b.cost ? a.cost < b.cost : a.name < b.name;
    });
    return candidates;
}

}  // namespace dwc::tuner
