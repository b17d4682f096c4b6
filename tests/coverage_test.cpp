// The choice of variants: within the budget, as good as trying every set, and honest about what it loses.
#include "coverage.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "tuning_logs.hpp"

namespace {

using namespace dwc_test;
using dwc::promote::Database;

constexpr const char* kTarget = "x86-64-avx512";

Database database(const LogText& log) { return dwc::promote::database_of(log.log()); }

// Mean log of time over the best's, of the kernels chosen.
double mean_log_loss(const Database& all, const std::set<std::string>& inside) {
    double sum = 0;
    for (const auto& [key, e] : all.evidence) {
        double best = 0, got = 0;
        for (const auto& entry : e.entries) {
            best = std::min(best, std::log(entry.ratio));
            if (inside.count(entry.kernel)) got = std::min(got, std::log(entry.ratio));
        }
        sum += got - best;
    }
    return sum / static_cast<double>(all.evidence.size());
}

TEST(Coverage, KeepsToItsBudgetAndPrefersWhatServesMany) {
    LogText log;
    for (int i = 0; i < 6; ++i) {
        const std::string p = problem_of(64 + i);
        log.add({p, channels(6), 0.80}).add({p, channels(7 + i), 0.78});  // one for all, or the best of each
    }
    Database all = database(log);
    auto coverage = dwc::promote::choose(&all, kTarget, {channels(4)}, 1);
    EXPECT_EQ(coverage.recorded, std::vector<std::string>{channels(6)});
    EXPECT_EQ(coverage.measured.problems, 6);
    EXPECT_EQ(coverage.measured.not_best, 6);
    EXPECT_NEAR(coverage.measured.mean, 0.80 / 0.78 - 1, 1e-12);
    EXPECT_NEAR(coverage.measured.worst, 0.80 / 0.78 - 1, 1e-12);
    for (const auto& [key, e] : all.evidence) EXPECT_EQ(e.chosen, channels(6));

    coverage = dwc::promote::choose(&all, kTarget, {channels(4)}, 0);
    EXPECT_TRUE(coverage.recorded.empty());
    for (const auto& [key, e] : all.evidence) EXPECT_EQ(e.chosen, channels(4)) << "the incumbent is a default point";
    EXPECT_NEAR(coverage.measured.mean, 1 / 0.78 - 1, 1e-12);

    coverage = dwc::promote::choose(&all, kTarget, {channels(4)}, 6);
    EXPECT_EQ(coverage.recorded.size(), 6u);
    EXPECT_EQ(coverage.measured.not_best, 0);
    EXPECT_EQ(coverage.measured.mean, 0);
}

TEST(Coverage, DefaultPointsCostNothing) {
    Database all = database(LogText().add({problem_of(64), channels(8), 0.8}));
    const auto coverage = dwc::promote::choose(&all, kTarget, {channels(4), channels(8)}, 0);
    EXPECT_TRUE(coverage.recorded.empty());
    EXPECT_EQ(all.evidence.begin()->second.chosen, channels(8));
}

TEST(Coverage, AnIncumbentThatOnlyRecordsKeepMustBePaidFor) {
    Row row{problem_of(64), channels(5), 0.99};
    row.incumbent = channels(6) + "@" + kTarget;
    Database all = database(LogText().add(row));
    dwc::promote::choose(&all, kTarget, {channels(4)}, 0);
    EXPECT_EQ(all.evidence.begin()->second.chosen, "");
    const auto coverage = dwc::promote::choose(&all, kTarget, {channels(4)}, 1);
    EXPECT_EQ(coverage.recorded, std::vector<std::string>{channels(6)});
    EXPECT_EQ(all.evidence.begin()->second.chosen, channels(6));
}

TEST(Coverage, NothingIsCompiledForAnEstimate) {
    Row estimate{problem_of(64), channels(9), 0.1};
    estimate.source = dwc::tuner::Source::static_cost;
    for (const size_t budget : {1, 2, 5}) {
        Database all = database(LogText().add(estimate).add({problem_of(192), channels(6), 0.95}));
        EXPECT_EQ(dwc::promote::choose(&all, kTarget, {channels(4)}, budget).recorded,
                  std::vector<std::string>{channels(6)});
    }
}

TEST(Coverage, AsGoodAsTheBestOfAllSets) {
    std::mt19937 random(11);
    double worst = 0;
    for (int trial = 0; trial < 40; ++trial) {
        LogText log;
        for (int p = 0; p < 10; ++p)
            for (int t = 1; t <= 10; ++t)
                if (random() % 2)
                    log.add({problem_of(64 + p), channels(t), 0.6 + 0.001 * static_cast<double>(random() % 350)});
        Database all = database(log);
        const auto coverage = dwc::promote::choose(&all, kTarget, {channels(4)}, 3);
        double least = 1;
        for (unsigned set = 0; set < 1u << 10; ++set) {
            if (std::popcount(set & ~8u) > 3) continue;
            std::set<std::string> inside = {channels(4)};
            for (int t = 1; t <= 10; ++t)
                if (set & (1u << (t - 1))) inside.insert(channels(t));
            least = std::min(least, mean_log_loss(all, inside));
        }
        EXPECT_LE(coverage.recorded.size(), 3u);
        std::set<std::string> inside(coverage.recorded.begin(), coverage.recorded.end());
        inside.insert(channels(4));
        EXPECT_NEAR(std::expm1(mean_log_loss(all, inside)), coverage.measured.mean, 1e-9) << "it says what it loses";
        worst = std::max(worst, mean_log_loss(all, inside) - least);
    }
    EXPECT_LT(worst, 0.005);
}

}  // namespace
