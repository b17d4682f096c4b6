// Memory, contexts and streams of devices through the C interface. OpenCL runs on whatever device there is (PoCL in the
// project's tests) behind a loader that counts calls; CUDA on a driver of the tests that runs no kernel but sees
// everything that the library asks of it (tests/drivers).
#include <dlfcn.h>

#include <functional>
#include <set>

#include "drivers/cuda.h"
#include "plan_support.hpp"

namespace {

using namespace dwc_test;

template <typename Function>
Function symbol(const char* library, const char* name) {
    void* handle = dlopen(library, RTLD_NOW);
    return handle ? reinterpret_cast<Function>(dlsym(handle, name)) : nullptr;
}

dwc_options device_options(dwc_memory memory, void* context = nullptr) {
    dwc_options o = options_with();
    o.memory = memory;
    o.device_context = context;
    return o;
}

dwc_status create(const char* problem, const dwc_options& options, dwc_error* error) {
    const dwc_problem p = parse(problem);
    dwc_plan* plan = nullptr;
    const dwc_status status = dwc_plan_create(&plan, &p, &options, error);
    dwc_plan_destroy(plan);
    return status;
}

const char* const kProblem = "f32_nlc_n2_l37_c8_k4_m1_s1_d1_pl3_pr0_bias_silu";

// ------------------------------------------------------------------------------------------------------- OpenCL

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

    // On buffers of ours: y as the reference has it, whatever lies between its elements untouched.
    void check(const char* problem) {
        const Workload work(parse(problem));
        const Plan plan = make_plan(work.p, device_options(DWC_MEMORY_OPENCL, context_));
        ASSERT_TRUE(plan);
        const Weights weights = work.pack(plan);
        void *x = buffer(work.x), *y = buffer(work.fresh_y());
        dwc_args args;
        dwc_args_init(&args);
        args.x = x;
        args.y = y;
        args.weights = weights.get();
        args.stream = queue_;
        dwc_error error{};
        ASSERT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_OK) << error.message;
        const std::vector<char> got = read(y, work.fresh_y().size()), wanted = work.reference(true);
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
        dwc_args args;
        dwc_args_init(&args);
        args.x = buffer(work.x);
        args.y = buffer(work.fresh_y());
        args.weights = weights.get();
        args.stream = queue_;
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
    dwc_args args;
    dwc_args_init(&args);
    args.x = buffer(work.x);
    args.y = buffer(work.fresh_y());
    args.weights = weights.get();
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

// ----------------------------------------------------------------------------------------- CUDA, the tests' driver

class Cuda : public testing::Test {
   protected:
    void SetUp() override {
        const auto fake = symbol<fake_cuda* (*)()>("libcuda.so.1", "fake_cuda");
        if (!fake) GTEST_SKIP() << "needs the driver of the tests (LD_LIBRARY_PATH)";
        fake_ = fake();
        fake_->fail = nullptr;
        fake_->depth = 0;
    }
    void TearDown() override {
        if (fake_) fake_->fail = nullptr;
    }

    struct Ready {
        Workload work;
        Plan plan;
        Weights weights;
        dwc_args args;
    };
    Ready ready(const char* problem, void* context) {
        Ready r{Workload(parse(problem)), nullptr, nullptr, {}};
        r.plan = make_plan(r.work.p, device_options(DWC_MEMORY_CUDA, context));
        r.weights = r.work.pack(r.plan);
        dwc_args_init(&r.args);
        r.args.x = reinterpret_cast<void*>(0x10000000);
        r.args.y = reinterpret_cast<void*>(0x20000000);
        r.args.weights = r.weights.get();
        r.args.stream = kStream;
        return r;
    }

    static inline void* const kContext = reinterpret_cast<void*>(0x2000);
    static inline void* const kOther = reinterpret_cast<void*>(0x3000);
    static inline void* const kStream = reinterpret_cast<void*>(0x4000);
    fake_cuda* fake_ = nullptr;
};

TEST_F(Cuda, LaunchesOnTheCallersStreamInTheCallersContext) {
    const Ready r = ready(kProblem, kContext);
    const fake_cuda before = *fake_;
    fake_->stack[fake_->depth++] = kOther;  // what the calling thread has current stays so
    dwc_error error{};
    ASSERT_EQ(dwc_plan_execute(r.plan.get(), &r.args, &error), DWC_OK) << error.message;
    EXPECT_EQ(fake_->depth, 1);
    EXPECT_EQ(fake_->stack[0], kOther);
    EXPECT_EQ(fake_->context, kContext);
    EXPECT_EQ(fake_->stream, kStream);
    EXPECT_EQ(fake_->launches, before.launches + 1);
    EXPECT_EQ(fake_->modules, before.modules) << "was not compiled when the plan was made";
    EXPECT_EQ(fake_->copies, before.copies);
    EXPECT_EQ(fake_->waits, before.waits);
    EXPECT_EQ(fake_->allocations, before.allocations);
    EXPECT_EQ(fake_->retained, 0) << "the primary context although there is the caller's";
    // b, w, x, y: what the kernel gets are the caller's pointers.
    EXPECT_EQ(fake_->first[2], 0x10000000u);
    EXPECT_EQ(fake_->first[3], 0x20000000u);
    EXPECT_GE(fake_->threads * 16, 2 * 37 * 8) << "threads of 4 x 4 outputs must cover all";
}

TEST_F(Cuda, TheCurrentContextServesWhereNoneIsGiven) {
    fake_->stack[fake_->depth++] = kOther;
    const Ready r = ready(kProblem, nullptr);
    fake_->depth = 0;
    ASSERT_EQ(dwc_plan_execute(r.plan.get(), &r.args, nullptr), DWC_OK);
    EXPECT_EQ(fake_->context, kOther);
    const Ready primary = ready(kProblem, nullptr);
    ASSERT_EQ(dwc_plan_execute(primary.plan.get(), &primary.args, nullptr), DWC_OK);
    EXPECT_EQ(fake_->context, FAKE_PRIMARY);
    EXPECT_NE(std::string(describe(r.plan).weights_layout), describe(primary.plan).weights_layout);
}

TEST_F(Cuda, AnActivationOfItsOwnFollowsOnTheSameStream) {
    const Ready r = ready("f32_nlc_n2_l37_c8_k4_m1_s1_d1_pl3_pr0_bias_gelu", kContext);
    const long launches = fake_->launches;
    ASSERT_EQ(dwc_plan_execute(r.plan.get(), &r.args, nullptr), DWC_OK);
    EXPECT_EQ(fake_->launches, launches + 2);
    EXPECT_EQ(fake_->stream, kStream);
}

// Rows of 2^32 elements together: slices by address.
TEST_F(Cuda, MoreThanTwoBillionElementsAreSlices) {
    const dwc_problem p = parse("f32_nlc_n4_l8388608_c128_k4_m1_s1_d1_pl3_pr0_bias_linear");
    const Plan plan = make_plan(p, device_options(DWC_MEMORY_CUDA, kContext));
    const std::vector<float> w(4 * 128), b(128);
    dwc_weights* packed = nullptr;
    ASSERT_EQ(dwc_weights_pack(plan.get(), w.data(), b.data(), DWC_WEIGHTS_KERAS, &packed, nullptr), DWC_OK);
    const Weights weights(packed);
    dwc_args args;
    dwc_args_init(&args);
    args.weights = packed;
    args.stream = kStream;
    args.x = reinterpret_cast<void*>(uint64_t{1} << 36);
    args.y = reinterpret_cast<void*>(uint64_t{1} << 37);
    const long launches = fake_->launches;
    ASSERT_EQ(dwc_plan_execute(plan.get(), &args, nullptr), DWC_OK);
    EXPECT_EQ(fake_->launches, launches + 4);
    const uint64_t sequence = uint64_t{8388608} * 128 * 4;
    EXPECT_EQ(fake_->first[2], (uint64_t{1} << 36) + 3 * sequence);
    EXPECT_EQ(fake_->first[3], (uint64_t{1} << 37) + 3 * sequence);
    dwc_error error{};
    EXPECT_EQ(create("f32_nlc_n1_l33554432_c128_k4_m1_s1_d1_pl3_pr0_bias_linear",
                     device_options(DWC_MEMORY_CUDA, kContext), &error),
              DWC_ERROR_UNSUPPORTED)
        << error.message;
}

TEST_F(Cuda, FailuresOfTheDriverComeBackAsStatuses) {
    dwc_error error{};
    EXPECT_EQ(create(kProblem, device_options(DWC_MEMORY_CUDA, FAKE_BROKEN), &error), DWC_ERROR_DEVICE_CONTEXT);
    EXPECT_NE(std::string(error.message).find("INVALID_CONTEXT"), std::string::npos) << error.message;

    EXPECT_EQ(dwc_device_forget(DWC_MEMORY_CUDA, kContext, &error), DWC_OK) << error.message;
    fake_->fail = "cuModuleLoadDataEx";
    fake_->code = 218;
    EXPECT_EQ(create(kProblem, device_options(DWC_MEMORY_CUDA, kContext), &error), DWC_ERROR_DEVICE_MODULE);
    EXPECT_NE(std::string(error.message).find("INVALID_PTX"), std::string::npos) << error.message;
    fake_->fail = nullptr;

    Ready r = ready(kProblem, kContext);
    fake_->fail = "cuLaunchKernel";
    EXPECT_EQ(dwc_plan_execute(r.plan.get(), &r.args, &error), DWC_ERROR_DEVICE_STREAM) << error.message;
    fake_->code = 201;
    EXPECT_EQ(dwc_plan_execute(r.plan.get(), &r.args, &error), DWC_ERROR_DEVICE_CONTEXT) << error.message;
    fake_->fail = "cuMemAlloc";
    fake_->code = 2;
    dwc_weights* weights = nullptr;
    EXPECT_EQ(dwc_weights_pack(r.plan.get(), r.work.w.data(), r.work.bias(), DWC_WEIGHTS_KERAS, &weights, &error),
              DWC_ERROR_OUT_OF_MEMORY)
        << error.message;
    EXPECT_EQ(weights, nullptr);
    fake_->fail = nullptr;
    for (const int off : {4, 8}) {
        r.args.x = reinterpret_cast<void*>(uint64_t{0x10000000} + static_cast<unsigned>(off));
        EXPECT_EQ(dwc_plan_execute(r.plan.get(), &r.args, &error), DWC_ERROR_ALIGNMENT) << error.message;
    }
    r.args.x = r.args.y;
    EXPECT_EQ(dwc_plan_execute(r.plan.get(), &r.args, &error), DWC_ERROR_ALIAS) << error.message;
}

TEST_F(Cuda, MemoryOfTheHostIsCopiedWaitedForAndFreed) {
    const Workload work(parse(kProblem));
    const fake_cuda before = *fake_;
    {
        const Plan plan = make_plan(work.p, options_with("cuda"));
        const Weights weights = work.pack(plan);
        std::vector<char> y = work.fresh_y();
        for (int i = 0; i < 3; ++i) ASSERT_EQ(work.execute(plan, weights, y), DWC_OK);
        EXPECT_EQ(fake_->launches, before.launches + 3);
        EXPECT_EQ(fake_->copies, before.copies + 2 + 3 * 2) << "weights and bias once; x and y each time";
        EXPECT_EQ(fake_->allocations, before.allocations + 2 + 2) << "x and y are kept for the next execution";
        EXPECT_GE(fake_->waits, before.waits + 3);
    }
    EXPECT_EQ(fake_->allocations - before.allocations, fake_->frees - before.frees);
}

// Every kernel is PTX that the driver finds its entry in (what it does is OpenCL's to show, and ptxas').
TEST_F(Cuda, EveryKernelIsInItsModule) {
    int count = 0;
    for (int32_t i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info k;
        dwc_kernel_info_init(&k);
        ASSERT_EQ(dwc_kernel_at(i, &k, nullptr), DWC_OK);
        if (k.target != std::string("cuda")) continue;
        ++count;
        if (k.family == std::string("activation")) continue;
        dwc_problem p = parse("f32_nlc_n1_l64_c64_k4_m1_s1_d1_pl3_pr0_bias_linear");
        if (k.family == std::string("gpuncl")) p.layout = DWC_NCL;
        if (k.kernel_size) p.kernel_size = k.kernel_size, p.pad_left = k.kernel_size - 1;
        if (k.activation == std::string("clamp")) p.activation = DWC_RELU6;
        if (k.activation == std::string("silu")) p.activation = DWC_SILU;
        dwc_options options = device_options(DWC_MEMORY_CUDA, kContext);
        options.force_kernel = k.name;
        dwc_plan* plan = nullptr;
        dwc_error error{};
        EXPECT_EQ(dwc_plan_create(&plan, &p, &options, &error), DWC_OK) << k.name << ": " << error.message;
        dwc_plan_destroy(plan);
    }
    EXPECT_GT(count, 30);
}

// -------------------------------------------------------------------------------------------------------- selection

TEST(Selection, DevicesRunOnlyWhereTheyAreAskedFor) {
    const Explained e = explain(parse(kProblem), options_with());
    EXPECT_EQ(e.chosen.find("gpu"), std::string::npos);
    for (const std::string& kernel : e.eligible) EXPECT_EQ(kernel.find("gpu"), std::string::npos) << kernel;
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
