// Which candidates of one problem to measure next, and how well. A pure state machine: what it asks depends on the
// candidates, the options and the answers alone, so a run that was cut off goes on where its log ends, and a recorded
// sweep can be searched again.
//
// Method: the predicted cost orders the candidates; a third of the allowance is spread over the cheap ones of every
// structure (family, what is fixed, vector width), then each batch goes half to neighbours of the best so far, half to
// the least corrected prediction: cost times what nearby measured candidates took beyond theirs. Last, successive
// halving: the better ones are measured again with more rounds, until a few are left.
#pragma once

#include <optional>
#include <vector>

#include "candidates.hpp"

namespace dwc::tuner {

struct SearchOptions {
    size_t allowance = 0;  // distinct candidates at most; 0: all of them
    size_t batch = 8;      // asked at once: as many are compiled before any is timed
    int first_rounds = 5;  // of a candidate's first timing
    int last_rounds = 31;  // of the finalists
    size_t finalists = 3;
};
// 15 % of the candidates, at least 16.
size_t default_allowance(size_t candidates);

class Search {
   public:
    Search(const std::vector<Candidate> &candidates, const SearchOptions &options);

    struct Ask {
        size_t candidate;  // index
        int rounds;
    };
    // What to measure now; every one of them must be told before the next call. Empty: the search is over.
    std::vector<Ask> next();
    // A score: time relative to the incumbent, or in microseconds where there is none (one of both for all candidates);
    // nothing: the candidate failed and is out. The median of its scores counts.
    void tell(size_t candidate, std::optional<double> score);

    // Goes on to the halving, whatever is left of the allowance: time runs out.
    void stop_exploring() { exploring_ = false; }

    std::optional<size_t> best() const;  // the least score of those measured with the most rounds
    double best_score() const { return best() ? *seen_[*best()].score : 0; }
    size_t asked() const { return asked_; }          // distinct candidates so far
    size_t allowance() const { return allowance_; }  // distinct candidates at most

   private:
    struct Seen {
        int rounds = 0;  // of the last time; 0: not measured
        std::vector<double> times;
        std::optional<double> score;  // their median; absent: failed
    };

    std::vector<Ask> explore();
    std::vector<Ask> halve();
    std::vector<size_t> openers(size_t count) const;
    std::vector<size_t> most_promising(size_t count) const;
    std::vector<double> corrected_costs() const;
    std::vector<size_t> ranking() const;  // measured and not failed, best first

    const std::vector<Candidate> &candidates_;
    SearchOptions options_;
    size_t allowance_, asked_ = 0, without_gain_ = 0;
    double best_explored_ = 0;
    int rounds_;  // of the rung that is being measured
    bool exploring_ = true;
    std::vector<Seen> seen_;
};

// Steps between two points: 0 for the same, 1 for one parameter moved by one (a doubling counts as one).
double distance(const Point &a, const Point &b);

}  // namespace dwc::tuner
