// Plans through the C interface: special values, long kernels in a workspace, slices of wider tensors, shared weights.
#include <tuple>

#include "plan_support.hpp"

namespace {

using namespace dwc_test;

// ----------------------------------------------------------------------------------------------- special values

class SpecialValues : public testing::TestWithParam<const char*> {};

TEST_P(SpecialValues, NanAndInfinityPropagateAsInTheReference) {
    Workload work(parse(GetParam()));
    const int64_t L = work.p.length, C = work.p.channels;
    // At both ends (next to the padding), alone, together, and opposite infinities within one kernel's reach.
    work.set_x(0, 0, 0, kNotANumber);
    work.set_x(0, L - 1, C - 1, kNotANumber);
    work.set_x(0, L / 2, C / 2, kInfinity);
    work.set_x(0, L / 2 + 1, C / 2, -kInfinity);
    work.set_x(0, L / 3, 0, -kInfinity);
    work.set_x(0, L - 1, 0, kInfinity);
    work.set_x(0, 0, C - 1, std::numeric_limits<float>::max());
    for (const auto& target : running_targets_and_devices())
        for (const std::string& kernel : explain(work.p, options_with(target.name)).eligible) {
            const std::vector<char> y = work.run(options_with(target.name, kernel.c_str()));
            ASSERT_EQ(work.difference(y, work.reference(target.fma)), "") << kernel;
        }
    int64_t nans = 0, infinities = 0;
    const std::vector<char> y = work.run(options_with());
    for (int64_t i = 0; i < work.ye.span; ++i) {
        nans += std::isnan(Workload::at(y, work.p.y_dtype, i));
        infinities += std::isinf(Workload::at(y, work.p.y_dtype, i));
    }
    EXPECT_GT(nans, 0);
    EXPECT_GT(infinities, 0);
}

INSTANTIATE_TEST_SUITE_P(Problems, SpecialValues,
                         testing::Values("f32_nlc_n1_l60_c40_k4_m1_s1_d1_pl3_pr0_bias_linear",
                                         "f32_nlc_n1_l60_c40_k3_m1_s1_d1_pl4_pr4_bias_relu",
                                         "f32_nlc_n1_l61_c37_k7_m1_s2_d1_pl3_pr3_nobias_relu",
                                         "f32_nlc_n1_l61_c18_k5_m3_s1_d1_pl2_pr2_bias_linear",
                                         "f32_nlc_n1_l61_c3_k5_m1_s1_d2_pl4_pr4_bias_relu",
                                         "f32_nlc_n1_l6_c3_k5_m1_s1_d1_pl4_pr4_bias_linear",
                                         "f32_ncl_n1_l160_c5_k4_m1_s1_d1_pl3_pr0_bias_linear",
                                         "f32_ncl_n1_l160_c5_k5_m2_s2_d1_pl2_pr2_bias_relu",
                                         "f32_ncl_n1_l7_c5_k5_m1_s1_d1_pl2_pr2_bias_relu"),
                         case_name);

// --------------------------------------------------------------------------------------- long kernels, workspace

class LongKernels : public testing::TestWithParam<std::pair<const char*, bool>> {};

TEST_P(LongKernels, EqualTheReference) {
    const auto [text, needs_workspace] = GetParam();
    const Workload work(parse(text));
    size_t largest = 0;
    bool wide = work.p.layout == DWC_NCL;  // in nlc only the widest tiles of these rows do not fit the stack
    for (const auto& target : running_targets())
        for (const int threads : {1, 3}) {
            const dwc_options options = options_with(target.name, nullptr, threads);
            wide = wide || std::strcmp(target.name, "x86-64-avx512") == 0;
            largest = std::max(largest, dwc_plan_workspace_size(make_plan(work.p, options).get()));
            EXPECT_EQ(work.difference(work.run(options), work.reference(target.fma)), "") << target.name;
        }
    if (needs_workspace && wide) {
        EXPECT_GT(largest, 0u) << "this problem was meant to need a workspace";
    }
}

// Taps that read nothing but padding are left out, where that is seen by nobody: not where a weight is infinite, whose
// product with a zero is no number, and not where a negative zero as the bias would lose its sign.
TEST(PaddedTaps, CountWhereZerosChangeTheSum) {
    for (const char* text : {"f32_nlc_n1_l90_c40_k80_m1_s1_d1_pl79_pr0_bias_linear",
                             "f32_nlc_n1_l200_c17_k99_m1_s2_d2_pl100_pr150_bias_relu",
                             "f32_ncl_n1_l300_c3_k200_m1_s1_d1_pl199_pr0_bias_linear",
                             "f32_ncl_n1_l100_c3_k99_m2_s1_d2_pl98_pr98_bias_linear",
                             "f32_ncl_n1_l300_c3_k90_m1_s2_d1_pl89_pr0_bias_linear"}) {
        const dwc_problem p = parse(text);
        for (const char* special : {"none", "weight", "bias"}) {
            Workload work(p);
            if (*special == 'w') work.put(work.w, DWC_F32, 1, kInfinity);
            if (*special == 'b') {
                work.put(work.b, DWC_F32, 0, -0.0f);
                for (int64_t t = 0; t < p.length; ++t) work.set_x(0, t, 0, 0.0f);
                // The taps that are left out add positive zeros to output 0, the others negative ones.
                for (int64_t k = 0; k < p.kernel_size; ++k)
                    work.put(work.w, DWC_F32, k * work.Q, 4 * k < p.kernel_size ? 1.0f : -1.0f);
            }
            for (const auto& target : running_targets())
                for (const std::string& kernel : explain(p, options_with(target.name)).eligible) {
                    const std::vector<char> y = work.run(options_with(target.name, kernel.c_str()));
                    ASSERT_EQ(work.difference(y, work.reference(target.fma)), "") << text << kernel << special;
                    if (*special != 'b') continue;
                    ASSERT_FALSE(std::signbit(Workload::at(y, DWC_F32, 0))) << text << kernel;
                }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Problems, LongKernels,
    testing::Values(std::pair{"f32_nlc_n2_l700_c100_k768_m1_s1_d1_pl767_pr0_bias_linear", true},
                    std::pair{"f32_nlc_n1_l1000_c64_k700_m1_s2_d3_pl900_pr900_bias_relu", true},
                    std::pair{"f32_nlc_n1_l400_c64_k300_m2_s1_d1_pl150_pr149_bias_relu", false},
                    std::pair{"f32_nlc_n1_l1000_c5_k4_m1_s1_d300000_pl900000_pr0_bias_linear", false},
                    std::pair{"f32_ncl_n1_l1000_c2_k4_m1_s1_d300000_pl900000_pr0_bias_linear", true},
                    std::pair{"f32_nlc_n2_l700_c40_k768_m1_s1_d1_pl767_pr0_bias_linear", false},
                    std::pair{"f32_nlc_n1_l900_c3_k768_m1_s1_d1_pl384_pr384_bias_relu", false},
                    std::pair{"f32_ncl_n2_l700_c3_k768_m1_s1_d1_pl767_pr0_bias_linear", false},
                    std::pair{"f32_ncl_n1_l9000_c2_k768_m1_s1_d16_pl12272_pr0_bias_linear", true},
                    std::pair{"f32_ncl_n1_l20000_c2_k31_m2_s3_d500_pl15000_pr0_bias_linear", true}),
    [](const auto& info) { return case_name({info.param.first, info.index}); });

// ------------------------------------------------------------------------------------------ slices of wider tensors

// `before` unused channels (or times) in front and `after` behind: the strides of a view into a wider tensor.
dwc_problem sliced(const char* text, int64_t x_wider, int64_t y_wider, int64_t batch_gap) {
    dwc_problem p = parse(text);
    int64_t out = 0;
    EXPECT_EQ(dwc_problem_out_length(&p, &out, nullptr), DWC_OK);
    const auto set = [&](int64_t* s, int64_t time, int64_t channels, int64_t wider) {
        const int64_t inner = (p.layout == DWC_NLC ? channels : time) + wider;
        s[0] = inner * (p.layout == DWC_NLC ? time : channels) + batch_gap;
        s[1] = p.layout == DWC_NLC ? inner : 1;
        s[2] = p.layout == DWC_NLC ? 1 : inner;
    };
    set(p.x_strides, p.length, p.channels, x_wider);
    set(p.y_strides, out, p.channels * p.depth_multiplier, y_wider);
    return p;
}

// Multipliers without a kernel run a kernel for 1 once a multiple, into planes that are interleaved.
TEST(Multipliers, WithoutAKernelOfTheirOwn) {
    int vectors = 0;
    for (const dwc_target_info& target : running_targets())
        for (const int64_t m : {5, 7, 9, 40, 300})
            for (const int64_t channels : {3, 17, 64, 100})
                for (const int64_t k : {1, 4, 31})
                    for (const int64_t dilation : {1, 3}) {
                        if (m * channels * k > 40000) continue;
                        dwc_problem p;
                        dwc_problem_init(&p);
                        p.batch = 2;
                        p.length = 150;
                        p.channels = channels;
                        p.kernel_size = k;
                        p.depth_multiplier = m;
                        p.dilation = dilation;
                        p.stride = dilation == 1 && k == 4 ? 3 : 1;
                        p.pad_left = 2;
                        p.pad_right = k == 31 ? 40 : 0;
                        p.has_bias = 1;
                        p.activation = k == 4 ? DWC_RELU6 : DWC_LINEAR;
                        const Workload work(p);
                        const dwc_options options = options_with(target.name, nullptr, m == 5 ? 3 : 1);
                        EXPECT_EQ(work.difference(work.run(options), work.reference(target.fma != 0)), "")
                            << name_of(p) << " on " << target.name;
                        vectors +=
                            std::string(describe(make_plan(p, options)).kernel).find("_m1_") != std::string::npos;
                    }
    EXPECT_GT(vectors, 50);
}

TEST(Strided, SlicesOfWiderTensors) {
    for (const char* text :
         {"f32_nlc_n2_l90_c35_k4_m1_s1_d1_pl3_pr0_bias_linear", "f32_nlc_n2_l90_c3_k4_m1_s1_d1_pl3_pr0_bias_linear",
          "f32_nlc_n2_l90_c33_k3_m1_s1_d5_pl5_pr5_bias_relu", "f32_nlc_n2_l90_c33_k6_m3_s2_d1_pl5_pr5_bias_linear",
          "f32_ncl_n2_l90_c5_k4_m1_s1_d1_pl3_pr0_bias_linear", "f32_ncl_n2_l390_c5_k7_m2_s1_d2_pl6_pr6_bias_relu",
          "f32_ncl_n2_l390_c5_k5_m1_s3_d1_pl2_pr2_bias_linear", "f32_ncl_n2_l5_c5_k5_m1_s1_d1_pl2_pr2_bias_linear"})
        for (const auto& [x_wider, y_wider, gap] :
             {std::tuple<int64_t, int64_t, int64_t>{5, 0, 0}, {0, 7, 0}, {0, 0, 11}, {13, 3, 17}}) {
            const Workload work(sliced(text, x_wider, y_wider, gap));
            for (const auto& target : running_targets_and_devices())
                for (const std::string& kernel : explain(work.p, options_with(target.name)).eligible)
                    for (const int threads : {1, 3}) {
                        // The comparison covers all of y's memory: what lies between its elements stays poison.
                        const std::vector<char> y = work.run(options_with(target.name, kernel.c_str(), threads));
                        ASSERT_EQ(work.difference(y, work.reference(target.fma)), "") << kernel;
                    }
        }
}

// Elementwise kernels run on tiles of y and must leave the gaps alone as well.
TEST(Strided, ActivationsLeaveTheGapsAlone) {
    for (const char* text :
         {"f32_nlc_n2_l90_c35_k4_m1_s1_d1_pl3_pr0_bias_tanh", "f32_ncl_n2_l390_c5_k4_m2_s1_d1_pl3_pr0_bias_tanh"}) {
        const Workload work(sliced(text, 3, 5, 7));
        const std::vector<char> y = work.run(options_with()), expected = work.reference(true);
        for (int64_t i = 0; i < work.ye.span; ++i) {
            const float a = Workload::at(y, DWC_F32, i), e = Workload::at(expected, DWC_F32, i);
            if (e == Workload::kPoison)
                ASSERT_EQ(a, e) << text << " gap " << i;
            else
                ASSERT_NEAR(a, e, 1e-5) << text << " element " << i;
        }
    }
}

// --------------------------------------------------------------------------------------------------- shared weights

TEST(SharedWeights, ServeEveryPlanOfTheSameLayoutAndNoOther) {
    const std::vector<const char*> texts = {
        "f32_nlc_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear",   "f32_nlc_n3_l41_c40_k4_m1_s2_d1_pl0_pr0_bias_relu",
        "f32_nlc_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_nobias_linear", "f32_nlc_n1_l90_c39_k4_m1_s1_d1_pl3_pr0_bias_linear",
        "f32_nlc_n1_l90_c40_k5_m1_s1_d1_pl3_pr0_bias_linear",   "f32_nlc_n1_l90_c20_k4_m2_s1_d1_pl3_pr0_bias_linear",
        "f32_nlc_n1_l90_c3_k4_m1_s1_d1_pl3_pr0_bias_linear",    "f32_ncl_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear",
        "bf16_nlc_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear",
    };
    int shared = 0, refused = 0;
    for (const char* from : texts)
        for (const char* to : texts) {
            const Workload a(parse(from)), b(parse(to), 2);
            const Plan plan_a = make_plan(a.p, options_with()), plan_b = make_plan(b.p, options_with());
            const Weights weights = a.pack(plan_a);
            std::vector<char> y = b.fresh_y();
            dwc_error error{};
            const dwc_status status = b.execute(plan_b, weights, y, &error);
            const bool equal = !std::strcmp(describe(plan_a).weights_layout, describe(plan_b).weights_layout);
            // The key is equal exactly when the weights can be shared.
            ASSERT_EQ(status == DWC_OK, equal) << from << " -> " << to << ": " << error.message;
            if (!equal) {
                EXPECT_TRUE(status == DWC_ERROR_WEIGHTS || status == DWC_ERROR_BIAS) << error.message;
                ++refused;
                continue;
            }
            ++shared;
            Workload with_a(b);
            with_a.w = a.w;
            with_a.b = a.b;
            EXPECT_EQ(b.difference(y, with_a.run(options_with())), "") << from << " -> " << to;
        }
    EXPECT_GT(shared, static_cast<int>(texts.size())) << "no two different problems shared weights";
    EXPECT_GT(refused, 0);
}

TEST(SharedWeights, OutliveTheirPlan) {
    const Workload work(parse("f32_nlc_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear"));
    const Weights weights = work.pack(make_plan(work.p, options_with()));
    std::vector<char> y = work.fresh_y();
    EXPECT_EQ(work.execute(make_plan(work.p, options_with()), weights, y), DWC_OK);
    EXPECT_EQ(work.difference(y, work.run(options_with())), "");
}

// The plain loop's weights are as particular about their sizes as any kernel's.
TEST(SharedWeights, OfTheReferenceAreNotSharedBetweenSizes) {
    dwc_options options = options_with();
    options.allow_reference = 1;
    const dwc_problem small = parse("f32_nlc_n1_l9_c2_k2_m1_s1_d1_pl0_pr0_bias_linear_ybf16");
    const dwc_problem large = parse("f32_nlc_n1_l9_c200_k9_m1_s1_d1_pl0_pr0_bias_linear_ybf16");
    const Workload a(small), b(large);
    const Plan plan_a = make_plan(small, options), plan_b = make_plan(large, options);
    ASSERT_TRUE(plan_a && plan_b);
    ASSERT_STREQ(describe(plan_a).kernel, "reference");
    EXPECT_STRNE(describe(plan_a).weights_layout, describe(plan_b).weights_layout);
    const std::vector<char> y = a.run(options);
    EXPECT_EQ(a.difference(y, a.reference(true)), "");
}

// Strides and dilations far beyond the row, where only few elements are ever touched; stride and dilation may not
// multiply into sizes.
TEST(Absurd, StridesAndDilations) {
    for (const char* layout : {"nlc", "ncl"})
        for (const char* rest :
             {"n1_l1000_c2_k3_m1_s100000_d1_pl0_pr0_nobias_linear", "n1_l1000_c40_k3_m1_s500_d1_pl0_pr0_bias_linear",
              "n1_l1000_c2_k3_m1_s1000000000000000000_d1_pl0_pr0_nobias_linear",
              "n2_l50_c40_k1_m1_s1_d1000000000000000000_pl0_pr0_bias_relu",
              "n1_l7_c600_k1_m2_s4000000000000000000_d4000000000000000000_pl3_pr0_bias_relu6",
              "n1_l20_c5_k3_m1_s30000000000_d7_pl60000000000_pr0_bias_linear",
              "n1_l20_c40_k2_m1_s30000000000_d20000000000_pl60000000000_pr10_bias_linear"}) {
            // In ncl a tap is an offset of 32 bits.
            if (layout == std::string("ncl") && std::string(rest).find("_d20000000000_") != std::string::npos) continue;
            const Workload work(parse((std::string("f32_") + layout + "_" + rest).c_str()));
            EXPECT_EQ(work.difference(work.run(options_with()), work.reference(true)), "") << layout << "_" << rest;
        }
}

}  // namespace
