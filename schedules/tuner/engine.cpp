#include "engine.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "compile.hpp"
#include "library.hpp"
#include "machine.hpp"
#include "measure.hpp"
#include "process.hpp"

namespace dwc::tuner {
namespace {

using Clock = std::chrono::steady_clock;

// What is left of a problem's time after this share belongs to the finalists.
constexpr double kExploringShare = 0.75;

void check_target(const std::string &name) {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) != DWC_OK || name != info.name) continue;
        if (!info.built) throw InputError("target=" + name + ": not built in this library");
        if (!info.supported) throw InputError("target=" + name + ": this CPU does not support it");
        return;
    }
    throw InputError("target=" + name + ": no such target; `dwconv list` names the targets");
}

// The default kernel of this target or, where it has none, of its ancestors; empty: none.
std::string incumbent_of(const dwc_problem &problem, const std::string &target, int threads) {
    auto kernel = default_kernel(problem, target.c_str(), threads);
    if (!kernel) kernel = default_kernel(problem, nullptr, threads);
    return kernel.value_or("");
}

std::string fixed(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
}

}  // namespace

bool answers(const Result &result, int rounds, const std::string &incumbent) {
    if (result.outcome != Outcome::ok) return true;
    if (result.incumbent != incumbent) return false;
    const bool hopeless = result.ratio_median && *result.ratio_median > kHopeless;
    return result.samples >= rounds || (hopeless && result.samples >= kHopelessRounds);
}

namespace {

class Engine {
   public:
    Engine(const TuneRequest &request, Reporter &reporter, const std::atomic<bool> &stop)
        : request_(request),
          reporter_(reporter),
          stop_(stop),
          target_(*tuner_target(request.target)),
          compiled_(kernel_names()),
          log_(request.log_path),
          compiler_(request.generator, request.c_compiler, folder_.path(), stop) {
        read_earlier();
        run_ = {new_run_id(), request.target, dwc_cpu_name(),   machine_json(),
                now_utc(),    dwc_version(),  halide_version(), request.command};
        log_.append(run_);
    }

    std::vector<ProblemSummary> tune() {
        std::vector<std::string> mine;
        for (size_t i = 0; i < request_.problems.size(); ++i)
            if (i % static_cast<size_t>(request_.shards) + 1 == static_cast<size_t>(request_.shard))
                mine.push_back(request_.problems[i]);
        standing_.problems = mine.size();
        std::vector<ProblemSummary> summaries;
        for (size_t i = 0; i < mine.size() && !stop_; ++i) {
            // Each takes its share of the time that those before it left.
            const double left = request_.budget_s - elapsed();
            standing_.problem = i + 1;
            problems_after_ = mine.size() - i - 1;
            summaries.push_back(tune_problem(mine[i], left / static_cast<double>(mine.size() - i)));
            reporter_.problem_done(summaries.back());
        }
        return summaries;
    }

   private:
    double elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

    // What other runs of this CPU, target and dwconv found; the incumbent is compared when it is known.
    void read_earlier() {
        const Log log = read_log(request_.log_path);
        const std::string cpu = dwc_cpu_name();
        for (const Result &result : log.results) {
            const Run *run = log.run(result.run);
            if (!run || run->cpu != cpu || run->dwconv != dwc_version() || result.source != Source::measured) continue;
            earlier_[key_of(result)].push_back(result);
        }
        for (auto &[key, results] : earlier_)
            std::stable_sort(results.begin(), results.end(),
                             [](const Result &a, const Result &b) { return a.samples < b.samples; });
    }

    // The least exact result that answers: what a run without interruption would have seen here.
    const Result *earlier(const Result &asked, int rounds) const {
        const auto found = earlier_.find(key_of(asked));
        if (found == earlier_.end()) return nullptr;
        for (const Result &result : found->second)
            if (answers(result, rounds, asked.incumbent)) return &result;
        return nullptr;
    }

    ProblemSummary tune_problem(const std::string &name, double seconds) {
        const double begin = elapsed();
        const dwc_problem problem = parsed(name);
        ProblemSummary summary;
        summary.problem = name;
        summary.incumbent = incumbent_of(problem, request_.target, request_.threads);
        const std::vector<Candidate> candidates = candidates_of(problem, request_.target, request_.families);
        SearchOptions options = request_.search;
        options.allowance = request_.allowance.value_or(default_allowance(candidates.size()));
        Search search(candidates, options);
        summary.candidates = candidates.size();
        standing_.name = name;
        standing_.candidates = search.allowance();
        standing_.best.clear();
        best_.clear();

        bool in_time = true;
        while (in_time && !stop_) {
            if (elapsed() - begin > kExploringShare * seconds) search.stop_exploring();
            const std::vector<Search::Ask> asks = search.next();
            if (asks.empty()) break;
            standing_.candidate = search.asked();
            in_time = answer(asks, candidates, summary, search, begin + seconds);
        }
        summary.complete = in_time && !stop_;
        if (const auto best = search.best()) {
            const Result &result = best_.at(*best);
            summary.best = candidates[*best].name + "@" + request_.target;
            summary.best_us = result.us_median;
            summary.ratio = result.ratio_median;
            summary.ratio_q25 = result.ratio_q25;
            summary.ratio_q75 = result.ratio_q75;
        }
        return summary;
    }

    // Compiles what must be compiled, then times one after the other; false when the time is over.
    bool answer(const std::vector<Search::Ask> &asks, const std::vector<Candidate> &candidates, ProblemSummary &summary,
                Search &search, double end) {
        std::vector<Result> results;
        std::vector<const Candidate *> missing;
        for (const Search::Ask &ask : asks) {
            results.push_back(empty_result(candidates[ask.candidate], summary));
            const Candidate &c = candidates[ask.candidate];
            if (!earlier(results.back(), ask.rounds) && !compiled_.count(c.name + "@" + request_.target) &&
                !made_.count(c.name))
                missing.push_back(&c);
        }
        compile(missing);
        for (size_t i = 0; i < asks.size(); ++i) {
            if (stop_ || elapsed() > end) return false;
            const Candidate &candidate = candidates[asks[i].candidate];
            Result result = results[i];
            bool known = false;
            if (const Result *before = earlier(result, asks[i].rounds)) {
                result = *before;
                known = true;
            } else {
                standing_.doing = "timing " + candidate.name;
                report();
                measure(candidate, asks[i].rounds, &result);
                if (stop_) return false;
                log_.append(result);
                ++measured_;
            }
            record(asks[i].candidate, candidate, result, known, summary, search);
        }
        return true;
    }

    void record(size_t index, const Candidate &candidate, const Result &result, bool known, ProblemSummary &summary,
                Search &search) {
        const bool ok = result.outcome == Outcome::ok;
        if (!best_.count(index)) ++(ok ? summary.measured : summary.failed);
        best_[index] = result;
        if (!ok && !known) reporter_.failure(result);
        const std::optional<double> score = summary.incumbent.empty() ? result.us_median : result.ratio_median;
        search.tell(index, ok ? score : std::nullopt);
        if (search.best() == index) {
            standing_.best = candidate.name;
            standing_.best_ratio = result.ratio_median.value_or(0);
        }
        report();
    }

    Result empty_result(const Candidate &candidate, const ProblemSummary &summary) const {
        Result result;
        result.run = run_.id;
        result.problem = summary.problem;
        result.kernel = candidate.name;
        result.target = request_.target;
        result.threads = request_.threads;
        result.incumbent = summary.incumbent;
        result.cost = candidate.cost;
        return result;
    }

    void compile(const std::vector<const Candidate *> &missing) {
        if (missing.empty()) return;
        standing_.doing = "compiling " + std::to_string(missing.size()) + " candidates";
        report();
        if (runtime_.empty()) runtime_ = compiler_.runtime_library(target_);
        std::vector<Compiler::Made> made(missing.size());
        std::atomic<size_t> next{0};
        const auto work = [&] {
            for (size_t i; !stop_ && (i = next++) < missing.size();)
                made[i] = compiler_.shared(*missing[i], target_, runtime_);
        };
        std::vector<std::thread> threads;
        for (size_t i = 1; i < std::min<size_t>(static_cast<size_t>(request_.jobs), missing.size()); ++i)
            threads.emplace_back(work);
        work();
        for (std::thread &thread : threads) thread.join();
        if (stop_) return;
        for (size_t i = 0; i < missing.size(); ++i) made_[missing[i]->name] = made[i];
    }

    void measure(const Candidate &candidate, int rounds, Result *result) {
        std::vector<std::string> words = {request_.program, "tune-worker",
                                          "--problem",      result->problem,
                                          "--kernel",       candidate.name + "@" + request_.target,
                                          "--threads",      std::to_string(request_.threads),
                                          "--rounds",       std::to_string(rounds),
                                          "--sample-ms",    fixed(request_.sample_ms)};
        if (!result->incumbent.empty()) words.insert(words.end(), {"--incumbent", result->incumbent});
        if (const auto found = made_.find(candidate.name); found != made_.end()) {
            const Compiler::Made &made = found->second;
            result->object_bytes = made.bytes;
            if (made.outcome != Outcome::ok) {
                result->outcome = made.outcome;
                result->message = made.message;
                return;
            }
            words.insert(words.end(), {"--object", made.path, "--symbol", symbol_of(candidate.name, request_.target)});
        }
        take_answer(run_process(words, request_.timeout_s, stop_), result);
    }

    void take_answer(const Ended &ended, Result *result) const {
        const std::string said = last_words(ended.output);
        switch (ended.how) {
            case Ended::How::stopped:
                return;
            case Ended::How::not_started:
                throw std::runtime_error(request_.program + ": " + std::strerror(ended.code));
            case Ended::How::timed_out:
                result->outcome = Outcome::timeout;
                result->message = "no answer after " + fixed(request_.timeout_s) + " s";
                return;
            case Ended::How::signalled:
                result->outcome = Outcome::crash;
                result->message = std::string(strsignal(ended.code)) + (said.empty() ? "" : ": " + said);
                return;
            case Ended::How::exited:
                break;
        }
        Log answer;
        try {
            if (ended.code == 0) answer = parse_log(ended.answer, "answer");
        } catch (const InputError &) {  // whatever ran in there wrote to our pipe
        }
        if (answer.results.size() != 1) {
            result->outcome = Outcome::crash;
            result->message = "exit status " + std::to_string(ended.code) + (said.empty() ? "" : ": " + said);
            return;
        }
        Result filled = answer.results[0];
        filled.run = result->run;
        filled.problem = result->problem;
        filled.kernel = result->kernel;
        filled.target = result->target;
        filled.threads = result->threads;
        filled.incumbent = result->incumbent;
        filled.cost = result->cost;
        filled.object_bytes = result->object_bytes;
        *result = filled;
    }

    void report() {
        standing_.elapsed_s = elapsed();
        // All problems are taken to be like the ones so far.
        const double done = static_cast<double>(measured_);
        const double here =
            static_cast<double>(standing_.candidates - std::min(standing_.candidate, standing_.candidates));
        const double to_do = here + static_cast<double>(problems_after_ * standing_.candidates);
        standing_.left_s = measured_ == 0 ? 0 : standing_.elapsed_s / done * to_do;
        standing_.left_s = std::min(standing_.left_s, std::max(request_.budget_s - standing_.elapsed_s, 0.0));
        reporter_.standing(standing_);
    }

    const TuneRequest &request_;
    Reporter &reporter_;
    const std::atomic<bool> &stop_;
    const TunerTarget target_;
    const Clock::time_point start_ = Clock::now();
    const std::set<std::string> compiled_;
    LogWriter log_;
    TemporaryFolder folder_;
    Compiler compiler_;
    Run run_;
    std::map<ResultKey, std::vector<Result>> earlier_;
    std::map<std::string, Compiler::Made> made_;  // by variant name
    std::string runtime_;
    Standing standing_;
    std::map<size_t, Result> best_;  // the last result of each candidate of this problem
    size_t measured_ = 0, problems_after_ = 0;
};

}  // namespace

std::vector<ProblemSummary> tune(const TuneRequest &request, Reporter &reporter, const std::atomic<bool> &stop) {
    check_target(request.target);
    if (request.shards < 1 || request.shard < 1 || request.shard > request.shards)
        throw InputError("shard=" + std::to_string(request.shard) + "/" + std::to_string(request.shards) +
                         ": must be i/n with 1 <= i <= n");
    if (request.problems.empty()) throw InputError("problems: there is none to tune");
    candidates_of(parsed(request.problems[0]), request.target, request.families);  // families, before a log is begun
    return Engine(request, reporter, stop).tune();
}

}  // namespace dwc::tuner
