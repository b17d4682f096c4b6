#include "database.hpp"

#include <algorithm>

#include "dwconv/dwconv.h"

namespace dwc::promote {
namespace {

// Best first, each kernel once.
void tidy(std::vector<Entry> *entries) {
    std::sort(entries->begin(), entries->end(), [](const Entry &a, const Entry &b) { return a.rank() < b.rank(); });
    std::vector<Entry> kept;
    for (Entry &entry : *entries) {
        const auto same = [&](const Entry &e) { return e.kernel == entry.kernel; };
        if (std::none_of(kept.begin(), kept.end(), same)) kept.push_back(std::move(entry));
    }
    *entries = std::move(kept);
}

Evidence join(const Evidence &a, const Evidence &b) {
    if (a.incumbent != b.incumbent) return std::tie(a.date, a.incumbent) < std::tie(b.date, b.incumbent) ? b : a;
    const auto version = [](const Evidence &e) { return std::tie(e.date, e.dwconv, e.halide); };
    Evidence out = version(a) < version(b) ? b : a;
    out.incumbent_us = std::min(a.incumbent_us, b.incumbent_us);
    out.entries = a.entries;
    out.entries.insert(out.entries.end(), b.entries.begin(), b.entries.end());
    tidy(&out.entries);
    out.chosen.clear();
    return out;
}

// What was measured makes an estimate of the same problem superfluous; a kernel that is wrong somewhere is out.
void settle(Database *database) {
    const auto estimated = [&](const Key &key) {
        if (key.source == Source::measured) return false;
        const auto next =
            database->evidence.lower_bound({key.target, key.class_key, key.problem, key.threads, Source::measured, ""});
        return next->first.source == Source::measured && next->first.target == key.target &&
               next->first.problem == key.problem && next->first.threads == key.threads;
    };
    std::vector<Key> superfluous;
    for (auto &[key, evidence] : database->evidence) {
        if (estimated(key)) superfluous.push_back(key);
        const auto &target = key.target;
        std::erase_if(evidence.entries, [&](const Entry &entry) {
            return database->wrong.count({target, entry.kernel}) != 0;
        });
    }
    for (const Key &key : superfluous) database->evidence.erase(key);
}

void add_wrong(Database *database, const std::pair<std::string, std::string> &kernel, const Wrong &wrong) {
    const auto [found, added] = database->wrong.try_emplace(kernel, wrong);
    if (!added && wrong.order() < found->second.order()) found->second = wrong;
}

void add_evidence(Database *database, const Key &key, const Evidence &evidence) {
    const auto [found, added] = database->evidence.try_emplace(key, evidence);
    if (!added) found->second = join(found->second, evidence);
}

// A result as evidence of its own; false where it says nothing about speed.
bool evidence_of(const tuner::Result &r, const tuner::Run &run, Key *key, Evidence *evidence) {
    if (r.outcome != tuner::Outcome::ok || r.source == tuner::Source::emulated) return false;
    const bool measured = r.source == tuner::Source::measured;
    if (!r.us_median || r.incumbent.empty() || !r.incumbent_us_median || *r.incumbent_us_median <= 0) return false;
    if (measured && (!r.ratio_median || !r.ratio_q75)) return false;
    *key = {r.target,
            class_of(r.problem, r.threads),
            r.problem,
            r.threads,
            measured ? Source::measured : Source::static_cost,
            run.cpu};
    evidence->incumbent = r.incumbent;
    evidence->incumbent_us = *r.incumbent_us_median;
    evidence->date = run.date;
    evidence->dwconv = run.dwconv;
    evidence->halide = run.halide;
    Entry entry{r.kernel, *r.us_median, 1, 1, r.samples};
    entry.ratio = r.ratio_median ? *r.ratio_median : *r.us_median / *r.incumbent_us_median;
    entry.ratio_q75 = r.ratio_q75 ? *r.ratio_q75 : entry.ratio;
    if (r.kernel + "@" + r.target != r.incumbent && beats_incumbent(entry, key->source)) evidence->entries = {entry};
    return true;
}

}  // namespace

const Entry *Evidence::entry(const std::string &kernel) const {
    for (const Entry &e : entries)
        if (e.kernel == kernel) return &e;
    return nullptr;
}

bool beats_incumbent(const Entry &entry, Source source) {
    if (source == Source::measured && entry.samples < least_samples) return false;
    return entry.us > 0 && entry.ratio <= 1 - least_gain && entry.ratio_q75 < 1;
}

const char *source_name(Source source) { return source == Source::measured ? "measured" : "static"; }

std::string class_of(const std::string &problem, int threads) {
    dwc_problem parsed;
    dwc_error error{};
    char text[160], again[1024];
    if (dwc_problem_parse(problem.c_str(), &parsed, &error) != DWC_OK ||
        dwc_problem_format(&parsed, again, sizeof again, &error) != DWC_OK ||
        dwc_problem_class(&parsed, threads, text, sizeof text, &error) != DWC_OK)
        throw InputError("problem=" + problem.substr(0, 200) + ": " + error.message);
    if (problem != again) throw InputError("problem=" + problem.substr(0, 200) + ": must be spelt " + again);
    return text;
}

Database database_of(const tuner::Log &log) {
    Database database;
    // Once is enough, whatever a later run of the same kernel says.
    for (const tuner::Result &r : log.results)
        if (const tuner::Run *run = log.run(r.run); run && r.outcome == tuner::Outcome::wrong)
            add_wrong(&database, {r.target, r.kernel},
                      {r.problem, class_of(r.problem, r.threads), r.threads, run->date});
    for (const auto &[result_key, r] : log.latest()) {
        const tuner::Run *run = log.run(r.run);
        if (!run) continue;
        Key key;
        Evidence evidence;
        if (evidence_of(r, *run, &key, &evidence)) add_evidence(&database, key, evidence);
    }
    settle(&database);
    return database;
}

Database merged(const Database &a, const Database &b) {
    Database all = a;
    for (const auto &[key, evidence] : b.evidence) add_evidence(&all, key, evidence);
    for (const auto &[kernel, wrong] : b.wrong) add_wrong(&all, kernel, wrong);
    settle(&all);
    return all;
}

}  // namespace dwc::promote
