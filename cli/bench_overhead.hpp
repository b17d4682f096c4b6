// `dwconv bench --overhead`: what the library adds to its kernels.
#pragma once

#include <string>
#include <vector>

#include "common.hpp"
#include "provenance.hpp"

namespace cli {

// An output without padding, the same in ncl, a causal one, whose first rows are staged, and a decode step.
inline constexpr const char *kOverheadProblems = R"(
f32_nlc_n1_l67_c64_k4_m1_s1_d1_pl0_pr0_bias_silu
f32_ncl_n1_l67_c64_k4_m1_s1_d1_pl0_pr0_bias_silu
f32_nlc_n1_l64_c64_k4_m1_s1_d1_pl3_pr0_bias_silu
f32_nlc_n1_l1_c64_k4_m1_s1_d1_pl3_pr0_bias_silu_state
)";

struct Overhead {
    std::string problem, variant, target;
    int threads = 1;
    double plan_first_us = 0;                                 // the first plan of the problem in this process
    double plan_us = 0, plan_us_q75 = 0;                      // those after it
    double execute_ns = 0, execute_q25 = 0, execute_q75 = 0;  // kernels that return at once, less one bare call
    double kernel_calls = 0;                                  // of one execution
    double us_median = 0;                                     // of a real execution
};

// Every problem in turns, `rounds` times. What cannot be planned leaves a sentence in `complaints`.
std::vector<Overhead> overheads(const std::vector<std::string> &problems, const PlanOptions &plan, int rounds,
                                std::vector<std::string> &complaints);

std::string json_line(const Overhead &overhead, const Provenance &provenance);
std::string text_report(const std::vector<Overhead> &overheads, const Provenance &provenance);

}  // namespace cli
