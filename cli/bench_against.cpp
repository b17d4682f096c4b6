#include "bench_against.hpp"

#include <cmath>
#include <exception>

#include "tuner/measure.hpp"

namespace cli {
namespace {

// Name and threads of what a plan runs.
void describe(const dwc_problem &problem, const dwc_options &options, std::string *kernel, int *threads) {
    dwc_plan *plan = nullptr;
    dwc_error error{};
    check(dwc_plan_create(&plan, &problem, &options, &error), error);
    dwc_plan_info info;
    dwc_plan_info_init(&info);
    const dwc_status status = dwc_plan_describe(plan, &info, &error);
    if (status == DWC_OK) {
        *kernel = info.kernel;
        *threads = info.threads;
    }
    dwc_plan_destroy(plan);
    check(status, error);
}

void verify(const std::string &problem, const std::string &kernel, int threads) {
    const std::string why = dwc::tuner::verify(problem, kernel, threads);
    if (!why.empty()) throw Failure(kExitFailure, kernel + " is wrong: " + why);
}

}  // namespace

Duel fight(const std::string &problem, const PlanOptions &plan, const std::string &against, int rounds,
           double sample_ms) {
    const dwc_problem parsed = parse_problem(problem);
    Duel duel;
    duel.problem = problem;
    try {
        dwc_options options = plan.to_c();
        describe(parsed, options, &duel.kernel, &duel.threads);
        if (against == "default") {
            options.plan_level = DWC_PLAN_ESTIMATE;
            options.force_kernel = nullptr;
        } else {
            options.force_kernel = against.c_str();
        }
        describe(parsed, options, &duel.other, &duel.threads);
        verify(problem, duel.kernel, duel.threads);
        if (duel.other != duel.kernel) verify(problem, duel.other, duel.threads);
        const dwc::tuner::Timing timing =
            dwc::tuner::time_interleaved(problem, duel.kernel, duel.other, duel.threads, {rounds, sample_ms});
        dwc::tuner::Result result;
        dwc::tuner::summarise(timing, &result);
        duel.rounds = static_cast<int>(result.samples);
        duel.us_median = result.us_median.value(), duel.us_min = result.us_min.value();
        duel.other_us_median = result.incumbent_us_median.value();
        duel.ratio = result.ratio_median.value();
        duel.ratio_q25 = result.ratio_q25.value(), duel.ratio_q75 = result.ratio_q75.value();
    } catch (const std::exception &failure) {
        throw Failure(kExitFailure, problem + ": " + failure.what());
    }
    return duel;
}

std::string json_line(const Duel &duel, const Provenance &provenance) {
    JsonObject line;
    line.add("problem", duel.problem).add("variant", duel.kernel).add("against", duel.other);
    line.add("threads", duel.threads).add("rounds", duel.rounds);
    line.add("us_median", duel.us_median).add("us_min", duel.us_min).add("against_us_median", duel.other_us_median);
    line.add("ratio", duel.ratio).add("ratio_q25", duel.ratio_q25).add("ratio_q75", duel.ratio_q75);
    line.add("provenance", json_of(provenance));
    return line.str();
}

std::string text_report(const std::vector<Duel> &duels, const Provenance &provenance) {
    if (duels.empty()) return "";
    Table table({"problem", "us", "against_us", "ratio", "q25", "q75", "variant", "against"});
    double log_sum = 0;
    size_t same = 0, slower = 0;
    for (const Duel &duel : duels) {
        table.add({duel.problem, format("%.4g", duel.us_median), format("%.4g", duel.other_us_median),
                   format("%.3f", duel.ratio), format("%.3f", duel.ratio_q25), format("%.3f", duel.ratio_q75),
                   duel.kernel, duel.other == duel.kernel ? "the same" : duel.other});
        log_sum += std::log(duel.ratio);
        same += duel.other == duel.kernel;
        slower += duel.slower();
    }
    std::string out = table.str();
    out += format(
        "\n%zu problems, %zu of them with the same kernel; ratio of times, geometric mean: %.3f; slower "
        "(median over 1.03, lower quartile over 1): %zu\n",
        duels.size(), same, std::exp(log_sum / static_cast<double>(duels.size())), slower);
    return out + origin_line(provenance, duels[0].threads);
}

}  // namespace cli
