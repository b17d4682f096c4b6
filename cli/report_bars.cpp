// One block of bars a workload and number of threads: every machine and peer that timed it, and those that could not.
#include <algorithm>
#include <cstdio>
#include <map>

#include "report_page.hpp"

namespace cli::report {
namespace {

struct Entry {
    const Run *run;
    const Row *row;
};
// The workloads in the order of the files, as they mean something to who wrote them.
struct Block {
    std::string problem;
    int threads;
    std::vector<Entry> entries;
};

// Of a peer's forms the fastest speaks for it. A peer that has a time in this run has no gap there.
void keep_best(Block *block, const Entry &entry) {
    for (Entry &held : block->entries) {
        if (held.run != entry.run || held.row->who != entry.row->who) continue;
        const bool better = held.row->fault.empty()
                                ? entry.row->fault.empty() && entry.row->us_median < held.row->us_median
                                : entry.row->fault.empty();
        if (better) held = entry;
        return;
    }
    block->entries.push_back(entry);
}

std::vector<Block> blocks_of(const std::vector<Run> &runs) {
    std::vector<Block> blocks;
    std::map<std::pair<std::string, int>, size_t> index;
    for (const Run *run : real_runs(runs)) {
        for (const Row &row : run->rows) {
            if (row.cache != "hot") continue;
            const auto [found, added] = index.try_emplace({row.problem, row.threads}, blocks.size());
            if (added) blocks.push_back({row.problem, row.threads, {}});
            keep_best(&blocks[found->second], {run, &row});
        }
    }
    return blocks;
}

std::string width(double share) {
    char text[40];
    std::snprintf(text, sizeof text, "%.2f%%", 100 * std::clamp(share, 0.0, 1.0));
    return text;
}

std::string bar(const Entry &entry, double scale, const Row *ours) {
    const Row &row = *entry.row;
    std::string out = "<div class=\"row\"><span class=\"who\"><i>" + escaped(entry.run->name) + "</i> " +
                      escaped(row.who) + "</span>";
    if (!row.fault.empty()) {
        return out + "<span class=\"track gap\"><span>" + escaped(row.fault) + "</span></span></div>\n";
    }
    out += "<span class=\"track\" title=\"" + escaped(row.detail) + "\"><span class=\"" + (row.ours ? "ours" : "peer") +
           "\" style=\"width:" + width(row.gflops() / scale) + "\"></span>";
    if (row.roof_us > 0 && row.flops / row.roof_us * 1e-3 <= scale)
        out += "<span class=\"mark\" style=\"left:" + width(row.flops / row.roof_us * 1e-3 / scale) + "\"></span>";
    out += "</span><span class=\"value\">" + digits(row.us_median) + " µs";
    if (!row.ours && ours && ours->us_median > 0) out += " · " + digits(row.us_median / ours->us_median) + "×";
    if (row.ours && row.roof_us > 0) out += " · " + percent(row.share_of_roof());
    return out + "</span></div>\n";
}

std::string block_of(const Block &block) {
    double scale = 0;
    for (const Entry &entry : block.entries) {
        scale = std::max(scale, entry.row->gflops());
        if (entry.row->roof_us > 0) scale = std::max(scale, entry.row->flops / entry.row->roof_us * 1e-3);
    }
    std::vector<Entry> entries = block.entries;
    // Within a run ours first, then the peers by their time, then the gaps.
    std::stable_sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
        const auto rank = [](const Entry &e) {
            return std::tuple(e.run->name.size(), e.run->name, !e.row->ours, !e.row->fault.empty(), e.row->us_median);
        };
        return rank(a) < rank(b);
    });
    std::string rows;
    for (const Entry &entry : entries) {
        const Row *ours = nullptr;
        for (const Entry &other : entries)
            if (other.run == entry.run && other.row->ours) ours = other.row;
        rows += bar(entry, scale > 0 ? scale : 1, ours);
    }
    const std::string threads = block.threads == 1 ? "1 thread" : std::to_string(block.threads) + " threads";
    return "<article>\n<h3 title=\"" + escaped(block.problem) + "\">" + escaped(short_problem(block.problem)) +
           " <small>" + threads + "</small></h3>\n" + rows + "</article>\n";
}

}  // namespace

std::string workloads_section(const std::vector<Run> &runs) {
    std::string out;
    for (const Block &block : blocks_of(runs)) out += block_of(block);
    if (out.empty()) return "<p>No record was taken outside an emulator.</p>\n";
    return "<div class=\"blocks\">\n" + out + "</div>\n";
}

}  // namespace cli::report
