// Kernels added at run time: candidates like the compiled ones in every respect, and rows that are refused. The
// function behind an added row is a compiled kernel's own.
#include <atomic>
#include <set>
#include <thread>

#include "added_kernels.hpp"
#include "plan_support.hpp"

namespace {

using namespace dwc_test;

constexpr const char *kProblem = "f32_nlc_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear";

// A row as a compiled channels kernel of the best target has it, under another name.
struct Copied {
    dwc_kernel_row row;
    const dwc::ConvKernel *of;
    std::string name, target;
};

Copied copied(const std::string &prefix) {
    const std::string target = running_targets()[0].name;
    for (const dwc::ConvKernel &k : dwc::conv_kernels()) {
        if (k.family != dwc::Family::channels || target != dwc::targets()[k.target].name || k.k != 0 || k.m != 1 ||
            k.dtype != DWC_F32 || std::string_view(k.activation) != "linear" || k.stride == 2)
            continue;
        Copied c{{}, &k, prefix + "@" + target, target};
        dwc_kernel_row_init(&c.row);
        c.row.family = "channels";
        c.row.target = dwc::targets()[k.target].name;
        c.row.activation = k.activation;
        c.row.dtype = k.dtype;
        c.row.k = k.k, c.row.stride = k.stride, c.row.m = k.m;
        c.row.v = k.v, c.row.t = k.t, c.row.block = k.block;
        c.row.function = k.function;
        return c;
    }
    ADD_FAILURE() << "no kernel to copy";
    return {};
}

TEST(KernelAdd, IsListedExplainedForcedAndRun) {
    Copied c = copied("mine");
    const int32_t before = dwc_kernel_count();
    {
        const std::string name = c.name;  // copied by the library
        c.row.name = name.c_str();
        dwc_error error{};
        ASSERT_EQ(dwc_kernel_add(&c.row, &error), DWC_OK) << error.message;
    }
    ASSERT_EQ(dwc_kernel_count(), before + 1);
    dwc_kernel_info info;
    dwc_kernel_info_init(&info);
    ASSERT_EQ(dwc_kernel_at(before, &info, nullptr), DWC_OK);
    EXPECT_EQ(info.name, c.name);
    EXPECT_STREQ(info.family, "channels");
    EXPECT_EQ(info.target, c.target);
    EXPECT_EQ(info.vector_width, c.row.v);
    EXPECT_EQ(info.time_tile, c.row.t);
    EXPECT_TRUE(info.supported);

    const dwc_problem problem = parse(kProblem);
    const Explained e = explain(problem, options_with(c.target.c_str()));
    EXPECT_NE(std::find(e.eligible.begin(), e.eligible.end(), c.name), e.eligible.end());
    const dwc_options forced = options_with(nullptr, c.name.c_str());
    EXPECT_EQ(explain(problem, forced).chosen, c.name);

    const Workload work(problem);
    const Plan plan = make_plan(problem, forced), other = make_plan(problem, options_with(nullptr, c.of->name));
    std::vector<char> y = work.fresh_y(), expected = work.fresh_y();
    dwc_error error{};
    ASSERT_EQ(work.execute(plan, work.pack(plan), y, &error), DWC_OK) << error.message;
    ASSERT_EQ(work.execute(other, work.pack(other), expected, &error), DWC_OK) << error.message;
    EXPECT_TRUE(y == expected);
}

TEST(KernelAdd, ANameCanBeUsedOnce) {
    Copied c = copied("twice");
    c.row.name = c.name.c_str();
    ASSERT_EQ(dwc_kernel_add(&c.row, nullptr), DWC_OK);
    dwc_error error{};
    EXPECT_EQ(dwc_kernel_add(&c.row, &error), DWC_ERROR_KERNEL_ROW);
    EXPECT_NE(std::string(error.message).find("a kernel has that name already"), std::string::npos) << error.message;
    // Without a name it has that of its point, which the compiled kernel has.
    c.row.name = nullptr;
    EXPECT_EQ(dwc_kernel_add(&c.row, &error), DWC_ERROR_KERNEL_ROW);
    EXPECT_NE(std::string(error.message).find(c.of->name), std::string::npos) << error.message;
}

TEST(KernelAdd, IllegalRowsAreRefusedByField) {
    struct Case {
        const char *words;
        void (*change)(dwc_kernel_row &);
    };
    const Case cases[] = {
        {"family=NULL", [](dwc_kernel_row &r) { r.family = nullptr; }},
        {"family=banana", [](dwc_kernel_row &r) { r.family = "banana"; }},
        {"target=NULL", [](dwc_kernel_row &r) { r.target = nullptr; }},
        {"target=banana", [](dwc_kernel_row &r) { r.target = "banana"; }},
        {"activation=NULL", [](dwc_kernel_row &r) { r.activation = nullptr; }},
        {"activation must be", [](dwc_kernel_row &r) { r.activation = "banana"; }},
        {"dtype=7", [](dwc_kernel_row &r) { r.dtype = static_cast<dwc_dtype>(7); }},
        {"v must be a power of two", [](dwc_kernel_row &r) { r.v = 3; }},
        {"v must be a power of two", [](dwc_kernel_row &r) { r.v = -8; }},
        {"t must be", [](dwc_kernel_row &r) { r.t = 0; }},
        {"k must be", [](dwc_kernel_row &r) { r.k = -1; }},
        {"block must be", [](dwc_kernel_row &r) { r.block = 1000; }},
        {"accumulators", [](dwc_kernel_row &r) { r.v = 64, r.t = 32; }},
        {"function=NULL", [](dwc_kernel_row &r) { r.function = nullptr; }},
        {"must end in @", [](dwc_kernel_row &r) { r.name = "nowhere"; }},
        {"must end in @", [](dwc_kernel_row &r) { r.name = "@"; }},
        {"are allowed",
         [](dwc_kernel_row &r) {
             static const std::string name = std::string("a b@") + r.target;
             r.name = name.c_str();
         }},
        {"at most 200",
         [](dwc_kernel_row &r) {
             static const std::string name = std::string(300, 'a') + "@" + r.target;
             r.name = name.c_str();
         }},
    };
    const int32_t before = dwc_kernel_count();
    for (const Case &one : cases) {
        Copied c = copied("illegal");
        c.row.name = c.name.c_str();
        one.change(c.row);
        dwc_error error{};
        EXPECT_EQ(dwc_kernel_add(&c.row, &error), DWC_ERROR_KERNEL_ROW) << one.words;
        EXPECT_NE(std::string(error.message).find(one.words), std::string::npos) << error.message;
    }
    dwc_error error{};
    EXPECT_EQ(dwc_kernel_add(nullptr, &error), DWC_ERROR_NULL_POINTER);
    Copied c = copied("size");
    c.row.struct_size = 8;
    EXPECT_EQ(dwc_kernel_add(&c.row, &error), DWC_ERROR_STRUCT_SIZE);
    EXPECT_EQ(dwc_kernel_count(), before);
}

TEST(KernelAdd, ThreadsMayAddAndPlanAtOnce) {
    Copied c = copied("thread");
    std::atomic<int> added{0};
    std::vector<std::thread> threads;
    const dwc_problem problem = parse(kProblem);
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) {
                // Every name is tried by two threads; one of them gets it.
                const std::string name = "t" + std::to_string(t / 2) + "_" + std::to_string(i) + "@" + c.target;
                dwc_kernel_row row = c.row;
                row.name = name.c_str();
                added += dwc_kernel_add(&row, nullptr) == DWC_OK;
                dwc_plan *plan = nullptr;
                const dwc_options options = options_with(nullptr, name.c_str());
                EXPECT_EQ(dwc_plan_create(&plan, &problem, &options, nullptr), DWC_OK);
                dwc_plan_destroy(plan);
            }
        });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(added, 40);
    std::set<std::string> names;
    for (int32_t i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        ASSERT_EQ(dwc_kernel_at(i, &info, nullptr), DWC_OK);
        names.insert(std::string(info.family) + info.name + info.target);
    }
    EXPECT_EQ(names.size(), static_cast<size_t>(dwc_kernel_count()));
}

TEST(KernelCost, PredictsWithoutAKernelAndRefusesWithAReason) {
    Copied c = copied("cost");
    c.row.function = nullptr;
    const dwc_problem problem = parse(kProblem);
    double cost = -1;
    dwc_error error{};
    ASSERT_EQ(dwc_kernel_cost(&problem, &c.row, &cost, &error), DWC_OK) << error.message;
    EXPECT_GT(cost, 0);
    dwc_problem longer = problem;
    longer.length = 900;
    double more = 0;
    ASSERT_EQ(dwc_kernel_cost(&longer, &c.row, &more, nullptr), DWC_OK);
    EXPECT_GT(more, 5 * cost);
    c.row.k = 3;
    EXPECT_EQ(dwc_kernel_cost(&problem, &c.row, &cost, &error), DWC_ERROR_UNSUPPORTED);
    EXPECT_STREQ(error.message, "compiled for kernel_size 3");
    c.row.v = 7;
    EXPECT_EQ(dwc_kernel_cost(&problem, &c.row, &cost, &error), DWC_ERROR_KERNEL_ROW);
    EXPECT_EQ(dwc_kernel_cost(&problem, &c.row, nullptr, &error), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_kernel_cost(nullptr, &c.row, &cost, &error), DWC_ERROR_NULL_POINTER);
}

}  // namespace
