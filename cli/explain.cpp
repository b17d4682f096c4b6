// `dwconv explain PROBLEM`: the variant the plan would run and why, then every other one and why it lost.
#include <iostream>

#include "common.hpp"

namespace cli {
namespace {

struct Candidate {
    std::string kernel, target, reason;
    bool chosen, eligible;
};

struct ExplainOptions {
    std::string problem;
    PlanOptions plan;
    bool json = false;
};

void collect(void *user, const dwc_candidate *candidate) {
    static_cast<std::vector<Candidate> *>(user)->push_back(
        {candidate->kernel ? candidate->kernel : "", candidate->target ? candidate->target : "",
         candidate->reason ? candidate->reason : "", candidate->chosen != 0, candidate->eligible != 0});
}

int explain(const ExplainOptions &options) {
    options.plan.check_values();
    const dwc_problem problem = parse_problem(options.problem);
    const dwc_options c_options = options.plan.to_c();
    std::vector<Candidate> candidates;
    dwc_error error{};
    check(dwc_explain(&problem, &c_options, collect, &candidates, &error), error);

    if (options.json) {
        for (const auto &candidate : candidates) {
            JsonObject line;
            line.add("problem", options.problem).add("variant", candidate.kernel).add("target", candidate.target);
            line.add("chosen", candidate.chosen).add("eligible", candidate.eligible).add("reason", candidate.reason);
            std::cout << line.str() << '\n';
        }
    } else {
        std::cout << "problem " << options.problem << '\n';
        Table table({"", "variant", "reason"});
        for (const auto &candidate : candidates) {
            table.add({candidate.chosen ? "chosen" : (candidate.eligible ? "could" : "cannot"), candidate.kernel,
                       candidate.reason});
        }
        std::cout << table.str();
    }
    for (const auto &candidate : candidates) {
        if (candidate.chosen) return kExitOk;
    }
    throw Failure(kExitFailure, options.problem + ": no compiled kernel computes this problem on this machine");
}

}  // namespace

void register_explain(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("explain", "Tell which variant a problem gets, and why every other one lost");
    command->footer(
        "\nExamples:\n  dwconv explain f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu\n"
        "  dwconv explain f32_ncl_n1_l938_c512_k7_m1_s1_d1_pl6_pr0_nobias_linear --force-target x86-64-avx2 --json");
    auto options = std::make_shared<ExplainOptions>();
    command->add_option("PROBLEM", options->problem, "Problem string")->required()->type_name("");
    options->plan.add_to(*command);
    command->add_flag("--json", options->json, "One JSON object a line");
    command->callback([options, &exit_code] { exit_code = explain(*options); });
}

}  // namespace cli
