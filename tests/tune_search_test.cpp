// The search on a recorded sweep of a whole space: how good it gets with how few candidates, and that it goes on where
// it was cut off.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "tuner/log.hpp"
#include "tuner/measure.hpp"
#include "tuner/search.hpp"

namespace {

using namespace dwc::tuner;

struct Sweep {
    std::string problem;
    std::vector<Candidate> candidates;       // in order of predicted cost
    std::vector<std::vector<double>> ratio;  // one a pass; empty: failed
    std::vector<double> truth;               // median of the passes
    double least = std::numeric_limits<double>::infinity();
};

// Logs of three runs of `dwconv tune --candidates 0`, one after the other: each measured every candidate once.
Sweep read_sweep(const std::string &path) {
    Sweep sweep;
    std::map<std::string, size_t> index;
    for (const Result &result : read_log(path).results) {
        if (!index.count(result.kernel)) {
            index[result.kernel] = sweep.candidates.size();
            Candidate candidate;
            std::string dtype;
            EXPECT_TRUE(dwc::parse_variant_name(result.kernel, &candidate.point, &dtype)) << result.kernel;
            candidate.name = result.kernel;
            candidate.cost = result.cost.value_or(0);
            sweep.candidates.push_back(candidate);
            sweep.ratio.emplace_back();
        }
        sweep.problem = result.problem;
        if (result.outcome == Outcome::ok) sweep.ratio[index.at(result.kernel)].push_back(*result.ratio_median);
    }
    for (const auto &passes : sweep.ratio) {
        EXPECT_TRUE(passes.empty() || passes.size() == 3);
        sweep.truth.push_back(passes.empty() ? std::numeric_limits<double>::infinity() : quantile(passes, 0.5));
        sweep.least = std::min(sweep.least, sweep.truth.back());
    }
    return sweep;
}

struct Found {
    double quality = 0;  // least time of all / that of the one found
    double share = 0;    // of the candidates that was measured
    std::set<size_t> asked;
};

// `order`: which pass answers a candidate's first, second and later time.
Found search(const Sweep &sweep, size_t allowance, const std::array<size_t, 3> &order) {
    SearchOptions options;
    options.allowance = allowance;
    Search search(sweep.candidates, options);
    Found found;
    // A candidate that is measured again is measured in another pass.
    std::vector<size_t> times(sweep.candidates.size());
    for (auto asks = search.next(); !asks.empty(); asks = search.next())
        for (const Search::Ask &ask : asks) {
            found.asked.insert(ask.candidate);
            const auto &passes = sweep.ratio[ask.candidate];
            const size_t pass = order[std::min<size_t>(times[ask.candidate]++, 2)];
            search.tell(ask.candidate, passes.empty() ? std::nullopt : std::optional(passes[pass]));
        }
    if (search.best()) found.quality = sweep.least / sweep.truth[*search.best()];
    found.share = static_cast<double>(found.asked.size()) / static_cast<double>(sweep.candidates.size());
    return found;
}

class Recorded : public testing::TestWithParam<const char *> {
   protected:
    Sweep sweep_ = read_sweep(std::string(DWC_TEST_DATA) + "/tuning/" + GetParam());
};

TEST_P(Recorded, NinetyFivePercentOfTheBestWithFifteenPercentOfTheCandidates) {
    ASSERT_GT(sweep_.candidates.size(), 100u);
    std::array<size_t, 3> order = {0, 1, 2};
    do {
        const Found found = search(sweep_, sweep_.candidates.size() * 15 / 100, order);
        std::printf("%s, %zu candidates: %.1f %% of the best with %.1f %% of them\n", sweep_.problem.c_str(),
                    sweep_.candidates.size(), 100 * found.quality, 100 * found.share);
        EXPECT_GE(found.quality, 0.95);
        EXPECT_LE(found.share, 0.15);
    } while (std::next_permutation(order.begin(), order.end()));
}

// The claim says something only where few candidates are as good as that.
TEST_P(Recorded, TheSpaceIsNotFlat) {
    size_t good = 0;
    for (const double ratio : sweep_.truth) good += sweep_.least / ratio >= 0.95;
    std::printf("%s: %zu of %zu candidates within 95 %% of the best\n", sweep_.problem.c_str(), good,
                sweep_.ratio.size());
    EXPECT_LT(good, sweep_.ratio.size() / 5);
}

TEST_P(Recorded, EverythingIsMeasuredWhereEverythingIsAllowed) {
    const Found found = search(sweep_, 0, {0, 1, 2});
    EXPECT_EQ(found.asked.size(), sweep_.candidates.size());
    EXPECT_GE(found.quality, 0.95);
}

INSTANTIATE_TEST_SUITE_P(All, Recorded,
                         testing::Values("sweep_width.jsonl", "sweep_channels.jsonl", "sweep_flat.jsonl"),
                         [](const auto &info) {
                             const std::string name = info.param;
                             return name.substr(0, name.find('.'));
                         });

// ------------------------------------------------------------------------------------------------ spaces of this
// test's

std::vector<Candidate> made_up(size_t count) {
    std::vector<Candidate> candidates(count);
    for (size_t i = 0; i < count; ++i) {
        Candidate &c = candidates[i];
        c.point = {"channels", "linear", 4, 1, 1, 8 << (i % 3), 1 + static_cast<int>(i / 3), 4};
        c.name = dwc::variant_name(c.point, "f32");
        c.cost = 100 + static_cast<double>(i);
    }
    return candidates;
}

TEST(Search, FailedCandidatesAreOutAndAllFailingEndsIt) {
    const auto candidates = made_up(60);
    SearchOptions options;
    options.allowance = 20;
    Search none(candidates, options);
    size_t asked = 0;
    for (auto asks = none.next(); !asks.empty(); asks = none.next()) {
        asked += asks.size();
        for (const auto &ask : asks) none.tell(ask.candidate, std::nullopt);
    }
    EXPECT_EQ(asked, 20u);
    EXPECT_FALSE(none.best());

    Search some(candidates, options);
    for (auto asks = some.next(); !asks.empty(); asks = some.next())
        for (const auto &ask : asks)
            some.tell(ask.candidate, ask.candidate % 2 ? std::optional<double>(1) : std::nullopt);
    ASSERT_TRUE(some.best());
    EXPECT_EQ(*some.best() % 2, 1u);
}

TEST(Search, TheFinalistsAreMeasuredBest) {
    const auto candidates = made_up(60);
    SearchOptions options;
    options.allowance = 40;
    Search search(candidates, options);
    std::map<size_t, int> rounds;
    // One that looks best at first and is not.
    const auto time = [](size_t c, int r) {
        return c == 4 && r < 10 ? 0.5 : 1 + std::fabs(static_cast<double>(c) - 9) / 50;
    };
    for (auto asks = search.next(); !asks.empty(); asks = search.next())
        for (const auto &ask : asks) {
            EXPECT_GT(ask.rounds, rounds[ask.candidate]) << "measured again no better than before";
            rounds[ask.candidate] = ask.rounds;
            search.tell(ask.candidate, time(ask.candidate, ask.rounds));
        }
    EXPECT_EQ(*search.best(), 9u);
    EXPECT_EQ(rounds[9], options.last_rounds);
    EXPECT_LE(search.asked(), 40u);
    size_t finalists = 0;
    for (const auto &[candidate, r] : rounds) finalists += r == options.last_rounds;
    EXPECT_EQ(finalists, options.finalists);
}

TEST(Search, WhatItAsksDependsOnTheAnswersAlone) {
    const auto candidates = made_up(90);
    SearchOptions options;
    options.allowance = 30;
    const auto run = [&] {
        Search search(candidates, options);
        std::vector<std::pair<size_t, int>> order;
        for (auto asks = search.next(); !asks.empty(); asks = search.next())
            for (const auto &ask : asks) {
                order.emplace_back(ask.candidate, ask.rounds);
                search.tell(ask.candidate, std::sin(static_cast<double>(ask.candidate)) + 2);
            }
        return order;
    };
    EXPECT_EQ(run(), run());
}

TEST(Search, OutOfTimeItGoesOnToTheFinalists) {
    const auto candidates = made_up(90);
    SearchOptions options;
    options.allowance = 60;
    Search search(candidates, options);
    for (const auto &ask : search.next()) search.tell(ask.candidate, 1 + static_cast<double>(ask.candidate));
    search.stop_exploring();
    int most = 0;
    for (auto asks = search.next(); !asks.empty(); asks = search.next())
        for (const auto &ask : asks) {
            most = std::max(most, ask.rounds);
            search.tell(ask.candidate, 1 + static_cast<double>(ask.candidate));
        }
    EXPECT_EQ(most, options.last_rounds);
    EXPECT_LE(search.asked(), options.batch);
}

TEST(Search, EmptyAndTinySpaces) {
    const std::vector<Candidate> none;
    Search empty(none, {});
    EXPECT_TRUE(empty.next().empty());
    EXPECT_FALSE(empty.best());
    const auto one = made_up(1);
    Search single(one, {});
    for (auto asks = single.next(); !asks.empty(); asks = single.next())
        for (const auto &ask : asks) single.tell(ask.candidate, 1);
    EXPECT_EQ(single.best(), 0u);
    EXPECT_EQ(default_allowance(0), 0u);
    EXPECT_EQ(default_allowance(10), 10u);
    EXPECT_EQ(default_allowance(1000), 150u);
}

}  // namespace
