#include "report_page.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "report_template.hpp"

namespace cli::report {
namespace {

struct Tile {
    std::string value, what, kind;
};

std::string tiles(const std::vector<Run> &runs, const std::vector<Comparison> &comparisons) {
    std::set<std::string> machines, problems, peers, gaps;
    for (const Run &run : runs) {
        if (!run.emulated) machines.insert(run.cpu);
        for (const Row &row : run.rows) {
            problems.insert(row.problem);
            if (!row.ours) (row.fault.empty() ? peers : gaps).insert(row.who);
        }
    }
    int slower = 0, faster = 0;
    for (const Comparison &c : comparisons) {
        slower += c.count(Verdict::slower);
        faster += c.count(Verdict::faster);
    }
    const auto count = [](size_t n, const char *one, const char *many) {
        return Tile{std::to_string(n), n == 1 ? one : many, ""};
    };
    std::vector<Tile> all = {count(machines.size(), "machine", "machines"), count(runs.size(), "run", "runs"),
                             count(problems.size(), "workload", "workloads")};
    if (!peers.empty() || !gaps.empty()) all.push_back(count(peers.size(), "peer timed", "peers timed"));
    if (!comparisons.empty()) {
        all.push_back({std::to_string(slower), "slower than before", slower ? "bad" : ""});
        all.push_back({std::to_string(faster), "faster than before", faster ? "good" : ""});
    }
    std::string out;
    for (const Tile &tile : all)
        out += "<li class=\"" + tile.kind + "\"><b>" + tile.value + "</b> " + tile.what + "</li>\n";
    return "<ul class=\"tiles\">\n" + out + "</ul>\n";
}

void replace(std::string *text, const std::string &mark, const std::string &with) {
    const size_t at = text->find(mark);
    if (at != std::string::npos) text->replace(at, mark.size(), with);
}

}  // namespace

std::string escaped(const std::string &text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:  // control characters are not allowed in XML, and say nothing
                out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
        }
    }
    return out;
}

std::string digits(double value) {
    if (value == 0) return "0";
    char text[40];
    if (std::fabs(value) < 1e-3) {
        std::snprintf(text, sizeof text, "%.2g", value);
        return text;
    }
    const int whole = static_cast<int>(std::floor(std::log10(std::fabs(value)))) + 1;
    std::snprintf(text, sizeof text, "%.*f", std::clamp(3 - whole, 0, 6), value);
    return text;
}

std::string percent(double share) { return std::to_string(std::lround(100 * share)) + " %"; }

std::string short_problem(const std::string &problem) {
    std::vector<std::string> words;
    for (size_t begin = 0; begin <= problem.size();) {
        const size_t end = std::min(problem.find('_', begin), problem.size());
        words.push_back(problem.substr(begin, end - begin));
        begin = end + 1;
    }
    if (words.size() < 12) return problem;
    // dtype, layout, n, l, c, k, m, s, d, pl, pr, bias, activation and suffixes
    std::string text = words[1] + " " + words[4].substr(1) + " × " + words[3].substr(1) + ", K " + words[5].substr(1);
    if (words[0] != "f32") text = words[0] + " " + text;
    if (words[2] != "n1") text += ", batch " + words[2].substr(1);
    if (words[6] != "m1") text += ", multiplier " + words[6].substr(1);
    if (words[7] != "s1") text += ", stride " + words[7].substr(1);
    if (words[8] != "d1") text += ", dilation " + words[8].substr(1);
    for (size_t i = 12; i < words.size(); ++i)
        if (words[i] != "linear") text += ", " + words[i];
    return text;
}

std::vector<const Run *> real_runs(const std::vector<Run> &runs) {
    std::vector<const Run *> real;
    for (const Run &run : runs)
        if (!run.emulated) real.push_back(&run);
    return real;
}

std::string page(const std::vector<Run> &runs) {
    const std::vector<Comparison> comparisons = compare_runs(runs);
    std::string document = kReportTemplate;
    // From the end, so that what a section holds is never taken for a place.
    replace(&document, "<!--records-->", records_section(runs));
    replace(&document, "<!--emulated-->", emulated_section(runs));
    replace(&document, "<!--overheads-->", overheads_section(runs));
    replace(&document, "<!--gaps-->", gaps_section(runs));
    replace(&document, "<!--changes-->", changes_section(comparisons));
    replace(&document, "<!--workloads-->", workloads_section(runs));
    replace(&document, "<!--roofline-->", roofline_section(runs));
    replace(&document, "<!--runs-->", runs_section(runs));
    replace(&document, "<!--tiles-->", tiles(runs, comparisons));
    return document;
}

}  // namespace cli::report
