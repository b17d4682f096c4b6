#include "search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>

namespace dwc::tuner {
namespace {

// Batches in a row that gain less than 1 % end the exploration early: the space is flat here.
constexpr size_t kPatience = 4;
constexpr double kGain = 0.99;
constexpr double kAlike = 1.1;  // predictions this close say nothing of the order
constexpr double kFar = 2.5;    // beyond so many steps two candidates are no neighbours

// What is fixed at compile time and how wide the vectors are, as one word: where predictions err, they err for all
// candidates of a structure alike.
std::string structure(const Point &p) {
    return p.family + "/" + p.activation + (p.k ? "/k" : "") + (p.stride ? "/s" : "") + (p.m ? "/m" : "") + "/" +
           std::to_string(p.v);
}

double octaves(int a, int b) { return std::fabs(std::log2(static_cast<double>(a) / static_cast<double>(b))); }

}  // namespace

double distance(const Point &a, const Point &b) {
    if (a.family != b.family) return 8;
    double steps = octaves(a.v, b.v) + octaves(a.t, b.t) + 0.5 * octaves(a.block, b.block);
    steps += (a.activation != b.activation) + ((a.k == 0) != (b.k == 0)) + ((a.stride == 0) != (b.stride == 0));
    return steps + 2 * ((a.m == 0) != (b.m == 0));
}

size_t default_allowance(size_t candidates) {
    return std::min(candidates, std::max<size_t>(16, candidates * 15 / 100));
}

Search::Search(const std::vector<Candidate> &candidates, const SearchOptions &options)
    : candidates_(candidates),
      options_(options),
      allowance_(options.allowance == 0 ? candidates.size() : std::min(options.allowance, candidates.size())),
      rounds_(options.first_rounds),
      seen_(candidates.size()) {}

void Search::tell(size_t candidate, std::optional<double> score) {
    Seen &seen = seen_[candidate];
    seen.rounds = rounds_;
    seen.score = score;
    if (!score) return;
    // Processes differ by more (where their pages lie) than the rounds of one: each time counts the same.
    seen.times.push_back(*score);
    std::vector<double> sorted = seen.times;
    std::sort(sorted.begin(), sorted.end());
    seen.score = (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
}

std::vector<size_t> Search::ranking() const {
    std::vector<size_t> order;
    for (size_t i = 0; i < seen_.size(); ++i)
        if (seen_[i].rounds > 0 && seen_[i].score) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) {
        if (seen_[a].rounds != seen_[b].rounds) return seen_[a].rounds > seen_[b].rounds;
        return *seen_[a].score < *seen_[b].score;
    });
    return order;
}

std::optional<size_t> Search::best() const {
    const std::vector<size_t> order = ranking();
    return order.empty() ? std::nullopt : std::optional(order[0]);
}

// Of every structure whose cheapest is no hopeless case, round and round: first its cheapest, then of those that are
// predicted to be about as good the one farthest from what was chosen. candidates_ are in order of cost.
std::vector<size_t> Search::openers(size_t count) const {
    std::map<std::string, std::vector<size_t>> groups, chosen_of;
    std::vector<std::string> order;  // of the groups, by their cheapest
    for (size_t i = 0; i < candidates_.size(); ++i) {
        const std::string group = structure(candidates_[i].point);
        if (!groups.count(group) && candidates_[i].cost > 3 * candidates_[0].cost) continue;
        if (!groups.count(group)) order.push_back(group);
        if (groups[group].empty() || candidates_[i].cost <= kAlike * candidates_[groups[group][0]].cost)
            groups[group].push_back(i);
    }
    std::vector<size_t> chosen;
    for (size_t before = 1; chosen.size() < count && before != chosen.size();) {
        before = chosen.size();
        for (const std::string &name : order) {
            std::vector<size_t> &left = groups[name], &taken = chosen_of[name];
            if (left.empty() || chosen.size() >= count) continue;
            const auto apart = [&](size_t c) {
                double least = taken.empty() ? 0 : 1e9;
                for (const size_t other : taken)
                    least = std::min(least, distance(candidates_[c].point, candidates_[other].point));
                return least;
            };
            const auto next =
                std::max_element(left.begin(), left.end(), [&](size_t a, size_t b) { return apart(a) < apart(b); });
            taken.push_back(*next);
            chosen.push_back(*next);
            left.erase(next);
        }
    }
    return chosen;
}

std::vector<double> Search::corrected_costs() const {
    // Logarithms of measured over predicted, less their mean: what the prediction does not know.
    std::vector<size_t> known = ranking();
    std::vector<double> residual(known.size());
    double mean = 0;
    for (size_t i = 0; i < known.size(); ++i) {
        residual[i] = std::log(*seen_[known[i]].score) - std::log(std::max(candidates_[known[i]].cost, 1e-300));
        mean += residual[i] / static_cast<double>(known.size());
    }
    std::vector<double> costs(candidates_.size(), std::numeric_limits<double>::infinity());
    for (size_t c = 0; c < candidates_.size(); ++c) {
        if (seen_[c].rounds > 0) continue;
        double weights = 0.3, sum = 0;  // 0.3: a prior towards the prediction itself
        for (size_t i = 0; i < known.size(); ++i) {
            const double d = distance(candidates_[c].point, candidates_[known[i]].point);
            const double weight = std::exp(-d * d / 2);
            weights += weight;
            sum += weight * (residual[i] - mean);
        }
        costs[c] = std::log(std::max(candidates_[c].cost, 1e-300)) + sum / weights;
    }
    return costs;
}

std::vector<size_t> Search::most_promising(size_t count) const {
    const std::vector<double> costs = corrected_costs();
    std::vector<size_t> open;
    for (size_t i = 0; i < candidates_.size(); ++i)
        if (seen_[i].rounds == 0) open.push_back(i);
    std::stable_sort(open.begin(), open.end(), [&](size_t a, size_t b) { return costs[a] < costs[b]; });

    std::vector<size_t> chosen;
    const std::vector<size_t> leaders = ranking();
    const auto steps = [&](size_t c) {  // to the nearer of the two best
        double least = kFar + 1;
        for (size_t i = 0; i < std::min<size_t>(leaders.size(), 2); ++i)
            least = std::min(least, distance(candidates_[c].point, candidates_[leaders[i]].point));
        return least;
    };
    // What is nearest is tried first, whatever is predicted of it: there the prediction may be wrong.
    std::vector<std::pair<double, size_t>> near;
    for (const size_t c : open)
        if (const double s = steps(c); s <= kFar) near.emplace_back(s, c);
    std::stable_sort(near.begin(), near.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
    for (size_t i = 0; i < std::min(near.size(), (count + 1) / 2); ++i) chosen.push_back(near[i].second);
    for (const size_t c : open)
        if (chosen.size() < count && std::find(chosen.begin(), chosen.end(), c) == chosen.end()) chosen.push_back(c);
    return chosen;
}

std::vector<Search::Ask> Search::explore() {
    if (asked_ >= allowance_) return {};
    const size_t count = std::min(options_.batch, allowance_ - asked_);
    const bool all = allowance_ == candidates_.size();
    std::vector<size_t> chosen;
    if (all) {  // nothing to choose: everything, the promising ones first
        for (size_t i = asked_; i < asked_ + count; ++i) chosen.push_back(i);
    } else if (asked_ < std::max<size_t>(allowance_ / 3, 1)) {
        chosen = openers(asked_ + count);
        chosen.erase(std::remove_if(chosen.begin(), chosen.end(), [this](size_t i) { return seen_[i].rounds > 0; }),
                     chosen.end());
        chosen.resize(std::min(chosen.size(), count));
        if (chosen.empty()) chosen = most_promising(count);
    } else {
        const double now = best() ? best_score() : 0;
        without_gain_ = best_explored_ > 0 && now > kGain * best_explored_ ? without_gain_ + 1 : 0;
        best_explored_ = now;
        if (without_gain_ >= kPatience) return {};
        chosen = most_promising(count);
    }
    asked_ += chosen.size();
    std::vector<Ask> asks;
    for (const size_t i : chosen) asks.push_back({i, rounds_});
    return asks;
}

std::vector<Search::Ask> Search::halve() {
    if (rounds_ >= options_.last_rounds) return {};
    // Of the rung before: those with its number of rounds come first in the ranking.
    std::vector<size_t> left = ranking();
    left.erase(std::remove_if(left.begin(), left.end(), [this](size_t i) { return seen_[i].rounds != rounds_; }),
               left.end());
    // The first rung is wide: three quarters of it are out at once.
    const size_t share = rounds_ == options_.first_rounds ? 4 : 2;
    left.resize(std::min(left.size(), std::max(options_.finalists, left.size() / share)));
    rounds_ =
        left.size() <= options_.finalists ? options_.last_rounds : std::min(2 * rounds_ + 1, options_.last_rounds);
    std::vector<Ask> asks;
    for (const size_t i : left) asks.push_back({i, rounds_});
    return asks;
}

std::vector<Search::Ask> Search::next() {
    if (exploring_) {  // until there is nothing more to explore
        std::vector<Ask> asks = explore();
        if (!asks.empty()) return asks;
        exploring_ = false;
    }
    return halve();
}

}  // namespace dwc::tuner
