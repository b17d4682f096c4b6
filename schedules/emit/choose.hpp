// Which kernel a problem gets: the point that the library would choose, with the problem's own numbers put in where a
// kernel for many problems leaves them open.
#pragma once

#include <string>
#include <vector>

#include "../tuner/targets.hpp"
#include "dwconv/dwconv.h"
#include "dwconv/steps.h"
#include "space.hpp"

namespace dwc::emit {

struct Kernel {
    Point point;  // activation: any function of generators/activation.hpp
    int apart;    // family width: the generator's parameter of that name
    bool ahead;   // family channels: fetches rows ahead of need
    std::string name() const;
};

// The row that the library knows such a kernel by; points into `point` and `target`.
dwc_kernel_row row_of(const Point &point, const tuner::TunerTarget &target);

// Throws InputError where the target has no kernel for the problem.
Kernel choose(const dwc_problem &problem, const tuner::TunerTarget &target);

}  // namespace dwc::emit
