// `dwconv bench`: the time of problems on this machine against their roofs, measured in one interleaved run.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <numeric>
#include <random>
#include <sstream>

#include "bench_against.hpp"
#include "bench_case.hpp"
#include "bench_overhead.hpp"
#include "bench_report.hpp"
#include "default_problems.hpp"
#include "tuner/measure.hpp"

namespace cli {
namespace {

struct BenchOptions {
    std::vector<std::string> problems;
    std::string file, against;
    PlanOptions plan;
    int repeats = 31;
    double min_time_ms = 3.0;
    bool overhead = false, json = false;
};

using dwc::tuner::quantile;

struct Measured {
    std::unique_ptr<BenchCase> bench;
    std::vector<double> hot, cold;  // seconds
};

// A rotation over cold buffers takes milliseconds where a hot sample takes one; this many suffice for a median.
constexpr int kColdRounds = 7;

// One problem a line; '#' starts a comment. Every string is parsed here, so that a typing error on the last line does
// not wait for the measurements of the others.
void read_problems(std::istream &lines, const std::string &name, std::vector<std::string> &problems) {
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string problem, rest;
        if (!(words >> problem)) continue;
        if (words >> rest) {
            throw Failure(kExitInvalid, format("%s:%d: \"%s\" after the problem string: one problem a line is expected",
                                               name.c_str(), number, rest.c_str()));
        }
        try {
            parse_problem(problem);
        } catch (const Failure &failure) {
            throw Failure(kExitInvalid, format("%s:%d: %s", name.c_str(), number, failure.what()));
        }
        problems.push_back(problem);
    }
}

std::vector<std::string> problems_of(const BenchOptions &options) {
    std::vector<std::string> problems;
    for (const auto &problem : options.problems) {
        parse_problem(problem);
        problems.push_back(problem);
    }
    if (!options.file.empty()) {
        std::ifstream file(options.file);
        if (!file) throw Failure(kExitInvalid, options.file + ": the file cannot be opened");
        read_problems(file, options.file, problems);
        if (problems.empty()) throw Failure(kExitInvalid, options.file + ": holds no problem string");
    }
    if (problems.empty()) {
        std::istringstream lines(options.overhead ? kOverheadProblems : kDefaultProblems);
        read_problems(lines, "built-in list", problems);
    }
    return problems;
}

// Keeps the process on the last CPU it may use (interrupts favour the first); -1 where that is not allowed.
int pin_to_one_cpu() {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return -1;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return sched_setaffinity(0, sizeof(one), &one) == 0 ? cpu : -1;
    }
    return -1;
}

// Every problem that can be planned and gives the right result; the others leave one sentence each in `complaints`.
std::vector<Measured> prepare(const std::vector<std::string> &problems, const PlanOptions &plan,
                              std::vector<std::string> &complaints) {
    std::vector<Measured> cases;
    for (const auto &problem : problems) {
        try {
            Measured measured;
            measured.bench = std::make_unique<BenchCase>(problem, plan);
            measured.bench->verify();
            cases.push_back(std::move(measured));
        } catch (const Failure &failure) {
            complaints.push_back(failure.what());
        } catch (const std::bad_alloc &) {
            complaints.push_back(problem + ": not enough memory for its buffers");
        }
    }
    return cases;
}

// Round after round, one sample of every problem in a new order and one of every roof, so that a disturbance of the
// machine falls on all.
void run_rounds(std::vector<Measured> &cases, Roofs &roofs, const BenchOptions &options) {
    ColdPool pool(2 * cache_levels().back().bytes);
    std::vector<size_t> order(cases.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::mt19937 random(20);
    const int cold_rounds = std::min(options.repeats, kColdRounds);
    for (int round = 0; round < options.repeats; ++round) {
        std::shuffle(order.begin(), order.end(), random);
        for (const size_t i : order) cases[i].hot.push_back(cases[i].bench->time_hot(options.min_time_ms * 1e-3));
        roofs.sample();
        // Spread over the run, and apart: they leave nothing of the others in the caches.
        if (round * cold_rounds / options.repeats == (round + 1) * cold_rounds / options.repeats) continue;
        for (const size_t i : order) cases[i].cold.push_back(cases[i].bench->time_cold(pool));
    }
}

BenchRecord record_of(const Measured &measured, const Roofs &roofs) {
    const BenchCase &bench = *measured.bench;
    BenchRecord record;
    record.problem = bench.info().problem;
    record.variant = bench.info().kernel;
    record.target = bench.info().target ? bench.info().target : "";
    record.layout = bench.problem().layout;
    record.threads = bench.info().threads;
    for (const double seconds : measured.hot) record.samples_us.push_back(seconds * 1e6);
    record.us_min = quantile(record.samples_us, 0);
    record.us_q25 = quantile(record.samples_us, 0.25);
    record.us_median = quantile(record.samples_us, 0.5);
    record.us_q75 = quantile(record.samples_us, 0.75);
    record.us_cold = quantile(measured.cold, 0.5) * 1e6;
    record.plan_us = bench.plan_us();
    record.flops = static_cast<double>(bench.info().flops);
    record.bytes = static_cast<double>(bench.info().bytes);
    record.max_error = bench.max_error();
    record.tolerance = bench.tolerance();
    record.roof = roofs.of(bench.roof_request());
    return record;
}

std::string command_line(const BenchOptions &options) {
    std::string line = "dwconv bench";
    for (const auto &problem : options.problems) line += " --problem " + problem;
    if (!options.file.empty()) line += " --problems " + options.file;
    line +=
        format(" --threads %d --repeats %d --min-time %g", options.plan.threads, options.repeats, options.min_time_ms);
    if (!options.plan.force_kernel.empty()) line += " --force-kernel " + options.plan.force_kernel;
    if (!options.plan.force_target.empty()) line += " --force-target " + options.plan.force_target;
    if (options.plan.stores != DWC_STORES_AUTO)
        line += options.plan.stores == DWC_STORES_CACHED ? " --stores cached" : " --stores streamed";
    if (options.plan.plan_level != "default") line += " --plan-level " + options.plan.plan_level;
    if (!options.against.empty()) line += " --against " + options.against;
    if (options.overhead) line += " --overhead";
    return line;
}

template <typename Record>
void print(const std::vector<Record> &records, const Provenance &provenance, bool json) {
    if (json) {
        for (const auto &record : records) std::cout << json_line(record, provenance) << '\n';
    } else {
        std::cout << text_report(records, provenance);
    }
    std::cout.flush();
}

std::vector<BenchRecord> measure(const std::vector<std::string> &problems, const BenchOptions &options,
                                 std::vector<std::string> &complaints) {
    auto cases = prepare(problems, options.plan, complaints);
    if (cases.empty()) return {};
    Roofs roofs(cases[0].bench->info().threads);
    for (const auto &measured : cases) roofs.prepare(measured.bench->roof_request());
    run_rounds(cases, roofs, options);
    std::vector<BenchRecord> records;
    for (const auto &measured : cases) records.push_back(record_of(measured, roofs));
    return records;
}

// One problem after the other, so that two large ones need not fit the memory together.
std::vector<Duel> fights(const std::vector<std::string> &problems, const BenchOptions &options,
                         std::vector<std::string> &complaints) {
    std::vector<Duel> duels;
    for (const auto &problem : problems) {
        try {
            duels.push_back(fight(problem, options.plan, options.against, options.repeats, options.min_time_ms));
        } catch (const Failure &failure) {
            complaints.push_back(failure.what());
        }
    }
    return duels;
}

int bench(const BenchOptions &options) {
    options.plan.check_values();
    if (!options.against.empty() && options.against != "default") {
        PlanOptions other;
        other.force_kernel = options.against;
        other.check_values();
    }
    const auto problems = problems_of(options);
    const int pinned_cpu = options.plan.threads == 1 ? pin_to_one_cpu() : -1;
    const Provenance provenance = provenance_of(command_line(options), pinned_cpu, options.repeats);

    std::vector<std::string> complaints;
    if (options.overhead)
        print(overheads(problems, options.plan, options.repeats, complaints), provenance, options.json);
    else if (options.against.empty())
        print(measure(problems, options, complaints), provenance, options.json);
    else
        print(fights(problems, options, complaints), provenance, options.json);
    for (const auto &complaint : complaints) std::cerr << "dwconv: " << complaint << '\n';
    return complaints.empty() ? kExitOk : kExitFailure;
}

constexpr const char *kFooter = R"(
Examples:
  dwconv bench
  dwconv bench --problem f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu
  dwconv bench --problems shapes.txt --json --repeats 101 > records.jsonl
  dwconv bench --problems shapes.txt --against default
  dwconv bench --overhead

Without --problem or --problems: the built-in list of eleven shapes in both layouts. A problem's result is compared
with the plain reference before it is timed; max_error is the largest difference. us_min and us_median: hot, on the same
buffers; us_cold: on buffers that no cache holds. roof_us is the larger of the useful bytes at the copy bandwidth of
`level`, the smallest cache that holds x and y, and the multiply-adds at their peak plus the activation, all medians of
this run; pct_roof is roof_us / us_median. With one thread the process is kept on one CPU.

--against KERNEL instead times another kernel in turns with the problem's own on the same buffers: ratio is the median
of own time / other time within a round. `default` is the kernel that would be chosen if nothing had been measured.

--overhead instead tells what the library adds to its kernels: plan_us, making a plan when one of its problem was made
before; execute_ns, an execution whose kernels return at once, less the call of one: checks, views, where the problem
pads, copying the ends of rows beside zeros, and where it carries state, moving that by copies, which kernels for steps
of few taps do themselves. By default on four small problems.

--json gives a record a line for `dwconv report`: figures, all samples, roofs, and where and how they were taken.)";

}  // namespace

void register_bench(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("bench", "Measure problems against the roofs of this machine");
    command->footer(kFooter);
    auto options = std::make_shared<BenchOptions>();
    command->add_option("--problem", options->problems, "Problem string; may be repeated")->type_name("PROBLEM");
    command->add_option("--problems", options->file, "File of problem strings, one a line, # starts a comment")
        ->type_name("FILE");
    command->add_option("--against", options->against, "Compare with this kernel, or with the default one: default")
        ->type_name("KERNEL");
    options->plan.add_to(*command);
    command->add_option("--repeats", options->repeats, "Interleaved rounds")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str()
        ->type_name("N");
    command->add_option("--min-time", options->min_time_ms, "Least length of one sample in milliseconds")
        ->check(CLI::Range(0.001, 60000.0))
        ->capture_default_str()
        ->type_name("MS");
    command->add_flag("--overhead", options->overhead, "What planning and executing add to the kernels")
        ->excludes("--against");
    command->add_flag("--json", options->json, "One JSON object a line and problem");
    command->callback([options, &exit_code] { exit_code = bench(*options); });
}

}  // namespace cli
