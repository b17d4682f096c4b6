// The command `dwconv`: one subcommand a file; this one only puts those that CMake lists together and turns every way
// of ending into an exit code: 0 ok, 2 wrong usage or invalid input, 1 anything else.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "common.hpp"

namespace {

constexpr const char *kDescription =
    "Depthwise 1-D convolution: run Keras layers, make, read and convert model files, check, measure.";

constexpr const char *kFooter = R"(
Examples:
  dwconv run --model m.keras --layer conv --x x.npy --y y.npy
  dwconv run --config layer.json --kernel k.npy --bias b.npy --x x.npy --y y.npy
  dwconv init --config layer.json --input-shape None,10,12 --seed 7 --out m.keras
  dwconv inspect m.keras
  dwconv convert m.keras m.safetensors
  dwconv check tests/data/keras_oracle --only cases
  dwconv list
  dwconv explain f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu
  dwconv bench --problem f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu --json
  dwconv report before.json after.json -o report.html
  dwconv emit --model m.keras --length 384 --target arm-64 -o out

Exit status: 0 ok; 2 wrong usage or invalid input, with one sentence on stderr; 1 anything else.
`dwconv COMMAND --help` tells a command's options.)";

// The examples of the commands that this program has.
std::string footer_of(const CLI::App &app) {
    std::istringstream lines(kFooter);
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string program, command;
        const bool example = words >> program >> command && program == "dwconv";
        const auto named = [&](const CLI::App *known) { return known->get_name() == command; };
        const auto commands = app.get_subcommands({});
        if (!example || std::any_of(commands.begin(), commands.end(), named)) kept += line + "\n";
    }
    kept.pop_back();
    return kept;
}

void log_to_stderr(void *, const char *line) { std::fprintf(stderr, "dwconv: %s\n", line); }

// CLI11 would speak of an unexpected argument or a missing subcommand, which does not say what was expected.
void refuse_unknown_command(const CLI::App &app, int argc, char **argv) {
    if (argc < 2) return;
    const std::string word = argv[1];
    if (word.rfind("-", 0) == 0) {
        if (app.get_option_no_throw(word) != nullptr) return;
        throw cli::Failure(cli::kExitInvalid, "unknown option \"" + word + "\" before a command; see `dwconv --help`");
    }
    std::string names;
    for (const CLI::App *command : app.get_subcommands({})) {
        if (command->get_name() == word) return;
        if (!command->get_group().empty()) names += (names.empty() ? "" : ", ") + command->get_name();
    }
    throw cli::Failure(cli::kExitInvalid, "unknown command \"" + word + "\"; the commands are " + names);
}

int parse_and_run(int argc, char **argv) {
    int exit_code = cli::kExitOk;
    CLI::App app(kDescription, "dwconv");
    app.set_version_flag("--version", std::string("dwconv ") + dwc_version());
    app.require_subcommand(1);
#define DWC_COMMAND(name) cli::register_##name(app, exit_code);
#include "commands.inc"
#undef DWC_COMMAND
    app.footer(footer_of(app));

    refuse_unknown_command(app, argc, argv);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
        std::string sentence = error.what();
        for (char &c : sentence) {
            if (c == '\n') c = ' ';
        }
        throw cli::Failure(cli::kExitInvalid, sentence + "; see `dwconv --help`");
    }
    return exit_code;
}

}  // namespace

int main(int argc, char **argv) {
    dwc_set_log_callback(log_to_stderr, nullptr);
    const int exit_code = cli::guarded([&] { return parse_and_run(argc, argv); });
    // A full disk or a closed pipe must not look like success.
    std::cout.flush();
    if (exit_code == cli::kExitOk && (!std::cout || std::fflush(stdout) != 0)) {
        std::fprintf(stderr, "dwconv: the standard output could not be written\n");
        return cli::kExitFailure;
    }
    return exit_code;
}
