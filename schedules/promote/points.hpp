// The schedules of a source tree as cmake/kernels.cmake reads them: targets and default points.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "../tuner/log.hpp"
#include "space.hpp"

namespace dwc::promote {

using tuner::InputError;

struct TargetRow {
    std::string name, parent;
    int lanes = 0, registers = 0;
};

struct DefaultPoint {
    std::string target, dtype;
    Point point;
    std::string name() const { return variant_name(point, dtype); }
};

// Throws InputError naming `name` (of the file), line and field.
std::vector<TargetRow> parse_targets(const std::string &text, const std::string &name);
// Every convolution point, in the order of compilation and each once.
std::vector<DefaultPoint> parse_points(const std::string &text, const std::string &name);
// The elementwise kernels of every target that has any.
std::map<std::string, size_t> count_elementwise(const std::string &text, const std::string &name);

}  // namespace dwc::promote
