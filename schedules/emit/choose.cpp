#include "choose.hpp"

#include <algorithm>
#include <limits>

#include "../promote/points.hpp"
#include "../tuner/log.hpp"
#include "default_points.hpp"

namespace dwc::emit {
namespace {

using tuner::InputError;

// Problems beyond these fetch rows ahead: four times the private caches of most cores, and half of a last cache where
// the core reads ahead by itself until there, as the library does (plan.cpp).
constexpr double large_bytes = 4 << 20, large_bytes_intel = 16 << 20;

// Taps that are unrolled even where the kernel of the point would loop over them. Measured on Zen 4 (K = 8 to 16, 128
// and 938 outputs): in ncl up to 9 an eighth faster, from 15 half slower; in nlc the same from 8 on.
constexpr int64_t unrolled_taps = 9;

const std::vector<promote::DefaultPoint> &default_points() {
    static const auto all = promote::parse_points(kDefaultPoints, "schedules/default.jsonl");
    return all;
}

struct Catalog {
    std::vector<Point> points;
    std::vector<dwc_kernel_row> rows;
    std::vector<dwc_record> records;
    int32_t defaults = 0;
};

std::string parent_of(const std::string &target) {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) == DWC_OK && target == info.name) return info.parent ? info.parent : "";
    }
    return {};
}

// The default points of a target (of its nearest ancestor with any), the records of the library and the kernels that
// these name. Without those that would take tiles of ncl turned round, which the library alone does: their steps are
// not listed.
Catalog catalog_of(const tuner::TunerTarget &target, dwc_layout layout) {
    Catalog all;
    const auto turns = [layout](const Point &point) { return layout == DWC_NCL && point.family == "channels"; };
    for (std::string name = target.name; !name.empty() && all.points.empty(); name = parent_of(name))
        for (const promote::DefaultPoint &p : default_points())
            if (p.target == name && p.dtype == "f32" && !turns(p.point)) all.points.push_back(p.point);
    all.defaults = static_cast<int32_t>(all.points.size());
    const std::string end = std::string("@") + target.name;
    for (int32_t i = 0; i < dwc_record_count(); ++i) {
        dwc_record record;
        dwc_record_init(&record);
        if (dwc_record_at(i, &record, nullptr) != DWC_OK || record.target != std::string(target.name)) continue;
        std::string kernel = record.kernel, dtype;
        if (kernel.size() <= end.size()) continue;
        Point point;
        if (!parse_variant_name(kernel.substr(0, kernel.size() - end.size()), &point, &dtype) || dtype != "f32" ||
            turns(point))
            continue;
        const auto same = [&](const Point &p) { return variant_name(p, "f32") == variant_name(point, "f32"); };
        if (std::none_of(all.points.begin(), all.points.end(), same)) all.points.push_back(point);
        all.records.push_back(record);
    }
    for (const Point &point : all.points) all.rows.push_back(row_of(point, target));
    return all;
}

double cost_of(const dwc_problem &problem, const Point &point, const tuner::TunerTarget &target) {
    const dwc_kernel_row row = row_of(point, target);
    double cost = 0;
    if (dwc_kernel_cost(&problem, &row, &cost, nullptr) != DWC_OK) return std::numeric_limits<double>::infinity();
    return cost;
}

// `wanted`, where it is legal on the target and computes the problem; else `point`.
Point if_possible(const dwc_problem &problem, const Point &point, const Point &wanted,
                  const tuner::TunerTarget &target) {
    if (!broken_rule(wanted, target.lanes, target.registers()).empty()) return point;
    return cost_of(problem, wanted, target) < std::numeric_limits<double>::infinity() ? wanted : point;
}

Point specialised(const dwc_problem &problem, Point point, const tuner::TunerTarget &target) {
    Point wanted = point;
    if (point.family == "channels" && problem.stride <= 4) wanted.stride = static_cast<int>(problem.stride);
    point = if_possible(problem, point, wanted, target);
    const auto multiplier = problem.depth_multiplier;
    if (point.family != "width" && multiplier > 1 && multiplier <= 8 && point.m != multiplier) {
        wanted = point;
        wanted.m = static_cast<int>(multiplier);
        wanted.v = std::max(point.v, target.lanes);
        wanted.t = std::max(point.t, 8);
        while (wanted.t > 1 && accumulators(wanted, target.lanes) > target.registers() - 4) --wanted.t;
        while (wanted.t > 1 && if_possible(problem, point, wanted, target).t != wanted.t) --wanted.t;
        point = if_possible(problem, point, wanted, target);
    }
    if (point.k == 0 && problem.kernel_size <= unrolled_taps) {
        wanted = point;
        wanted.k = static_cast<int>(problem.kernel_size);
        wanted.block = 4;
        point = if_possible(problem, point, wanted, target);
    }
    return point;
}

bool reads_ahead(const dwc_problem &problem, const Point &point, const tuner::TunerTarget &target) {
    int64_t length = 0;
    dwc_problem_out_length(&problem, &length, nullptr);
    const double steps = static_cast<double>(problem.length) +
                         static_cast<double>(length) * static_cast<double>(problem.depth_multiplier);
    const double bytes = sizeof(float) * static_cast<double>(problem.batch * problem.channels) * steps;
    const double large = target.intel() ? large_bytes_intel : large_bytes;
    return bytes > large && point.family == "channels" && point.stride == 1 && target.on_x86();
}

}  // namespace

std::string Kernel::name() const {
    std::string name = variant_name(point, "f32") + (ahead ? "_ahead" : "");
    if (point.family == "width")
        name += apart > 0 ? "_d" + std::to_string(apart) : apart == 0 ? "_dany" : apart == -1 ? "_taps" : "_halves";
    return name;
}

dwc_kernel_row row_of(const Point &point, const tuner::TunerTarget &target) {
    dwc_kernel_row row;
    dwc_kernel_row_init(&row);
    row.family = point.family.c_str();
    row.target = target.name;
    row.activation = point.activation.c_str();
    row.k = point.k, row.stride = point.stride, row.m = point.m;
    row.v = point.v, row.t = point.t, row.block = point.block;
    return row;
}

Kernel choose(const dwc_problem &problem, const tuner::TunerTarget &target) {
    const Catalog all = catalog_of(target, static_cast<dwc_layout>(problem.layout));
    dwc_catalog catalog;
    dwc_catalog_init(&catalog);
    catalog.kernels = all.rows.data();
    catalog.kernel_count = static_cast<int32_t>(all.rows.size());
    catalog.default_count = all.defaults;
    catalog.records = all.records.data();
    catalog.record_count = static_cast<int32_t>(all.records.size());
    int32_t index = -1;
    dwc_error error{};
    if (dwc_catalog_select(&catalog, &problem, target.name, 1, &index, &error) != DWC_OK)
        throw InputError(error.message);
    if (index < 0) {
        char text[300] = "this problem";
        dwc_problem_format(&problem, text, sizeof text, nullptr);
        throw InputError(std::string(text) + ": target " + target.name + " has no kernel for it");
    }
    Kernel kernel{specialised(problem, all.points[static_cast<size_t>(index)], target), 0, false};
    kernel.ahead = reads_ahead(problem, kernel.point, target);
    if (kernel.point.family == "width")
        kernel.apart = problem.stride == 2 && problem.dilation == 1 ? -2
                       : problem.stride > 1                         ? -1
                       : problem.dilation <= 1 << 20                ? static_cast<int>(problem.dilation)
                                                                    : 0;
    return kernel;
}

}  // namespace dwc::emit
