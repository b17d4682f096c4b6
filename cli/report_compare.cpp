#include "report_compare.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "tuner/measure.hpp"

namespace cli::report {
namespace {

using dwc::tuner::quantile;

constexpr int kResamples = 2000;
constexpr double kLevel = 0.05;
constexpr double kLeastNoise = 0.02;  // below it nobody acts on a difference

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

// The median of samples drawn anew in blocks: neighbours in time share what else the machine does, and drawing them one
// by one would promise more than they tell.
double resampled_median(const std::vector<double> &samples, std::mt19937 &random, std::vector<double> *scratch) {
    const size_t n = samples.size();
    const size_t block = std::max<size_t>(1, static_cast<size_t>(std::lround(std::cbrt(static_cast<double>(n)))));
    scratch->clear();
    while (scratch->size() < n) {
        const size_t start = random() % n;
        for (size_t i = 0; i < block && scratch->size() < n; ++i) scratch->push_back(samples[(start + i) % n]);
    }
    const auto middle = scratch->begin() + static_cast<std::ptrdiff_t>(n / 2);
    std::nth_element(scratch->begin(), middle, scratch->end());
    return *middle;
}

// Two-sided, normal approximation with correction for ties and continuity.
double mann_whitney_p(const std::vector<double> &a, const std::vector<double> &b) {
    std::vector<std::pair<double, bool>> all;
    for (const double v : a) all.emplace_back(v, true);
    for (const double v : b) all.emplace_back(v, false);
    std::sort(all.begin(), all.end());
    double rank_sum = 0, ties = 0;
    for (size_t i = 0; i < all.size();) {
        size_t j = i;
        while (j < all.size() && all[j].first == all[i].first) ++j;
        const double rank = 0.5 * static_cast<double>(i + 1 + j), count = static_cast<double>(j - i);
        for (size_t k = i; k < j; ++k) rank_sum += all[k].second ? rank : 0;
        ties += count * count * count - count;
        i = j;
    }
    const auto n = static_cast<double>(a.size()), m = static_cast<double>(b.size()), total = n + m;
    const double u = rank_sum - n * (n + 1) / 2;
    const double variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)));
    if (!(variance > 0)) return 1;
    const double z = std::max(0.0, std::fabs(u - n * m / 2) - 0.5) / std::sqrt(variance);
    return std::erfc(z / std::sqrt(2.0));
}

// Holm's correction, in place.
void correct(std::vector<Change> *changes) {
    std::vector<Change *> order;
    for (Change &change : *changes)
        if (change.verdict != Verdict::untold) order.push_back(&change);
    std::sort(order.begin(), order.end(), [](const Change *a, const Change *b) { return a->p < b->p; });
    double held = 0;
    for (size_t i = 0; i < order.size(); ++i) {
        held = std::max(held, order[i]->p * static_cast<double>(order.size() - i));
        order[i]->p = std::min(1.0, held);
    }
}

double drift_of(const Run &run) {
    std::vector<double> shares;
    for (const Row &row : run.rows) {
        const auto &s = row.samples_us;
        if (s.size() < 4) continue;
        const auto middle = s.begin() + static_cast<std::ptrdiff_t>(s.size() / 2);
        shares.push_back(std::fabs(std::log(median({s.begin(), middle}) / median({middle, s.end()}))));
    }
    return std::expm1(quantile(shares, 0.75));
}

Comparison compare_two(const Run &before, const Run &after) {
    Comparison c{&before, &after, 0, 1, 0, {}};
    std::map<std::string, const Row *> rows;
    for (const Row &row : before.rows)
        if (row.fault.empty()) rows[row.key()] = &row;
    std::vector<double> roofs;
    for (const Row &row : after.rows) {
        const auto found = rows.find(row.key());
        if (found == rows.end() || !row.fault.empty()) continue;
        c.changes.push_back(compare(*found->second, row));
        if (row.roof_us > 0 && found->second->roof_us > 0) roofs.push_back(row.roof_us / found->second->roof_us);
    }
    if (!roofs.empty()) c.roofs = median(roofs);
    c.drift = std::max(drift_of(before), drift_of(after));
    c.noise = std::max({kLeastNoise, c.drift, std::expm1(std::fabs(std::log(c.roofs)))});
    correct(&c.changes);
    for (Change &change : c.changes) {
        if (change.verdict == Verdict::untold || change.p >= kLevel) continue;
        if (change.low > 1 + c.noise) change.verdict = Verdict::slower;
        if (change.high < 1 / (1 + c.noise)) change.verdict = Verdict::faster;
    }
    std::stable_sort(c.changes.begin(), c.changes.end(),
                     [](const Change &a, const Change &b) { return a.ratio > b.ratio; });
    return c;
}

}  // namespace

int Comparison::count(Verdict verdict) const {
    return static_cast<int>(std::count_if(changes.begin(), changes.end(),
                                          [verdict](const Change &change) { return change.verdict == verdict; }));
}

Change compare(const Row &before, const Row &after) {
    Change change{&before, &after};
    change.ratio = change.low = change.high = after.us_median / before.us_median;
    if (before.samples_us.size() < 2 || after.samples_us.size() < 2) return change;
    std::mt19937 random(1);
    std::vector<double> ratios, scratch;
    for (int i = 0; i < kResamples; ++i) {
        const double was = resampled_median(before.samples_us, random, &scratch);
        ratios.push_back(resampled_median(after.samples_us, random, &scratch) / was);
    }
    change.low = quantile(ratios, 0.025);
    change.high = quantile(ratios, 0.975);
    change.p = mann_whitney_p(before.samples_us, after.samples_us);
    change.verdict = Verdict::same;
    return change;
}

std::vector<Comparison> compare_runs(const std::vector<Run> &runs) {
    std::map<std::string, std::vector<const Run *>> machines;
    for (const Run &run : runs)
        if (!run.emulated && !run.rows.empty())
            machines[run.machine() + (run.of_peers ? "\npeers" : "")].push_back(&run);
    std::vector<Comparison> comparisons;
    for (auto &[name, of] : machines) {
        std::stable_sort(of.begin(), of.end(), [](const Run *a, const Run *b) { return a->date < b->date; });
        for (size_t i = 1; i < of.size(); ++i) {
            Comparison c = compare_two(*of[i - 1], *of[i]);
            if (!c.changes.empty()) comparisons.push_back(std::move(c));
        }
    }
    return comparisons;
}

}  // namespace cli::report
