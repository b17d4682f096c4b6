#include "static_run.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "compile.hpp"
#include "library.hpp"
#include "machine.hpp"

namespace dwc::tuner {
namespace {

using Clock = std::chrono::steady_clock;

bool has_fma(const std::string &name) {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) == DWC_OK && name == info.name) return info.fma != 0;
    }
    throw InputError("target=" + name + ": no such target; `dwconv list` names the targets");
}

StaticCpu cpu_of(const StaticRequest &request) {
    const bool fma = has_fma(request.target);
    const TunerTarget &target = *tuner_target(request.target);
    const bool arm = std::string(target.processor) == "aarch64";
    return {find_llvm_mca(), request.cpu, arm ? Processor::aarch64 : Processor::x86_64, target.lanes, fma, request.ghz};
}

class StaticRun {
   public:
    StaticRun(const StaticRequest &request, Reporter &reporter, const std::atomic<bool> &stop)
        : request_(request),
          reporter_(reporter),
          stop_(stop),
          cpu_(cpu_of(request)),
          target_(*tuner_target(request.target)),
          log_(request.log_path),
          compiler_(request.generator, "cc", folder_.path(), stop) {
        read_earlier();
        const nlohmann::ordered_json machine = {{"static", "llvm-mca"}, {"ghz", request.ghz}};
        run_ = {new_run_id(), request.target, request.cpu,      machine.dump(),
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
        for (size_t i = 0; i < mine.size() && !stop_ && elapsed() < request_.budget_s; ++i) {
            standing_.problem = i + 1;
            summaries.push_back(tune_problem(mine[i]));
            reporter_.problem_done(summaries.back());
        }
        return summaries;
    }

   private:
    void read_earlier() {
        const Log log = read_log(request_.log_path);
        for (const Result &result : log.results) {
            const Run *run = log.run(result.run);
            if (run && run->cpu == request_.cpu && run->dwconv == dwc_version() && result.source == Source::static_cost)
                earlier_[key_of(result)] = result;
        }
    }

    ProblemSummary tune_problem(const std::string &name) {
        problem_ = parsed(name);
        const std::vector<Candidate> candidates = candidates_of(problem_, request_.target, request_.families);
        ProblemSummary summary;
        summary.problem = standing_.name = name;
        summary.candidates = candidates.size();
        standing_.best.clear();
        standing_.best_ratio = 0;
        const std::string incumbent = cheapest(problem_, request_.target, request_.defaults);
        if (!incumbent.empty()) {
            summary.incumbent = incumbent + "@" + request_.target;
            Candidate candidate{{}, problem_.x_dtype, incumbent, 0};
            std::string dtype;
            parse_variant_name(incumbent, &candidate.point, &dtype);
            incumbent_ = answer({&candidate}, summary).front();
        } else {
            incumbent_ = {};
        }

        SearchOptions options;
        options.allowance = request_.allowance.value_or(default_allowance(candidates.size()));
        options.batch = std::max<size_t>(options.batch, 2 * static_cast<size_t>(request_.jobs));
        options.last_rounds = options.first_rounds;  // the second answer would be the first
        Search search(candidates, options);
        standing_.candidates = search.allowance();
        std::map<size_t, Result> known;
        while (!stop_) {
            const std::vector<Search::Ask> asks = search.next();
            if (asks.empty()) break;
            standing_.candidate = search.asked();
            std::vector<const Candidate *> asked;
            for (const Search::Ask &ask : asks) asked.push_back(&candidates[ask.candidate]);
            const std::vector<Result> results = answer(asked, summary);
            if (results.size() != asks.size()) break;  // stopped
            for (size_t i = 0; i < asks.size(); ++i) {
                const bool ok = results[i].outcome == Outcome::ok;
                ++(ok ? summary.measured : summary.failed);
                known[asks[i].candidate] = results[i];
                search.tell(asks[i].candidate, ok ? results[i].us_median : std::nullopt);
            }
            if (const auto best = search.best()) {
                standing_.best = candidates[*best].name;
                standing_.best_ratio = known[*best].ratio_median.value_or(0);
            }
        }
        summary.complete = !stop_;
        if (const auto best = search.best()) {
            summary.best = candidates[*best].name + "@" + request_.target;
            summary.best_us = known[*best].us_median;
            summary.ratio = summary.ratio_q25 = summary.ratio_q75 = known[*best].ratio_median;
        }
        return summary;
    }

    // A result a candidate, from the log or fresh and then in the log; fewer where the run was stopped.
    std::vector<Result> answer(const std::vector<const Candidate *> &asked, const ProblemSummary &summary) {
        std::vector<Result> results;
        std::vector<size_t> fresh;
        for (size_t i = 0; i < asked.size(); ++i) {
            Result result;
            result.run = run_.id;
            result.problem = summary.problem;
            result.kernel = asked[i]->name;
            result.target = request_.target;
            result.source = Source::static_cost;
            result.incumbent = summary.incumbent;
            if (asked[i]->cost > 0) result.cost = asked[i]->cost;
            const auto found = earlier_.find(key_of(result));
            if (found != earlier_.end() && found->second.incumbent == result.incumbent)
                result = found->second;
            else
                fresh.push_back(i);
            results.push_back(std::move(result));
        }
        estimate(asked, fresh, &results);
        if (stop_) return {};
        for (const size_t i : fresh) {
            log_.append(results[i]);
            earlier_[key_of(results[i])] = results[i];
            if (results[i].outcome != Outcome::ok) reporter_.failure(results[i]);
        }
        return results;
    }

    void estimate(const std::vector<const Candidate *> &asked, const std::vector<size_t> &fresh,
                  std::vector<Result> *results) {
        report("compiling " + std::to_string(fresh.size()) + " candidates");
        const std::vector<Compiler::Made> listings = compile(asked, fresh);
        if (stop_) return;
        std::vector<StaticCandidate> readable;
        std::vector<size_t> of;
        for (size_t i = 0; i < fresh.size(); ++i) {
            Result &result = (*results)[fresh[i]];
            result.outcome = listings[i].outcome;
            result.message = listings[i].message;
            if (result.outcome != Outcome::ok) continue;
            std::ifstream file(listings[i].path);
            std::ostringstream text;
            text << file.rdbuf();
            const Candidate &candidate = *asked[fresh[i]];
            readable.push_back({candidate.point, text.str(), symbol_of(candidate.name, request_.target)});
            of.push_back(fresh[i]);
        }
        if (readable.empty()) return;
        report("reading " + std::to_string(readable.size()) + " candidates");
        const std::vector<StaticEstimate> estimates = static_cost(problem_, readable, cpu_);
        for (size_t i = 0; i < estimates.size(); ++i) fill(estimates[i], &(*results)[of[i]]);
    }

    void fill(const StaticEstimate &estimate, Result *result) const {
        if (!estimate.refused.empty()) {
            result->outcome = Outcome::refused;
            result->message = estimate.refused;
            return;
        }
        char text[100];
        std::snprintf(text, sizeof text, "%.4g cycles a tile, %.0f %% of the multiply-add bound", estimate.tile_cycles,
                      100 * estimate.share);
        result->message = text;
        result->us_median = estimate.us;
        const bool itself = result->kernel + "@" + result->target == result->incumbent;
        const std::optional<double> other = itself ? result->us_median : incumbent_.us_median;
        if (!other || *other <= 0) return;
        result->incumbent_us_median = other;
        result->ratio_median = estimate.us / *other;
    }

    std::vector<Compiler::Made> compile(const std::vector<const Candidate *> &asked, const std::vector<size_t> &which) {
        std::vector<Compiler::Made> made(which.size());
        std::atomic<size_t> next{0};
        const auto work = [&] {
            for (size_t i; !stop_ && (i = next++) < which.size();)
                made[i] = compiler_.object(*asked[which[i]], target_, "assembly");
        };
        std::vector<std::thread> threads;
        for (size_t i = 1; i < std::min<size_t>(static_cast<size_t>(request_.jobs), which.size()); ++i)
            threads.emplace_back(work);
        work();
        for (std::thread &thread : threads) thread.join();
        return made;
    }

    void report(const std::string &doing) {
        standing_.doing = doing;
        standing_.elapsed_s = elapsed();
        reporter_.standing(standing_);
    }

    const StaticRequest &request_;
    Reporter &reporter_;
    const std::atomic<bool> &stop_;
    const Clock::time_point start_ = Clock::now();
    double elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
    const StaticCpu cpu_;
    const TunerTarget target_;
    LogWriter log_;
    TemporaryFolder folder_;
    Compiler compiler_;
    Run run_;
    std::map<ResultKey, Result> earlier_;
    Standing standing_;
    dwc_problem problem_{};
    Result incumbent_;
};

}  // namespace

std::string cheapest(const dwc_problem &problem, const std::string &target, const std::vector<std::string> &names) {
    std::string best;
    double least = 0;
    for (const std::string &name : names) {
        Candidate candidate;
        std::string dtype;
        if (!parse_variant_name(name, &candidate.point, &dtype)) continue;
        candidate.dtype = dtype == "bf16" ? DWC_BF16 : DWC_F32;
        const dwc_kernel_row row = row_of(candidate, target, nullptr, nullptr);
        double cost = 0;
        if (dwc_kernel_cost(&problem, &row, &cost, nullptr) != DWC_OK) continue;
        if (best.empty() || cost < least) best = name, least = cost;
    }
    return best;
}

std::vector<ProblemSummary> static_tune(const StaticRequest &request, Reporter &reporter,
                                        const std::atomic<bool> &stop) {
    if (request.problems.empty()) throw InputError("problems: there is none to tune");
    return StaticRun(request, reporter, stop).tune();
}

}  // namespace dwc::tuner
