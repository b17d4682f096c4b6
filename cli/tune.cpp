// `dwconv tune`: the options, and which way of working they ask for.
#include "tune.hpp"

#include <fstream>

#include "rank.hpp"
#include "tune_elsewhere.hpp"

namespace cli {

std::string command_line() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    std::string line = "dwconv", word;
    for (bool first = true; std::getline(file, word, '\0'); first = false)
        if (!first) line += " " + word;
    return line;
}

namespace {

struct Words {
    std::string budget, shard, families, out;
    int candidates = -1;
    bool rank_only = false;
    ElsewhereOptions elsewhere;
};

std::vector<std::string> split(const std::string &list) {
    std::vector<std::string> words;
    for (size_t begin = 0; begin <= list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        if (end > begin) words.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}

int tune(TuneOptions options, const Words &words) {
    if (!words.budget.empty()) options.budget_s = parse_budget(words.budget);
    if (!words.shard.empty()) parse_shard(words.shard, &options.shard, &options.shards);
    options.families = split(words.families);
    if (words.candidates >= 0) options.candidates = static_cast<size_t>(words.candidates);
    options.command = command_line();
    collect_problems(&options);
    if (words.rank_only) {
        return rank_kernels(
            {options.problems, words.out, options.target, options.threads, options.budget_s, options.json});
    }
    if (words.elsewhere.wanted()) return tune_elsewhere(options, words.elsewhere);
    return tune_search(options);
}

constexpr const char *kFooter = R"(
Examples:
  dwconv tune --problem f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu --budget 2m --resume my.jsonl
  dwconv tune --model m.keras --length 384 --budget 10m --resume my.jsonl
  dwconv tune --problems shapes.txt --families channels --shard 2/8 --resume shard2.jsonl
  dwconv tune --problems shapes.txt --rank-only --out my.tuned

Compiles kernels that the library does not hold, checks each against the reference, times it in turns with the kernel
of the default order, and appends what it finds to the log, one JSON object a line, failures included. A run that ended
in whatever way goes on where its log ends: the same command with the same --resume. `dwconv promote` makes records of
logs. --rank-only compiles nothing: it measures the kernels at hand and writes a file for DWC_TUNED_FILE.
Needs the generator program (installed with the command where Halide was, or DWC_GENERATOR) and a C compiler (cc or CC).
Exit status 1 where it was stopped by a signal; the log is whole.)";

void add_problem_options(CLI::App &command, TuneOptions &options) {
    command.add_option("--problem", options.problem_words, "Problem string; may be repeated")->type_name("PROBLEM");
    command.add_option("--problems", options.problems_file, "File of problem strings, one a line, # starts a comment")
        ->type_name("FILE");
    auto *model = command.add_option("--model", options.model, "A Keras model file: the problems of its layers");
    model->type_name("FILE");
    command.add_option("--length", options.lengths, "Steps of the layers' inputs, with --model; may be repeated")
        ->needs(model)
        ->type_name("N");
}

void add_search_options(CLI::App &command, TuneOptions &options, Words &words) {
    command.add_option("--target", options.target, "Tune kernels of this target; the best of this CPU")
        ->type_name("NAME");
    command.add_option("--families", words.families, "Only these families, with commas between")->type_name("LIST");
    command.add_option("--budget", words.budget, "Time for all problems together: 90s, 10m, 2h")->type_name("TIME");
    command
        .add_option("--candidates", words.candidates, "Candidates a problem at most; 0: all; else 15 %, at least 16")
        ->check(CLI::Range(0, 1000000))
        ->type_name("N");
    command.add_option("--jobs", options.jobs, "Compilations at once; 0: as many as there are CPUs")
        ->check(CLI::Range(0, 1024))
        ->type_name("N");
    command.add_option("--resume", options.log, "The log: continued, or created where missing")->type_name("LOG");
    command.add_option("--shard", words.shard, "Take every n-th problem, from the i-th: one machine's share")
        ->type_name("i/n");
    command.add_option("--threads", options.threads, "Threads of one execution")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str()
        ->type_name("N");
    command.add_option("--rounds", options.rounds, "Interleaved rounds of the best candidates")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str()
        ->type_name("N");
    command.add_option("--first-rounds", options.first_rounds, "Interleaved rounds of every candidate")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str()
        ->type_name("N");
    command.add_option("--min-time", options.sample_ms, "Least length of one sample in milliseconds")
        ->check(CLI::Range(0.001, 60000.0))
        ->capture_default_str()
        ->type_name("MS");
    command.add_option("--timeout", options.timeout_s, "Seconds after which a candidate is given up")
        ->check(CLI::Range(0.1, 86400.0))
        ->capture_default_str()
        ->type_name("S");
}

}  // namespace

void register_tune(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("tune", "Search faster kernels for problems, by measuring");
    command->footer(kFooter);
    auto options = std::make_shared<TuneOptions>();
    auto words = std::make_shared<Words>();
    add_problem_options(*command, *options);
    add_search_options(*command, *options, *words);
    auto *rank = command->add_flag("--rank-only", words->rank_only, "Compile nothing: rank the kernels at hand");
    command->add_option("--out", words->out, "With --rank-only: the file to write")->needs(rank)->type_name("FILE");
    add_elsewhere_options(*command, words->elsewhere);
    command->add_flag("--json", options->json, "One JSON object a line and problem");
    command->callback([options, words, &exit_code] { exit_code = tune(*options, *words); });
}

}  // namespace cli
