// `dwconv report`: the page. Each section is a function that returns HTML which is well-formed XML, too; whatever comes
// from a record passes through escaped().
#pragma once

#include <string>
#include <vector>

#include "report_compare.hpp"
#include "report_data.hpp"

namespace cli::report {

// The whole document: the template report.html with the sections in their places.
std::string page(const std::vector<Run> &runs);

std::string roofline_section(const std::vector<Run> &runs);   // report_roofline.cpp
std::string workloads_section(const std::vector<Run> &runs);  // report_bars.cpp
std::string runs_section(const std::vector<Run> &runs);       // report_tables.cpp, as those that follow
std::string changes_section(const std::vector<Comparison> &comparisons);
std::string gaps_section(const std::vector<Run> &runs);
std::string overheads_section(const std::vector<Run> &runs);
std::string emulated_section(const std::vector<Run> &runs);
std::string records_section(const std::vector<Run> &runs);

std::string escaped(const std::string &text);
std::string digits(double value);   // three that count: "6.91", "83.9", "1381"
std::string percent(double share);  // "83 %"
// "f32 nlc, L 384, C 192, K 4" and what else is not at its default.
std::string short_problem(const std::string &problem);
// The runs whose times speak of a CPU.
std::vector<const Run *> real_runs(const std::vector<Run> &runs);

}  // namespace cli::report
