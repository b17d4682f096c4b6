// Steps as loops: whatever is folded, unfolding gives the steps that the library listed, in their order.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "emit.hpp"
#include "program.hpp"

namespace {

using dwc::emit::choose;
using dwc::emit::Node;
using dwc::emit::Program;
using dwc::emit::record;

dwc_problem parsed(const char *text) {
    dwc_problem problem;
    dwc_problem_init(&problem);
    dwc_error error{};
    EXPECT_EQ(dwc_problem_parse(text, &problem, &error), DWC_OK) << error.message;
    return problem;
}

struct Flat {
    dwc_step_kind kind;
    std::array<int64_t, 4> at;
    bool operator==(const Flat &) const = default;
};

void unfold(const std::vector<Node> &nodes, std::vector<int64_t> *turns, std::vector<Flat> *steps) {
    for (const Node &node : nodes) {
        for (int64_t i = 0; i < node.count; ++i) {
            turns->push_back(i);
            unfold(node.body, turns, steps);
            turns->pop_back();
        }
        if (node.count) continue;
        ASSERT_EQ(node.per_turn.size(), turns->size());
        Flat step{node.kind, node.at};
        for (size_t loop = 0; loop < turns->size(); ++loop)
            for (size_t i = 0; i < 4; ++i) step.at[i] += (*turns)[loop] * node.per_turn[loop][i];
        steps->push_back(step);
    }
}

int collect(void *user, const dwc_step *step) {
    Flat flat{step->kind, {}};
    if (step->kind == DWC_STEP_STAGE)
        flat.at = {step->as.stage.to.offset, step->as.stage.from.offset, step->as.stage.first, 0};
    if (step->kind == DWC_STEP_CONV)
        flat.at = {step->as.conv.x.at.offset, step->as.conv.w.at.offset, step->as.conv.b.at.offset,
                   step->as.conv.y.at.offset};
    if (step->kind == DWC_STEP_SPREAD) flat.at = {step->as.spread.from.offset, step->as.spread.y.at.offset, 0, 0};
    if (step->kind == DWC_STEP_COPY) flat.at = {step->as.copy.to.offset, step->as.copy.from.offset, 0, 0};
    static_cast<std::vector<Flat> *>(user)->push_back(flat);
    return 0;
}

size_t count(const std::vector<Node> &nodes) {
    size_t all = 0;
    for (const Node &node : nodes) all += 1 + count(node.body);
    return all;
}

TEST(EmitProgram, FoldsToWhatWasListed) {
    for (const char *target_name : {"x86-64-avx512", "x86-64-sse41", "arm-64"}) {
        const dwc::tuner::TunerTarget *target = dwc::tuner::tuner_target(target_name);
        ASSERT_NE(target, nullptr);
        for (const char *text : {"f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu",
                                 "f32_nlc_n2_l299_c64_k3_m1_s1_d16_pl16_pr16_bias_linear",
                                 "f32_nlc_n1_l500_c48_k5_m12_s1_d1_pl2_pr2_bias_linear",
                                 "f32_nlc_n1_l700_c5_k4_m2_s3_d1_pl2_pr1_bias_linear",
                                 "f32_ncl_n1_l2000_c300_k9_m2_s2_d1_pl4_pr4_bias_linear",
                                 "f32_ncl_n1_l9_c600_k3_m3_s1_d1_pl1_pr1_bias_linear"}) {
            SCOPED_TRACE(std::string(text) + " on " + target_name);
            const dwc_problem problem = parsed(text);
            const auto kernel = choose(problem, *target);
            const Program program = record(problem, kernel, *target);
            std::vector<Flat> wanted, got;
            const dwc_kernel_row row = dwc::emit::row_of(kernel.point, *target);
            dwc_error error{};
            ASSERT_EQ(dwc_kernel_steps(&problem, &row, 1, nullptr, collect, &wanted, &error), DWC_OK) << error.message;
            std::vector<int64_t> turns;
            unfold(program.nodes, &turns, &got);
            EXPECT_FALSE(wanted.empty());
            EXPECT_TRUE(got == wanted) << got.size() << " steps, " << wanted.size() << " wanted";
            EXPECT_LT(count(program.nodes), 64u) << "of " << wanted.size() << " steps";
        }
    }
}

TEST(EmitProgram, StepsEndWhenTheCallbackSaysSo) {
    const dwc_problem problem = parsed("f32_ncl_n1_l2000_c300_k9_m2_s2_d1_pl4_pr4_bias_linear");
    const dwc::tuner::TunerTarget *target = dwc::tuner::tuner_target("arm-64");
    const auto kernel = choose(problem, *target);
    const dwc_kernel_row row = dwc::emit::row_of(kernel.point, *target);
    int calls = 0;
    const auto stop = [](void *user, const dwc_step *) { return ++*static_cast<int *>(user) == 3 ? 1 : 0; };
    EXPECT_EQ(dwc_kernel_steps(&problem, &row, 1, nullptr, stop, &calls, nullptr), DWC_OK);
    EXPECT_EQ(calls, 3);
}

TEST(EmitProgram, StepsRefuseInWords) {
    const dwc_problem problem = parsed("f32_nlc_n1_l40_c16_k3_m1_s1_d1_pl2_pr0_bias_linear_state");
    const dwc::tuner::TunerTarget *target = dwc::tuner::tuner_target("arm-64");
    const dwc::Point point{"channels", "linear", 3, 1, 1, 4, 4, 4}, other{"channels", "linear", 4, 1, 1, 4, 4, 4};
    dwc_kernel_row row = dwc::emit::row_of(point, *target);
    dwc_error error{};
    const auto never = [](void *, const dwc_step *) { return 0; };
    EXPECT_EQ(dwc_kernel_steps(&problem, &row, 1, nullptr, never, nullptr, &error), DWC_ERROR_UNSUPPORTED);
    EXPECT_NE(std::string(error.message).find("stateful"), std::string::npos) << error.message;
    dwc_problem stateless = problem;
    stateless.stateful = 0;
    EXPECT_EQ(dwc_kernel_steps(&stateless, &row, 1, nullptr, never, nullptr, &error), DWC_OK);
    dwc_problem turned = stateless;
    turned.layout = DWC_NCL;
    const dwc::tuner::TunerTarget *turns = dwc::tuner::tuner_target("x86-64-sse41");
    row = dwc::emit::row_of(point, *turns);
    EXPECT_EQ(dwc_kernel_steps(&turned, &row, 1, nullptr, never, nullptr, &error), DWC_ERROR_UNSUPPORTED);
    EXPECT_NE(std::string(error.message).find("turned round"), std::string::npos) << error.message;
    EXPECT_EQ(choose(turned, *turns).point.family, "width");
    row = dwc::emit::row_of(other, *target);
    EXPECT_EQ(dwc_kernel_steps(&stateless, &row, 1, nullptr, never, nullptr, &error), DWC_ERROR_UNSUPPORTED);
    EXPECT_EQ(dwc_kernel_steps(&stateless, nullptr, 1, nullptr, never, nullptr, &error), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_kernel_steps(&stateless, &row, 1, nullptr, nullptr, nullptr, &error), DWC_ERROR_NULL_POINTER);
}

}  // namespace
