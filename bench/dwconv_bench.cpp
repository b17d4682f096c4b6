// One Google Benchmark case a convolution kernel of the library that this CPU runs: a problem the kernel can compute,
// planned with the kernel forced. The library itself enumerates the kernels, so a new one shows up here by itself.
//
//   dwconv_bench                                    every kernel
//   dwconv_bench --benchmark_filter=channels        one family
//   dwconv_bench --benchmark_min_time=0.001         smoke run: does every kernel execute?
//
// Case names are "<problem string>/<kernel>"; the first part can be given to `dwconv bench --problem`, which also
// compares results and tells the share of the roof. Exit code 1 where a kernel has no problem or fails.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "dwconv/dwconv.h"

namespace {

bool g_failed = false;

struct PlanDeleter {
    void operator()(dwc_plan *plan) const { dwc_plan_destroy(plan); }
};
struct WeightsDeleter {
    void operator()(dwc_weights *weights) const { dwc_weights_destroy(weights); }
};
using Plan = std::unique_ptr<dwc_plan, PlanDeleter>;
using Weights = std::unique_ptr<dwc_weights, WeightsDeleter>;

struct FreeDeleter {
    void operator()(void *p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, FreeDeleter>;

Memory allocate(size_t bytes) {
    Memory memory(std::aligned_alloc(64, (bytes + 64) / 64 * 64));
    if (!memory) throw std::bad_alloc();
    std::memset(memory.get(), 0, bytes);
    return memory;
}

size_t size_of(dwc_dtype dtype) { return dtype == DWC_BF16 ? 2 : 4; }

// `count` numbers of `dtype` in [0.5, 1): none denormal, whatever the type, and sums stay finite.
Memory random_numbers(size_t count, dwc_dtype dtype) {
    Memory memory = allocate(count * size_of(dtype));
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(0.5f, 1.0f);
    for (size_t i = 0; i < count; ++i) {
        const float value = uniform(random);
        // bf16 is the upper half of a float; rounding does not matter here.
        if (dtype == DWC_BF16) {
            uint32_t bits;
            std::memcpy(&bits, &value, sizeof(bits));
            static_cast<uint16_t *>(memory.get())[i] = static_cast<uint16_t>(bits >> 16);
        } else {
            static_cast<float *>(memory.get())[i] = value;
        }
    }
    return memory;
}

Plan make_plan(const dwc_problem &problem, const char *kernel) {
    dwc_options options;
    dwc_options_init(&options);
    options.force_kernel = kernel;
    dwc_plan *plan = nullptr;
    return Plan(dwc_plan_create(&plan, &problem, &options, nullptr) == DWC_OK ? plan : nullptr);
}

// The fused activation classes are "linear", "clamp" and "silu"; relu is the clamp that networks use.
dwc_activation activation_of(const dwc_kernel_info &kernel) {
    dwc_activation activation = DWC_RELU;
    if (std::strcmp(kernel.activation, "clamp") != 0) {
        (void)dwc_activation_from_name(kernel.activation, &activation, nullptr);
    }
    return activation;
}

// A causal problem that the kernel computes. Which layouts and sizes a family serves is the library's knowledge:
// it is asked, from the likeliest size downwards, until a plan with this kernel forced succeeds.
std::optional<dwc_problem> problem_of(const dwc_kernel_info &kernel) {
    dwc_problem problem;
    dwc_problem_init(&problem);
    problem.x_dtype = problem.w_dtype = problem.y_dtype = kernel.dtype;
    problem.length = 384;
    problem.kernel_size = kernel.kernel_size ? kernel.kernel_size : 15;
    problem.pad_left = problem.kernel_size - 1;
    problem.has_bias = 1;
    problem.activation = activation_of(kernel);
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) {
        for (const int64_t channels : {192, 48, 12, 4, 1}) {
            for (const int64_t multiplier : {1, 2, 3, 4}) {
                for (const int64_t stride : {1, 2, 3}) {
                    problem.layout = layout;
                    problem.channels = channels;
                    problem.depth_multiplier = kernel.depth_multiplier ? kernel.depth_multiplier : multiplier;
                    problem.stride = kernel.stride ? kernel.stride : stride;
                    if (make_plan(problem, kernel.name)) return problem;
                    if (kernel.stride) break;
                }
                if (kernel.depth_multiplier) break;
            }
        }
    }
    return std::nullopt;
}

void fail(benchmark::State &state, const char *message) {
    g_failed = true;
    state.SkipWithError(message);
}

void run_kernel(benchmark::State &state, const dwc_problem &problem, const std::string &kernel) {
    const Plan plan = make_plan(problem, kernel.c_str());
    if (!plan) return fail(state, "the plan failed");
    dwc_plan_info info;
    dwc_plan_info_init(&info);
    dwc_error error{};
    if (dwc_plan_describe(plan.get(), &info, &error) != DWC_OK) return fail(state, error.message);
    if (kernel != info.kernel) return fail(state, "the plan holds another kernel than the forced one");

    const auto outputs = static_cast<size_t>(problem.channels * problem.depth_multiplier);
    const auto batch = static_cast<size_t>(problem.batch);
    const Memory x = random_numbers(batch * static_cast<size_t>(problem.length * problem.channels), problem.x_dtype);
    const Memory w = random_numbers(outputs * static_cast<size_t>(problem.kernel_size), problem.w_dtype);
    const Memory bias = random_numbers(outputs, problem.w_dtype);
    const Memory y = allocate(batch * static_cast<size_t>(info.out_length) * outputs * size_of(problem.y_dtype));
    const size_t scratch = dwc_plan_workspace_size(plan.get());
    const Memory workspace = allocate(scratch);
    dwc_weights *packed = nullptr;
    if (dwc_weights_pack(plan.get(), w.get(), bias.get(), DWC_WEIGHTS_KERAS, &packed, &error) != DWC_OK) {
        return fail(state, error.message);
    }
    const Weights weights(packed);

    dwc_args args;
    dwc_args_init(&args);
    args.x = x.get();
    args.weights = weights.get();
    args.y = y.get();
    args.workspace = scratch ? workspace.get() : nullptr;
    for (auto _ : state) {
        if (dwc_plan_execute(plan.get(), &args, &error) != DWC_OK) return fail(state, error.message);
        benchmark::ClobberMemory();
    }
    using benchmark::Counter;
    const auto executions = static_cast<double>(state.iterations());
    state.counters["flops"] = Counter(static_cast<double>(info.flops) * executions, Counter::kIsRate);
    state.counters["bytes"] = Counter(static_cast<double>(info.bytes) * executions, Counter::kIsRate);
}

// Returns the number of cases; sets g_failed where a kernel got none.
int register_cases() {
    int cases = 0;
    for (int32_t i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info kernel;
        dwc_kernel_info_init(&kernel);
        if (dwc_kernel_at(i, &kernel, nullptr) != DWC_OK) {
            std::fprintf(stderr, "dwconv_bench: kernel %d cannot be listed\n", i);
            g_failed = true;
            continue;
        }
        // Kernels of devices would be timed with their copies: scripts/gpu_bench.py times them in the device's memory.
        if (!kernel.supported || std::strncmp(kernel.family, "gpu", 3) == 0 ||
            std::strcmp(kernel.family, "activation") == 0)
            continue;
        const auto problem = problem_of(kernel);
        char name[256];
        if (!problem || dwc_problem_format(&*problem, name, sizeof(name), nullptr) != DWC_OK) {
            std::fprintf(stderr, "dwconv_bench: no problem of the usual sizes can be planned with %s\n", kernel.name);
            g_failed = true;
            continue;
        }
        const std::string kernel_name = kernel.name;
        benchmark::RegisterBenchmark(
            (std::string(name) + "/" + kernel_name).c_str(),
            [problem = *problem, kernel_name](benchmark::State &state) { run_kernel(state, problem, kernel_name); });
        ++cases;
    }
    return cases;
}

}  // namespace

int main(int argc, char **argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    if (register_cases() == 0) {
        std::fprintf(stderr, "dwconv_bench: the library holds no convolution kernel for this CPU\n");
        return 1;
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return g_failed ? 1 : 0;
}
