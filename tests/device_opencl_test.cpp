// Memory, contexts and queues of OpenCL through the C interface, on whatever device there is (PoCL in the project's
// tests), behind a loader that counts calls (drivers/opencl.c); and what happens where there is no device.
#include <set>

#include "device_support.hpp"

namespace {

using namespace dwc_test;

#define CL(name, result, ...) symbol<result (*)(__VA_ARGS__)>("libOpenCL.so.1", #name)

class OpenCl : public testing::Test {
   protected:
    void SetUp() override {
        const auto platforms = CL(clGetPlatformIDs, int, unsigned, void**, unsigned*);
        const auto devices = CL(clGetDeviceIDs, int, void*, uint64_t, unsigned, void**, unsigned*);
        unsigned count = 0;
        void *platform = nullptr, *device = nullptr;
        if (!platforms || platforms(1, &platform, &count) || !count ||
            devices(platform, 0xffffffff, 1, &device, &count))
            GTEST_SKIP() << "no OpenCL device (Debian: pocl-opencl-icd)";
        context_ = CL(clCreateContext, void*, const intptr_t*, unsigned, void**, void*, void*, int*)(
            nullptr, 1, &device, nullptr, nullptr, nullptr);
        queue_ = CL(clCreateCommandQueue, void*, void*, void*, uint64_t, int*)(context_, device, 0, nullptr);
        ASSERT_NE(context_, nullptr);
        ASSERT_NE(queue_, nullptr);
    }
    void TearDown() override {
        for (void* memory : memory_) CL(clReleaseMemObject, int, void*)(memory);
        if (queue_) CL(clReleaseCommandQueue, int, void*)(queue_);
        if (!context_) return;
        EXPECT_EQ(dwc_device_forget(DWC_MEMORY_OPENCL, context_, nullptr), DWC_OK);
        CL(clReleaseContext, int, void*)(context_);
    }

    void* buffer(const std::vector<char>& content) {
        constexpr uint64_t copy_from_host = 32, read_write = 1;
        void* memory = CL(clCreateBuffer, void*, void*, uint64_t, size_t, void*, int*)(
            context_, read_write | (content.empty() ? 0 : copy_from_host), std::max<size_t>(content.size(), 4),
            content.empty() ? nullptr : const_cast<char*>(content.data()), nullptr);
        EXPECT_NE(memory, nullptr);
        memory_.push_back(memory);
        return memory;
    }
    std::vector<char> read(void* memory, size_t bytes) {
        std::vector<char> content(bytes);
        EXPECT_EQ(CL(clEnqueueReadBuffer, int, void*, void*, unsigned, size_t, size_t, void*, unsigned, void*, void*)(
                      queue_, memory, 1, 0, bytes, content.data(), 0, nullptr, nullptr),
                  0);
        return content;
    }
    // Counted by the loader of the tests; 0 with any other.
    static long counted(const char* what) {
        const auto function = symbol<long (*)(const char*)>("libOpenCL.so.1", "counted_opencl");
        return function ? function(what) : 0;
    }

    // Of the caller's queue, with x and y in buffers of their own.
    dwc_args arguments(const Workload& work, const Weights& weights) {
        dwc_args args;
        dwc_args_init(&args);
        args.x = buffer(work.x);
        args.y = buffer(work.fresh_y());
        args.weights = weights.get();
        args.stream = queue_;
        return args;
    }

    // On buffers of ours: y as the reference has it, whatever lies between its elements untouched.
    void check(const char* problem) {
        const Workload work(parse(problem));
        const Plan plan = make_plan(work.p, device_options(DWC_MEMORY_OPENCL, context_));
        ASSERT_TRUE(plan);
        const Weights weights = work.pack(plan);
        const dwc_args args = arguments(work, weights);
        dwc_error error{};
        ASSERT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_OK) << error.message;
        const std::vector<char> got = read(args.y, work.fresh_y().size()), wanted = work.reference(true);
        if (exact(work.p.activation)) {
            EXPECT_EQ(work.difference(got, wanted), "") << describe(plan).kernel;
            return;
        }
        for (size_t i = 0; i < wanted.size() / 4; ++i)
            ASSERT_NEAR(Workload::at(got, DWC_F32, i), Workload::at(wanted, DWC_F32, i), 2e-5)
                << problem << " at " << i << " with " << describe(plan).kernel;
    }

    void *context_ = nullptr, *queue_ = nullptr;
    std::vector<void*> memory_;
};

TEST_F(OpenCl, BuffersOfTheCaller) {
    for (const char* problem :
         {kProblem, "f32_nlc_n1_l1_c4_k4_m1_s1_d1_pl3_pr0_bias_linear",
          "f32_nlc_n3_l50_c7_k3_m2_s2_d1_pl1_pr1_bias_relu", "f32_nlc_n2_l50_c12_k31_m1_s1_d3_pl45_pr45_nobias_linear",
          "f32_ncl_n2_l64_c5_k4_m1_s1_d1_pl3_pr0_bias_linear", "f32_ncl_n2_l63_c5_k9_m3_s3_d2_pl8_pr8_bias_linear",
          "f32_ncl_n1_l100_c3_k5_m1_s1_d1_pl2_pr2_bias_gelu", "f32_nlc_n2_l20_c6_k5_m1_s1_d1_pl2_pr2_bias_tanh",
          "f32_nlc_n2_l0_c4_k2_m1_s1_d1_pl2_pr2_bias_linear"})
        check(problem);
}

TEST_F(OpenCl, SlicesOfWiderTensors) {
    for (const char* problem : {"f32_nlc_n2_l20_c8_k4_m1_s1_d1_pl3_pr0_bias_linear_xs640.32.1_ys480.24.1",
                                "f32_nlc_n2_l20_c8_k4_m1_s1_d1_pl3_pr0_bias_linear_xs641.31.1_ys483.23.1",
                                "f32_nlc_n2_l20_c8_k4_m1_s1_d1_pl3_pr0_bias_gelu_xs640.32.1_ys480.24.1",
                                "f32_ncl_n2_l20_c4_k4_m1_s1_d1_pl3_pr0_bias_relu_xs200.1.30_ys112.1.28"})
        check(problem);
}

TEST_F(OpenCl, AnExecutionCopiesWaitsAndAllocatesNothing) {
    if (counted("contexts") == 0) GTEST_SKIP() << "the loader does not count";
    for (const char* problem : {kProblem, "f32_ncl_n2_l63_c5_k9_m3_s3_d2_pl8_pr8_bias_gelu"}) {
        const Workload work(parse(problem));
        const long contexts = counted("contexts"), queues = counted("queues");
        const Plan plan = make_plan(work.p, device_options(DWC_MEMORY_OPENCL, context_));
        const Weights weights = work.pack(plan);
        EXPECT_EQ(counted("contexts"), contexts) << "a context beside the caller's";
        EXPECT_LE(counted("queues"), queues + 1);  // one to copy weights on
        const dwc_args args = arguments(work, weights);
        const char* const silent[] = {"copies", "waits", "buffers", "contexts", "queues", "builds"};
        std::vector<long> before;
        for (const char* what : silent) before.push_back(counted(what));
        const long launches = counted("launches");
        for (int i = 0; i < 3; ++i) ASSERT_EQ(dwc_plan_execute(plan.get(), &args, nullptr), DWC_OK);
        for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(counted(silent[i]), before[i]) << silent[i];
        EXPECT_EQ(counted("launches"), launches + (work.p.activation == DWC_GELU ? 6 : 3));
        CL(clFinish, int, void*)(queue_);
    }
}

// The caller's queue may run out of order: what reads y waits for what writes it.
TEST_F(OpenCl, AnActivationOfItsOwnComesBehindABarrier) {
    if (counted("contexts") == 0) GTEST_SKIP() << "the loader does not count";
    for (const auto& [problem, barriers] :
         {std::pair{kProblem, 0}, {"f32_nlc_n2_l37_c8_k4_m1_s1_d1_pl3_pr0_bias_gelu", 1}}) {
        const Workload work(parse(problem));
        const Plan plan = make_plan(work.p, device_options(DWC_MEMORY_OPENCL, context_));
        const Weights weights = work.pack(plan);
        const dwc_args args = arguments(work, weights);
        const long before = counted("barriers");
        ASSERT_EQ(dwc_plan_execute(plan.get(), &args, nullptr), DWC_OK);
        EXPECT_EQ(counted("barriers"), before + barriers) << problem;
        CL(clFinish, int, void*)(queue_);
    }
}

TEST_F(OpenCl, ForgettingAContextReleasesItsQueueAndPrograms) {
    if (counted("contexts") == 0) GTEST_SKIP() << "the loader does not count";
    const Workload work(parse(kProblem));
    const Plan elsewhere = make_plan(work.p, options_with("opencl"));
    work.pack(elsewhere);  // on a queue of another context
    for (int i = 0; i < 2; ++i) {
        const long queues = counted("queues"), builds = counted("builds");
        {
            const Plan plan = make_plan(work.p, device_options(DWC_MEMORY_OPENCL, context_));
            work.pack(plan);
        }
        EXPECT_EQ(counted("queues"), queues + 1);
        EXPECT_EQ(counted("builds"), builds + 1);
        const long released = counted("released queues");
        EXPECT_EQ(dwc_device_forget(DWC_MEMORY_OPENCL, context_, nullptr), DWC_OK);
        EXPECT_EQ(counted("released queues"), released + 1);
    }
}

TEST_F(OpenCl, MemoryOfTheHostInAContextOfTheCaller) {
    dwc_options options = options_with("opencl");
    options.device_context = context_;
    const Workload work(parse("f32_nlc_n2_l37_c8_k4_m1_s1_d1_pl3_pr0_bias_linear"));
    EXPECT_EQ(work.difference(work.run(options), work.reference(true)), "");
}

TEST_F(OpenCl, WeightsBelongToTheirContext) {
    const Workload work(parse("f32_nlc_n2_l37_c8_k4_m1_s1_d1_pl3_pr0_bias_linear"));
    const Plan here = make_plan(work.p, device_options(DWC_MEMORY_OPENCL, context_));
    const Plan cpu = make_plan(work.p, options_with()), own = make_plan(work.p, options_with("opencl"));
    const std::set<std::string> layouts{describe(here).weights_layout, describe(cpu).weights_layout,
                                        describe(own).weights_layout};
    EXPECT_EQ(layouts.size(), 3u);
    const Weights weights = work.pack(here);
    std::vector<char> y = work.fresh_y();
    dwc_error error{};
    EXPECT_EQ(work.execute(own, weights, y, &error), DWC_ERROR_WEIGHTS) << error.message;
    EXPECT_EQ(work.execute(cpu, weights, y, &error), DWC_ERROR_WEIGHTS) << error.message;
}

TEST_F(OpenCl, WhatCannotBeHasAStatus) {
    dwc_error error{};
    EXPECT_EQ(create(kProblem, device_options(DWC_MEMORY_OPENCL), &error), DWC_ERROR_DEVICE_CONTEXT);
    EXPECT_NE(std::string(error.message).find("device_context=NULL"), std::string::npos) << error.message;
    EXPECT_EQ(create("f32_nlc_n1_l10_c4_k4_m1_s1_d1_pl3_pr0_bias_linear_state",
                     device_options(DWC_MEMORY_OPENCL, context_), &error),
              DWC_ERROR_UNSUPPORTED);
    EXPECT_EQ(create("f32_nlc_n2_l10_c4_k4_m1_s1_d1_pl3_pr0_bias_gelu_ys48.4.1",
                     device_options(DWC_MEMORY_OPENCL, context_), &error),
              DWC_ERROR_UNSUPPORTED)
        << error.message;
    dwc_options forced = device_options(DWC_MEMORY_OPENCL, context_);
    forced.force_target = running_targets().front().name;
    EXPECT_EQ(create(kProblem, forced, &error), DWC_ERROR_MEMORY) << error.message;
    dwc_options measured = device_options(DWC_MEMORY_OPENCL, context_);
    measured.plan_level = DWC_PLAN_MEASURE;
    EXPECT_EQ(create(kProblem, measured, &error), DWC_ERROR_MEMORY) << error.message;

    const Workload work(parse(kProblem));
    const Plan plan = make_plan(work.p, device_options(DWC_MEMORY_OPENCL, context_));
    const Weights weights = work.pack(plan);
    dwc_args args = arguments(work, weights);
    args.stream = nullptr;
    EXPECT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_ERROR_DEVICE_STREAM) << error.message;
    args.stream = queue_;
    args.y = const_cast<void*>(args.x);
    EXPECT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_ERROR_ALIAS) << error.message;
}

// With pointers of this process, one execution at a time or many: states, long rows, anything but bf16.
TEST_F(OpenCl, StatefulProblemsGiveTheBitsOfTheCpu) {
    for (const char* problem : {"f32_nlc_n3_l5_c6_k4_m1_s1_d2_pl6_pr0_bias_linear_state",
                                "f32_ncl_n3_l5_c6_k4_m2_s1_d1_pl3_pr0_bias_linear_state",
                                "f32_nlc_n3_l1_c8_k4_m1_s1_d1_pl3_pr0_bias_linear_state"}) {
        const Workload work(parse(problem));
        const std::vector<int32_t> slots{2, -1, 0};
        std::vector<std::vector<char>> results;
        for (const char* target : {"x86-64-avx2", "opencl"}) {
            bool there = target == std::string("opencl");
            for (const auto& info : running_targets()) there = there || info.name == std::string(target);
            if (!there) GTEST_SKIP() << "no " << target;
            const Plan plan = make_plan(work.p, options_with(target));
            const Weights weights = work.pack(plan);
            std::vector<float> state(static_cast<size_t>(3 * describe(plan).state_elements));
            for (size_t i = 0; i < state.size(); ++i) state[i] = static_cast<float>(i % 13) - 6;
            std::vector<char> y = work.fresh_y();
            Workspace workspace(dwc_plan_workspace_size(plan.get()));
            dwc_args args = work.args(weights, y, workspace);
            args.state_in = args.state_out = state.data();
            args.sequence_index = slots.data();
            args.state_slots = 3;
            dwc_error error{};
            for (int chunk = 0; chunk < 2; ++chunk)
                ASSERT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_OK) << error.message;
            y.insert(y.end(), reinterpret_cast<char*>(state.data()),
                     reinterpret_cast<char*>(state.data() + state.size()));
            results.push_back(y);
        }
        EXPECT_TRUE(results[0] == results[1]) << problem;
    }
}

// -------------------------------------------------------------------------------------------------------- selection

TEST(Selection, DevicesRunOnlyWhereTheyAreAskedFor) {
    const Explained e = explain(parse(kProblem), options_with());
    EXPECT_EQ(e.chosen.find("gpu"), std::string::npos);
    for (const std::string& kernel : e.eligible) EXPECT_EQ(kernel.find("gpu"), std::string::npos) << kernel;
}

TEST_F(OpenCl, TheKernelFitsTheProblem) {
    for (const auto& [problem, kernel] :
         {std::pair{"f32_nlc_n8_l2048_c1536_k4_m1_s1_d1_pl3_pr0_bias_silu", "gpunlc_f32_k4_m1_s1_silu_v4_t"},
          {"f32_nlc_n1_l8_c8_k4_m1_s1_d1_pl3_pr0_bias_linear", "gpunlc_f32_k4_m1_s1_linear_v4_t1_"},
          {"f32_nlc_n8_l2048_c1535_k4_m1_s1_d1_pl3_pr0_bias_silu", "gpunlc_f32_k4_many_s1_silu_v1_"},
          {"f32_nlc_n8_l2048_c1536_k31_m1_s1_d1_pl15_pr15_bias_relu", "gpunlc_f32_kany_m1_s1_clamp_v4_"},
          {"f32_nlc_n8_l2048_c1536_k4_m1_s1_d2_pl6_pr0_bias_linear", "gpunlc_f32_kany_m1_sany_linear_v4_"},
          {"f32_nlc_n8_l2048_c64_k5_m2_s1_d1_pl4_pr0_bias_linear", "gpunlc_f32_kany_many_s1_linear_v1_"},
          {"f32_ncl_n8_l2048_c1536_k4_m1_s1_d1_pl3_pr0_bias_silu", "gpuncl_f32_k4_many_s1_silu_v4_"},
          {"f32_ncl_n8_l2047_c1536_k4_m1_s1_d1_pl3_pr0_bias_silu", "gpuncl_f32_k4_many_s1_silu_v1_"},
          {"f32_ncl_n8_l2048_c1536_k33_m1_s2_d1_pl16_pr16_bias_linear", "gpuncl_f32_kany_many_sany_linear_v1_"}})
        EXPECT_EQ(explain(parse(problem), options_with("opencl")).chosen.find(kernel), 0u)
            << problem << ": " << explain(parse(problem), options_with("opencl")).chosen;
}

// Run where no driver finds a device (see CMakeLists.txt).
TEST(NoDevice, IsAStatusAndNothingElse) {
    dwc_error error{};
    for (const auto& [target, memory] : {std::pair{"cuda", DWC_MEMORY_CUDA}, {"opencl", DWC_MEMORY_OPENCL}}) {
        EXPECT_EQ(create(kProblem, options_with(target), &error), DWC_ERROR_NO_DEVICE) << error.message;
        EXPECT_NE(std::string(error.message).find("force_target="), std::string::npos) << error.message;
        EXPECT_EQ(create(kProblem, device_options(memory, &error), &error), DWC_ERROR_NO_DEVICE) << error.message;
        EXPECT_EQ(dwc_device_forget(memory, &error, &error), DWC_ERROR_NO_DEVICE) << error.message;
        float value = 1;
        EXPECT_NE(dwc_activation_apply(DWC_SILU, nullptr, &value, 1, target, &error), DWC_OK);
        EXPECT_EQ(value, 1);
    }
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        ASSERT_EQ(dwc_target_at(i, &info, nullptr), DWC_OK);
        if (info.device != DWC_MEMORY_HOST) {
            EXPECT_FALSE(info.supported) << info.name;
        }
    }
    EXPECT_EQ(create(kProblem, options_with(), &error), DWC_OK) << error.message;
}

}  // namespace
