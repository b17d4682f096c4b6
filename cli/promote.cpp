// `dwconv promote`: logs of tuning runs become the records that the library is compiled with.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "common.hpp"
#include "coverage.hpp"
#include "golden.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;
namespace promote = dwc::promote;

struct PromoteOptions {
    std::vector<std::string> logs;
    std::string schedules = "schedules", golden;
    int variants = 64;
    bool dry_run = false, check = false;
};

// The source tree's side of it.
struct Tree {
    std::vector<promote::TargetRow> targets;
    std::vector<promote::DefaultPoint> points;
    std::map<std::string, size_t> elementwise;  // kernels, by target
    promote::Database database;
    std::map<std::string, std::string> texts;  // of the database's files, by target
};

std::string read_text(const fs::path &path) {
    std::error_code error;
    std::ifstream file(path, std::ios::binary);
    if (!file || !fs::is_regular_file(path, error))
        throw Failure(kExitInvalid, path.string() + ": the file cannot be opened");
    std::ostringstream text;
    text << file.rdbuf();
    if (file.bad()) throw Failure(kExitFailure, path.string() + ": the file cannot be read");
    return text.str();
}

const promote::TargetRow *find_target(const Tree &tree, const std::string &name) {
    for (const auto &target : tree.targets)
        if (target.name == name) return &target;
    return nullptr;
}

// Every kernel of the database must be a legal point of its target. Throws InputError beginning with `name`.
void check_points(const Tree &tree, const promote::Database &database, const std::string &name) {
    const auto check_one = [&](const std::string &target, const std::string &kernel) {
        const auto *row = find_target(tree, target);
        if (!row) throw promote::InputError(name + ": target=" + target + " is not in targets.json");
        dwc::Point point;
        std::string dtype;
        if (!dwc::parse_variant_name(kernel, &point, &dtype))
            throw promote::InputError(name + ": kernel=" + kernel + " is no variant's name");
        if (const auto rule = dwc::broken_rule(point, row->lanes, row->registers); !rule.empty())
            throw promote::InputError(name + ": kernel=" + kernel + " of " + target + ": " + rule);
    };
    for (const auto &[key, evidence] : database.evidence) {
        const size_t at = evidence.incumbent.find('@');
        if (at == std::string::npos)
            throw promote::InputError(name + ": incumbent=" + evidence.incumbent + " must end in @ and its target");
        check_one(evidence.incumbent.substr(at + 1), evidence.incumbent.substr(0, at));
        for (const auto &entry : evidence.entries) check_one(key.target, entry.kernel);
    }
}

Tree read_tree(const PromoteOptions &options) {
    const fs::path folder = options.schedules;
    std::error_code error;
    if (!fs::is_regular_file(folder / "targets.json", error))
        throw Failure(kExitInvalid, "schedules=" + options.schedules +
                                        ": is no folder of schedules (targets.json is not there); run this in the "
                                        "source tree or name its folder with --schedules");
    Tree tree;
    const fs::path targets = folder / "targets.json", points = folder / "default.jsonl";
    tree.targets = promote::parse_targets(read_text(targets), targets.string());
    tree.points = promote::parse_points(read_text(points), points.string());
    tree.elementwise = promote::count_elementwise(read_text(points), points.string());
    for (const auto &target : tree.targets) {
        const fs::path file = folder / "db" / (target.name + ".jsonl");
        if (!fs::exists(file, error)) continue;
        const std::string text = read_text(file);
        const auto own = promote::parse_database(text, file.string());
        for (const auto &[key, evidence] : own.evidence)
            if (key.target != target.name)
                throw promote::InputError(file.string() + ": target=" + key.target + " belongs into another file");
        check_points(tree, own, file.string());
        // Files of two targets have nothing in common, so this is no more than putting them together.
        tree.database.evidence.insert(own.evidence.begin(), own.evidence.end());
        tree.database.wrong.insert(own.wrong.begin(), own.wrong.end());
        tree.texts[target.name] = text;
    }
    return tree;
}

// What a log holds, in one line.
std::string summary(const std::string &path, const dwc::tuner::Log &log) {
    std::map<std::string, int> counts;
    for (const auto &result : log.results)
        ++counts[result.outcome == dwc::tuner::Outcome::ok
                     ? std::string("ok, ") + dwc::tuner::source_name(result.source)
                     : dwc::tuner::outcome_name(result.outcome)];
    std::string text = path + ": " + std::to_string(log.results.size()) + " results";
    for (const auto &[name, count] : counts) text += "; " + std::to_string(count) + " " + name;
    return text + (counts.count("ok, emulated") ? " (emulated ones are never promoted)" : "");
}

std::set<std::string> defaults_of(const Tree &tree, const std::string &target) {
    std::set<std::string> names;
    for (const auto &point : tree.points)
        if (point.target == target) names.insert(point.name());
    return names;
}

std::string percent(double share) { return format("%.2f %%", 100 * share); }

// Chooses the variants of one target and says what that costs.
void choose(const PromoteOptions &options, const Tree &tree, const std::string &target, promote::Database *database) {
    const auto defaults = defaults_of(tree, target);
    const auto elementwise = tree.elementwise.find(target);
    const size_t taken = elementwise == tree.elementwise.end() ? 0 : elementwise->second;
    const size_t budget = std::max(static_cast<size_t>(options.variants), taken) - taken;
    const auto coverage =
        promote::choose(database, target, defaults, budget > defaults.size() ? budget - defaults.size() : 0);
    int replaced = 0, stays = 0, estimates = 0, without = 0;
    for (const auto &[key, evidence] : database->evidence) {
        if (key.target != target) continue;
        if (key.source != promote::Source::measured)
            ++estimates;
        else if (evidence.chosen.empty())
            ++without;
        else
            ++(evidence.entry(evidence.chosen) ? replaced : stays);
    }
    if (replaced + stays + without + estimates == 0 && defaults.size() <= budget) return;
    const auto &loss = coverage.measured;
    std::cout << target << ": " << replaced + stays + without << " measured problems: in " << replaced
              << " a kernel beats the incumbent by 3 % and its spread, in " << stays << " the incumbent stays";
    if (without) std::cout << ", in " << without << " no kernel within the budget is known";
    if (estimates) std::cout << "; " << estimates << " estimated problems wait for a measurement";
    std::cout << "\n  variants: " << defaults.size() << " default points and " << coverage.recorded.size()
              << " for records, of " << budget << "\n  loss to the best of each problem: mean " << percent(loss.mean)
              << ", in " << loss.not_best << " of " << loss.problems << " problems";
    if (loss.worst > 0) std::cout << ", worst " << percent(loss.worst) << " (" << loss.worst_problem << ")";
    std::cout << '\n';
    if (defaults.size() > budget) std::cout << "  the default points alone exceed the " << budget << " variants\n";
}

void write_files(const fs::path &folder, const std::map<std::string, std::string> &texts) {
    std::error_code error;
    fs::create_directories(folder, error);
    std::vector<std::pair<fs::path, fs::path>> files;  // temporary, final
    const auto give_up = [&](const fs::path &path) {
        for (const auto &[temporary, path_of] : files) fs::remove(temporary, error);
        throw Failure(kExitFailure, path.string() + ": the file cannot be written");
    };
    for (const auto &[target, text] : texts) {
        const fs::path path = folder / (target + ".jsonl");
        const fs::path temporary = path.string() + "." + std::to_string(getpid()) + ".new";
        files.emplace_back(temporary, path);
        std::ofstream file(temporary, std::ios::binary);
        file << text;
        file.close();
        if (!file) give_up(path);
    }
    for (const auto &[temporary, path] : files) {
        fs::rename(temporary, path, error);
        if (error) give_up(path);
    }
}

void print_golden(const PromoteOptions &options, const Tree &tree, const promote::Database &after) {
    fs::path path = options.golden;
    std::error_code error;
    if (options.golden.empty()) {
        path = fs::path(options.schedules) / ".." / "tests" / "golden_selection.txt";
        if (!fs::exists(path, error)) return;
    }
    const auto lines = promote::parse_golden(read_text(path));
    const auto changes = promote::changes(lines, tree.points, tree.database, after, dwc_cpu_name());
    for (const auto &change : changes)
        std::cout << "golden: " << change.problem << ' ' << change.target << ": " << change.before << " -> "
                  << change.after << '\n';
    std::cout << "golden selections: " << changes.size() << " of " << lines.size() << " change\n";
}

int promote_logs(const PromoteOptions &options) try {
    const Tree tree = read_tree(options);
    promote::Database database = tree.database;
    for (const auto &path : options.logs) {
        const auto log = dwc::tuner::read_log(path);
        std::cout << summary(path, log) << '\n';
        const auto own = promote::database_of(log);
        check_points(tree, own, path);
        database = promote::merged(database, own);
    }
    std::map<std::string, std::string> texts;
    for (const auto &target : tree.targets) {
        choose(options, tree, target.name, &database);
        const std::string text = promote::lines_of(database, target.name);
        const auto old = tree.texts.find(target.name);
        if (old == tree.texts.end() ? !text.empty() : text != old->second) texts[target.name] = text;
    }
    print_golden(options, tree, database);
    if (options.check && !texts.empty())
        throw Failure(kExitFailure, options.schedules + "/db/" + texts.begin()->first +
                                        ".jsonl: is not what promote would write; run `dwconv promote`");
    if (!options.dry_run && !options.check) write_files(fs::path(options.schedules) / "db", texts);
    for (const auto &[target, text] : texts)
        std::cout << (options.dry_run ? "would write " : "wrote ") << options.schedules << "/db/" << target
                  << ".jsonl\n";
    if (texts.empty()) std::cout << "nothing changes\n";
    return kExitOk;
} catch (const promote::InputError &error) {
    throw Failure(kExitInvalid, error.what());
}

constexpr const char *kFooter = R"(
Examples:
  dwconv promote tune.log
  dwconv promote machine_a.log machine_b.log --dry-run
  dwconv promote --check

A kernel replaces the incumbent of a problem where its median ratio of times is at most 0.97 and the upper quartile of
the ratios is below 1. Of all such kernels as many are compiled as the budget has room for, chosen so that the problems
lose least against the best of each. Logs may come in any order and one by one: the files are the same. Without a log
the choice is made anew from the database. Build again afterwards, and write the golden selections anew as
tests/selection_test.cpp says.)";

}  // namespace

void register_promote(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("promote", "Merge logs of `dwconv tune` into the records of the source tree");
    command->footer(kFooter);
    auto options = std::make_shared<PromoteOptions>();
    command->add_option("LOG", options->logs, "Logs of tuning runs")->type_name("");
    command->add_option("--schedules", options->schedules, "Folder of targets.json, default.jsonl and db/")
        ->capture_default_str()
        ->type_name("DIR");
    command
        ->add_option("--variants", options->variants,
                     "Most kernels of a target, default points and elementwise kernels included")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str()
        ->type_name("N");
    command
        ->add_option("--golden", options->golden,
                     "Golden selections to compare (default: the source tree's, where it is there)")
        ->type_name("FILE");
    command->add_flag("--dry-run", options->dry_run, "Say what would change and write nothing");
    command->add_flag("--check", options->check, "Fail where the database is not as promote would write it");
    command->callback([options, &exit_code] { exit_code = promote_logs(*options); });
}

}  // namespace cli
