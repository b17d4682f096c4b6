#include "bench_overhead.hpp"

#include <chrono>
#include <memory>
#include <set>

#include "bench_case.hpp"
#include "space.hpp"
#include "tuner/measure.hpp"

namespace cli {
namespace {

using Clock = std::chrono::steady_clock;
using dwc::tuner::quantile;

constexpr int kPlansPerRound = 9;
constexpr double kSampleSeconds = 1e-3;

// Stands in for a kernel, and counts. Kernels take up to nine pointers and numbers in registers and on the caller's
// stack, which a function that looks at none of them may leave where they are.
int64_t g_calls = 0;
extern "C" int dwc_hollow_kernel() {
    ++g_calls;
    return 0;
}

struct Subject {
    Overhead result;
    dwc_problem problem;
    dwc_options options;
    std::unique_ptr<BenchCase> real, hollow;
    std::vector<double> plan_us, execute_ns, real_us;
};

double plan_once(const dwc_problem &problem, const dwc_options &options) {
    dwc_plan *plan = nullptr;
    dwc_error error{};
    const auto start = Clock::now();
    const dwc_status status = dwc_plan_create(&plan, &problem, &options, &error);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    check(status, error);
    dwc_plan_destroy(plan);
    return seconds * 1e6;
}

// A kernel of the same point that does nothing; returns its name.
std::string hollow_kernel_of(const std::string &kernel, std::set<std::string> *added) {
    const size_t at = kernel.find('@');
    dwc::Point point;
    std::string dtype;
    if (at == std::string::npos || !dwc::parse_variant_name(kernel.substr(0, at), &point, &dtype))
        throw Failure(kExitFailure, kernel + ": only compiled kernels have an overhead that can be told apart");
    const std::string name = "hollow_" + kernel, target = kernel.substr(at + 1);
    if (!added->insert(name).second) return name;
    dwc_kernel_row row;
    dwc_kernel_row_init(&row);
    row.name = name.c_str();
    row.family = point.family.c_str(), row.target = target.c_str(), row.activation = point.activation.c_str();
    row.dtype = dtype == "bf16" ? DWC_BF16 : DWC_F32;
    row.k = point.k, row.stride = point.stride, row.m = point.m;
    row.v = point.v, row.t = point.t, row.block = point.block;
    row.function = reinterpret_cast<void (*)()>(dwc_hollow_kernel);
    dwc_error error{};
    check(dwc_kernel_add(&row, &error), error);
    return name;
}

// Nanoseconds of calling the hollow kernel.
double bare_call_ns() {
    int (*volatile function)() = dwc_hollow_kernel;
    constexpr int kCalls = 100000;
    double best = 1e9;
    for (int sample = 0; sample < 5; ++sample) {
        const auto start = Clock::now();
        for (int i = 0; i < kCalls; ++i) function();
        best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count() / kCalls * 1e9);
    }
    return best;
}

Subject subject_of(const std::string &text, const PlanOptions &plan) {
    Subject subject;
    subject.problem = parse_problem(text);
    subject.options = plan.to_c();
    subject.result.plan_first_us = plan_once(subject.problem, subject.options);
    subject.real = std::make_unique<BenchCase>(text, plan);
    const dwc_plan_info &info = subject.real->info();
    subject.result.problem = info.problem;
    subject.result.variant = info.kernel;
    subject.result.target = info.target ? info.target : "";
    subject.result.threads = info.threads;
    return subject;
}

void measure(std::vector<Subject> &subjects, int rounds) {
    const double bare = bare_call_ns();
    for (int round = 0; round < rounds; ++round) {
        for (Subject &subject : subjects) {
            subject.real_us.push_back(subject.real->time_hot(kSampleSeconds) * 1e6);
            subject.execute_ns.push_back(subject.hollow->time_hot(kSampleSeconds) * 1e9 - bare);
        }
    }
}

}  // namespace

std::vector<Overhead> overheads(const std::vector<std::string> &problems, const PlanOptions &plan, int rounds,
                                std::vector<std::string> &complaints) {
    std::vector<Subject> subjects;
    std::set<std::string> added;
    for (const auto &problem : problems) {
        try {
            subjects.push_back(subject_of(problem, plan));
        } catch (const Failure &failure) {
            complaints.push_back(failure.what());
        }
    }
    // Planning is timed before there are kernels that the selection would have to look at besides.
    for (int i = 0; i < rounds * kPlansPerRound; ++i)
        for (Subject &subject : subjects) subject.plan_us.push_back(plan_once(subject.problem, subject.options));
    for (Subject &subject : subjects) {
        PlanOptions hollow = plan;
        hollow.force_kernel = hollow_kernel_of(subject.result.variant, &added);
        subject.hollow = std::make_unique<BenchCase>(subject.result.problem, hollow);
        g_calls = 0;
        subject.hollow->execute_once();
        subject.result.kernel_calls = static_cast<double>(g_calls);
    }
    measure(subjects, rounds);
    std::vector<Overhead> results;
    for (Subject &subject : subjects) {
        Overhead &result = subject.result;
        result.plan_us = quantile(subject.plan_us, 0.5);
        result.plan_us_q75 = quantile(subject.plan_us, 0.75);
        result.execute_ns = quantile(subject.execute_ns, 0.5);
        result.execute_q25 = quantile(subject.execute_ns, 0.25);
        result.execute_q75 = quantile(subject.execute_ns, 0.75);
        result.us_median = quantile(subject.real_us, 0.5);
        results.push_back(result);
    }
    return results;
}

std::string json_line(const Overhead &overhead, const Provenance &provenance) {
    JsonObject line;
    line.add("problem", overhead.problem).add("variant", overhead.variant).add("target", overhead.target);
    line.add("threads", overhead.threads).add("plan_first_us", overhead.plan_first_us);
    line.add("plan_us", overhead.plan_us).add("plan_us_q75", overhead.plan_us_q75);
    line.add("execute_ns", overhead.execute_ns);
    line.add("execute_ns_q25", overhead.execute_q25).add("execute_ns_q75", overhead.execute_q75);
    line.add("kernel_calls", overhead.kernel_calls).add("us_median", overhead.us_median);
    line.add("provenance", json_of(provenance));
    return line.str();
}

std::string text_report(const std::vector<Overhead> &overheads, const Provenance &provenance) {
    if (overheads.empty()) return "";
    Table table(
        {"problem", "plan_first_us", "plan_us", "execute_ns", "q25", "q75", "kernel_calls", "us_median", "variant"});
    for (const Overhead &o : overheads) {
        table.add({o.problem, format("%.1f", o.plan_first_us), format("%.2f", o.plan_us), format("%.0f", o.execute_ns),
                   format("%.0f", o.execute_q25), format("%.0f", o.execute_q75), format("%.0f", o.kernel_calls),
                   format("%.3f", o.us_median), o.variant});
    }
    return table.str() + "\n" + origin_line(provenance, overheads[0].threads);
}

}  // namespace cli
