// What the selection would choose with other records: the golden selections that a new database would change.
#pragma once

#include "database.hpp"
#include "points.hpp"

namespace dwc::promote {

struct GoldenLine {
    std::string problem, target;
};
// Lines `problem target kernel`, '#' starts a comment line.
std::vector<GoldenLine> parse_golden(const std::string &text);

struct Change {
    std::string problem, target, before, after;  // kernels without "@target"; "none"
};
// The choices of the library that `points` and `database` would make, for every line.
std::vector<std::string> choices(const std::vector<GoldenLine> &lines, const std::vector<DefaultPoint> &points,
                                 const Database &database, const std::string &cpu);
std::vector<Change> changes(const std::vector<GoldenLine> &lines, const std::vector<DefaultPoint> &points,
                            const Database &before, const Database &after, const std::string &cpu);

}  // namespace dwc::promote
