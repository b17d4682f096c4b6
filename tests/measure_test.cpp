// The rule that ends a measurement.
#include "measure.hpp"

#include <gtest/gtest.h>

namespace {

TEST(Measure, AnotherKernelMustBeThreePercentFaster) {
    EXPECT_EQ(dwc::best_of({1.0}), 0u);
    EXPECT_EQ(dwc::best_of({1.0, 0.98, 0.975}), 0u);
    EXPECT_EQ(dwc::best_of({1.0, 0.98, 0.96}), 2u);
    EXPECT_EQ(dwc::best_of({1.0, 0.9, 0.5, 0.6}), 2u);
    EXPECT_EQ(dwc::best_of({1.0, 0.0, 2.0}), 0u) << "a kernel that was not timed has no time";
}

}  // namespace
