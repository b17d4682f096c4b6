// Problems of more than 2^31 elements: kernels count in 32 bits, so the plan cuts them. Each takes 10 GB of memory and
// a minute, so they run only with DWC_LARGE_TESTS=1 in the environment.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "dwconv/dwconv.h"
#include "support.hpp"

namespace {

using namespace dwc_test;

struct Large {
    const char* problem;
    int64_t channel_step;  // channels checked: every channel_step-th
};

class LargeProblem : public testing::TestWithParam<Large> {};

// Small integers, so that every sum is exact in bf16.
float value(int64_t t, int64_t c) { return static_cast<float>((t * 7 + c * 3) % 5); }
float weight(int64_t j, int64_t c) { return static_cast<float>((j + c) % 3 + 1); }

TEST_P(LargeProblem, IsCutWhereViewsEnd) {
    const char* wanted = std::getenv("DWC_LARGE_TESTS");
    if (!wanted || std::string(wanted) != "1") GTEST_SKIP() << "set DWC_LARGE_TESTS=1 to run it";
    dwc_problem p;
    dwc_error error{};
    ASSERT_EQ(dwc_problem_parse(GetParam().problem, &p, &error), DWC_OK) << error.message;
    const int64_t L = p.length, C = p.channels, K = p.kernel_size;
    const bool nlc = p.layout == DWC_NLC;
    const auto at = [&](int64_t t, int64_t c) { return static_cast<size_t>(nlc ? t * C + c : c * L + t); };
    using Halves = std::unique_ptr<uint16_t[], void (*)(void*)>;
    const Halves x(static_cast<uint16_t*>(std::malloc(2 * L * C)), std::free);
    const Halves y(static_cast<uint16_t*>(std::malloc(2 * L * C)), std::free);
    ASSERT_TRUE(x && y) << "not enough memory";
    for (int64_t outer = 0; outer < (nlc ? L : C); ++outer)
        for (int64_t inner = 0; inner < (nlc ? C : L); ++inner) {
            const int64_t t = nlc ? outer : inner, c = nlc ? inner : outer;
            x[at(t, c)] = to_bf16(value(t, c));
        }
    std::vector<uint16_t> w(K * C);
    for (int64_t j = 0; j < K; ++j)
        for (int64_t c = 0; c < C; ++c) w[j * C + c] = to_bf16(weight(j, c));

    dwc_plan* plan = nullptr;
    dwc_weights* weights = nullptr;
    ASSERT_EQ(dwc_plan_create(&plan, &p, nullptr, &error), DWC_OK) << error.message;
    ASSERT_EQ(dwc_weights_pack(plan, w.data(), nullptr, DWC_WEIGHTS_KERAS, &weights, &error), DWC_OK) << error.message;
    dwc_args args;
    dwc_args_init(&args);
    args.x = x.get();
    args.y = y.get();
    args.weights = weights;
    ASSERT_EQ(dwc_plan_workspace_size(plan), 0u);
    ASSERT_EQ(dwc_plan_execute(plan, &args, &error), DWC_OK) << error.message;
    int64_t wrong = 0;
    for (int64_t t = 0; t < L; ++t)
        for (int64_t c = 0; c < C; c += GetParam().channel_step) {
            float sum = 0;
            for (int64_t j = 0; j < K; ++j) {
                const int64_t source = t + j - p.pad_left;
                if (source >= 0 && source < L) sum += value(source, c) * weight(j, c);
            }
            wrong += from_bf16(y[at(t, c)]) != sum;
        }
    EXPECT_EQ(wrong, 0);
    dwc_weights_destroy(weights);
    dwc_plan_destroy(plan);
}

INSTANTIATE_TEST_SUITE_P(All, LargeProblem,
                         testing::Values(Large{"bf16_nlc_n1_l4500000_c512_k3_m1_s1_d1_pl2_pr0_nobias_linear", 97},
                                         Large{"bf16_ncl_n1_l800000000_c3_k3_m1_s1_d1_pl2_pr0_nobias_linear", 1}));

}  // namespace
