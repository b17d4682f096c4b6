// dwconv and a Halide kernel that is not ours in one program, each with its own Halide runtime. The foreign runtime's
// symbols are the program's; what the program installs there must see the foreign kernel and never see dwconv.
#include <HalideBuffer.h>
#include <HalideRuntime.h>
#include <dwconv/dwconv.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "foreign_kernel.h"
#ifdef DWC_EMITTED
#include "first.h"
#include "second.h"
#endif

namespace {

std::atomic<int> foreign_errors{0};
std::atomic<int> foreign_loops{0};
std::atomic<int> foreign_tasks{0};

void count_error(void*, const char*) { ++foreign_errors; }

int count_loop(void* context, halide_task_t task, int min, int size, uint8_t* closure) {
    ++foreign_loops;
    return halide_default_do_par_for(context, task, min, size, closure);
}

int count_task(void* context, halide_task_t task, int index, uint8_t* closure) {
    ++foreign_tasks;
    return halide_default_do_task(context, task, index, closure);
}

int counted() { return foreign_errors + foreign_loops + foreign_tasks; }

class Foreign : public testing::Test {
   protected:
    void SetUp() override {
        halide_set_error_handler(count_error);
        halide_set_custom_do_par_for(count_loop);
        halide_set_custom_do_task(count_task);
        foreign_errors = foreign_loops = foreign_tasks = 0;
    }
};

// The foreign kernel computes y = 2 x + 1.
int run_foreign(std::vector<float>& x, std::vector<float>& y) {
    Halide::Runtime::Buffer<float, 1> in(x.data(), static_cast<int>(x.size()));
    Halide::Runtime::Buffer<float, 1> out(y.data(), static_cast<int>(y.size()));
    return foreign_kernel(in, out);
}

// One execution on two threads of the library's own pool, compared with the reference. All sums are exact.
void run_dwconv() {
    dwc_error error{};
    dwc_problem problem;
    ASSERT_EQ(dwc_problem_parse("f32_nlc_n8_l300_c48_k3_m1_s1_d1_pl1_pr1_nobias_linear", &problem, &error), DWC_OK)
        << error.message;
    std::vector<float> x(8 * 300 * 48), w(3 * 48), y(x.size(), -1.0f), wanted(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 23);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 7);

    dwc_options options;
    dwc_options_init(&options);
    options.threads = 2;
    dwc_plan* plan = nullptr;
    ASSERT_EQ(dwc_plan_create(&plan, &problem, &options, &error), DWC_OK) << error.message;
    dwc_weights* weights = nullptr;
    ASSERT_EQ(dwc_weights_pack(plan, w.data(), nullptr, DWC_WEIGHTS_KERAS, &weights, &error), DWC_OK) << error.message;
    dwc_args args;
    dwc_args_init(&args);
    args.x = x.data();
    args.weights = weights;
    args.y = y.data();
    ASSERT_EQ(dwc_plan_workspace_size(plan), 0u);
    EXPECT_EQ(dwc_plan_execute(plan, &args, &error), DWC_OK) << error.message;
    ASSERT_EQ(dwc_reference(&problem, x.data(), w.data(), nullptr, wanted.data(), DWC_WEIGHTS_KERAS, 1, &error), DWC_OK)
        << error.message;
    EXPECT_EQ(y, wanted);
    dwc_weights_destroy(weights);
    dwc_plan_destroy(plan);
}

TEST_F(Foreign, DwconvDoesNotReachTheForeignRuntime) {
    run_dwconv();
    EXPECT_EQ(counted(), 0);
}

TEST_F(Foreign, ForeignKernelUsesItsOwnRuntime) {
    std::vector<float> x(1000, 3.0f), y(1000);
    EXPECT_EQ(run_foreign(x, y), 0);
    EXPECT_EQ(y, std::vector<float>(1000, 7.0f));
    EXPECT_EQ(foreign_loops, 1);
    EXPECT_EQ(foreign_tasks, 16);
    EXPECT_EQ(foreign_errors, 0);
}

TEST_F(Foreign, ForeignErrorsStayForeign) {
    std::vector<float> too_short(10), y(1000);
    EXPECT_NE(run_foreign(too_short, y), 0);
    EXPECT_EQ(foreign_errors, 1);
    run_dwconv();
    EXPECT_EQ(foreign_errors, 1);
}

#ifdef DWC_EMITTED
// Two emitted folders beside both: the same layer, each with kernels of its own. They need no runtime at all.
TEST_F(Foreign, EmittedLayersStandBesideThem) {
    ASSERT_NE(first_target(), nullptr) << "this CPU runs none of the targets of this build";
    EXPECT_STREQ(first_target(), second_target());
    ASSERT_NE(&first_layer, &second_layer);
    std::vector<float> x(FIRST_LAYER_X), w(FIRST_LAYER_KERNEL), y(FIRST_LAYER_Y), z(SECOND_LAYER_Y);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 23);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 7);
    std::vector<float> packed(FIRST_LAYER_WEIGHTS), again(SECOND_LAYER_WEIGHTS);
    ASSERT_EQ(first_layer_pack(w.data(), nullptr, packed.data()), 0);
    ASSERT_EQ(second_layer_pack(w.data(), nullptr, again.data()), 0);
    EXPECT_EQ(first_layer(x.data(), packed.data(), y.data()), 0);
    EXPECT_EQ(second_layer(x.data(), again.data(), z.data()), 0);
    EXPECT_EQ(y, z);
    // All sums are exact: x (40, 16), pad 1 before.
    const float wanted = x[16] * w[16] + x[0] * w[0] + x[32] * w[32];
    EXPECT_EQ(y[16], wanted);
    run_dwconv();
    EXPECT_EQ(counted(), 0);
}
#endif

// Exceptions are thrown and caught inside the library: a refused problem string goes that way or another, but the
// sentence arrives and the program's own exceptions still work.
TEST_F(Foreign, ErrorsAndExceptionsSurviveTheMerge) {
    dwc_error error{};
    dwc_problem problem;
    EXPECT_EQ(dwc_problem_parse("f32_nlc_n1_l99999999999999999999", &problem, &error), DWC_ERROR_PARSE);
    EXPECT_STRNE(error.message, "");
    EXPECT_THROW(std::vector<int>().at(1), std::out_of_range);
    EXPECT_EQ(counted(), 0);
}

}  // namespace
