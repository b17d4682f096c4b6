// The steps of the selection that measurements answer.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <tuple>

#include "cost.hpp"
#include "select.hpp"

namespace dwc {
namespace {

template <typename... Args>
std::string text(const char* format, Args... args) {
    char buffer[80];
    std::snprintf(buffer, sizeof buffer, format, args...);
    return buffer;
}

const Candidate* named(const std::vector<Candidate>& candidates, std::string_view name) {
    for (const Candidate& c : candidates)
        if (name == c.kernel->name) return &c;
    return nullptr;
}

std::string point_of(std::string_view kernel) { return std::string(kernel.substr(0, kernel.find('@'))); }

// A measurement that may speak for the problem; less is nearer.
struct Near {
    double distance;
    bool other_cpu;
    double within;  // the class
    const Evidence* evidence;

    auto order() const { return std::tuple(distance, other_cpu, within, std::string_view(evidence->record.problem)); }
};

std::vector<Near> nearest_first(const Problem& problem, const ClassKey& key, int target,
                                std::span<const Evidence> records, std::string_view cpu,
                                const std::vector<Candidate>& candidates) {
    std::vector<Near> near;
    for (const Evidence& e : records) {
        if (e.record.target != target || !e.record.measured) continue;
        const auto distance = class_distance(e.key, key, true);
        if (!distance || *distance > farthest_class) continue;
        const Candidate* c = named(candidates, e.record.kernel);
        if (!c || !c->eligible() || !class_distance(e.key, key, c->kernel->k == 0)) continue;
        // Another machine's word on the same class counts before this one's on another class.
        near.push_back({*distance, cpu != e.record.cpu, problem_distance(e.problem.given, problem.given), &e});
    }
    std::sort(near.begin(), near.end(), [](const Near& a, const Near& b) { return a.order() < b.order(); });
    return near;
}

// Within a class a measurement outweighs a small difference that only the model sees.
constexpr double most_expected_in_class = 1.05, most_expected = 1;

// The share of the default's time that the record's kernel is expected to take on the problem of `candidates`.
double expected_ratio(const Evidence& e, const Candidate& kernel, const Candidate& choice,
                      const std::vector<Candidate>& candidates) {
    const Candidate* incumbent = named(candidates, e.record.incumbent);
    const ConvKernel& then = incumbent ? *incumbent->kernel : *choice.kernel;
    constexpr double cannot_tell = (1 + most_expected_in_class) / 2;  // good enough within the class, and no further
    if (refusal(e.problem, *kernel.kernel)) return HUGE_VAL;          // no such measurement can have been made
    if (refusal(e.problem, then)) return cannot_tell;
    const double here = kernel.cost / std::max(choice.cost, 1e-9);
    const double there = predicted_cost(e.problem, *kernel.kernel) / std::max(predicted_cost(e.problem, then), 1e-9);
    return e.record.ratio * here / std::max(there, 1e-9);
}

std::string reason_of(const Near& near, bool same_problem) {
    const Record& r = near.evidence->record;
    std::string reason = same_problem         ? "record of this problem: "
                         : near.distance == 0 ? "record of class " + near.evidence->key.text() + ": "
                                              : "record of the nearest class " + near.evidence->key.text() + ": ";
    if (std::string_view(r.kernel) == r.incumbent)
        reason += "nothing measured was faster";
    else
        reason += text("%.2f", r.ratio) + " of the time of " + point_of(r.incumbent);
    return reason + (same_problem ? "" : " on " + std::string(r.problem)) + " (" + r.cpu + ", " + r.date + ")";
}

}  // namespace

Answer record_answer(const Problem& problem, int threads, int target, std::span<const Evidence> records,
                     std::string_view cpu, const std::vector<Candidate>& candidates, const Candidate* default_choice) {
    if (records.empty()) return {};
    const std::string key = problem.key();
    for (const Near& near : nearest_first(problem, class_of(problem, threads), target, records, cpu, candidates)) {
        const Record& r = near.evidence->record;
        const Candidate* c = named(candidates, r.kernel);
        const bool same_problem = near.distance == 0 && key == r.problem;
        if (!same_problem && default_choice && c != default_choice) {
            const double limit = near.distance == 0 ? most_expected_in_class : most_expected;
            if (!(expected_ratio(*near.evidence, *c, *default_choice, candidates) <= limit)) continue;
        }
        return {c, reason_of(near, same_problem)};
    }
    return {};
}

Answer tuned_answer(const Problem& problem, int threads, const TunedTable& tuned,
                    const std::vector<Candidate>& candidates) {
    if (tuned.empty()) return {};
    const std::string key = problem.key();
    const ClassKey own = class_of(problem, threads);
    const TunedEntry* best = nullptr;
    std::tuple<bool, double, std::string_view> least;
    const Candidate* kernel = nullptr;
    for (const TunedEntry& e : tuned) {
        if (e.key != own) continue;
        const Candidate* c = named(candidates, e.kernel);
        if (!c || !c->eligible()) continue;
        const std::tuple<bool, double, std::string_view> rank(e.problem != key,
                                                              problem_distance(e.fields, problem.given), e.problem);
        if (!best || rank < least) best = &e, least = rank, kernel = c;
    }
    if (!best) return {};
    return {kernel, std::string(best->from_file ? "tuned file: " : "measured in this process: ") +
                        text("%.4g us, the least of its time", best->us) +
                        (best->problem == key ? "" : " on " + best->problem + " of its class")};
}

}  // namespace dwc
