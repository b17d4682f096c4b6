#include "measure.hpp"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "subject.hpp"

namespace dwc::tuner {
namespace {

dwc_problem parse(const std::string &text) {
    dwc_problem problem;
    dwc_problem_init(&problem);
    dwc_error error{};
    check(dwc_problem_parse(text.c_str(), &problem, &error), error);
    return problem;
}

std::string format(const dwc_problem &problem) {
    char text[400];
    dwc_error error{};
    check(dwc_problem_format(&problem, text, sizeof text, &error), error);
    return text;
}

// Elements that no output has (where y is strided) hold the pattern on both sides.
std::string compare(const Data &data, const Guarded &expected) {
    const dwc_dtype dtype = data.problem.y_dtype;
    const size_t size = dtype_size(dtype);
    const auto count = static_cast<int64_t>(expected.size() / size);
    const double bound = tolerance(data, max_abs(expected, dtype));
    for (int64_t i = 0; i < count; ++i) {
        const char *got = static_cast<const char *>(data.y.data()) + static_cast<size_t>(i) * size;
        if (std::memcmp(got, static_cast<const char *>(expected.data()) + static_cast<size_t>(i) * size, size) == 0)
            continue;
        const double is = load(data.y.data(), dtype, i), should = load(expected.data(), dtype, i);
        if (std::fabs(is - should) <= bound) continue;  // not so where one is NaN
        char text[160];
        std::snprintf(text, sizeof text, "element %lld of %lld is %.9g where the reference says %.9g (tolerance %.3g)",
                      static_cast<long long>(i), static_cast<long long>(count), is, should, bound);
        return text;
    }
    return data.y.fence_intact() ? "" : "it wrote in front of y";
}

std::string verify_one(const dwc_problem &problem, const std::string &kernel, int threads) {
    const Data data(problem, true);
    const Subject subject(data, kernel, threads);
    const Guarded expected(data.y.size());
    dwc_error error{};
    check(dwc_reference(&problem, data.x.data(), data.w.data(), data.bias_or_null(), expected.data(), DWC_WEIGHTS_KERAS,
                        subject.fma(), &error),
          error);
    if (subject.execute(data.x.data(), data.y.data(), &error) != DWC_OK) return error.message;
    return compare(data, expected);
}

// Smaller problems of the same class: an odd length, a channel more, two rows. Only those that the kernel computes.
std::vector<dwc_problem> beside(const dwc_problem &problem, const std::string &kernel) {
    std::vector<dwc_problem> all;
    const int64_t reach = (problem.kernel_size - 1) * problem.dilation + 1;
    for (const int64_t outputs : {int64_t{97}, int64_t{41}}) {
        dwc_problem p = problem;
        for (int i = 0; i < 3; ++i) p.x_strides[i] = p.y_strides[i] = 0;
        p.batch = 2;
        p.length = std::min(p.length, std::max<int64_t>(outputs * p.stride + reach - p.pad_left - p.pad_right, 1));
        p.channels = std::min<int64_t>(p.channels, outputs + 36);
        dwc_options options;
        dwc_options_init(&options);
        options.force_kernel = kernel.c_str();
        dwc_plan *plan = nullptr;
        if (dwc_plan_create(&plan, &p, &options, nullptr) == DWC_OK) all.push_back(p);
        dwc_plan_destroy(plan);
    }
    return all;
}

// With one thread the time that this thread had the CPU: what other processes took is not the kernel's.
double now(bool own) {
    timespec t{};
    clock_gettime(own ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Seconds of `count` executions.
double run(const Subject &subject, const Data &data, int64_t count) {
    dwc_error error{};
    const double start = now(subject.serial());
    for (int64_t i = 0; i < count; ++i) check(subject.execute(data.x.data(), data.y.data(), &error), error);
    return now(subject.serial()) - start;
}

// Executions of which one sample is made, after a few to warm up.
int64_t executions(const Subject &subject, const Data &data, double sample_seconds) {
    run(subject, data, 2);
    const double one = std::max(run(subject, data, 1), 1e-9);
    return static_cast<int64_t>(std::clamp(std::ceil(sample_seconds / one), 1.0, 1e7));
}

}  // namespace

std::string verify(const std::string &problem, const std::string &kernel, int threads) {
    const dwc_problem main = parse(problem);
    for (const dwc_problem &p : beside(main, kernel))
        if (const std::string why = verify_one(p, kernel, threads); !why.empty()) return format(p) + ": " + why;
    const std::string why = verify_one(main, kernel, threads);
    return why.empty() ? why : problem + ": " + why;
}

Timing time_interleaved(const std::string &problem, const std::string &kernel, const std::string &incumbent,
                        int threads, const TimingOptions &options) {
    const Data data(parse(problem), false);
    if (data.y.size() == 0) throw std::runtime_error("its output is empty: there is nothing to time");
    const Subject candidate(data, kernel, threads);
    std::unique_ptr<Subject> other;
    if (!incumbent.empty()) other = std::make_unique<Subject>(data, incumbent, threads);
    const double seconds = options.sample_ms * 1e-3;
    const int64_t count = executions(candidate, data, seconds);
    const int64_t other_count = other ? executions(*other, data, seconds) : 0;

    Timing timing;
    const auto sample = [&](const Subject &subject, int64_t times, std::vector<double> *us) {
        us->push_back(run(subject, data, times) / static_cast<double>(times) * 1e6);
    };
    double best_ratio = std::numeric_limits<double>::infinity();
    for (int round = 0; round < options.rounds; ++round) {
        if (round % 2 == 0) sample(candidate, count, &timing.us);
        if (other) sample(*other, other_count, &timing.incumbent_us);
        if (round % 2 != 0) sample(candidate, count, &timing.us);
        if (!other) continue;
        best_ratio = std::min(best_ratio, timing.us.back() / timing.incumbent_us.back());
        if (round + 1 >= kHopelessRounds && best_ratio > kHopeless) break;
    }
    return timing;
}

double quantile(std::vector<double> values, double q) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const double at = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(at);
    const double share = at - static_cast<double>(below);
    return below + 1 < values.size() ? values[below] * (1 - share) + values[below + 1] * share : values[below];
}

void summarise(const Timing &timing, Result *result) {
    result->samples = static_cast<int64_t>(timing.us.size());
    result->us_median = quantile(timing.us, 0.5);
    result->us_min = quantile(timing.us, 0);
    result->us_q25 = quantile(timing.us, 0.25);
    result->us_q75 = quantile(timing.us, 0.75);
    if (timing.incumbent_us.size() != timing.us.size()) return;
    std::vector<double> ratios;
    for (size_t i = 0; i < timing.us.size(); ++i) ratios.push_back(timing.us[i] / timing.incumbent_us[i]);
    result->incumbent_us_median = quantile(timing.incumbent_us, 0.5);
    result->ratio_median = quantile(ratios, 0.5);
    result->ratio_q25 = quantile(ratios, 0.25);
    result->ratio_q75 = quantile(ratios, 0.75);
}

void pin_to_current_cpu() {
    const int cpu = sched_getcpu();
    if (cpu < 0) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(cpu), &one);
    sched_setaffinity(0, sizeof one, &one);  // where it is not allowed, timings are a little noisier
}

}  // namespace dwc::tuner
