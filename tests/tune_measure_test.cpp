// Verification bites on what can be wrong with a kernel, and lets the right ones pass. The kernel here is the plain one
// of tuning/kernel.c behind a function that spoils something.
#include <cmath>

#include "plan_support.hpp"
#include "tuner/measure.hpp"

namespace {

using namespace dwc_test;
namespace tuner = dwc::tuner;

// Of HalideRuntime.h: where a buffer keeps its data and its dimensions.
struct Dimension {
    int32_t min, extent, stride;
    uint32_t flags;
};
struct Buffer {
    uint64_t device;
    const void *device_interface;
    char *host;
    uint64_t flags;
    uint32_t type;
    int32_t dimensions;
    Dimension *dim;
    void *padding;
};
extern "C" int dwc_test_kernel(const void *, Buffer *, Buffer *, Buffer *, Buffer *, int32_t, int32_t, float, float,
                               float, Buffer *);
void (*spoil)(Buffer *x, Buffer *w, Buffer *y, bool before) = nullptr;

int spoiled(const void *context, Buffer *x, Buffer *w, Buffer *b, Buffer *taps, int32_t max_tap, int32_t step, float p0,
            float p1, float p2, Buffer *y) {
    if (spoil) spoil(x, w, y, true);
    const int code = dwc_test_kernel(context, x, w, b, taps, max_tap, step, p0, p1, p2, y);
    if (spoil) spoil(x, w, y, false);
    return code;
}

char *last(const Buffer &b) {
    int64_t offset = 0;
    for (int d = 0; d < b.dimensions; ++d) offset += static_cast<int64_t>(b.dim[d].extent - 1) * b.dim[d].stride;
    return b.host + 4 * offset;
}

class Verify : public testing::Test {
   protected:
    // Adds the kernel once a process.
    void SetUp() override {
        const std::string target = running_targets()[0].name;
        name_ = "spoiled@" + target;
        incumbent_ = explain(parse(problem_), options_with(target.c_str())).chosen;
        dwc_kernel_row row;
        dwc_kernel_row_init(&row);
        row.name = name_.c_str();
        row.family = "channels", row.target = target.c_str(), row.activation = "linear";
        row.m = 1, row.v = 4, row.t = 2;
        row.function = reinterpret_cast<void (*)()>(spoiled);
        dwc_kernel_add(&row, nullptr);
        spoil = nullptr;
    }
    std::string verify(const std::string &problem) const { return tuner::verify(problem, name_, 1); }
    std::string name_, incumbent_;
    const std::string problem_ = "f32_nlc_n2_l90_c70_k4_m1_s1_d1_pl3_pr0_bias_linear";
};

TEST_F(Verify, ARightKernelPasses) {
    for (const char *problem :
         {"f32_nlc_n2_l90_c70_k4_m1_s1_d1_pl3_pr0_bias_linear", "f32_nlc_n1_l200_c64_k7_m1_s2_d1_pl3_pr3_nobias_silu",
          "f32_nlc_n1_l200_c64_k3_m1_s1_d4_pl8_pr0_bias_relu6", "f32_nlc_n1_l200_c64_k3_m1_s1_d4_pl8_pr0_bias_gelu",
          "f32_nlc_n2_l40_c64_k3_m1_s1_d1_pl2_pr0_bias_linear_xs4000.80.1_ys5000.100.1"})
        EXPECT_EQ(verify(problem), "") << problem;
}

TEST_F(Verify, EveryKindOfWrongIsFound) {
    const std::pair<const char *, void (*)(Buffer *, Buffer *, Buffer *, bool)> kinds[] = {
        {"one output fewer", [](Buffer *, Buffer *, Buffer *y, bool before) { y->dim[2].extent += before ? -1 : 1; }},
        {"one tap fewer", [](Buffer *, Buffer *w, Buffer *, bool before) { w->dim[2].extent += before ? -1 : 1; }},
        {"the next weight", [](Buffer *, Buffer *w, Buffer *, bool before) { w->host += before ? 4 : -4; }},
        {"the last bit of the last output",
         [](Buffer *, Buffer *, Buffer *y, bool before) {
             float *value = reinterpret_cast<float *>(last(*y));
             if (!before) *value = std::nextafter(*value, 9.0f);
         }},
        {"NaN in the last output",
         [](Buffer *, Buffer *, Buffer *y, bool before) {
             if (!before) *reinterpret_cast<float *>(last(*y)) = std::nanf("");
         }},
        {"a write in front of y",
         [](Buffer *, Buffer *, Buffer *y, bool before) {
             if (!before) reinterpret_cast<float *>(y->host)[-1] = 0;
         }},
    };
    for (const auto &[what, how] : kinds) {
        spoil = how;
        EXPECT_NE(verify(problem_), "") << what;
    }
    spoil = nullptr;
    EXPECT_EQ(verify(problem_), "");
}

TEST_F(Verify, AWriteIntoTheHolesOfAStridedOutputIsFound) {
    spoil = [](Buffer *, Buffer *, Buffer *y, bool before) {
        if (!before) reinterpret_cast<float *>(y->host)[y->dim[1].extent] = 0;
    };
    // The problems beside it are dense, where the same place is an output of the next step: it is found there already.
    EXPECT_NE(verify("f32_nlc_n1_l40_c64_k3_m1_s1_d1_pl2_pr0_bias_linear_xs4000.80.1_ys5000.100.1"), "");
}

TEST_F(Verify, ReadsAndWritesBeyondTheEndCrash) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(
        {
            spoil = [](Buffer *, Buffer *, Buffer *y, bool before) {
                if (!before) reinterpret_cast<float *>(last(*y))[1] = 0;
            };
            verify(problem_);
        },
        "");
    EXPECT_DEATH(
        {
            spoil = [](Buffer *x, Buffer *, Buffer *, bool before) {
                if (!before) static_cast<void>(reinterpret_cast<volatile float *>(last(*x))[1]);
            };
            verify("f32_nlc_n1_l90_c70_k4_m1_s1_d1_pl0_pr0_bias_linear");
        },
        "");
}

TEST_F(Verify, WhatCannotBePlannedIsAnException) {
    EXPECT_THROW(verify("bf16_ncl_n2_l90_c70_k4_m1_s1_d1_pl3_pr0_bias_linear"), std::runtime_error);
    EXPECT_THROW(verify("banana"), std::runtime_error);
    EXPECT_THROW(tuner::verify(problem_, "nosuch@kernel", 1), std::runtime_error);
}

TEST_F(Verify, RoundsAreInterleavedAndAHopelessOneStopsEarly) {
    tuner::TimingOptions options{7, 0.05};
    const tuner::Timing even = tuner::time_interleaved(problem_, incumbent_, incumbent_, 1, options);
    EXPECT_EQ(even.us.size(), 7u);
    EXPECT_EQ(even.incumbent_us.size(), 7u);
    const tuner::Timing alone = tuner::time_interleaved(problem_, incumbent_, "", 1, options);
    EXPECT_EQ(alone.us.size(), 7u);
    EXPECT_TRUE(alone.incumbent_us.empty());
    spoil = [](Buffer *, Buffer *, Buffer *, bool before) {
        for (volatile int i = 0; before && i < 200000;) i = i + 1;
    };
    const tuner::Timing slow = tuner::time_interleaved(problem_, name_, incumbent_, 1, options);
    EXPECT_EQ(slow.us.size(), static_cast<size_t>(tuner::kHopelessRounds));
    tuner::Result result;
    tuner::summarise(slow, &result);
    EXPECT_GT(*result.ratio_median, tuner::kHopeless);
    EXPECT_EQ(result.samples, tuner::kHopelessRounds);
}

TEST(Statistics, QuantilesAndRatiosByRounds) {
    EXPECT_EQ(tuner::quantile({}, 0.5), 0);
    EXPECT_EQ(tuner::quantile({3}, 0.25), 3);
    EXPECT_EQ(tuner::quantile({4, 1, 3, 2}, 0.5), 2.5);
    EXPECT_EQ(tuner::quantile({5, 1, 2, 3, 4}, 0.25), 2);
    tuner::Result result;
    tuner::summarise({{10, 20, 30}, {10, 10, 60}}, &result);
    EXPECT_EQ(result.samples, 3);
    EXPECT_EQ(result.us_median, 20);
    EXPECT_EQ(result.us_min, 10);
    EXPECT_EQ(result.incumbent_us_median, 10);
    EXPECT_EQ(result.ratio_median, 1);  // of 1, 2, 0.5
    EXPECT_EQ(result.ratio_q25, 0.75);
    EXPECT_EQ(result.ratio_q75, 1.5);
}

}  // namespace
