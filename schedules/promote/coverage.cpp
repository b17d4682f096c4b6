#include "coverage.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace dwc::promote {
namespace {

// An incumbent that is compiled for records only is lost with them: what takes its place was not measured.
constexpr double lost_incumbent = 0.05;
// Savings below this are noise of the arithmetic.
constexpr double least_saving = 1e-9;

// One problem: log of time over the incumbent's, for the kernels that beat it and for itself.
struct Need {
    Evidence *evidence;
    std::string problem;
    std::vector<std::pair<int, double>> cost;  // kernel's number, log ratio
    double without = 0;                        // where none of them is compiled
    double best = 0;
};

using Set = std::vector<char>;  // by number: 1 where the kernel is compiled

class Choice {
   public:
    explicit Choice(const std::set<std::string> &defaults) {
        for (const std::string &name : defaults) inside_[number_of(name)] = 1;
        free_ = inside_;
    }

    void add(const std::string &target, const Key &key, Evidence *evidence) {
        Need need{evidence, key.problem, {}, lost_incumbent, 0};
        for (const Entry &e : evidence->entries) need.cost.emplace_back(number_of(e.kernel), std::log(e.ratio));
        const size_t at = evidence->incumbent.find('@');
        // An incumbent of a parent is compiled for that target.
        if (evidence->incumbent.substr(at + 1) == target)
            need.cost.emplace_back(number_of(evidence->incumbent.substr(0, at)), 0.0);
        else
            need.without = 0;
        for (const auto &[kernel, cost] : need.cost) need.best = std::min(need.best, cost);
        needs_.push_back(std::move(need));
    }

    size_t recorded() const {
        return static_cast<size_t>(std::count(inside_.begin(), inside_.end(), 1) -
                                   std::count(free_.begin(), free_.end(), 1));
    }

    // Fills the budget, improves the set by exchanges, then does both again without one of its members at a time; what
    // is better is kept until nothing is.
    void fill(size_t budget) {
        grow(budget, -1);
        exchange(-1);
        for (bool changed = true; changed;) {
            changed = false;
            for (const auto &[name, out] : numbers_) {
                if (!replaceable(out)) continue;
                const Set before = inside_;
                const double now = total(inside_);
                inside_[out] = 0;
                grow(budget, out);
                exchange(out);
                if (total(inside_) < now - least_saving)
                    changed = true;
                else
                    inside_ = before;
            }
        }
    }

    void forget_needs() { needs_.clear(); }

    Loss assign() {
        Loss loss;
        double sum = 0;
        for (Need &need : needs_) {
            const auto [kernel, cost] = cheapest(need, inside_);
            need.evidence->chosen = kernel < 0 ? "" : name_of(kernel);
            const double more = cost - need.best;
            sum += more;
            ++loss.problems;
            loss.not_best += more > least_saving;
            if (std::expm1(more) > loss.worst) loss.worst = std::expm1(more), loss.worst_problem = need.problem;
        }
        if (loss.problems) loss.mean = std::expm1(sum / loss.problems);
        return loss;
    }

    std::vector<std::string> recorded_names() const {
        std::vector<std::string> names;
        for (const auto &[name, kernel] : numbers_)
            if (inside_[kernel] && !free_[kernel]) names.push_back(name);
        return names;
    }

   private:
    bool replaceable(int kernel) const {
        const auto number = static_cast<size_t>(kernel);
        return inside_[number] && !free_[number];
    }

    // Adds whatever saves most, but not `without`.
    void grow(size_t budget, int without) {
        while (recorded() < budget) {
            int best = -1;
            double most = least_saving;
            const double now = total(inside_);
            for (const auto &[name, kernel] : numbers_) {
                if (inside_[kernel] || kernel == without) continue;
                Set with = inside_;
                with[kernel] = 1;
                if (const double saving = now - total(with); saving > most) most = saving, best = kernel;
            }
            if (best < 0) return;
            inside_[best] = 1;
        }
    }

    // Exchanges one kernel for another while that saves something.
    void exchange(int without) {
        for (bool changed = true; changed;) {
            changed = false;
            Set best;
            double least = total(inside_) - least_saving;
            for (const auto &[out_name, out] : numbers_) {
                if (!replaceable(out)) continue;
                for (const auto &[in_name, in] : numbers_) {
                    if (inside_[in] || in == without) continue;
                    Set other = inside_;
                    other[out] = 0;
                    other[in] = 1;
                    if (const double cost = total(other); cost < least) least = cost, best = other;
                }
            }
            if (!best.empty()) inside_ = best, changed = true;
        }
    }

    int number_of(const std::string &name) {
        const int number = numbers_.try_emplace(name, static_cast<int>(numbers_.size())).first->second;
        inside_.resize(numbers_.size());
        free_.resize(numbers_.size());
        return number;
    }
    std::string name_of(int kernel) const {
        for (const auto &[name, number] : numbers_)
            if (number == kernel) return name;
        return {};
    }
    static std::pair<int, double> cheapest(const Need &need, const Set &inside) {
        std::pair<int, double> best{-1, need.without};
        for (const auto &[kernel, cost] : need.cost)
            if (inside[kernel] && (best.first < 0 || cost < best.second)) best = {kernel, cost};
        return best;
    }
    double total(const Set &inside) const {
        double sum = 0;
        for (const Need &need : needs_) sum += cheapest(need, inside).second;
        return sum;
    }

    std::map<std::string, int> numbers_;  // by name, so that ties are decided by it
    Set inside_, free_;
    std::vector<Need> needs_;
};

}  // namespace

Coverage choose(Database *database, const std::string &target, const std::set<std::string> &defaults, size_t budget) {
    Choice choice(defaults);
    Coverage coverage;
    for (const Source source : {Source::measured, Source::static_cost}) {
        choice.forget_needs();
        for (auto &[key, evidence] : database->evidence)
            if (key.target == target && key.source == source) choice.add(target, key, &evidence);
        if (source == Source::measured) choice.fill(budget);
        const Loss loss = choice.assign();
        if (source == Source::measured) coverage.measured = loss;
    }
    coverage.recorded = choice.recorded_names();
    return coverage;
}

}  // namespace dwc::promote
