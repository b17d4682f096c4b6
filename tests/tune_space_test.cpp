// The space of schedules: names and points are one, every compiled kernel stands in it, and what is enumerated is
// legal.
#include <set>

#include "plan_support.hpp"
#include "space.hpp"
#include "tuner/candidates.hpp"
#include "tuner/log.hpp"
#include "tuner/targets.hpp"

namespace {

using namespace dwc_test;
using dwc::Point;
namespace tuner = dwc::tuner;

std::vector<dwc_kernel_info> compiled() {
    std::vector<dwc_kernel_info> all;
    for (int32_t i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        EXPECT_EQ(dwc_kernel_at(i, &info, nullptr), DWC_OK);
        if (info.family != std::string("activation")) all.push_back(info);
    }
    EXPECT_GT(all.size(), 20u);
    return all;
}

TEST(Space, TheNameOfEveryCompiledKernelIsItsPoints) {
    for (const auto &info : compiled()) {
        const std::string name = info.name;
        const size_t at = name.find('@');
        Point p;
        std::string dtype;
        ASSERT_TRUE(dwc::parse_variant_name(name.substr(0, at), &p, &dtype)) << name;
        EXPECT_EQ(dwc::variant_name(p, dtype) + "@" + info.target, name);
        EXPECT_EQ(p.family, info.family) << name;
        EXPECT_EQ(p.activation, info.activation) << name;
        EXPECT_EQ(p.k, info.kernel_size) << name;
        EXPECT_EQ(p.stride, info.stride) << name;
        EXPECT_EQ(p.m, info.depth_multiplier) << name;
        EXPECT_EQ(p.v, info.vector_width) << name;
        EXPECT_EQ(p.t, info.time_tile) << name;
        EXPECT_EQ(dtype, tuner::dtype_word(info.dtype)) << name;
        const tuner::TunerTarget *target = tuner::tuner_target(info.target);
        ASSERT_NE(target, nullptr) << name;
        EXPECT_EQ(dwc::broken_rule(p, target->lanes, target->registers()), "") << name;
    }
}

TEST(Space, EveryCompiledPointCouldHaveBeenFound) {
    for (const auto &info : compiled()) {
        Point p;
        std::string dtype;
        const std::string name = std::string(info.name).substr(0, std::string(info.name).find('@'));
        ASSERT_TRUE(dwc::parse_variant_name(name, &p, &dtype)) << name;
        if (p.family == "gpunlc" || p.family == "gpuncl") continue;  // the tuner looks for kernels of CPUs
        const tuner::TunerTarget &target = *tuner::tuner_target(info.target);
        const dwc::Fixed fixed{p.k ? p.k : 31, p.stride ? p.stride : 3, p.m ? p.m : 3};
        bool found = false;
        for (const dwc::FamilySpace &space : dwc::spaces()) {
            if (p.family != space.family) continue;
            for (const Point &q : dwc::points_of(space, fixed, target.lanes, target.registers()))
                found = found || dwc::variant_name(q, dtype) == name;
        }
        EXPECT_TRUE(found) << info.name << ": " << dwc::pointless(p, target.lanes);
    }
}

TEST(Space, WhatIsNoNameIsRefused) {
    const char *good = "channels_f32_k4_m1_sany_linear_v16_t8_b2";
    Point p;
    std::string dtype;
    ASSERT_TRUE(dwc::parse_variant_name(good, &p, &dtype));
    EXPECT_EQ(p.block, 2);
    EXPECT_EQ(p.stride, 0);
    for (const char *bad :
         {"", "_", "channels", "channels_f32_k4_m1_sany_linear_v16", "channels_f32_k04_m1_s1_linear_v16_t8",
          "channels_f32_k4_m1_s1_linear_v16_t8_b4", "channels_f32_k4_m1_s1_linear_v16_t8_",
          "channels_f32_k4_m1_s1_linear_v16_t8_b2_b2", "channels_f32_m1_k4_s1_linear_v16_t8",
          "channels_f32_k0_m1_s1_linear_v16_t8", "channels_f32_k4_m1_s1_linear_v_t8",
          "channels_f32_k99999999999_m1_s1_linear_v16_t8", "channels_f32_k+4_m1_s1_linear_v16_t8"})
        EXPECT_FALSE(dwc::parse_variant_name(bad, &p, &dtype)) << bad;
}

TEST(Space, EveryEnumeratedPointIsLegalDistinctAndNamedBothWays) {
    for (const auto &info : running_targets()) {
        const tuner::TunerTarget &target = *tuner::tuner_target(info.name);
        for (const dwc::Fixed fixed : {dwc::Fixed{4, 1, 1}, dwc::Fixed{17, 2, 3}, dwc::Fixed{1, 9, 9}})
            for (const dwc::FamilySpace &space : dwc::spaces()) {
                std::set<std::string> names;
                const auto points = dwc::points_of(space, fixed, target.lanes, target.registers());
                for (const Point &p : points) {
                    EXPECT_EQ(dwc::broken_rule(p, target.lanes, target.registers()), "");
                    EXPECT_TRUE(names.insert(dwc::variant_name(p, "f32")).second) << dwc::variant_name(p, "f32");
                    Point again;
                    std::string dtype;
                    ASSERT_TRUE(dwc::parse_variant_name(dwc::variant_name(p, "f32"), &again, &dtype));
                    EXPECT_TRUE(p.k == 0 || p.k == fixed.k);
                    EXPECT_TRUE(p.stride == 0 || p.stride == fixed.stride || space.family != std::string("channels"));
                }
                EXPECT_LT(points.size(), 4000u);
            }
    }
}

TEST(Candidates, AreWhatTheRuntimeDoesNotRefuseCheapestFirst) {
    const std::string target = running_targets()[0].name;
    for (const char *text :
         {"f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu",
          "f32_ncl_n1_l384_c192_k31_m1_s1_d1_pl15_pr15_bias_relu6",
          "f32_nlc_n1_l512_c3_k3_m2_s1_d1_pl1_pr1_nobias_linear", "bf16_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu",
          "f32_nlc_n1_l384_c192_k4_m100_s100_d1_pl3_pr0_bias_silu"}) {
        const dwc_problem problem = parse(text);
        const auto all = tuner::candidates_of(problem, target, {});
        ASSERT_FALSE(all.empty()) << text;
        std::set<std::string> families;
        for (size_t i = 0; i < all.size(); ++i) {
            EXPECT_LE(all[i ? i - 1 : 0].cost, all[i].cost);
            families.insert(all[i].point.family);
            const dwc_kernel_row row = row_of(all[i], target, nullptr, nullptr);
            double cost = 0;
            ASSERT_EQ(dwc_kernel_cost(&problem, &row, &cost, nullptr), DWC_OK) << all[i].name;
            EXPECT_EQ(cost, all[i].cost);
        }
        EXPECT_TRUE(families.count("channels"));
        EXPECT_EQ(families.count("width"), problem.layout == DWC_NCL);
    }
    // What the plan would choose is among them.
    const dwc_problem problem = parse("f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu");
    std::set<std::string> names;
    for (const auto &candidate : tuner::candidates_of(problem, target, {})) names.insert(candidate.name + "@" + target);
    EXPECT_TRUE(names.count(explain(problem, options_with(target.c_str())).chosen));
    EXPECT_THROW(tuner::candidates_of(problem, "banana", {}), tuner::InputError);
    EXPECT_THROW(tuner::candidates_of(problem, target, {"banana"}), tuner::InputError);
    for (const auto &candidate : tuner::candidates_of(problem, target, {"flat"}))
        EXPECT_EQ(candidate.point.family, "flat");
}

}  // namespace
