#include "listing.hpp"

#include <algorithm>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace dwc::tuner {
namespace {

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

// Without comment and surrounding blanks, tabs as single blanks.
std::string clean(std::string line, Processor processor) {
    const size_t comment = line.find(processor == Processor::aarch64 ? "//" : "#");
    if (comment != std::string::npos) line.erase(comment);
    std::replace(line.begin(), line.end(), '\t', ' ');
    const size_t first = line.find_first_not_of(' ');
    if (first == std::string::npos) return {};
    return line.substr(first, line.find_last_not_of(' ') - first + 1);
}

struct Flow {
    bool jumps = false, always = false, leaves = false;
    std::string target;
};

Flow flow_of(const std::string &instruction, Processor processor) {
    static const std::regex arm(R"(^(b|b\.\w+|cbn?z|tbn?z) (?:.*[ ,])?([^ ,]+)$)"), x86(R"(^(j\w+) (\S+)$)");
    Flow flow;
    const std::string word = instruction.substr(0, instruction.find(' '));
    if (word == "ret" || word == "retq" || word == "ud2" || word == "br" || word == "brk") {
        flow.leaves = true;
        return flow;
    }
    std::smatch match;
    if (!std::regex_match(instruction, match, processor == Processor::aarch64 ? arm : x86)) return flow;
    flow.jumps = true;
    flow.always = match[1] == "b" || match[1] == "jmp";
    flow.target = match[2];
    if (flow.always && !starts_with(flow.target, ".L")) flow.leaves = true;  // into another function
    return flow;
}

}  // namespace

int multiply_add_lanes(const std::string &instruction, Processor processor) {
    if (processor == Processor::aarch64) {
        static const std::regex vector(R"(^fmla v\d+\.([24])s.*)"), scalar(R"(^fmadd s\d.*)");
        std::smatch match;
        if (std::regex_match(instruction, match, vector)) return match[1] == "4" ? 4 : 2;
        return std::regex_match(instruction, scalar) ? 1 : 0;
    }
    static const std::regex packed(R"(^(vfmadd\d+ps|v?mulps) .*)"), scalar(R"(^(vfmadd\d+ss|v?mulss) .*)");
    if (std::regex_match(instruction, scalar)) return 1;
    if (!std::regex_match(instruction, packed)) return 0;
    return instruction.find("%zmm") != std::string::npos ? 16 : instruction.find("%ymm") != std::string::npos ? 8 : 4;
}

Listing::Listing(const std::string &assembly, const std::string &function, Processor processor)
    : processor_(processor) {
    read(assembly, function);
    find_loops();
    for (const auto &[header, inside] : loops_) {
        const bool innermost = std::none_of(loops_.begin(), loops_.end(), [&](const auto &other) {
            return other.first != header && inside.count(other.first) != 0;
        });
        if (innermost && work(header) > 0) inner_.push_back(header);
    }
    std::stable_sort(inner_.begin(), inner_.end(), [&](int a, int b) { return work(a) > work(b); });
    if (inner_.empty()) throw std::runtime_error("no loop of " + function + " holds a multiply-add");
}

void Listing::read(const std::string &assembly, const std::string &function) {
    std::istringstream lines(assembly);
    std::string line;
    bool inside = false;
    std::map<std::string, int> labels;
    std::vector<std::pair<int, std::string>> jumps;  // block, label
    std::set<int> stops;                             // blocks that do not run into the next one
    bool fresh = true;
    while (std::getline(lines, line)) {
        const std::string text = clean(line, processor_);
        if (!inside) {
            inside = text == function + ":";
            continue;
        }
        if (starts_with(text, ".Lfunc_end")) break;
        if (text.empty()) continue;
        if (text.back() == ':') {
            labels[text.substr(0, text.size() - 1)] = static_cast<int>(blocks_.size());
            fresh = true;
            continue;
        }
        if (text.front() == '.') continue;  // a directive
        if (fresh) {
            blocks_.emplace_back();
            fresh = false;
        }
        const int block = static_cast<int>(blocks_.size()) - 1;
        blocks_.back().push_back(text);
        const Flow flow = flow_of(text, processor_);
        if (flow.jumps && !flow.leaves) jumps.emplace_back(block, flow.target);
        if (flow.leaves || flow.always) stops.insert(block);
        fresh = flow.jumps || flow.leaves;
    }
    if (blocks_.empty()) throw std::runtime_error("the listing holds no function " + function);
    const int count = static_cast<int>(blocks_.size());
    successors_.resize(count);
    for (const auto &[block, label] : jumps)
        if (const auto found = labels.find(label); found != labels.end() && found->second < count)
            successors_[block].push_back(found->second);
    for (int b = 0; b + 1 < count; ++b)
        if (stops.count(b) == 0) successors_[b].push_back(b + 1);
}

// Natural loops: for each edge back to a block that dominates its source, all blocks that reach the source without
// passing that block.
void Listing::find_loops() {
    const int count = static_cast<int>(blocks_.size());
    std::vector<std::vector<int>> predecessors(count);
    for (int b = 0; b < count; ++b)
        for (const int s : successors_[b]) predecessors[s].push_back(b);
    std::vector<bool> seen(count);
    std::vector<int> order;  // reverse postorder
    std::vector<std::pair<int, size_t>> stack = {{0, 0}};
    seen[0] = true;
    while (!stack.empty()) {
        auto &[block, next] = stack.back();
        if (next == successors_[block].size()) {
            order.push_back(block);
            stack.pop_back();
            continue;
        }
        const int to = successors_[block][next++];
        if (!seen[to]) {
            seen[to] = true;
            stack.emplace_back(to, 0);
        }
    }
    std::reverse(order.begin(), order.end());
    std::vector<int> rank(count, -1), dominator(count, -1);
    for (size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<int>(i);
    dominator[0] = 0;
    for (bool changed = true; changed;) {  // Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm
        changed = false;
        for (const int block : order) {
            if (block == 0) continue;
            int best = -1;  // the nearest common dominator of the predecessors so far
            for (int p : predecessors[block]) {
                if (dominator[p] < 0) continue;
                if (best < 0) best = p;
                while (p != best) {
                    int &later = rank[p] > rank[best] ? p : best;
                    later = dominator[later];
                }
            }
            if (dominator[block] != best) dominator[block] = best, changed = true;
        }
    }
    const auto dominates = [&](int above, int block) {
        while (block != above && block != 0) block = dominator[block];
        return block == above;
    };
    for (const int block : order)
        for (const int header : successors_[block]) {
            if (!dominates(header, block)) continue;
            std::set<int> &inside = loops_[header];
            inside.insert(header);
            std::vector<int> todo = {block};
            while (!todo.empty()) {
                const int b = todo.back();
                todo.pop_back();
                if (!seen[b] || !inside.insert(b).second) continue;
                todo.insert(todo.end(), predecessors[b].begin(), predecessors[b].end());
            }
        }
}

std::vector<std::string> Listing::text(const std::set<int> &blocks) const {
    std::vector<std::string> out;
    for (const int b : blocks) out.insert(out.end(), blocks_[b].begin(), blocks_[b].end());
    return out;
}

int Listing::work(int header) const {
    int lanes = 0;
    for (const std::string &instruction : loop(header)) lanes += multiply_add_lanes(instruction, processor_);
    return lanes;
}

// The smallest loop around another one.
int Listing::around(int header) const {
    int parent = -1;
    for (const auto &[other, inside] : loops_)
        if (other != header && inside.count(header) && (parent < 0 || inside.size() < loops_.at(parent).size()))
            parent = other;
    if (parent < 0) throw std::runtime_error("the loop over taps stands in no loop over tiles");
    return parent;
}

std::vector<std::string> Listing::tile(int taps, int block) const {
    if (block == 0) return steady_loop();
    const int parent = around(inner_.front());
    const std::set<int> &blocks = loops_.at(parent);
    std::map<int, int> todo;  // headers of the loops of this tile, and how often each still has to run
    for (size_t i = 0; i < inner_.size(); ++i)
        if (blocks.count(inner_[i])) todo[inner_[i]] = i == 0 ? taps / block : i == 1 ? taps % block : 0;
    std::vector<std::string> out;
    std::set<int> passed;
    for (int here = parent; here != parent || passed.empty();) {
        passed.insert(here);
        std::vector<int> choices = successors_[here];
        std::vector<std::string> lines = blocks_[here];
        int times = 1;
        if (const auto found = todo.find(here); found != todo.end()) {
            times = found->second;
            todo.erase(found);
            const std::set<int> &inside = loops_.at(here);
            lines = text(inside);
            choices.clear();
            for (const int b : inside)
                for (const int s : successors_[b])
                    if (!inside.count(s)) choices.push_back(s);
        }
        for (int i = 0; i < times; ++i) out.insert(out.end(), lines.begin(), lines.end());
        std::erase_if(choices, [&](int s) { return !blocks.count(s); });
        here = onwards(choices, parent, todo, passed);
    }
    return out;
}

// Where a tile goes on: towards a loop over taps that still has to run, the full blocks first, past one that has not.
int Listing::onwards(const std::vector<int> &choices, int parent, const std::map<int, int> &todo,
                     const std::set<int> &passed) const {
    const auto choose = [&](int goal, bool past_the_rest) {
        std::set<int> avoid = passed;
        if (past_the_rest)
            for (const auto &[header, times] : todo) avoid.insert(header);
        avoid.erase(parent);
        avoid.erase(goal);
        for (const int choice : choices)
            if (reaches(choice, goal, parent, avoid)) return choice;
        return -1;
    };
    for (const int header : inner_) {
        const auto found = todo.find(header);
        if (found == todo.end() || found->second == 0) continue;
        if (const int choice = choose(header, true); choice >= 0) return choice;
    }
    for (const bool past : {true, false})
        if (const int choice = choose(parent, past); choice >= 0) return choice;
    throw std::runtime_error("no way through a tile was found in the listing");
}

bool Listing::reaches(int start, int goal, int parent, const std::set<int> &avoid) const {
    const std::set<int> &blocks = loops_.at(parent);
    std::set<int> seen;
    std::vector<int> stack = {start};
    while (!stack.empty()) {
        const int b = stack.back();
        stack.pop_back();
        if (b == goal) return true;
        if (b == parent || avoid.count(b) || !seen.insert(b).second) continue;
        for (const int s : successors_[b])
            if (blocks.count(s)) stack.push_back(s);
    }
    return false;
}

}  // namespace dwc::tuner
