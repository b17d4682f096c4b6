// Users without a compiler: `dwconv tune --rank-only`, the file it writes and DWC_TUNED_FILE; plan levels.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli_process.hpp"
#include "dwconv/dwconv.h"

namespace {

using namespace dwc_test;

class CliTuned : public CliProcess {};

const std::string kProblem = "f32_nlc_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_silu";

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(CliTuned, RankOnlyWritesAFileThatPlansUse) {
    const std::string file = (folder_ / "my.tuned").string();
    const Outcome ranked =
        run("tune --rank-only --problem " + kProblem +
            " --problem f32_ncl_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear --budget 1s --out " + file);
    ASSERT_EQ(ranked.exit_code, 0) << ranked.err;
    EXPECT_TRUE(holds(ranked.out, kProblem)) << ranked.out;
    EXPECT_TRUE(holds(ranked.out, "wrote " + file)) << ranked.out;
    const std::string text = contents(file);
    EXPECT_EQ(text.rfind(std::string("dwconv-tuned 1 ") + dwc_version() + " " + dwc_cpu_name() + "\n", 0), 0u) << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;
    const Outcome with = run("explain " + kProblem, "DWC_TUNED_FILE=" + file);
    EXPECT_TRUE(holds(with.out, "tuned file: ")) << with.out << with.err;
    EXPECT_EQ(with.err, "");
    EXPECT_FALSE(holds(run("explain " + kProblem).out, "tuned file: "));
}

TEST_F(CliTuned, AUselessFileIsOneLineAndNothingElseChanges) {
    const Outcome without = run("explain " + kProblem);
    const std::string file = write_file("tuned", "dwconv-tuned 1 0.0.1 Some CPU\nend 0 0\n");
    const Outcome with = run("explain " + kProblem, "DWC_TUNED_FILE=" + file);
    EXPECT_EQ(with.exit_code, 0);
    EXPECT_EQ(with.out, without.out);
    EXPECT_TRUE(holds(with.err, "is not used: it is of version '0.0.1'")) << with.err;
    EXPECT_EQ(std::count(with.err.begin(), with.err.end(), '\n'), 1) << with.err;
}

TEST_F(CliTuned, RankOnlyRefusesInOneSentence) {
    EXPECT_EQ(run("tune --rank-only --problem nonsense").exit_code, 2);
    EXPECT_EQ(run("tune --rank-only --problem " + kProblem + " --target z80").exit_code, 2);
    const Outcome o = run("tune --rank-only --budget 1s --problem " + kProblem + " --out /no/such/folder/file");
    EXPECT_EQ(o.exit_code, 2) << o.err;
}

TEST_F(CliTuned, BenchAgainstAnotherKernel) {
    const std::string quick = " --repeats 3 --min-time 0.01";
    const Outcome same = run("bench --problem " + kProblem + " --against default --plan-level estimate --json" + quick);
    ASSERT_EQ(same.exit_code, 0) << same.err;
    const auto line = nlohmann::json::parse(same.out);
    EXPECT_EQ(line.at("variant"), line.at("against"));
    EXPECT_EQ(line.at("rounds"), 3);
    EXPECT_GT(line.at("us_median").get<double>(), 0);
    EXPECT_GT(line.at("ratio").get<double>(), 0);

    const Outcome explained = run("explain --json " + kProblem);
    std::string other;
    std::istringstream lines(explained.out);
    for (std::string text; std::getline(lines, text);) {
        const auto candidate = nlohmann::json::parse(text);
        if (candidate.at("eligible") && !candidate.at("chosen")) other = candidate.at("variant");
    }
    ASSERT_NE(other, "");
    const Outcome fight = run("bench --problem " + kProblem + " --against " + other + quick);
    EXPECT_EQ(fight.exit_code, 0) << fight.err;
    EXPECT_TRUE(holds(fight.out, other)) << fight.out;
    EXPECT_TRUE(holds(fight.out, "geometric mean: ")) << fight.out;

    EXPECT_EQ(run("bench --problem " + kProblem + " --against no_such_kernel").exit_code, 2);
}

TEST_F(CliTuned, PlanLevelMeasure) {
    const Outcome o = run("bench --problem " + kProblem + " --plan-level measure --repeats 1 --min-time 0.01 --json");
    EXPECT_EQ(o.exit_code, 0) << o.err;
    EXPECT_EQ(run("bench --problem " + kProblem + " --plan-level patient").exit_code, 2);
    const Outcome verbose =
        run("bench --problem " + kProblem + " --plan-level measure --repeats 1 --min-time 0.01", "DWC_VERBOSE=1");
    EXPECT_TRUE(holds(verbose.err, "measured for this plan: ")) << verbose.err;
}

}  // namespace
