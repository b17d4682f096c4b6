// From logs to databases: the rule of promotion, what is never promoted, and that the order of logs leaves no trace.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "coverage.hpp"
#include "database.hpp"
#include "golden.hpp"
#include "points.hpp"
#include "tuning_logs.hpp"

namespace {

using namespace dwc_test;
using dwc::promote::Database;
using dwc::promote::Source;
using dwc::tuner::Outcome;

constexpr const char* kTarget = "x86-64-avx512";
const std::set<std::string> kDefaults = {channels(4), channels(8)};

Database database(const LogText& log) { return dwc::promote::database_of(log.log()); }

// The file that a database becomes.
std::string file_of(Database all, size_t budget = 20) {
    dwc::promote::choose(&all, kTarget, kDefaults, budget);
    return dwc::promote::lines_of(all, kTarget);
}
// The kernel that one problem gets; "" where there is no record.
std::string chosen(Database all, const std::string& problem, size_t budget = 20) {
    dwc::promote::choose(&all, kTarget, kDefaults, budget);
    for (const auto& [key, evidence] : all.evidence)
        if (key.problem == problem) return evidence.chosen;
    return "";
}

TEST(Promotion, ThreePercentAndASpreadBelowTheIncumbent) {
    const std::string p = problem_of(192);
    EXPECT_EQ(chosen(database(LogText().add({p, channels(6), 0.90})), p), channels(6));
    EXPECT_EQ(chosen(database(LogText().add({p, channels(6), 0.97, 0.999})), p), channels(6));
    EXPECT_EQ(chosen(database(LogText().add({p, channels(6), 0.98})), p), channels(4)) << "the incumbent stays";
    EXPECT_EQ(chosen(database(LogText().add({p, channels(6), 0.90, 1.0})), p), channels(4)) << "spreads overlap";
    Row few{p, channels(6), 0.9};
    few.samples = 5;
    EXPECT_EQ(chosen(database(LogText().add(few)), p), channels(4)) << "five rounds are no measurement";
    EXPECT_EQ(chosen(database(LogText().add({p, channels(6), 0.9}).add({p, channels(5), 0.85})), p), channels(5));
}

TEST(Promotion, EmulatedFailedAndWrongOnesNever) {
    const std::string p = problem_of(192);
    Row emulated{p, channels(6), 0.5};
    emulated.source = dwc::tuner::Source::emulated;
    EXPECT_TRUE(database(LogText().add(emulated)).evidence.empty());
    for (const Outcome outcome :
         {Outcome::constraints, Outcome::compile, Outcome::timeout, Outcome::crash, Outcome::wrong, Outcome::refused}) {
        Row row{p, channels(6), 0.5};
        row.outcome = outcome;
        EXPECT_TRUE(database(LogText().add(row)).evidence.empty()) << dwc::tuner::outcome_name(outcome);
    }
}

TEST(Promotion, OnceWrongIsWrongForEveryProblem) {
    Row wrong{problem_of(64), channels(6), 0.5};
    wrong.outcome = Outcome::wrong;
    const Database fast = database(LogText("A").add({problem_of(192), channels(6), 0.8}));
    const Database caught = database(LogText("B").add(wrong));
    EXPECT_EQ(chosen(fast, problem_of(192)), channels(6));
    for (const Database& all : {merged(fast, caught), merged(caught, fast)}) {
        EXPECT_EQ(chosen(all, problem_of(192)), channels(4));
        EXPECT_EQ(file_of(all).find(channels(6) + "\",\"source\":\"measured"), std::string::npos);
    }
    EXPECT_EQ(file_of(merged(fast, caught)), file_of(merged(caught, fast)));
    // A later run in which it happens to be right changes nothing.
    const LogText both = LogText("A").add(wrong).add({problem_of(64), channels(6), 0.5});
    EXPECT_EQ(chosen(database(both), problem_of(64)), channels(4));
}

TEST(Promotion, StaticCostRanksBelowMeasurements) {
    const std::string p = problem_of(192);
    Row estimate{p, channels(6), 0.5};
    estimate.source = dwc::tuner::Source::static_cost;
    estimate.samples = 0;
    const Database estimated = database(LogText("znver4").add(estimate));
    ASSERT_EQ(estimated.evidence.size(), 1u);
    EXPECT_EQ(estimated.evidence.begin()->first.source, Source::static_cost);
    const Database measured = database(LogText("CPU A").add({p, channels(5), 0.9}));
    for (const Database& all : {merged(estimated, measured), merged(measured, estimated)}) {
        ASSERT_EQ(all.evidence.size(), 1u);
        EXPECT_EQ(all.evidence.begin()->first.source, Source::measured);
    }
}

TEST(Merging, NewerEvidenceAgainstAnotherIncumbentReplacesTheOlder) {
    const std::string p = problem_of(192);
    Row against{p, channels(5), 0.95};
    against.incumbent = channels(6) + "@" + kTarget;
    const Database old = database(LogText("A", "2026-01-01T00:00:00Z").add({p, channels(6), 0.9}));
    const Database recent = database(LogText("A", "2026-02-01T00:00:00Z").add(against));
    EXPECT_EQ(chosen(merged(old, recent), p), channels(5));
    EXPECT_EQ(file_of(merged(old, recent)), file_of(merged(recent, old)));
}

// Logs of several machines with problems, kernels and failures in common; every order, all at once or one by one
// through files, gives the same bytes.
TEST(Merging, AnyOrderGivesTheSameBytes) {
    std::mt19937 random(20261122);
    for (int trial = 0; trial < 30; ++trial) {
        std::vector<LogText> logs;
        for (const char* cpu : {"CPU A", "CPU B", "CPU A"}) {
            LogText log(cpu, "2026-11-2" + std::to_string(logs.size()) + "T00:00:00Z");
            for (int i = 0; i < 60; ++i) {
                Row row{problem_of(64 << random() % 3, 100 << random() % 3), channels(1 + random() % 14),
                        0.7 + 0.001 * static_cast<double>(random() % 400)};
                if (random() % 20 == 0) row.outcome = Outcome::wrong, row.kernel = channels(1 + random() % 3);
                if (random() % 15 == 0) row.source = dwc::tuner::Source::static_cost;
                log.add(row);
            }
            logs.push_back(log);
        }
        std::vector<size_t> order = {0, 1, 2};
        std::set<std::string> files;
        do {
            Database together;
            std::string file;
            for (const size_t i : order) {
                together = merged(together, database(logs[i]));
                file = file_of(merged(dwc::promote::parse_database(file, "db"), database(logs[i])), 4);
            }
            files.insert(file_of(together, 4));
            files.insert(file);
        } while (std::next_permutation(order.begin(), order.end()));
        ASSERT_EQ(files.size(), 1u) << "trial " << trial;
        EXPECT_NE(files.begin()->find("also"), std::string::npos);
    }
}

TEST(Merging, AFileReadsBackAsItself) {
    const Database all =
        database(LogText().add({problem_of(192), channels(6), 0.9}).add({problem_of(100), channels(7), 0.99}));
    const std::string file = file_of(all);
    EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 2);
    EXPECT_EQ(file_of(dwc::promote::parse_database(file, "db")), file);
    EXPECT_EQ(file_of(merged(all, all)), file);
}

TEST(DatabaseText, OneLine) {
    EXPECT_EQ(
        file_of(database(LogText().add({problem_of(192), channels(6), 0.9}).add({problem_of(192), channels(5), 0.95}))),
        "{\"target\":\"x86-64-avx512\",\"class\":\"f32_nlc_k4_m1_s1_d1_c7_l8_n1_t1_linear\","
        "\"kernel\":\"channels_f32_k4_m1_s1_linear_v16_t6\",\"source\":\"measured\",\"us\":18.0,"
        "\"incumbent\":\"channels_f32_k4_m1_s1_linear_v16_t4@x86-64-avx512\",\"ratio\":0.9,\"ratio_q75\":0.909,"
        "\"samples\":31,\"problem\":\"f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_linear\",\"threads\":1,"
        "\"cpu\":\"CPU A\",\"date\":\"2026-11-22T10:00:00Z\",\"dwconv\":\"0.1.0\",\"halide\":\"21.0.0\","
        "\"incumbent_us\":20.0,\"also\":[[\"channels_f32_k4_m1_s1_linear_v16_t5\",19.0,0.95,0.9595,31]]}\n");
}

TEST(DatabaseText, EveryFaultIsNamed) {
    const std::string good = file_of(database(LogText().add({problem_of(192), channels(6), 0.9})));
    const auto complaint = [](const std::string& text) -> std::string {
        try {
            dwc::promote::parse_database(text, "db");
        } catch (const dwc::promote::InputError& error) {
            return error.what();
        }
        return "";
    };
    ASSERT_EQ(complaint(good), "");
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        EXPECT_NE(text.find(from), std::string::npos) << from;
        return complaint(text.replace(text.find(from), from.size(), to));
    };
    EXPECT_EQ(with("\"threads\":1", "\"threads\":0"), "db:1: threads must be an integer from 1 to 1024");
    EXPECT_EQ(with("c7_l8", "c6_l8"),
              "db:1: class=f32_nlc_k4_m1_s1_d1_c6_l8_n1_t1_linear is not the problem's, which is "
              "f32_nlc_k4_m1_s1_d1_c7_l8_n1_t1_linear");
    EXPECT_NE(with("_t6\"", "_t06\"").find("kernel="), std::string::npos);
    EXPECT_NE(with("\"ratio\":0.9", "\"ratio\":1.5").find("does not beat"), std::string::npos);
    EXPECT_NE(with("\"us\":18.0", "\"us\":\"fast\"").find("us must be a number"), std::string::npos);
    EXPECT_NE(with("\"measured\"", "\"guessed\"").find("source=guessed"), std::string::npos);
    EXPECT_NE(with("CPU A", "CPU;A").find("cpu must be printable"), std::string::npos);
    EXPECT_NE(with("_bias_linear", "_bias_linnear").find("problem="), std::string::npos);
    EXPECT_NE(with("\"date\":\"2026-11-22T10:00:00Z\",", "").find("date is missing"), std::string::npos);
    EXPECT_NE(complaint(good + good).find("db:2: a second record"), std::string::npos);
    EXPECT_NE(complaint("[]\n").find("db:1: must be a JSON object"), std::string::npos);
    std::mt19937 random(3);
    for (int i = 0; i < 3000; ++i) {  // never anything but a record or a complaint
        std::string text = good;
        for (int j = 0; j < 3; ++j) text[random() % text.size()] = static_cast<char>(random());
        complaint(text);
    }
}

// ------------------------------------------------------------------------------------------------------ points, golden

TEST(Points, LinesStandForEveryCombinationOnce) {
    const std::string text =
        R"({"target": "x86-64-avx512", "family": "channels", "k": [1, 0], "stride": 1, "m": 1, "activation": ["linear", "silu"], "v": 16, "t": 4}
{"target": "x86-64-avx512", "family": "channels", "k": 1, "stride": 1, "m": 1, "activation": "linear", "v": 16, "t": 4}
{"target": "arm-64", "family": "activation", "function": ["clamp"], "v": 4}
{"target": ["arm-64", "x86-64-avx2"], "family": "activation", "function": ["relu", "elu"], "v": 4}
{"target": "arm-64", "family": "channels", "k": 3, "stride": 1, "m": 1, "activation": "linear", "v": 8, "t": 7, "default": false}
{"target": ["arm-64", "arm-64-v8.2"], "family": "width", "dtype": ["bf16"], "k": 0, "stride": 1, "m": 0, "activation": "linear", "v": 4, "t": 8, "block": 2}
)";
    std::vector<std::string> names;
    for (const auto& point : dwc::promote::parse_points(text, "points")) names.push_back(point.name());
    const auto elementwise = dwc::promote::count_elementwise(text, "points");
    EXPECT_EQ(elementwise, (std::map<std::string, size_t>{{"arm-64", 3}, {"x86-64-avx2", 2}}));
    EXPECT_EQ(names, (std::vector<std::string>{
                         "channels_f32_k1_m1_s1_linear_v16_t4", "channels_f32_k1_m1_s1_silu_v16_t4",
                         "channels_f32_kany_m1_s1_linear_v16_t4", "channels_f32_kany_m1_s1_silu_v16_t4",
                         "width_bf16_kany_many_s1_linear_v4_t8_b2", "width_bf16_kany_many_s1_linear_v4_t8_b2"}));
    EXPECT_THROW(dwc::promote::count_elementwise("{\"family\": \"activation\"}\n", "points"), dwc::promote::InputError);
    EXPECT_THROW(dwc::promote::parse_points("{\"family\": 3}\n", "points"), dwc::promote::InputError);
    EXPECT_THROW(dwc::promote::parse_targets("{}", "targets"), dwc::promote::InputError);
    const auto targets = dwc::promote::parse_targets(
        R"({"targets": [{"name": "x86-64-avx2", "processor": "x86_64", "lanes": 8, "parent": "p"},
                        {"name": "arm-64", "processor": "aarch64", "lanes": 4}]})",
        "targets");
    ASSERT_EQ(targets.size(), 2u);
    EXPECT_EQ(targets[0].name, "x86-64-avx2");
    EXPECT_EQ(targets[0].parent, "p");
    EXPECT_EQ(targets[0].registers, 16);
    EXPECT_EQ(targets[1].lanes, 4);
    EXPECT_EQ(targets[1].registers, 32);
}

TEST(Golden, TheDiffIsWhatARecordChanges) {
    const auto own = dwc::promote::parse_points(
        R"({"target": "x86-64-avx512", "family": "channels", "k": 4, "stride": 1, "m": 1, "activation": "linear", "v": 16, "t": 4})"
        "\n",
        "points");
    const auto lines =
        dwc::promote::parse_golden("# comment\n" + problem_of(192) + " x86-64-avx512 whatever\n" + problem_of(8000) +
                                   " x86-64-avx512 whatever\n" + problem_of(192) + " arm-64 whatever\n");
    ASSERT_EQ(lines.size(), 3u);
    Database after = database(LogText().add({problem_of(192), channels(6), 0.9}));
    dwc::promote::choose(&after, kTarget, {channels(4)}, 4);
    const auto changes = dwc::promote::changes(lines, own, {}, after, "CPU A");
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].problem, problem_of(192));
    EXPECT_EQ(changes[0].before, channels(4));
    EXPECT_EQ(changes[0].after, channels(6));
    EXPECT_TRUE(dwc::promote::changes(lines, own, after, after, "CPU A").empty());
    EXPECT_EQ(dwc::promote::choices(lines, own, after, "")[2], "none") << "no point of that target is given";
}

}  // namespace
