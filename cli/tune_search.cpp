// `dwconv tune` on this machine: hands the request to the tuner and shows how it goes.
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "tune.hpp"
#include "tuner/compile.hpp"
#include "tuner/engine.hpp"
#include "tuner/machine.hpp"

namespace cli {
namespace {

namespace tuner = dwc::tuner;

std::atomic<bool> stopped{false};

time_t stopped_at = 0;

// A second after the first one the default answers: the user means it. (Some send a signal twice at once.)
void stop(int signal_number) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!stopped) stopped_at = now.tv_sec;
    stopped = true;
    if (now.tv_sec <= stopped_at + 1) return;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

std::string clock_text(double seconds) {
    const auto s = static_cast<int64_t>(seconds + 0.5);
    return format("%d:%02d:%02d", static_cast<int>(s / 3600), static_cast<int>(s / 60 % 60), static_cast<int>(s % 60));
}

std::string line_of(const tuner::Standing &s) {
    std::string line = format("[%zu/%zu] %zu of %zu candidates", s.problem, s.problems, s.candidate, s.candidates);
    if (!s.best.empty()) {
        line += ", best " + s.best;
        if (s.best_ratio > 0) line += format(" at %.2f of the default's time", s.best_ratio);
    }
    return line + ", " + clock_text(s.elapsed_s) + (s.left_s > 0 ? ", " + clock_text(s.left_s) + " left" : "");
}

// On a terminal one line that is drawn anew, elsewhere a plain line every ten seconds; both on stderr.
class Progress : public tuner::Reporter {
   public:
    void standing(const tuner::Standing &s) override {
        if (terminal_) {
            // Wider lines than the terminal would scroll.
            std::cerr << "\r\033[2K" << line_of(s).substr(0, 110) << std::flush;
            drawn_ = true;
        } else if (s.elapsed_s >= next_) {
            std::cerr << line_of(s) << '\n';
            next_ = s.elapsed_s + 10;
        }
    }
    void failure(const tuner::Result &result) override {
        clear();
        std::cerr << "out: " << result.kernel << ": " << tuner::outcome_name(result.outcome) << ": " << result.message
                  << '\n';
    }
    void problem_done(const tuner::ProblemSummary &) override { clear(); }
    void clear() {
        if (drawn_) std::cerr << "\r\033[2K" << std::flush;
        drawn_ = false;
    }

   private:
    const bool terminal_ = isatty(2) != 0;
    bool drawn_ = false;
    double next_ = 10;
};

tuner::TuneRequest request_of(const TuneOptions &options) {
    tuner::TuneRequest request;
    request.target = target_to_tune(options.target);
    request.problems = options.problems;
    request.families = options.families;
    request.threads = options.threads;
    request.jobs = options.jobs > 0 ? options.jobs : static_cast<int>(std::thread::hardware_concurrency());
    if (options.budget_s > 0) request.budget_s = options.budget_s;
    request.allowance = options.candidates;
    request.search.last_rounds = options.rounds;
    request.search.first_rounds = std::min(options.first_rounds, options.rounds);
    request.shard = options.shard;
    request.shards = options.shards;
    request.sample_ms = options.sample_ms;
    request.timeout_s = options.timeout_s;
    request.log_path = options.log.empty() ? "dwconv-tune-" + tuner::new_run_id() + ".jsonl" : options.log;
    request.command = options.command;
    request.program = tuner::this_program();
    request.generator = tuner::find_generator(request.program);
    if (const char *compiler = std::getenv("CC"); compiler && *compiler) request.c_compiler = compiler;
    return request;
}

}  // namespace

std::unique_ptr<tuner::Reporter> make_progress() { return std::make_unique<Progress>(); }

void clear_progress(tuner::Reporter &progress) { static_cast<Progress &>(progress).clear(); }

const std::atomic<bool> &stop_on_signals() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, stop);
    return stopped;
}

void print_summaries(const std::vector<tuner::ProblemSummary> &summaries, bool json) {
    Table table({"us", "of default", "candidates", "failed", "best", "default", "problem"});
    for (const auto &s : summaries) {
        if (json) {
            JsonObject line;
            line.add("problem", s.problem).add("best", s.best).add("incumbent", s.incumbent);
            if (s.best_us) line.add("us", *s.best_us);
            if (s.ratio) line.add("ratio", *s.ratio).add("ratio_q25", *s.ratio_q25).add("ratio_q75", *s.ratio_q75);
            line.add("candidates", static_cast<int64_t>(s.candidates));
            line.add("measured", static_cast<int64_t>(s.measured)).add("failed", static_cast<int64_t>(s.failed));
            line.add("complete", s.complete);
            std::cout << line.str() << '\n';
        } else {
            table.add({s.best_us ? format("%.4g", *s.best_us) : "-", s.ratio ? format("%.3f", *s.ratio) : "-",
                       format("%zu of %zu", s.measured + s.failed, s.candidates), std::to_string(s.failed),
                       s.best.empty() ? "none" : s.best, s.incumbent.empty() ? "none" : s.incumbent, s.problem});
        }
    }
    if (!json) std::cout << table.str();
}

int tune_search(const TuneOptions &options) {
    // The default is what everybody gets, not what this environment forces.
    for (const char *name : {"DWC_FORCE_KERNEL", "DWC_FORCE_TARGET", "DWC_TUNED_FILE", "DWC_VERBOSE"}) unsetenv(name);
    stop_on_signals();
    Progress progress;
    try {
        const tuner::TuneRequest request = request_of(options);
        const auto summaries = tuner::tune(request, progress, stopped);
        progress.clear();
        print_summaries(summaries, options.json);
        if (!options.json) std::cout << "log: " << request.log_path << '\n';
        if (!stopped) return kExitOk;
        throw Failure(kExitFailure, "stopped; `dwconv tune --resume " + request.log_path + "` goes on from here");
    } catch (const tuner::InputError &error) {
        progress.clear();
        throw Failure(kExitInvalid, error.what());
    }
}

}  // namespace cli
