// Shared by the tests of problems and of their strings.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "dwconv/dwconv.h"

namespace dwc_test {

// f32_nlc_n2_l10_c3_k3_m1_s1_d1_pl0_pr0_nobias_linear
inline dwc_problem some_problem() {
    dwc_problem p;
    dwc_problem_init(&p);
    p.batch = 2;
    p.length = 10;
    p.channels = 3;
    p.kernel_size = 3;
    return p;
}

// The canonical string; a test failure and the message where there is none.
inline std::string format(const dwc_problem& p) {
    char text[1024];
    dwc_error error{};
    EXPECT_EQ(dwc_problem_format(&p, text, sizeof text, &error), DWC_OK) << error.message;
    return error.status == DWC_OK ? text : error.message;
}

}  // namespace dwc_test
