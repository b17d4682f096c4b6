// The database of records, schedules/db/<target>.jsonl, and how logs and databases merge. A database is a set of
// evidence, one piece a problem, number of threads, CPU and source, with every kernel that beats the incumbent; merging
// takes the better of everything both have, so the order in which logs arrive leaves no trace in the files.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../tuner/log.hpp"

namespace dwc::promote {

using tuner::InputError;

// A kernel that did better than the incumbent.
struct Entry {
    std::string kernel;  // without "@target"
    double us = 0, ratio = 1, ratio_q75 = 1;
    int64_t samples = 0;

    auto rank() const { return std::tie(ratio, ratio_q75, us, kernel, samples); }
};

enum class Source { measured, static_cost };

struct Key {
    std::string target, class_key, problem;
    int threads = 1;
    Source source = Source::measured;
    std::string cpu;

    auto order() const { return std::tie(target, class_key, problem, threads, source, cpu); }
    bool operator<(const Key &other) const { return order() < other.order(); }
};

// What is known of one problem: kernels against one incumbent, the least ratio first.
struct Evidence {
    std::string incumbent;  // with "@target"
    double incumbent_us = 0;
    std::string date, dwconv, halide;  // of the newest run
    std::vector<Entry> entries;
    std::string chosen;  // entry or incumbent (without "@target") that the library is compiled with; empty: none

    const Entry *entry(const std::string &kernel) const;
};

// A kernel that once gave a wrong result is not promoted again, on whatever problem.
struct Wrong {
    std::string problem, class_key;
    int threads = 1;
    std::string date;
    auto order() const { return std::tie(problem, threads, date, class_key); }
};

struct Database {
    std::map<Key, Evidence> evidence;
    std::map<std::pair<std::string, std::string>, Wrong> wrong;  // (target, kernel)
};

// A kernel replaces the incumbent where it takes at least this much less time, and where the upper quartile of the
// rounds' ratios still is below 1. Fewer rounds are a search's first look, not a measurement.
constexpr double least_gain = 0.03;
constexpr int64_t least_samples = 15;
bool beats_incumbent(const Entry &entry, Source source);

// What a log says. Emulated results, failures and results without a run say nothing; wrong ones are remembered.
Database database_of(const tuner::Log &log);
// Everything both know: commutative and, where logs measured a problem against one incumbent, associative. Evidence
// against different incumbents does not mix; the newer one stays.
Database merged(const Database &a, const Database &b);

// One record a line, in the order of keys. `name` stands in messages; throws InputError naming line and field.
std::string lines_of(const Database &database, const std::string &target);
Database parse_database(const std::string &text, const std::string &name);

// The class of a problem string; throws InputError where it is none.
std::string class_of(const std::string &problem, int threads);
const char *source_name(Source source);

}  // namespace dwc::promote
