// Same bits whatever computes them: every eligible kernel of a target, any number of threads, tasks in any order, one
// batch item alone, and many executions of one plan at once.
#include <atomic>
#include <thread>

#include "plan_support.hpp"

namespace {

using namespace dwc_test;

// Sizes that leave remainders for every vector width, with every parameter of the problem in play.
const char* const problems[] = {
    "f32_nlc_n3_l117_c67_k4_m1_s1_d1_pl3_pr0_bias_linear",
    "f32_nlc_n2_l150_c33_k3_m1_s1_d1_pl1_pr1_bias_silu",
    "f32_nlc_n1_l150_c80_k7_m1_s1_d4_pl12_pr12_nobias_relu",
    "f32_nlc_n7_l91_c35_k5_m1_s2_d1_pl2_pr2_bias_relu6",
    "f32_nlc_n1_l203_c41_k11_m1_s3_d2_pl9_pr4_bias_linear",
    "f32_nlc_n2_l119_c36_k3_m2_s1_d1_pl2_pr0_bias_linear",
    "f32_nlc_n2_l119_c36_k3_m5_s1_d1_pl2_pr0_bias_linear",
    "f32_nlc_n1_l1117_c5_k4_m1_s1_d1_pl3_pr0_bias_relu",
    "f32_nlc_n1_l3000_c1_k31_m1_s1_d1_pl15_pr15_bias_linear",
    "f32_nlc_n2_l500_c3_k4_m3_s2_d1_pl3_pr0_bias_linear",
    "f32_nlc_n3_l40_c40_k2_m1_s1_d1_pl1_pr0_bias_gelu",
    "f32_nlc_n1_l400_c40_k2_m1_s1_d1_pl1_pr0_bias_tanh",
    "f32_ncl_n3_l317_c7_k4_m1_s1_d1_pl3_pr0_bias_linear",
    "f32_ncl_n1_l950_c3_k7_m2_s1_d1_pl3_pr3_bias_silu",
    "f32_ncl_n2_l911_c5_k9_m1_s2_d1_pl4_pr4_nobias_relu",
    "f32_ncl_n1_l2001_c2_k6_m1_s1_d37_pl185_pr0_bias_linear",
    "f32_ncl_n1_l37_c30_k5_m1_s1_d1_pl2_pr2_bias_mish",
    "f32_ncl_n1_l3001_c1_k33_m1_s3_d2_pl64_pr0_bias_hard_tanh",
    "bf16_nlc_n2_l117_c67_k4_m1_s1_d1_pl3_pr0_bias_linear",
    "bf16_ncl_n2_l317_c7_k4_m1_s1_d1_pl3_pr0_bias_linear",
};

// Runs the tasks from last to first and counts them.
struct Reversed {
    std::atomic<int64_t> tasks{0};
    static int run(void* user, int64_t count, dwc_task body, void* arg) {
        static_cast<Reversed*>(user)->tasks += count;
        int first = 0;
        for (int64_t i = count - 1; i >= 0; --i)
            if (const int code = body(arg, i); code && !first) first = code;
        return first;
    }
};

// A thread for every task: what a caller's own pool may do, and what ThreadSanitizer understands.
int spawned(void*, int64_t count, dwc_task body, void* arg) {
    std::atomic<int> code{0};
    std::vector<std::thread> threads;
    for (int64_t i = 0; i < count; ++i)
        threads.emplace_back([&, i] {
            if (const int failed = body(arg, i)) code = failed;
        });
    for (std::thread& t : threads) t.join();
    return code;
}

class SameBits : public testing::TestWithParam<const char*> {};

TEST_P(SameBits, EveryEligibleKernelThreadsAndOrder) {
    const Workload work(parse(GetParam()));
    for (const auto& target : running_targets()) {
        const std::vector<char> first = work.run(options_with(target.name));
        const Explained all = explain(work.p, options_with(target.name));
        ASSERT_FALSE(all.eligible.empty()) << GetParam() << " on " << target.name;
        for (const std::string& kernel : all.eligible) {
            for (const int threads : {1, 2, 3, 7}) {
                dwc_options options = options_with(target.name, kernel.c_str(), threads);
                ASSERT_EQ(work.difference(work.run(options), first), "") << kernel << ", " << threads << " threads";
                Reversed reversed;
                options.parallel_for = Reversed::run;
                options.parallel_for_user = &reversed;
                ASSERT_EQ(work.difference(work.run(options), first), "") << kernel << ", reversed, " << threads;
                options.parallel_for = spawned;
                ASSERT_EQ(work.difference(work.run(options), first), "") << kernel << ", spawned, " << threads;
                if (threads == 1) {
                    EXPECT_EQ(reversed.tasks, 0) << "one task needs no parallel_for";
                }
            }
        }
        if (exact(work.p.activation)) {
            EXPECT_EQ(work.difference(first, work.reference(target.fma)), "") << target.name;
        }
    }
}

TEST_P(SameBits, EachBatchItemAlone) {
    const Workload work(parse(GetParam()));
    const std::vector<char> whole = work.run(options_with());
    for (int64_t n = 0; n < work.p.batch; ++n) {
        Workload one(work);
        one.p.batch = 1;
        const size_t x_size = work.x.size() / work.p.batch, y_size = whole.size() / work.p.batch;
        one.x.assign(work.x.begin() + n * x_size, work.x.begin() + (n + 1) * x_size);
        one.ye.span = work.ye.span / work.p.batch;
        const std::vector<char> y = one.run(options_with());
        ASSERT_EQ(one.difference(y, {whole.begin() + n * y_size, whole.begin() + (n + 1) * y_size}), "");
    }
}

// Four threads execute one plan, alone, on the pool and on threads of their own, and all see what one thread saw.
TEST_P(SameBits, OnePlanOnManyThreadsAtOnce) {
    const Workload work(parse(GetParam()));
    for (const auto& [plan_threads, hook] :
         {std::pair<int, dwc_parallel_for>{1, nullptr}, {3, spawned}, {3, nullptr}}) {
        dwc_options options = options_with(nullptr, nullptr, plan_threads);
        options.parallel_for = hook;
        const Plan plan = make_plan(work.p, options);
        const Weights weights = work.pack(plan);
        std::vector<char> expected = work.fresh_y();
        ASSERT_EQ(work.execute(plan, weights, expected), DWC_OK);
        std::atomic<int> wrong{0}, failed{0}, ready{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                ++ready;
                while (ready < 4) std::this_thread::yield();
                for (int repeat = 0; repeat < 8; ++repeat) {
                    std::vector<char> y = work.fresh_y();
                    if (work.execute(plan, weights, y) != DWC_OK) ++failed;
                    if (y != expected) ++wrong;
                }
            });
        for (std::thread& t : threads) t.join();
        EXPECT_EQ(failed, 0);
        EXPECT_EQ(wrong, 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Problems, SameBits, testing::ValuesIn(problems), case_name);

// Where there is enough to share, more threads mean more tasks: otherwise the tests above compare one thread with
// itself.
TEST(Tasks, ThreadsShareBatchChannelsOrTime) {
    for (const char* text :
         {"f32_nlc_n7_l91_c8_k5_m1_s1_d1_pl2_pr2_bias_linear", "f32_nlc_n1_l91_c512_k5_m1_s1_d1_pl2_pr2_bias_linear",
          "f32_nlc_n1_l9001_c16_k5_m1_s1_d1_pl2_pr2_bias_linear", "f32_ncl_n1_l91_c512_k5_m1_s1_d1_pl2_pr2_bias_linear",
          "f32_ncl_n1_l90001_c1_k5_m1_s1_d1_pl2_pr2_bias_linear",
          "f32_nlc_n1_l90001_c1_k5_m1_s1_d1_pl2_pr2_bias_linear"}) {
        const Workload work(parse(text));
        for (const int threads : {2, 3, 7}) {
            dwc_options options = options_with(nullptr, nullptr, threads);
            Reversed reversed;
            options.parallel_for = Reversed::run;
            options.parallel_for_user = &reversed;
            work.run(options);
            EXPECT_GT(reversed.tasks, 1) << text << " " << threads;
            EXPECT_LE(reversed.tasks, threads) << text;
        }
    }
}

// The first of two tasks computes half of the outputs, the padded start of a row included; in nlc whole rows of channels,
// since threads that write into one row fetch each other's lines.
TEST(Tasks, AreEven) {
    for (const char* text :
         {"f32_nlc_n1_l1000_c192_k4_m1_s1_d1_pl3_pr0_bias_linear", "f32_nlc_n3_l1000_c64_k4_m1_s1_d1_pl3_pr0_bias_linear",
          "f32_nlc_n1_l3001_c64_k3_m1_s1_d128_pl256_pr0_bias_linear",
          "f32_nlc_n1_l5000_c3_k4_m1_s1_d1_pl3_pr0_bias_linear", "f32_ncl_n1_l1000_c64_k4_m1_s1_d1_pl3_pr0_bias_linear",
          "f32_ncl_n1_l9000_c1_k4_m1_s1_d1_pl3_pr0_bias_linear"}) {
        const Workload work(parse(text));
        dwc_options options = options_with(nullptr, nullptr, 2);
        options.parallel_for = [](void*, int64_t, dwc_task body, void* arg) { return body(arg, 0); };
        const std::vector<char> y = work.run(options);
        int64_t written = 0, cut_rows = 0;
        for (int64_t row = 0; row < work.ye.span / work.Q; ++row) {
            int64_t here = 0;
            for (int64_t c = 0; c < work.Q; ++c)
                here += Workload::at(y, DWC_F32, row * work.Q + c) != Workload::kPoison;
            written += here;
            cut_rows += here > 0 && here < work.Q;
        }
        EXPECT_NEAR(static_cast<double>(written) / static_cast<double>(work.ye.span), 0.5, 0.06) << text;
        if (work.p.layout == DWC_NLC) {
            EXPECT_EQ(cut_rows, 0) << text;
        }
    }
}

// An error inside parallel_for is not swallowed: a hook that never runs its tasks leaves y as it was.
TEST(Checker, SeesAMissingTask) {
    const Workload work(parse("f32_nlc_n7_l91_c8_k5_m1_s1_d1_pl2_pr2_bias_linear"));
    dwc_options options = options_with(nullptr, nullptr, 7);
    options.parallel_for = [](void*, int64_t count, dwc_task body, void* arg) {
        for (int64_t i = 1; i < count; ++i) body(arg, i);
        return 0;
    };
    EXPECT_NE(work.difference(work.run(options), work.run(options_with())), "");
}

}  // namespace
