#include "tune_elsewhere.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "promote/points.hpp"
#include "tuner/compile.hpp"
#include "tuner/machine.hpp"
#include "tuner/remote.hpp"
#include "tuner/static_run.hpp"

namespace cli {
namespace {

namespace tuner = dwc::tuner;

// Names of the default points of a target: from the source tree's schedules where they are, else from what the library
// was compiled with.
std::vector<std::string> default_points(const std::string &target, const std::string &schedules) {
    std::vector<std::string> names;
    const std::filesystem::path file = std::filesystem::path(schedules) / "default.jsonl";
    std::error_code missing;
    if (std::filesystem::is_regular_file(file, missing)) {
        std::ifstream in(file);
        std::ostringstream text;
        text << in.rdbuf();
        for (const auto &point : dwc::promote::parse_points(text.str(), file.string()))
            if (point.target == target) names.push_back(point.name());
        return names;
    }
    for (const dwc_kernel_info &kernel : all_kernels()) {
        const std::string name = kernel.name;
        if (target == kernel.target && std::string(kernel.family) != "activation")
            names.push_back(name.substr(0, name.find('@')));
    }
    return names;
}

int jobs_of(const TuneOptions &tune) {
    return tune.jobs > 0 ? tune.jobs : static_cast<int>(std::thread::hardware_concurrency());
}

int tune_static(const TuneOptions &tune, const ElsewhereOptions &options) {
    if (options.cpu.empty())
        throw Failure(kExitInvalid, "--cost static needs --cpu NAME, LLVM's name of the CPU (znver4, neoverse-v2)");
    if (tune.threads != 1)
        throw Failure(kExitInvalid,
                      "--threads " + std::to_string(tune.threads) + ": --cost static speaks of one thread only");
    tuner::StaticRequest request;
    request.target = target_to_tune(tune.target);
    request.problems = tune.problems;
    request.families = tune.families;
    request.defaults = default_points(request.target, options.schedules);
    request.jobs = jobs_of(tune);
    request.allowance = tune.candidates;
    if (tune.budget_s > 0) request.budget_s = tune.budget_s;
    request.shard = tune.shard;
    request.shards = tune.shards;
    request.cpu = options.cpu;
    request.ghz = options.ghz;
    request.log_path = tune.log.empty() ? "dwconv-tune-" + tuner::new_run_id() + ".jsonl" : tune.log;
    request.command = tune.command;
    request.generator = tuner::find_generator(tuner::this_program());
    const std::atomic<bool> &stopped = stop_on_signals();
    const auto progress = make_progress();
    const auto summaries = tuner::static_tune(request, *progress, stopped);
    clear_progress(*progress);
    print_summaries(summaries, tune.json);
    if (request.defaults.empty())
        std::cerr << "dwconv: no default point of " << request.target << " is known (--schedules " << options.schedules
                  << " holds none): the log has no incumbents, and promote passes it over\n";
    if (!tune.json) std::cout << "log: " << request.log_path << '\n';
    if (stopped)
        throw Failure(kExitFailure, "stopped; the same command with --resume " + request.log_path + " goes on");
    return kExitOk;
}

int tune_remote(const TuneOptions &tune, const ElsewhereOptions &options) {
    if (tune.budget_s > 0)
        throw Failure(kExitInvalid,
                      "--budget: the program on the device runs to its end; --candidates and --rounds limit it");
    tuner::RemoteRequest request;
    request.target = target_to_tune(tune.target);
    for (size_t i = 0; i < tune.problems.size(); ++i)
        if (i % static_cast<size_t>(tune.shards) + 1 == static_cast<size_t>(tune.shard))
            request.problems.push_back(tune.problems[i]);
    request.families = tune.families;
    request.jobs = jobs_of(tune);
    request.allowance = tune.candidates;
    request.threads = tune.threads;
    request.rounds = tune.rounds;
    request.sample_ms = tune.sample_ms;
    request.timeout_s = tune.timeout_s;
    request.command = tune.command;
    request.program = tuner::this_program();
    request.generator = tuner::find_generator(request.program);
    const std::atomic<bool> &stopped = stop_on_signals();
    if (!options.emit_remote.empty()) {
        const auto emitted = tuner::emit_remote(request, options.emit_remote, stopped);
        std::cout << options.emit_remote << ": " << emitted.kernels << " kernels for " << emitted.problems
                  << " problems, " << emitted.bytes << " bytes; run it on the device: " << options.emit_remote
                  << " > log.jsonl\n";
        return kExitOk;
    }
    if (tune.log.empty()) throw Failure(kExitInvalid, "--remote needs --resume LOG, where the results go");
    const auto ran = tuner::run_remote(request, options.remote, tune.log, stopped);
    std::cout << tune.log << ": " << ran.results << " results from " << options.remote << '\n';
    return kExitOk;
}

}  // namespace

void add_elsewhere_options(CLI::App &command, ElsewhereOptions &options) {
    command.add_option("--cost", options.cost, "measured, or static: predicted by llvm-mca for --cpu")
        ->check(CLI::IsMember({"measured", "static"}))
        ->capture_default_str();
    command.add_option("--cpu", options.cpu, "With --cost static: LLVM's name of the CPU")->type_name("NAME");
    command.add_option("--ghz", options.ghz, "With --cost static: the clock that cycles are turned into time with")
        ->check(CLI::Range(0.01, 100.0))
        ->capture_default_str()
        ->type_name("GHZ");
    auto *emit = command.add_option("--emit-remote", options.emit_remote,
                                    "Write one static program that verifies and times the candidates on a device");
    emit->type_name("FILE");
    command
        .add_option("--remote", options.remote,
                    "Run that program through this command (\"ssh host\") and add its results to --resume LOG")
        ->excludes(emit)
        ->type_name("COMMAND");
    command
        .add_option("--schedules", options.schedules, "Folder of default.jsonl, for targets that are not built here")
        ->capture_default_str()
        ->type_name("DIR");
}

int tune_elsewhere(const TuneOptions &tune, const ElsewhereOptions &options) {
    try {
        const bool remote = !options.emit_remote.empty() || !options.remote.empty();
        if (options.cost == "static") {
            if (remote) throw Failure(kExitInvalid, "--cost static and --remote or --emit-remote exclude each other");
            return tune_static(tune, options);
        }
        if (!options.cpu.empty())
            throw Failure(kExitInvalid, "--cpu " + options.cpu + ": goes with --cost static only");
        return tune_remote(tune, options);
    } catch (const tuner::InputError &error) {
        throw Failure(kExitInvalid, error.what());
    }
}

}  // namespace cli
