#include "rank.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "bench_case.hpp"

namespace cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Ranked {
    std::string problem, kernel, incumbent;
    int threads = 1;
    double us = 0, incumbent_us = 0, ratio = 1, ratio_q75 = 1;
};

constexpr int kLeastRounds = 5, kMostRounds = 31;
constexpr double kLeastGain = 0.03;
constexpr double kDefaultSeconds = 0.5;
constexpr double kSampleSeconds = 1e-3;

double quantile(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

// The kernel that the library's own measurement prefers.
std::string preferred(const std::string &problem, const PlanOptions &plan, double seconds) {
    const dwc_problem parsed = parse_problem(problem);
    dwc_options options = plan.to_c();
    options.plan_level = DWC_PLAN_MEASURE;
    options.measure_ms = static_cast<int32_t>(std::clamp(seconds * 1e3, 1.0, 60000.0));
    dwc_tuned_clear();  // or a problem of the same class, ranked before, would answer
    dwc_plan *made = nullptr;
    dwc_error error{};
    check(dwc_plan_create(&made, &parsed, &options, &error), error);
    dwc_plan_info info;
    dwc_plan_info_init(&info);
    const dwc_status status = dwc_plan_describe(made, &info, &error);
    const std::string kernel = status == DWC_OK ? info.kernel : "";
    dwc_plan_destroy(made);
    dwc_tuned_clear();
    check(status, error);
    return kernel;
}

// The incumbent and the preferred kernel, both verified, in interleaved rounds: a second opinion, since the best of
// many times is a lucky one.
Ranked rank(const std::string &problem, const PlanOptions &plan, double seconds) {
    const std::string kernel = preferred(problem, plan, seconds / 2);
    BenchCase incumbent(problem, plan);
    incumbent.verify();
    Ranked ranked{problem, incumbent.info().kernel, incumbent.info().kernel, incumbent.info().threads};
    PlanOptions forced = plan;
    forced.force_kernel = kernel;
    forced.force_target.clear();
    BenchCase challenger(problem, forced);
    challenger.verify();
    std::vector<double> own, other, ratios;
    const double sample = std::min(kSampleSeconds, seconds / (4 * kMostRounds));
    const auto end = Clock::now() + std::chrono::duration<double>(seconds / 2);
    for (int round = 0; round < kLeastRounds || (round < kMostRounds && Clock::now() < end); ++round) {
        other.push_back(incumbent.time_hot(sample));
        own.push_back(challenger.time_hot(sample));
        ratios.push_back(own.back() / other.back());
    }
    ranked.incumbent_us = quantile(other, 0.5) * 1e6;
    ranked.us = ranked.incumbent_us;
    if (kernel != ranked.incumbent && quantile(ratios, 0.5) <= 1 - kLeastGain && quantile(ratios, 0.75) < 1) {
        ranked.kernel = kernel;
        ranked.us = quantile(own, 0.5) * 1e6;
        ranked.ratio = quantile(ratios, 0.5);
        ranked.ratio_q75 = quantile(ratios, 0.75);
    }
    return ranked;
}

void print(const std::vector<Ranked> &all, bool json) {
    Table table({"us", "of default", "kernel", "default", "problem"});
    for (const Ranked &r : all) {
        if (json) {
            JsonObject line;
            line.add("problem", r.problem).add("kernel", r.kernel).add("us", r.us).add("incumbent", r.incumbent);
            line.add("incumbent_us", r.incumbent_us).add("ratio", r.ratio).add("ratio_q75", r.ratio_q75);
            std::cout << line.str() << '\n';
        } else {
            table.add({format("%.4g", r.us), format("%.2f", r.ratio), r.kernel, r.incumbent, r.problem});
        }
    }
    if (!json) std::cout << table.str();
}

}  // namespace

int rank_kernels(const RankOptions &options) {
    // What an earlier run found must not answer for this one.
    unsetenv("DWC_TUNED_FILE");
    PlanOptions plan;
    plan.threads = options.threads;
    plan.force_target = options.target;
    plan.check_values();
    for (const auto &problem : options.problems) parse_problem(problem);
    const auto count = static_cast<double>(std::max<size_t>(options.problems.size(), 1));
    const double seconds = options.budget_s > 0 ? options.budget_s / count : kDefaultSeconds;

    std::vector<Ranked> all;
    std::vector<std::string> complaints;
    for (const auto &problem : options.problems) {
        try {
            all.push_back(rank(problem, plan, seconds));
        } catch (const Failure &failure) {
            complaints.push_back(failure.what());
        }
    }
    print(all, options.json);
    for (const Ranked &r : all) {
        const dwc_problem problem = parse_problem(r.problem);
        dwc_error error{};
        check(dwc_tuned_add(&problem, r.threads, r.kernel.c_str(), r.us, &error), error);
    }
    if (!options.out.empty() && !all.empty()) {
        dwc_error error{};
        check(dwc_tuned_save(options.out.c_str(), &error), error);
        if (!options.json)
            std::cout << "wrote " << options.out << " for " << dwc_cpu_name() << ": set DWC_TUNED_FILE to it\n";
    }
    for (const auto &complaint : complaints) std::cerr << "dwconv: " << complaint << '\n';
    return complaints.empty() ? kExitOk : kExitFailure;
}

}  // namespace cli
