// The C++17 wrapper: values, ownership, exceptions.
#include <gtest/gtest.h>

#include <dwconv/dwconv.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

static_assert(std::is_copy_constructible_v<dwconv::problem>);
static_assert(std::is_nothrow_move_constructible_v<dwconv::plan> && !std::is_copy_constructible_v<dwconv::plan>);
static_assert(std::is_nothrow_move_assignable_v<dwconv::plan> && !std::is_copy_assignable_v<dwconv::plan>);
static_assert(std::is_nothrow_move_constructible_v<dwconv::weights> && !std::is_copy_constructible_v<dwconv::weights>);
static_assert(std::is_base_of_v<std::runtime_error, dwconv::error>);
static_assert(std::is_base_of_v<dwconv::error, dwconv::value_error>);

constexpr const char* kProblem = "f32_nlc_n2_l33_c5_k4_m3_s1_d1_pl3_pr0_bias_relu";

// The status that `call` throws, and whether as a value_error.
template <class Call>
std::pair<dwc_status, bool> thrown(Call&& call) {
    try {
        call();
    } catch (const dwconv::value_error& e) {
        EXPECT_STRNE(e.what(), "");
        return {e.status(), true};
    } catch (const dwconv::error& e) {
        EXPECT_STRNE(e.what(), "");
        return {e.status(), false};
    }
    return {DWC_OK, false};
}

using Thrown = std::pair<dwc_status, bool>;

TEST(HppProblem, SettersAndStringAgree) {
    const auto p =
        dwconv::problem().shape(2, 33, 5).kernel_size(4).depth_multiplier(3).padding(3, 0).bias(true).activation(
            "relu");
    EXPECT_EQ(p.to_string(), kProblem);
    EXPECT_EQ(p.out_length(), 33);
    EXPECT_EQ(p.out_channels(), 15);
    const dwconv::problem read(kProblem);
    EXPECT_EQ(read.to_string(), kProblem);
    EXPECT_EQ(dwconv::problem(std::string(kProblem)).to_string(), kProblem);
    EXPECT_EQ(dwconv::problem(p.fields()).to_string(), kProblem);
}

TEST(HppProblem, EverySetterReachesItsField) {
    auto p = dwconv::problem()
                 .layout(DWC_NCL)
                 .dtypes(DWC_F32, DWC_BF16, DWC_BF16)
                 .shape(2, 40, 3)
                 .kernel_size(5)
                 .depth_multiplier(2)
                 .stride(3)
                 .dilation(2)
                 .padding(1, 2)
                 .activation("leaky_relu", {0.5f})
                 .x_strides(200, 1, 50)
                 .y_strides(100, 1, 16);
    EXPECT_EQ(p.to_string(),
              "f32_ncl_n2_l40_c3_k5_m2_s3_d2_pl1_pr2_nobias_leaky_relu_wbf16_ybf16_a0.5_xs200.1.50_ys100.1.16");
    EXPECT_EQ(p.dtype(DWC_BF16).fields().w_dtype, DWC_BF16);
    EXPECT_EQ(p.fields().x_dtype, DWC_BF16);
    p.fields().stride = 1;
    EXPECT_EQ(p.pad_same().fields().pad_left, 4);
    EXPECT_EQ(p.fields().pad_right, 4);
}

TEST(HppProblem, ThrowsValueErrors) {
    EXPECT_EQ(thrown([] { dwconv::problem("f32_nope"); }), Thrown(DWC_ERROR_PARSE, true));
    EXPECT_EQ(thrown([] { dwconv::problem(std::string("f32_nlc\0", 8)); }), Thrown(DWC_ERROR_PARSE, true));
    EXPECT_EQ(thrown([] { dwconv::problem().stride(0).validate(); }), Thrown(DWC_ERROR_STRIDE, true));
    EXPECT_EQ(thrown([] { dwconv::problem().shape(1, 2, 1).kernel_size(3).out_length(); }),
              Thrown(DWC_ERROR_OUT_LENGTH, true));
    EXPECT_EQ(thrown([] { dwconv::problem().dilation(0).pad_same(); }), Thrown(DWC_ERROR_DILATION, true));
    EXPECT_EQ(thrown([] { dwconv::problem().activation("nope"); }).second, true);
    EXPECT_EQ(thrown([] { dwconv::problem().activation("relu", {0.0f}); }), Thrown(DWC_ERROR_ACTIVATION, true));
    EXPECT_EQ(thrown([] { dwconv::problem().activation("silu", {0.0f}); }), Thrown(DWC_ERROR_ACTIVATION, true));
    EXPECT_EQ(thrown([] { dwconv::problem(static_cast<const char*>(nullptr)); }),
              Thrown(DWC_ERROR_NULL_POINTER, false));
    dwconv::problem streaming;
    streaming.fields().stateful = 1;
    streaming.fields().pad_left = 1;
    EXPECT_EQ(thrown([&] { streaming.validate(); }), Thrown(DWC_ERROR_STATE, true));
}

TEST(HppProblem, ActivationTakesItsDefaultsAnew) {
    auto p = dwconv::problem().shape(1, 4, 1).activation("leaky_relu", {0.5f});
    p.activation("relu");  // max_value is infinity again, not 0
    EXPECT_EQ(p.to_string(), "f32_nlc_n1_l4_c1_k1_m1_s1_d1_pl0_pr0_nobias_relu");
}

std::vector<float> ramp(size_t count, int period) {  // small multiples of 1/4: every sum is exact
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) {
        values[i] = static_cast<float>(static_cast<int>(i) % period - period / 2) / 4.0f;
    }
    return values;
}

TEST(HppPlan, ComputesWhatTheReferenceComputes) {
    const dwconv::problem p(kProblem);
    const std::vector<float> x = ramp(2 * 33 * 5, 23), w = ramp(4 * 15, 7), bias = ramp(15, 5);
    std::vector<float> y(2 * 33 * 15, -1.0f), want(y.size(), -2.0f);
    dwconv::reference(p, x.data(), w.data(), bias.data(), want.data());

    dwconv::plan first(p);
    const dwconv::weights packed = first.pack(w.data(), bias.data());
    const dwconv::plan plan = std::move(first);
    plan.execute(x.data(), packed, y.data());
    EXPECT_EQ(y, want);

    const dwconv::plan_info info = plan.describe();
    EXPECT_EQ(info.problem, kProblem);
    EXPECT_EQ(info.out_length, 33);
    EXPECT_EQ(plan.out_length(), 33);
    EXPECT_EQ(info.flops, 2 * 2 * 33 * 15 * 4);
    EXPECT_EQ(info.bytes, static_cast<int64_t>(4 * (x.size() + y.size() + w.size() + bias.size())));
    EXPECT_EQ(info.threads, 1);
    EXPECT_NE(info.kernel, "");
    EXPECT_NE(info.kernel, "reference");
    EXPECT_NE(info.reason, "");
}

TEST(HppPlan, PytorchOrder) {
    const dwconv::problem p(kProblem);
    const std::vector<float> x = ramp(2 * 33 * 5, 23), w = ramp(4 * 15, 7), bias = ramp(15, 5);
    std::vector<float> turned(w.size()), y(2 * 33 * 15), want(y.size());
    for (size_t j = 0; j < 4; ++j) {
        for (size_t q = 0; q < 15; ++q) turned[q * 4 + j] = w[j * 15 + q];
    }
    dwconv::reference(p, x.data(), w.data(), bias.data(), want.data());
    const dwconv::plan plan(p);
    plan.execute(x.data(), plan.pack(turned.data(), bias.data(), DWC_WEIGHTS_PYTORCH), y.data());
    EXPECT_EQ(y, want);
}

TEST(HppPlan, AWorkspaceIsFoundWhereOneIsNeeded) {
    // An effective kernel of 900001: staging does not fit on a stack.
    const auto p = dwconv::problem().shape(1, 900003, 1).kernel_size(4).dilation(300000);
    const std::vector<float> x = ramp(900003, 23), w = ramp(4, 7);
    std::vector<float> y(3), want(3);
    dwconv::reference(p, x.data(), w.data(), nullptr, want.data());
    const dwconv::plan plan(p);
    plan.execute(x.data(), plan.pack(w.data()), y.data());
    EXPECT_EQ(y, want);
}

TEST(HppPlan, ThrowsByCause) {
    EXPECT_EQ(thrown([] { dwconv::plan{dwconv::problem().kernel_size(0)}; }), Thrown(DWC_ERROR_KERNEL_SIZE, true));
    const dwconv::problem p(kProblem);
    dwconv::options options;
    options.threads = -1;
    EXPECT_EQ(thrown([&] { dwconv::plan(p, options); }), Thrown(DWC_ERROR_THREADS, true));
    options = {};
    options.force_kernel = "no such kernel";
    EXPECT_EQ(thrown([&] { dwconv::plan(p, options); }), Thrown(DWC_ERROR_FORCED_KERNEL, false));
    options = {};
    options.force_target = "no such target";
    EXPECT_EQ(thrown([&] { dwconv::plan(p, options); }), Thrown(DWC_ERROR_FORCED_TARGET, false));
    options = {};
    options.plan_level = DWC_PLAN_MEASURE;
    options.measure_ms = 0;
    EXPECT_EQ(thrown([&] { dwconv::plan(p, options); }), Thrown(DWC_ERROR_PLAN_LEVEL, true));
    options.measure_ms = 5;
    EXPECT_NE(dwconv::plan(p, options).describe().reason.find("measured for this plan"), std::string::npos);
    const dwconv::plan plan(p);
    const std::vector<float> w = ramp(4 * 15, 7);
    EXPECT_EQ(thrown([&] { plan.pack(w.data()); }), Thrown(DWC_ERROR_BIAS, true));
    EXPECT_EQ(thrown([&] { plan.pack(nullptr, w.data()); }), Thrown(DWC_ERROR_NULL_POINTER, false));
    const dwconv::weights packed = plan.pack(w.data(), w.data());
    EXPECT_EQ(thrown([&] { plan.execute(nullptr, packed, nullptr); }), Thrown(DWC_ERROR_NULL_POINTER, false));
}

TEST(HppListing, KernelsTargetsAndReasons) {
    bool runnable = false;
    for (const dwconv::target_info& target : dwconv::targets()) {
        EXPECT_NE(target.name, "");
        runnable = runnable || (target.built && target.supported);
    }
    EXPECT_TRUE(runnable);
    EXPECT_FALSE(dwconv::kernels().empty());
    for (const dwconv::kernel_info& kernel : dwconv::kernels()) EXPECT_NE(kernel.name, "");
    const std::vector<dwconv::candidate> candidates = dwconv::explain(dwconv::problem(kProblem));
    ASSERT_FALSE(candidates.empty());
    EXPECT_TRUE(candidates.front().chosen);
    EXPECT_EQ(candidates.front().kernel, dwconv::plan(dwconv::problem(kProblem)).describe().kernel);
    for (size_t i = 1; i < candidates.size(); ++i) EXPECT_FALSE(candidates[i].chosen);
    EXPECT_EQ(thrown([] { dwconv::explain(dwconv::problem().stride(0)); }), Thrown(DWC_ERROR_STRIDE, true));
    EXPECT_EQ(dwconv::version(), dwc_version());
}

}  // namespace
