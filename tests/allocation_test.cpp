// dwc_plan_execute allocates nothing: the C library's allocation functions are replaced by counting ones for the whole
// program, the library and the threads of its pool included.
#include <atomic>
#include <cstdlib>
#include <functional>

#include "plan_support.hpp"

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* memory);
}

namespace {

std::atomic<bool> counting{false};
std::atomic<int> allocations{0}, frees{0};

void note(std::atomic<int>& counter) {
    if (counting.load(std::memory_order_relaxed)) ++counter;
}

}  // namespace

// operator new and delete of the standard library end here as well.
extern "C" {
void* malloc(size_t size) {
    note(allocations);
    return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
    note(allocations);
    return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
    note(allocations);
    return __libc_realloc(old, size);
}
void* memalign(size_t alignment, size_t size) {
    note(allocations);
    return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
    note(allocations);
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
    note(allocations);
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : 12;
}
void free(void* memory) {
    note(frees);
    __libc_free(memory);
}
}

namespace {

using namespace dwc_test;

struct Counts {
    int allocated, freed;
};

Counts counted(const std::function<void()>& body) {
    allocations = frees = 0;
    counting = true;
    body();
    counting = false;
    return {allocations.load(), frees.load()};
}

const char* const problems[] = {
    "f32_nlc_n2_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu",
    "f32_nlc_n1_l400_c70_k13_m1_s1_d1_pl6_pr6_bias_gelu",
    "f32_nlc_n1_l300_c40_k5_m1_s1_d3_pl12_pr0_nobias_relu",
    "f32_nlc_n3_l301_c33_k6_m1_s2_d1_pl2_pr2_bias_linear",
    "f32_nlc_n1_l512_c12_k3_m3_s1_d1_pl2_pr0_bias_linear",
    "f32_nlc_n1_l999_c2_k7_m1_s1_d1_pl3_pr3_bias_tanh",
    "f32_nlc_n1_l5_c2_k7_m1_s1_d1_pl3_pr3_bias_linear",
    "f32_ncl_n2_l384_c19_k4_m1_s1_d1_pl3_pr0_bias_silu",
    "f32_ncl_n1_l640_c9_k33_m2_s2_d1_pl16_pr16_bias_mish",
    "f32_ncl_n1_l9_c9_k3_m1_s1_d2_pl2_pr2_nobias_relu",
    "bf16_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_linear",
    "f32_nlc_n1_l20000_c4_k4_m1_s1_d10000_pl0_pr30000_bias_linear",
    "f32_ncl_n1_l20000_c2_k4_m1_s1_d10000_pl30000_pr0_bias_linear",
};

int reversed(void*, int64_t count, dwc_task body, void* arg) {
    int first = 0;
    for (int64_t i = count - 1; i >= 0; --i)
        if (const int code = body(arg, i); code && !first) first = code;
    return first;
}

class Allocation : public testing::TestWithParam<const char*> {
   protected:
    // Executes twice, counting both or (after `warm_up`) the second only.
    void expect_none(const dwc_options& options, bool warm_up) {
        const Workload work(parse(GetParam()));
        const Plan plan = make_plan(work.p, options);
        const Weights weights = work.pack(plan);
        Workspace workspace(dwc_plan_workspace_size(plan.get()));
        std::vector<char> y = work.fresh_y();
        const dwc_args args = work.args(weights, y, workspace);
        dwc_status status = DWC_OK;
        dwc_error error{};
        const auto execute = [&] { status = dwc_plan_execute(plan.get(), &args, &error); };
        if (warm_up) execute();
        const Counts counts = counted(execute);
        EXPECT_EQ(status, DWC_OK) << error.message;
        EXPECT_EQ(counts.allocated, 0) << work.difference(y, y) << describe(plan).kernel;
        EXPECT_EQ(counts.freed, 0);
        EXPECT_EQ(work.difference(y, work.run(options)), "");
    }
};

TEST_P(Allocation, NoneWithOneThread) {
    for (const auto& target : running_targets()) expect_none(options_with(target.name), false);
}
TEST_P(Allocation, NoneWithTheCallersParallelFor) {
    dwc_options options = options_with(nullptr, nullptr, 4);
    options.parallel_for = reversed;
    expect_none(options, false);
}
// The pool starts its threads at its first use.
TEST_P(Allocation, NoneWithThePoolOnceItRuns) { expect_none(options_with(nullptr, nullptr, 3), true); }

INSTANTIATE_TEST_SUITE_P(Problems, Allocation, testing::ValuesIn(problems), case_name);

TEST(AllocationErrors, AFailedExecutionAllocatesNothing) {
    const Workload work(parse(problems[0]));
    const Plan plan = make_plan(work.p, options_with());
    dwc_args args;
    dwc_args_init(&args);
    dwc_error error{};
    dwc_status status = DWC_OK;
    const Counts counts = counted([&] { status = dwc_plan_execute(plan.get(), &args, &error); });
    EXPECT_EQ(status, DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(counts.allocated, 0);
}

// The counters see every way to allocate; a test that could not fail would be none.
TEST(AllocationChecker, CountsEveryWay) {
    void* volatile kept = nullptr;
    const auto once = [&](const std::function<void()>& body) {
        const Counts counts = counted(body);
        return counts.allocated == 1 && counts.freed == 1;
    };
    EXPECT_TRUE(once([&] { kept = std::malloc(10), std::free(kept); }));
    EXPECT_TRUE(once([&] { kept = std::calloc(10, 2), std::free(kept); }));
    EXPECT_TRUE(once([&] { kept = std::aligned_alloc(64, 128), std::free(kept); }));
    EXPECT_TRUE(once([&] { kept = ::operator new(10), ::operator delete(kept); }));
    EXPECT_TRUE(once([&] {
        auto* array = new std::vector<int>();
        kept = array;
        delete array;
    }));
    // And inside the library: planning allocates.
    const dwc_problem p = parse(problems[0]);
    dwc_plan* plan = nullptr;
    EXPECT_GT(counted([&] { EXPECT_EQ(dwc_plan_create(&plan, &p, nullptr, nullptr), DWC_OK); }).allocated, 0);
    dwc_plan_destroy(plan);
}

}  // namespace
