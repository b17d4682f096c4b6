// Classes of problems: the canonical text both ways, what is one class, and distances.
#include "class_key.hpp"

#include <gtest/gtest.h>

#include "internals.hpp"
#include "problem.hpp"

using dwc_test::resolved_problem;

namespace {

dwc::ClassKey key(const std::string& text, int threads = 1) { return dwc::class_of(resolved_problem(text), threads); }

TEST(ClassKey, TextOfProblems) {
    EXPECT_EQ(key("f32_nlc_n1_l3072_c512_k4_m1_s1_d1_pl3_pr0_bias_linear").text(),
              "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear");
    EXPECT_EQ(key("f32_ncl_n8_l1_c1_k31_m1_s1_d9_pl300_pr0_nobias_silu", 4).text(),
              "f32_ncl_k31_m1_s1_dn_c0_l0_nn_tn_silu");
    EXPECT_EQ(key("bf16_nlc_n1_l64_c63_k3_m3_s2_d1_pl3_pr0_bias_linear").text(),
              "bf16_nlc_k3_m3_s2_d1_c5_l6_n1_t1_linear");
    EXPECT_EQ(key("f32_nlc_n1_l64_c64_k3_m1_s1_d1_pl2_pr0_bias_relu6").text(), "f32_nlc_k3_m1_s1_d1_c6_l6_n1_t1_clamp");
    EXPECT_EQ(key("f32_nlc_n1_l64_c64_k3_m1_s1_d1_pl2_pr0_bias_gelu").text(), "f32_nlc_k3_m1_s1_d1_c6_l6_n1_t1_other");
}

TEST(ClassKey, WhatNoOutputSeesIsLeftOut) {
    EXPECT_EQ(key("f32_nlc_n1_l64_c64_k1_m1_s1_d7_pl0_pr0_bias_linear"),
              key("f32_nlc_n1_l64_c64_k1_m1_s1_d1_pl0_pr0_bias_linear"));
    EXPECT_EQ(key("f32_nlc_n1_l5_c64_k3_m1_s9_d1_pl0_pr0_bias_linear").stride, 1);
}

TEST(ClassKey, EveryTextReadsBack) {
    for (const char* text : {"f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear", "bf16_ncl_k33_m3_s2_dn_c0_l0_nn_tn_other",
                             "f32_nlc_k1_m8_s4_d1_c20_l30_n1_tn_clamp"}) {
        const auto parsed = dwc::parse_class(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(parsed->text(), text);
    }
}

TEST(ClassKey, AnythingElseIsNoClass) {
    const std::string good = "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear";
    for (size_t i = 0; i < good.size(); ++i) EXPECT_FALSE(dwc::parse_class(good.substr(0, i))) << i;
    for (const char* text :
         {"", "f32", "f64_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear", "f32_nlc_k04_m1_s1_d1_c9_l11_n1_t1_linear",
          "f32_nlc_k0_m1_s1_d1_c9_l11_n1_t1_linear", "f32_nlc_k4_m1_s1_d2_c9_l11_n1_t1_linear",
          "f32_nlc_k4_m1_s1_d1_c99_l11_n1_t1_linear", "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear_",
          "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_gelu", "f32_nlc_k4_m1_s1_d1_c-9_l11_n1_t1_linear",
          "f32_nlc_k99999999999999999999_m1_s1_d1_c9_l11_n1_t1_linear"})
        EXPECT_FALSE(dwc::parse_class(text)) << text;
}

TEST(ClassKey, PublicFunction) {
    dwc_problem p = resolved_problem("f32_nlc_n1_l3072_c512_k4_m1_s1_d1_pl3_pr0_bias_linear").given;
    char text[80];
    dwc_error error{};
    ASSERT_EQ(dwc_problem_class(&p, 2, text, sizeof text, &error), DWC_OK) << error.message;
    EXPECT_STREQ(text, "f32_nlc_k4_m1_s1_d1_c9_l11_n1_tn_linear");
    EXPECT_EQ(dwc_problem_class(&p, 2, text, 10, &error), DWC_ERROR_BUFFER_SIZE);
    EXPECT_EQ(dwc_problem_class(&p, 0, text, sizeof text, &error), DWC_ERROR_THREADS);
    EXPECT_EQ(dwc_problem_class(&p, 1, nullptr, 0, &error), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_problem_class(nullptr, 1, text, sizeof text, &error), DWC_ERROR_NULL_POINTER);
}

TEST(ClassDistance, IsZeroForTheSameClassOnlyAndSymmetric) {
    const char* classes[] = {"f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear", "f32_nlc_k4_m1_s1_d1_c8_l11_n1_t1_linear",
                             "f32_nlc_k4_m1_s1_d1_c9_l9_n1_t1_linear",  "f32_nlc_k4_m1_s1_dn_c9_l11_n1_t1_linear",
                             "f32_nlc_k4_m1_s1_d1_c9_l11_nn_t1_linear", "f32_nlc_k4_m1_s1_d1_c9_l11_n1_tn_linear",
                             "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_other",  "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_silu",
                             "f32_nlc_k5_m1_s1_d1_c9_l11_n1_t1_linear"};
    for (const char* a : classes)
        for (const char* b : classes) {
            const auto there = dwc::class_distance(*dwc::parse_class(a), *dwc::parse_class(b), true);
            const auto back = dwc::class_distance(*dwc::parse_class(b), *dwc::parse_class(a), true);
            ASSERT_TRUE(there && back);
            EXPECT_EQ(*there == 0, std::string(a) == b) << a << " " << b;
            EXPECT_DOUBLE_EQ(*there, *back);
        }
}

TEST(ClassDistance, WhatMustAgree) {
    const auto own = *dwc::parse_class("f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear");
    for (const char* other : {"bf16_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear", "f32_ncl_k4_m1_s1_d1_c9_l11_n1_t1_linear",
                              "f32_nlc_k4_m2_s1_d1_c9_l11_n1_t1_linear", "f32_nlc_k4_m1_s2_d1_c9_l11_n1_t1_linear"})
        EXPECT_FALSE(dwc::class_distance(*dwc::parse_class(other), own, true)) << other;
    const auto other_k = *dwc::parse_class("f32_nlc_k8_m1_s1_d1_c9_l11_n1_t1_linear");
    EXPECT_FALSE(dwc::class_distance(other_k, own, false));
    EXPECT_DOUBLE_EQ(*dwc::class_distance(other_k, own, true), 2);
}

TEST(ClassDistance, Weights) {
    const auto distance = [](const char* a, const char* b) {
        return *dwc::class_distance(*dwc::parse_class(a), *dwc::parse_class(b), false);
    };
    const char* own = "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear";
    EXPECT_DOUBLE_EQ(distance(own, "f32_nlc_k4_m1_s1_d1_c7_l11_n1_t1_linear"), 2);
    EXPECT_DOUBLE_EQ(distance(own, "f32_nlc_k4_m1_s1_d1_c9_l8_n1_t1_linear"), 1.5);
    EXPECT_DOUBLE_EQ(distance(own, "f32_nlc_k4_m1_s1_dn_c9_l11_nn_tn_linear"), 4);
    EXPECT_DOUBLE_EQ(distance(own, "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_other"), 1);
    EXPECT_DOUBLE_EQ(distance(own, "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_clamp"), 3);
    // Few channels and few rows fill vectors and tiles badly: a factor of two counts twice.
    EXPECT_DOUBLE_EQ(distance(own, "f32_nlc_k4_m1_s1_d1_c9_l4_n1_t1_linear"), 0.5 * 6 + 2);
    EXPECT_DOUBLE_EQ(distance("f32_nlc_k4_m1_s1_d1_c3_l11_n1_t1_linear", "f32_nlc_k4_m1_s1_d1_c2_l11_n1_t1_linear"), 2);
}

TEST(ProblemDistance, OrdersWithinAClass) {
    const dwc_problem own = resolved_problem("f32_nlc_n1_l3072_c512_k4_m1_s1_d1_pl3_pr0_bias_linear").given;
    const dwc_problem near = resolved_problem("f32_nlc_n1_l3072_c640_k4_m1_s1_d1_pl3_pr0_bias_linear").given;
    const dwc_problem far = resolved_problem("f32_nlc_n1_l2048_c1000_k4_m1_s1_d1_pl3_pr0_bias_linear").given;
    EXPECT_EQ(dwc::problem_distance(own, own), 0);
    EXPECT_LT(dwc::problem_distance(own, near), dwc::problem_distance(own, far));
}

}  // namespace
