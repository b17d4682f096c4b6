#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "report_page.hpp"

namespace cli::report {
namespace {

// A cell of text, or of a number, which sorts by its value.
std::string text(const std::string &value, const char *kind = "") {
    return std::string("<td class=\"") + kind + "\">" + escaped(value) + "</td>";
}
std::string number(double value, const std::string &shown) {
    return "<td class=\"n\" data-v=\"" + std::to_string(value) + "\">" + shown + "</td>";
}
std::string number(double value) { return value > 0 ? number(value, digits(value)) : number(-1, "–"); }
std::string problem_cell(const std::string &problem) {
    return "<td title=\"" + escaped(problem) + "\">" + escaped(short_problem(problem)) + "</td>";
}

// A name that begins with '>' is of a column of numbers.
std::string table(const std::vector<std::string> &header, const std::string &rows) {
    std::string head;
    for (const std::string &name : header) {
        const bool numbers = name.rfind(">", 0) == 0;
        head += std::string(numbers ? "<th class=\"n\">" : "<th>") + "<button type=\"button\">" +
                escaped(name.substr(numbers)) + "</button></th>";
    }
    return "<div class=\"wide\"><table class=\"sortable\">\n<thead><tr>" + head + "</tr></thead>\n<tbody>\n" + rows +
           "</tbody>\n</table></div>\n";
}

std::string signed_percent(double ratio) {
    const double share = 100 * (ratio - 1);
    char text[40];
    std::snprintf(text, sizeof text, "%+.1f %%", share);
    return text;
}

const char *name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::same:
            return "no change";
        case Verdict::slower:
            return "slower";
        case Verdict::faster:
            return "faster";
        case Verdict::untold:
            break;
    }
    return "no samples";
}

std::string changes_of(const Comparison &c) {
    std::string rows;
    for (const Change &change : c.changes) {
        const Row &row = *change.after;
        const char *verdict = name_of(change.verdict);
        rows += "<tr class=\"" +
                std::string(change.verdict == Verdict::slower   ? "bad"
                            : change.verdict == Verdict::faster ? "good"
                                                                : "") +
                "\">" + problem_cell(row.problem) + text(verdict, "verdict") +
                number(change.ratio, signed_percent(change.ratio)) +
                text(signed_percent(change.low) + " to " + signed_percent(change.high), "n") +
                number(change.p, change.p < 0.001 ? "&lt; 0.001" : digits(change.p)) +
                number(change.before->us_median) + number(row.us_median) +
                number(row.threads, std::to_string(row.threads)) +
                text(row.who + (row.cache == "hot" ? "" : ", " + row.cache)) + "</tr>\n";
    }
    const std::string samples = "The machine's own drift within a run is " + percent(c.drift) +
                                ", its roofs moved by " + signed_percent(c.roofs) +
                                " between the runs; a change counts where it exceeds " + percent(c.noise) + ".";
    return "<h3>" + escaped(c.before->name) + " → " + escaped(c.after->name) + " on " + escaped(c.after->machine()) +
           "</h3>\n<p>" + std::to_string(c.count(Verdict::slower)) + " of " + std::to_string(c.changes.size()) +
           " rows slower, " + std::to_string(c.count(Verdict::faster)) + " faster. " + samples + "</p>\n" +
           table({"workload", "verdict", ">time", ">95 % interval", ">p", ">" + c.before->name + " µs",
                  ">" + c.after->name + " µs", ">threads", "who"},
                 rows);
}

// Said where the machine did other things, too, by the rule of `dwconv bench`.
std::string busy(const Run &run) {
    int timed = 0, swung = 0;
    for (const Row &row : run.rows) {
        timed += row.us_median > 0;
        swung += row.us_median > 1.3 * row.us_min;
    }
    if (4 * swung <= timed) return "";
    return " <strong class=\"busy\">busy machine: the median is over 1.3 times the least time on " +
           std::to_string(swung) + " of " + std::to_string(timed) + " rows</strong>";
}

}  // namespace

std::string runs_section(const std::vector<Run> &runs) {
    std::string out;
    for (const Run &run : runs) {
        std::string facts;
        const auto fact = [&facts](const std::string &key, const std::string &value) {
            if (!value.empty()) facts += "<dt>" + escaped(key) + "</dt><dd>" + escaped(value) + "</dd>\n";
        };
        fact("taken", run.date);
        fact("from", run.file);
        for (const auto &[key, value] : run.facts) fact(key, value);
        std::istringstream commands(run.command);
        for (std::string command; std::getline(commands, command);) fact("command", command);
        out += "<details class=\"run\"><summary><i>" + escaped(run.name) + "</i> " + escaped(run.machine()) +
               (run.of_peers ? " <em>with peers</em>" : "") +
               (run.emulated ? " <strong class=\"emulated\">emulated</strong>" : "") + busy(run) + " <small>" +
               escaped(run.date.substr(0, 10)) + "</small></summary>\n<dl>\n" + facts + "</dl></details>\n";
    }
    return out;
}

std::string changes_section(const std::vector<Comparison> &comparisons) {
    std::string out;
    for (const Comparison &c : comparisons) out += changes_of(c);
    return out.empty() ? "<p>No machine was measured twice.</p>\n" : out;
}

std::string gaps_section(const std::vector<Run> &runs) {
    // A form that is refused leaves no gap where another form of the peer has a time.
    std::set<std::vector<std::string>> timed;
    const auto place = [](const Run &run, const Row &row) {
        return std::vector{run.name, row.who, row.problem, std::to_string(row.threads), row.cache};
    };
    for (const Run &run : runs)
        for (const Row &row : run.rows)
            if (row.fault.empty()) timed.insert(place(run, row));
    // Of each, the reasons and the workloads that they leave without a time.
    std::map<std::pair<std::string, std::string>, std::map<std::string, std::set<std::string>>> gaps;
    for (const Run &run : runs)
        for (const Row &row : run.rows)
            if (!row.fault.empty() && !timed.count(place(run, row)))
                gaps[{run.name, row.who}][row.fault].insert(row.problem);
    std::string rows;
    for (const auto &[peer, faults] : gaps)
        for (const auto &[fault, problems] : faults)
            rows += "<tr>" + text(peer.first) + text(peer.second) + text(fault) +
                    number(static_cast<double>(problems.size()), std::to_string(problems.size())) + "</tr>\n";
    if (rows.empty()) return "<p>Nothing that was asked for is missing.</p>\n";
    return table({"run", "who", "why there is no time", ">workloads"}, rows);
}

std::string overheads_section(const std::vector<Run> &runs) {
    std::string rows;
    for (const Run &run : runs)
        for (const OverheadRow &row : run.overheads)
            rows += "<tr>" + text(run.name) + problem_cell(row.problem) + number(row.plan_us) + number(row.execute_ns) +
                    number(row.kernel_calls, digits(row.kernel_calls)) + text(run.emulated ? "emulated" : "") +
                    "</tr>\n";
    if (rows.empty()) return "<p>Not measured: <code>dwconv bench --overhead --json</code> does.</p>\n";
    return table({"run", "workload", ">plan, µs", ">execution without kernels, ns", ">kernel calls", ""}, rows);
}

std::string emulated_section(const std::vector<Run> &runs) {
    std::string rows;
    for (const Run &run : runs) {
        if (!run.emulated) continue;
        for (const Row &row : run.rows)
            rows += "<tr>" + text(run.name) + text(run.machine()) + problem_cell(row.problem) + text(row.detail) +
                    (row.max_error < 0 ? text("–", "n") : number(row.max_error, digits(row.max_error))) +
                    number(row.us_median) + "</tr>\n";
    }
    if (rows.empty()) return "<p>None.</p>\n";
    return table({"run", "machine", "workload", "kernel", ">largest difference", ">emulated µs"}, rows);
}

std::string records_section(const std::vector<Run> &runs) {
    std::string rows;
    for (const Run &run : runs) {
        for (const Row &row : run.rows) {
            if (!row.fault.empty()) continue;
            rows += "<tr>" + text(run.name + (run.emulated ? ", emulated" : "")) + problem_cell(row.problem) +
                    number(row.threads, std::to_string(row.threads)) + text(row.who) + number(row.us_median) +
                    number(row.us_min) + text(digits(row.us_q25) + " to " + digits(row.us_q75), "n") +
                    number(row.gflops()) + number(row.bytes / row.us_median * 1e-3) +
                    (row.roof_us > 0 ? number(row.share_of_roof(), percent(row.share_of_roof())) : number(0)) +
                    text(row.level) + text(row.detail + (row.cache == "hot" ? "" : ", " + row.cache)) + "</tr>\n";
        }
    }
    return table({"run", "workload", ">threads", "who", ">median µs", ">least µs", ">quartiles µs", ">GF/s", ">GB/s",
                  ">of roof", "level", "kernel or form"},
                 rows);
}

}  // namespace cli::report
