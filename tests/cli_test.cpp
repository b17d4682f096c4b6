// Drives the built command: exit codes, one-sentence errors, and that list, explain and bench tell the same story.
// DWC_CLI: path of the binary.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli_process.hpp"

namespace {

using dwc_test::Outcome;
using nlohmann::json;

const char *const kProblem = "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu";
// The shortest run that still measures everything.
const char *const kQuick = " --repeats 3 --min-time 0.05";

class Cli : public dwc_test::CliProcess {
   protected:
    // Invalid input: exit code 2, nothing on stdout, one line on stderr that holds `part`.
    void expect_refused(const std::string &arguments, const std::string &part) {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.exit_code, 2) << arguments << "\n" << outcome.err;
        EXPECT_EQ(outcome.out, "") << arguments;
        EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << arguments << "\n" << outcome.err;
        EXPECT_NE(outcome.err.find(part), std::string::npos) << arguments << "\n" << outcome.err;
    }

    std::vector<json> json_lines(const std::string &text) {
        std::vector<json> values;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) values.push_back(json::parse(line));
        return values;
    }
};

TEST_F(Cli, HelpAndVersionSucceed) {
    const Outcome version = run("--version");
    EXPECT_EQ(version.exit_code, 0);
    EXPECT_EQ(version.out.rfind("dwconv ", 0), 0u) << version.out;
    for (const std::string arguments :
         {"--help", "run --help", "init --help", "inspect --help", "convert --help", "check --help", "list --help",
          "explain --help", "bench --help", "report --help"}) {
        const Outcome help = run(arguments);
        EXPECT_EQ(help.exit_code, 0) << arguments;
        EXPECT_EQ(help.err, "") << arguments;
        EXPECT_NE(help.out.find("Examples:\n"), std::string::npos) << arguments;
    }
}

TEST_F(Cli, WrongUsageIsOneSentence) {
    expect_refused("", "subcommand is required");
    expect_refused("frobnicate", "unknown command \"frobnicate\"");
    expect_refused("frobnicate --help", "unknown command \"frobnicate\"");
    expect_refused("--frobnicate", "--frobnicate");
    expect_refused("list --frobnicate", "--frobnicate");
    expect_refused("explain", "PROBLEM");
    expect_refused("inspect", "FILE");
    expect_refused("convert", "FROM");
    expect_refused("convert a.keras", "TO");
    expect_refused("init", "--config");
    expect_refused("init --config a --input-shape 1,2,3", "--out");
    expect_refused("bench --repeats 0", "--repeats");
    expect_refused("bench --repeats many", "--repeats");
    expect_refused("bench --min-time 0", "--min-time");
    expect_refused(std::string("explain --threads x ") + kProblem, "--threads");
}

TEST_F(Cli, BadProblemsAreOneSentence) {
    for (const std::string command : {"explain ", "bench --problem "}) {
        expect_refused(command + "nonsense", "nonsense");
        expect_refused(command + "''", "");
        expect_refused(command + "f32_nlc_n1_l384_c192_k4_m1_s0_d1_pl3_pr0_bias_silu", "stride");
        expect_refused(command + "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_frob", "frob");
        expect_refused(command + "f32_nlc_n1_l3_c192_k9_m1_s1_d1_pl0_pr0_bias_silu", "length");
        expect_refused(command + "f32_nlc_n1_l99999999999999999999_c1_k1_m1_s1_d1_pl0_pr0_bias_silu", "");
        expect_refused(command + "f32_nlc_n1_l4611686018427387904_c4_k1_m1_s1_d1_pl0_pr0_bias_silu", "");
    }
}

TEST_F(Cli, UnknownKernelsAndTargetsAreOneSentence) {
    for (const std::string command : {"explain ", "bench --problem "}) {
        expect_refused(command + kProblem + " --force-kernel no_such_kernel", "no_such_kernel");
        expect_refused(command + kProblem + " --force-target no-such-target", "no-such-target");
        expect_refused(command + kProblem + " --threads -1", "threads");
    }
}

TEST_F(Cli, BadProblemFilesNameTheLine) {
    expect_refused("bench --problems '" + (folder_ / "missing").string() + "'", "missing");
    expect_refused("bench --problems '" + write_file("empty", "# nothing\n") + "'", "empty");
    expect_refused("bench --problems '" + write_file("two", std::string(kProblem) + " x\n") + "'", "two:1");
    // Refused before the first line is measured.
    expect_refused("bench --problems '" + write_file("bad", std::string("# one\n") + kProblem + "\nnonsense\n") + "'",
                   "bad:3");
}

TEST_F(Cli, ListIsTextAndJson) {
    const Outcome text = run("list");
    EXPECT_EQ(text.exit_code, 0) << text.err;
    const Outcome machine = run("list --json");
    EXPECT_EQ(machine.exit_code, 0) << machine.err;
    int supported_targets = 0, variants = 0;
    std::set<std::string> targets;
    for (const json &line : json_lines(machine.out)) {
        const std::string name = line.at("name");
        EXPECT_NE(text.out.find(name), std::string::npos) << name;
        if (line.at("type") == "target") {
            targets.insert(name);
            for (const char *key : {"built", "supported", "fma"}) EXPECT_TRUE(line.at(key).is_boolean()) << key;
            EXPECT_TRUE(line.at("parent").is_null() || line.at("parent").is_string());
            supported_targets += line.at("built") && line.at("supported");
        } else {
            ++variants;
            EXPECT_EQ(line.at("type"), "variant");
            EXPECT_TRUE(targets.count(line.at("target"))) << name;
            for (const char *key : {"family", "activation", "dtype"}) EXPECT_TRUE(line.at(key).is_string()) << key;
            for (const char *key : {"kernel_size", "stride", "depth_multiplier", "vector_width", "time_tile"}) {
                EXPECT_TRUE(line.at(key).is_number_integer()) << key;
            }
            EXPECT_TRUE(line.at("supported").is_boolean());
        }
    }
    EXPECT_GT(supported_targets, 0);
    EXPECT_GT(variants, 0);
    EXPECT_NE(text.out.find(std::to_string(variants) + " variants"), std::string::npos);
}

TEST_F(Cli, ExplainListsEveryConvolutionKernelOnceChosenFirst) {
    std::multiset<std::string> listed, explained;
    for (const json &line : json_lines(run("list --json").out)) {
        if (line.at("type") == "variant" && line.at("family") != "activation") listed.insert(line.at("name"));
    }
    const Outcome machine = run(std::string("explain --json ") + kProblem);
    EXPECT_EQ(machine.exit_code, 0) << machine.err;
    const auto lines = json_lines(machine.out);
    ASSERT_FALSE(lines.empty());
    EXPECT_TRUE(lines[0].at("chosen"));
    EXPECT_TRUE(lines[0].at("eligible"));
    for (size_t i = 0; i < lines.size(); ++i) {
        explained.insert(lines[i].at("variant"));
        EXPECT_NE(lines[i].at("reason"), "");
        EXPECT_EQ(lines[i].at("chosen"), i == 0);
    }
    EXPECT_EQ(listed, explained);
    const Outcome text = run(std::string("explain ") + kProblem);
    EXPECT_EQ(text.exit_code, 0);
    EXPECT_NE(text.out.find("chosen"), std::string::npos);
    EXPECT_LT(text.out.find(lines[0].at("variant").get<std::string>()), text.out.find("\ncould"));
}

TEST_F(Cli, BenchRecordsAreCompleteAndAgreeWithExplain) {
    const Outcome outcome = run(std::string("bench --json --problem ") + kProblem + kQuick);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto lines = json_lines(outcome.out);
    ASSERT_EQ(lines.size(), 1u);
    const json &record = lines[0];
    EXPECT_EQ(record.at("problem"), kProblem);
    EXPECT_EQ(record.at("threads"), 1);
    for (const char *key : {"us_min", "us_median", "us_cold", "plan_us", "gflops", "gbs", "roof_us", "pct_roof",
                            "roof_copy_gbs", "roof_fma_gflops", "roof_activation_ns", "tolerance"}) {
        EXPECT_GT(record.at(key).get<double>(), 0) << key;
    }
    EXPECT_GE(record.at("max_error").get<double>(), 0);
    EXPECT_LE(record.at("max_error").get<double>(), record.at("tolerance").get<double>());
    EXPECT_LE(record.at("us_min").get<double>(), record.at("us_median").get<double>());
    EXPECT_FALSE(record.at("level").get<std::string>().empty());
    // 2 * 384 * 192 * 4 flops; 4 bytes for each of x, y, w and the bias.
    const double us = record.at("us_median");
    EXPECT_NEAR(record.at("gflops").get<double>(), 2.0 * 384 * 192 * 4 / us * 1e-3, 1e-4 * 589824 / us);
    EXPECT_NEAR(record.at("gbs").get<double>(), 4.0 * 192 * (2 * 384 + 4 + 1) / us * 1e-3, 1e-4 * 593664 / us);
    EXPECT_NEAR(record.at("pct_roof").get<double>(), 100 * record.at("roof_us").get<double>() / us, 0.1);
    const auto samples = record.at("samples_us").get<std::vector<double>>();
    ASSERT_EQ(samples.size(), 3u);
    EXPECT_EQ(*std::min_element(samples.begin(), samples.end()), record.at("us_min"));
    EXPECT_NE(std::find(samples.begin(), samples.end(), us), samples.end());
    EXPECT_LE(record.at("us_q25").get<double>(), us);
    EXPECT_GE(record.at("us_q75").get<double>(), us);
    const json &origin = record.at("provenance");
    for (const char *key : {"cpu", "isa", "date", "dwconv", "halide", "compiler", "build_type", "command"}) {
        EXPECT_FALSE(origin.at(key).get<std::string>().empty()) << key;
    }
    EXPECT_TRUE(origin.at("gpu").is_null());
    EXPECT_TRUE(origin.contains("revision"));
    EXPECT_EQ(origin.at("repeats"), 3);
    EXPECT_TRUE(origin.at("emulated").is_boolean());
    EXPECT_EQ(origin.at("machine").at("emulated"), origin.at("emulated"));
    for (const char *key : {"architecture", "cpus", "board", "caches", "governor", "driver", "boost", "min_mhz",
                            "max_mhz", "os", "kernel", "virtual"}) {
        EXPECT_TRUE(origin.at("machine").contains(key)) << key;
    }
    const auto explained = json_lines(run(std::string("explain --json ") + kProblem).out);
    ASSERT_FALSE(explained.empty());
    EXPECT_EQ(record.at("variant"), explained[0].at("variant"));
    EXPECT_EQ(record.at("target"), explained[0].at("target"));
}

TEST_F(Cli, OverheadsAreSmallAndCountKernelCalls) {
    // Without padding one call of the kernel; in front of a causal row of many taps a second one, on a staged copy.
    const std::string problems =
        " --problem f32_nlc_n1_l67_c64_k4_m1_s1_d1_pl0_pr0_bias_silu"
        " --problem f32_nlc_n1_l64_c64_k9_m1_s1_d1_pl8_pr0_bias_silu";
    const Outcome outcome = run("bench --overhead --json --repeats 5" + problems);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto lines = json_lines(outcome.out);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].at("kernel_calls"), 1);
    EXPECT_EQ(lines[1].at("kernel_calls"), 2);
    for (const json &line : lines) {
        for (const char *key : {"plan_first_us", "plan_us", "execute_ns"})
            EXPECT_GT(line.at(key).get<double>(), 0) << key;
        // Far above what is asked for, as the machine may be busy, and far below anything that plans in execute.
        EXPECT_LT(line.at("execute_ns_q25").get<double>(), 1e5);
        EXPECT_FALSE(line.at("provenance").at("cpu").get<std::string>().empty());
    }
    EXPECT_EQ(run("bench --overhead --repeats 1" + problems).exit_code, 0);
    expect_refused("bench --overhead --against default" + problems, "--against");
}

TEST_F(Cli, BenchTableTellsTheShareOfTheRoof) {
    const std::string file = write_file("problems", std::string("# one\n\n") + kProblem + "  # trailing\n");
    const Outcome outcome = run("bench --problems '" + file + "'" + kQuick);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    for (const char *part : {"pct_roof", "roof: multiply-add", "nlc: geometric mean", kProblem}) {
        EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
    }
    EXPECT_EQ(outcome.out.find("ncl: geometric mean"), std::string::npos);
}

TEST_F(Cli, ProblemThatCannotBePlannedDoesNotStopTheOthers) {
    // An empty output is valid, and there is nothing to time.
    const std::string empty = "f32_nlc_n0_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu";
    const Outcome outcome = run("bench --json --problem " + empty + " --problem " + kProblem + kQuick);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(json_lines(outcome.out).size(), 1u);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_NE(outcome.err.find(empty), std::string::npos) << outcome.err;
}

TEST_F(Cli, ForcedTargetRuns) {
    for (const json &line : json_lines(run("list --json").out)) {
        if (line.at("type") != "target" || !line.at("built") || !line.at("supported")) continue;
        const std::string target = line.at("name");
        const Outcome outcome =
            run(std::string("bench --json --problem ") + kProblem + kQuick + " --force-target " + target);
        ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
        EXPECT_EQ(json_lines(outcome.out).at(0).at("target"), target);
    }
}

TEST_F(Cli, FullOutputDeviceIsAFailure) {
    if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
    const int status = std::system("'" DWC_CLI "' list >/dev/full 2>/dev/null");
    EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
