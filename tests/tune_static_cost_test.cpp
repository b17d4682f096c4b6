// The static cost: loops are read out of listings, a tile runs each of them as often as its taps ask, and llvm-mca's
// cycles become an order of candidates.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

#include "tuner/log.hpp"
#include "tuner/static_cost.hpp"

namespace {

using namespace dwc::tuner;

// A loop over tiles around guarded loops over full blocks of four taps and over the rest.
constexpr const char *kArm = R"(
somebody:
	fmla	v9.4s, v9.4s, v9.4s
.Lfunc_end0:
kernel:                                 // @kernel
	cbz	x0, .LBB1_8                     // nothing to do
.LBB1_1:                                // =>This Loop Header: Depth=1
	ldr	q0, [x0]
	cmp	w3, #0
	b.le	.LBB1_6
// %bb.2:
	mov	v1.16b, v0.16b
.LBB1_3:                                //   Parent Loop BB1_1 Depth=1
	fmla	v0.4s, v4.4s, v5.4s
	fmla	v1.4s, v4.4s, v6.4s
	fmla	v0.4s, v4.4s, v5.4s
	fmla	v1.4s, v4.4s, v6.4s
	fmla	v0.4s, v4.4s, v5.4s
	fmla	v1.4s, v4.4s, v6.4s
	fmla	v0.4s, v4.4s, v5.4s
	fmla	v1.4s, v4.4s, v6.4s
	subs	x4, x4, #1
	b.ne	.LBB1_3
	cbz	w5, .LBB1_5
.LBB1_4:
	fmla	v0.4s, v4.4s, v5.4s
	fmla	v1.4s, v4.4s, v6.4s
	subs	x6, x6, #1
	b.ne	.LBB1_4
.LBB1_5:
	stp	q0, q1, [x7]
	subs	x8, x8, #1
	b.ne	.LBB1_1
	b	.LBB1_8
.LBB1_6:
	mov	v1.16b, v0.16b
	cbnz	w5, .LBB1_4
	b	.LBB1_5
.LBB1_8:
	ret
.Lfunc_end1:
)";

int count(const std::vector<std::string> &lines, const std::string &word) {
    return static_cast<int>(std::count_if(
        lines.begin(), lines.end(), [&](const std::string &line) { return line.substr(0, line.find(' ')) == word; }));
}

TEST(TuneListing, TheSteadyLoopIsTheOneWithMostProducts) {
    const Listing listing(kArm, "kernel", Processor::aarch64);
    EXPECT_EQ(count(listing.steady_loop(), "fmla"), 8);
    EXPECT_EQ(count(listing.steady_loop(), "ldr"), 0);
}

TEST(TuneListing, ATileRunsItsLoopsAsOftenAsItsTapsAsk) {
    const Listing listing(kArm, "kernel", Processor::aarch64);
    for (const int taps : {1, 3, 4, 8, 9, 31}) {
        const auto tile = listing.tile(taps, 4);
        EXPECT_EQ(count(tile, "fmla"), 2 * taps) << taps;
        EXPECT_EQ(count(tile, "stp"), 1) << taps;
        EXPECT_EQ(count(tile, "mov"), 1) << "one of the two ways in, for " << taps;
    }
}

TEST(TuneListing, WhatHoldsNoLoopOrNoFunctionIsRefused) {
    EXPECT_THROW(Listing(kArm, "somebody", Processor::aarch64), std::runtime_error);
    EXPECT_THROW(Listing(kArm, "nobody", Processor::aarch64), std::runtime_error);
    EXPECT_THROW(Listing("", "kernel", Processor::x86_64), std::runtime_error);
}

TEST(TuneListing, MultiplyAddsByLanes) {
    EXPECT_EQ(multiply_add_lanes("fmla v0.4s, v1.4s, v2.s[1]", Processor::aarch64), 4);
    EXPECT_EQ(multiply_add_lanes("fmla v0.2s, v1.2s, v2.2s", Processor::aarch64), 2);
    EXPECT_EQ(multiply_add_lanes("fmadd s0, s1, s2, s3", Processor::aarch64), 1);
    EXPECT_EQ(multiply_add_lanes("fmla v0.2d, v1.2d, v2.2d", Processor::aarch64), 0);
    EXPECT_EQ(multiply_add_lanes("vfmadd231ps (%r10,%rdi,4), %zmm3, %zmm1", Processor::x86_64), 16);
    EXPECT_EQ(multiply_add_lanes("vfmadd132ps %ymm3, %ymm1, %ymm0", Processor::x86_64), 8);
    EXPECT_EQ(multiply_add_lanes("mulps %xmm3, %xmm1", Processor::x86_64), 4);
    EXPECT_EQ(multiply_add_lanes("vfmadd231ss %xmm3, %xmm1, %xmm0", Processor::x86_64), 1);
    EXPECT_EQ(multiply_add_lanes("vaddps %zmm3, %zmm1, %zmm0", Processor::x86_64), 0);
}

dwc_problem problem(const char *text) {
    dwc_problem p;
    dwc_problem_init(&p);
    dwc_error error;
    EXPECT_EQ(dwc_problem_parse(text, &p, &error), DWC_OK) << error.message;
    return p;
}

TEST(TuneStaticCost, TilesOfAProblem) {
    const dwc_problem nlc = problem("f32_nlc_n2_l100_c20_k3_m1_s1_d1_pl1_pr1_nobias_linear");
    EXPECT_EQ(tiles_of(nlc, {"channels", "linear", 3, 1, 1, 16, 8, 4}), 2 * 13 * 2);
    EXPECT_EQ(tiles_of(nlc, {"flat", "linear", 3, 1, 1, 16, 4, 4}), 2 * 7 * 5);  // periods of 80 positions
    const dwc_problem dilated = problem("f32_nlc_n1_l100_c16_k3_m1_s1_d3_pl3_pr3_nobias_linear");
    EXPECT_EQ(tiles_of(dilated, {"channels", "linear", 3, 1, 1, 16, 8, 4}), 3 * 5);
    const dwc_problem ncl = problem("f32_ncl_n1_l100_c20_k3_m2_s1_d1_pl1_pr1_nobias_linear");
    EXPECT_EQ(tiles_of(ncl, {"width", "linear", 3, 1, 0, 8, 4, 4}), 40 * 4);
}

// A tile loop of `products` multiply-adds on so many accumulators.
std::string listing_of(int products, int accumulators) {
    std::string text = "kernel:\n.LBB0_1:\n";
    for (int i = 0; i < products; ++i) text += "\tfmla\tv" + std::to_string(i % accumulators) + ".4s, v24.4s, v25.4s\n";
    return text + "\tsubs\tx1, x1, #1\n\tb.ne\t.LBB0_1\n\tret\n.Lfunc_end0:\n";
}

class TuneStaticCostMca : public testing::Test {
   protected:
    void SetUp() override {
        try {
            cpu_ = {find_llvm_mca(), "neoverse-n1", Processor::aarch64, 4, true, 3};
        } catch (const InputError &error) {
            GTEST_SKIP() << error.what();
        }
    }
    const dwc_problem problem_ = problem("f32_nlc_n1_l128_c64_k4_m1_s1_d1_pl3_pr0_bias_linear");
    const dwc::Point point_{"channels", "linear", 4, 1, 1, 4, 4, 4};
    StaticCpu cpu_;
};

TEST_F(TuneStaticCostMca, IndependentSumsReachTheBoundAndAChainDoesNot) {
    const auto estimates =
        static_cost(problem_, {{point_, listing_of(16, 16), "kernel"}, {point_, listing_of(16, 1), "kernel"}}, cpu_);
    ASSERT_EQ(estimates.size(), 2u);
    EXPECT_NEAR(estimates[0].share, 1, 0.05);
    EXPECT_NEAR(estimates[0].tile_cycles, 8, 0.5);                                 // two a cycle
    EXPECT_NEAR(estimates[0].us, 32 * 16 * estimates[0].tile_cycles / 3e3, 1e-9);  // 32 x 16 tiles at 3 GHz
    EXPECT_LT(estimates[1].share, 0.3);
    EXPECT_GT(estimates[1].us, 3 * estimates[0].us);
}

TEST_F(TuneStaticCostMca, WhatCannotBeReadIsRefusedAlone) {
    const auto estimates =
        static_cost(problem_, {{point_, "kernel:\n\tret\n", "kernel"}, {point_, listing_of(16, 16), "kernel"}}, cpu_);
    EXPECT_NE(estimates[0].refused, "");
    EXPECT_EQ(estimates[1].refused, "");
    EXPECT_NEAR(estimates[1].share, 1, 0.05);
}

TEST_F(TuneStaticCostMca, LongKernelsAreExtrapolated) {
    dwc::Point rolled = point_;
    rolled.k = 0, rolled.t = 2;
    const auto cycles = [&](const char *text) {
        return static_cost(problem(text), {{rolled, kArm, "kernel"}}, cpu_)[0].tile_cycles;
    };
    const double k64 = cycles("f32_nlc_n1_l9000_c64_k64_m1_s1_d1_pl0_pr0_bias_linear");
    const double k4096 = cycles("f32_nlc_n1_l9000_c64_k4096_m1_s1_d1_pl0_pr0_bias_linear");
    const double k8192 = cycles("f32_nlc_n1_l9000_c64_k8192_m1_s1_d1_pl0_pr0_bias_linear");
    EXPECT_NEAR(k8192 / k4096, 2, 0.02);
    EXPECT_GT(k4096, 60 * k64);   // at least as many cycles a tap:
    EXPECT_LT(k4096, 128 * k64);  // the sums of short tiles overlap with those of the next
}

TEST_F(TuneStaticCostMca, AnUnknownCpuIsNamed) {
    cpu_.name = "no-such-cpu";
    try {
        static_cost(problem_, {{point_, listing_of(16, 16), "kernel"}}, cpu_);
        FAIL() << "it was accepted";
    } catch (const InputError &error) {
        EXPECT_NE(std::string(error.what()).find("no-such-cpu"), std::string::npos) << error.what();
    }
}

TEST(TuneStaticCost, AProgramThatIsNoneIsNamed) {
    setenv("DWC_LLVM_MCA", "/no/such/program", 1);
    EXPECT_THROW(find_llvm_mca(), InputError);
    unsetenv("DWC_LLVM_MCA");
}

}  // namespace
