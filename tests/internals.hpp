// Helpers for tests of the runtime's internals.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "problem.hpp"

namespace dwc_test {

// The resolved problem of a canonical string.
inline dwc::Problem resolved_problem(const std::string& text) {
    dwc_problem given;
    dwc_error error{};
    EXPECT_EQ(dwc_problem_parse(text.c_str(), &given, &error), DWC_OK) << text << ": " << error.message;
    dwc::Problem resolved;
    EXPECT_EQ(dwc::resolve(&given, &resolved, &error), DWC_OK) << error.message;
    return resolved;
}

}  // namespace dwc_test
