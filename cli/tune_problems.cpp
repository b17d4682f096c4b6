// The problems that `dwconv tune` is given: strings, files of them, the layers of a model (tune_model.cpp).
#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "dwconv/dwconv.hpp"
#include "tune.hpp"

namespace cli {
namespace {

std::string canonical(const std::string &text) {
    const dwc_problem problem = parse_problem(text);
    // The state changes nothing in the kernel's work.
    if (problem.stateful) throw Failure(kExitInvalid, shown(text) + ": tune the problem without its state (_state)");
    return dwconv::problem(problem).to_string();
}

}  // namespace

std::vector<std::string> read_problems(const std::string &path, std::string (*canonical)(const std::string &)) {
    std::ifstream file(path);
    std::string line;
    if (!file || (!std::getline(file, line) && !file.eof()))
        throw Failure(kExitInvalid, shown(path) + ": the file cannot be read");
    std::vector<std::string> problems;
    int number = 1;
    do {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string problem, rest;
        if (!(words >> problem)) continue;
        const std::string where = shown(path) + ":" + std::to_string(number) + ": ";
        if (words >> rest) {
            throw Failure(kExitInvalid,
                          where + "\"" + shown(rest) + "\" after the problem string: one problem a line is expected");
        }
        try {
            problems.push_back(canonical(problem));
        } catch (const Failure &failure) {
            throw Failure(kExitInvalid, where + failure.what());
        }
    } while (++number, std::getline(file, line));
    if (problems.empty()) throw Failure(kExitInvalid, shown(path) + ": holds no problem string");
    return problems;
}

namespace {

std::vector<std::int64_t> parse_lengths(const std::vector<std::string> &words) {
    std::vector<std::int64_t> lengths;
    for (const std::string &word : words) {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (error != std::errc() || end != word.data() + word.size() || value < 1)
            throw Failure(kExitInvalid, "--length " + shown(word) + ": must be a positive integer");
        lengths.push_back(value);
    }
    return lengths;
}

}  // namespace

double parse_budget(const std::string &text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string unit(end, text.data() + text.size());
    const double seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
    // A year is longer than any run, and what is longer is a typing error.
    if (error != std::errc() || seconds == 0 || !(value > 0) || value * seconds > 366.0 * 86400)
        throw Failure(kExitInvalid, "--budget " + shown(text) + ": must be a time such as 90s, 10m or 2h");
    return value * seconds;
}

void parse_shard(const std::string &text, int *shard, int *shards) {
    int values[2] = {0, 0};
    const size_t slash = text.find('/');
    bool fine = slash != std::string::npos;
    for (int i = 0; fine && i < 2; ++i) {
        const char *begin = text.data() + (i == 0 ? 0 : slash + 1);
        const char *last = text.data() + (i == 0 ? slash : text.size());
        const auto [end, error] = std::from_chars(begin, last, values[i]);
        fine = error == std::errc() && end == last;
    }
    if (!fine || values[0] < 1 || values[0] > values[1])
        throw Failure(kExitInvalid, "--shard " + shown(text) + ": must be i/n with 1 <= i <= n, such as 2/8");
    *shard = values[0];
    *shards = values[1];
}

void collect_problems(TuneOptions *options) {
    const std::vector<std::int64_t> lengths = parse_lengths(options->lengths);
    std::vector<std::string> all;
    for (const std::string &word : options->problem_words) all.push_back(canonical(word));
    if (!options->problems_file.empty()) {
        for (std::string &problem : read_problems(options->problems_file, canonical)) all.push_back(std::move(problem));
    }
    if (!options->model.empty()) {
        for (std::string &problem : problems_of_model(options->model, lengths)) all.push_back(std::move(problem));
    }
    // A problem twice would be searched once and replayed once.
    for (std::string &problem : all) {
        auto &kept = options->problems;
        if (std::find(kept.begin(), kept.end(), problem) == kept.end()) kept.push_back(std::move(problem));
    }
    if (options->problems.empty())
        throw Failure(kExitInvalid, "no problem to tune: give --problem, --problems or --model");
}

std::string target_to_tune(const std::string &wanted) {
    if (wanted.empty()) {
        const std::string best = best_cpu_target();
        if (!best.empty()) return best;
        throw Failure(kExitFailure, "this CPU runs none of the targets that the library was built for");
    }
    for (const auto &target : all_targets())
        if (wanted == target.name && target.device != DWC_MEMORY_HOST)
            throw Failure(kExitInvalid, "--target " + wanted + ": is a device's; scripts/gpu_check.sh times its kernels");
    return wanted;
}

}  // namespace cli
