// Memory, contexts and streams of CUDA through the C interface, on a driver of the tests that runs no kernel but sees
// everything that the library asks of it (drivers/cuda.c).
#include "device_support.hpp"
#include "drivers/cuda.h"

namespace {

using namespace dwc_test;

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

// What a failed execution leaves on the stream may still use its memory: the next one gets other.
TEST_F(Cuda, FailedCopiesAreStatusesAndTheirMemoryIsNotUsedAgain) {
    const Workload work(parse(kProblem));
    const Plan plan = make_plan(work.p, options_with("cuda"));
    dwc_error error{};
    dwc_weights* none = nullptr;
    fake_->code = 700;
    fake_->fail = "cuMemcpyHtoDAsync";
    EXPECT_EQ(dwc_weights_pack(plan.get(), work.w.data(), work.bias(), DWC_WEIGHTS_KERAS, &none, &error),
              DWC_ERROR_DEVICE_STREAM)
        << error.message;
    EXPECT_EQ(none, nullptr);
    fake_->fail = nullptr;
    const Weights weights = work.pack(plan);
    std::vector<char> y = work.fresh_y();
    for (const char* function : {"cuMemcpyHtoDAsync", "cuLaunchKernel", "cuMemcpyDtoHAsync", "cuStreamSynchronize"}) {
        const fake_cuda before = *fake_;
        fake_->fail = function;
        EXPECT_EQ(work.execute(plan, weights, y, &error), DWC_ERROR_DEVICE_STREAM) << function;
        fake_->fail = nullptr;
        EXPECT_EQ(fake_->allocations, before.allocations + 2) << function;
        EXPECT_EQ(fake_->frees, before.frees + 2) << function;
    }
}

TEST_F(Cuda, ForgettingAContextUnloadsItsModules) {
    dwc_error error{};
    for (void* context : {kContext, kOther}) EXPECT_EQ(dwc_device_forget(DWC_MEMORY_CUDA, context, &error), DWC_OK);
    ready(kProblem, kContext), ready(kProblem, kOther);
    const fake_cuda before = *fake_;
    EXPECT_EQ(dwc_device_forget(DWC_MEMORY_CUDA, kContext, &error), DWC_OK) << error.message;
    EXPECT_EQ(fake_->unloads, before.unloads + 1);
    ready(kProblem, kOther);
    EXPECT_EQ(fake_->modules, before.modules) << "the other context's is gone, too";
    ready(kProblem, kContext);
    EXPECT_EQ(fake_->modules, before.modules + 1);

    EXPECT_EQ(dwc_device_forget(DWC_MEMORY_CUDA, kContext, &error), DWC_OK) << error.message;
    fake_->fail = "cuModuleGetFunction";
    fake_->code = 500;
    EXPECT_EQ(create(kProblem, device_options(DWC_MEMORY_CUDA, kContext), &error), DWC_ERROR_DEVICE_MODULE)
        << error.message;
    fake_->fail = nullptr;
    EXPECT_EQ(dwc_device_forget(DWC_MEMORY_HOST, kContext, &error), DWC_ERROR_MEMORY) << error.message;
    EXPECT_EQ(dwc_device_forget(DWC_MEMORY_CUDA, nullptr, &error), DWC_ERROR_NULL_POINTER) << error.message;
}

// Sequences that do not touch are activated one by one, and what lies between them is not.
TEST_F(Cuda, AnActivationOfItsOwnLeavesGapsAlone) {
    const Ready r = ready("f32_nlc_n3_l10_c4_k4_m1_s1_d1_pl3_pr0_bias_gelu_ys48.4.1", kContext);
    const long launches = fake_->launches;
    ASSERT_EQ(dwc_plan_execute(r.plan.get(), &r.args, nullptr), DWC_OK);
    EXPECT_EQ(fake_->launches, launches + 1 + 3);
    EXPECT_EQ(fake_->first[0], 0x20000000u + 2 * 48 * 4);
    EXPECT_LT(fake_->threads, 2 * 256) << "of one sequence of 40 elements";
}

// A kernel asks for whole vectors where it reads or writes them at once.
TEST_F(Cuda, AddressesNeedTheKernelsAlignment) {
    const char* const rows = "f32_ncl_n8_l2048_c1536_k4_m1_s1_d1_pl3_pr0_bias_linear";
    const char* const steps = "f32_nlc_n1_l64_c8_k4_m1_s1_d1_pl3_pr0_bias_linear";
    const char* const single = "f32_nlc_n1_l64_c7_k4_m1_s1_d1_pl3_pr0_bias_linear";
    struct Case {
        const char *problem, *kernel;
        unsigned x, y;
        dwc_status status;
    };
    for (const Case& c : {Case{steps, "_v4_", 4, 0, DWC_ERROR_ALIGNMENT},
                          {steps, "_v4_", 0, 8, DWC_ERROR_ALIGNMENT},
                          {steps, "_v4_", 16, 32, DWC_OK},
                          {rows, "_v4_", 4, 0, DWC_OK},
                          {rows, "_v4_", 2, 0, DWC_ERROR_ALIGNMENT},
                          {rows, "_v4_", 0, 4, DWC_ERROR_ALIGNMENT},
                          {single, "_v1_", 4, 8, DWC_OK},
                          {single, "_v1_", 0, 2, DWC_ERROR_ALIGNMENT}}) {
        Ready r = ready(c.problem, kContext);
        EXPECT_NE(std::string(describe(r.plan).kernel).find(c.kernel), std::string::npos) << describe(r.plan).kernel;
        r.args.x = reinterpret_cast<void*>(uint64_t{0x10000000} + c.x);
        r.args.y = reinterpret_cast<void*>(uint64_t{0x20000000} + c.y);
        dwc_error error{};
        EXPECT_EQ(dwc_plan_execute(r.plan.get(), &r.args, &error), c.status)
            << c.problem << " +" << c.x << " +" << c.y << ": " << error.message;
    }
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

}  // namespace
