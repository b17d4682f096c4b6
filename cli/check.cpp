// `dwconv check DIR`: an oracle folder (recorded behaviour of real Keras; see the README.md beside its files) against
// this library.
#include <sys/stat.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "check_report.hpp"
#include "check_settings.hpp"

namespace cli {
namespace {

// Gradients belong to training, which this version does not do: each row is a failure, none is hidden.
void refuse_grads(CheckReport& report) {
    for (const Json& row : report.rows("grads.jsonl")) report.fail(row, row, "not supported in this version");
}

struct Category {
    const char* name;
    void (*check)(CheckReport&);
};

constexpr Category kCategories[] = {
    {"cases", check_cases},
    {"grads", refuse_grads},
    {"activations", check_activations},
    {"models", check_models},
    {"errors", check_errors},
    {"accepted", check_accepted},
    {"initializers", check_initializers},
    {"regularizers", check_regularizers},
    {"constraints", check_constraints},
    {"keras_json", check_keras_json},
};

std::string category_names() {
    std::string names;
    for (const Category& category : kCategories) names += (names.empty() ? "" : ",") + std::string(category.name);
    return names;
}

struct CheckOptions {
    std::string folder;
    std::vector<std::string> only;
    PlanOptions plan;
};

int check_folder(const CheckOptions& options) {
    struct stat status {};
    if (stat(options.folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
        throw Failure(kExitInvalid, options.folder + ": is not a directory");
    }
    const auto wanted = [&options](const char* name) {
        return options.only.empty() || std::find(options.only.begin(), options.only.end(), name) != options.only.end();
    };
    for (const std::string& name : options.only) {
        if (std::none_of(std::begin(kCategories), std::end(kCategories),
                         [&name](const Category& category) { return name == category.name; })) {
            throw Failure(kExitInvalid, "--only " + name + ": no such category; they are " + category_names());
        }
    }
    options.plan.check_values();
    dwconv::options how;
    how.threads = options.plan.threads;
    how.force_kernel = options.plan.force_kernel;
    how.force_target = options.plan.force_target;

    const KerasWorld world;
    CheckReport report(options.folder, how);
    for (const Category& category : kCategories) {
        if (!wanted(category.name)) continue;
        report.begin(category.name);
        try {
            category.check(report);
        } catch (const Json::exception&) {
            throw Failure(kExitInvalid,
                          report.path(category.name) + ".json*: a row lacks a member or has one of another type");
        }
        report.end();
    }
    std::cout << report.totals() << '\n';
    return report.failed() > 0 ? kExitFailure : kExitOk;
}

}  // namespace

void register_check(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("check", "Hold the library against recorded behaviour of real Keras");
    command->footer(
        "\nCategories: " + category_names() +
        "\nNumbers pass within 1e-5 * max(1, max|expected|); float16 models within 2e-3 and bfloat16 ones within 2e-2 "
        "of "
        "it.\nWhere this library departs from Keras on purpose, a line says so; what is not supported counts as "
        "failed.\n\nExamples:\n  dwconv check tests/data/keras_oracle\n"
        "  dwconv check tests/data/keras_oracle --only cases,models --force-target x86-64-avx2");
    auto options = std::make_shared<CheckOptions>();
    command->add_option("DIR", options->folder, "The oracle folder")->required()->type_name("");
    command->add_option("--only", options->only, "Only these categories, separated by commas")
        ->delimiter(',')
        ->type_name("NAMES");
    options->plan.add_to(*command);
    command->callback([options, &exit_code] { exit_code = check_folder(*options); });
}

}  // namespace cli
