// Causal layers fed in chunks: the same bits as in one go, whatever the chunks, the layout, the kernel and the slots.
#include <sys/mman.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>

#include "state_support.hpp"

namespace {

using namespace dwc_test;

TEST(State, ChunksGiveTheBitsOfTheWhole) {
    int tried = 0;
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL})
        for (const int64_t channels : {1, 3, 12, 16, 33, 80})
            for (const int64_t k : {1, 2, 4, 7, 31})
                for (const int64_t dilation : {1, 2, 5})
                    for (const int64_t m : {1, 3}) {
                        dwc_problem p = shape(layout, 2, 96, channels, k);
                        p.dilation = dilation;
                        p.depth_multiplier = m;
                        p.activation = k == 4 ? DWC_SILU : DWC_LINEAR;
                        const Stream stream(p);
                        for (const int threads : {1, 3}) {
                            dwc_options options = options_with();
                            options.threads = threads;
                            const auto whole = stream.run(0, 96, nullptr, options);
                            for (const auto& lengths : std::vector<std::vector<int64_t>>{
                                     {96}, {1, 1, 1, 93}, {40, 56}, {7, 0, 30, 1, 58}, {32, 32, 32}}) {
                                const auto parts = stream.chunked(lengths, threads == 1, options);
                                ASSERT_TRUE(same_bits(whole, parts))
                                    << name_of(p) << " in " << lengths.size() << " chunks, " << threads << " threads";
                                ++tried;
                            }
                        }
                    }
    EXPECT_EQ(tried, 2 * 6 * 5 * 3 * 2 * 2 * 5);
}

TEST(State, ChunksThatAreMultiplesOfTheStride) {
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL})
        for (const int64_t stride : {2, 3})
            for (const int64_t dilation : {1, 3}) {
                dwc_problem p = shape(layout, 3, 90, 20, 5);
                p.stride = stride;
                p.dilation = dilation;
                const Stream stream(p);
                const auto whole = stream.run(0, 90, nullptr, options_with());
                EXPECT_TRUE(same_bits(whole, stream.chunked({6, 12, 72}, true, options_with())));
                EXPECT_TRUE(same_bits(whole, stream.chunked({84, 5 + 1}, false, options_with())));
            }
}

// Every kernel that can compute a single step does.
TEST(State, OneStepAtATime) {
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL})
        for (const int64_t channels : {5, 64}) {
            const Stream stream(shape(layout, 4, 20, channels, 4));
            const auto whole = stream.run(0, 20, nullptr, options_with());
            EXPECT_TRUE(same_bits(whole, stream.chunked(std::vector<int64_t>(20, 1), true, options_with())));
        }
}

// Channels in several blocks, the last one longer, and cut among threads: a step reads state and input where they lie.
TEST(State, StepsOfManyChannels) {
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL})
        for (const int64_t channels : {1024 + 15, 2500})
            for (const int64_t k : {1, 4, 31})
                for (const int threads : {1, 3}) {
                    dwc_problem p = shape(layout, 1, 6, channels, k);
                    p.activation = k == 4 ? DWC_SILU : DWC_LINEAR;
                    p.dilation = k == 31 ? 2 : 1;
                    const Stream stream(p);
                    dwc_options options = options_with();
                    options.threads = threads;
                    const auto whole = stream.run(0, 6, nullptr, options);
                    for (const bool in_place : {true, false})
                        ASSERT_TRUE(same_bits(whole, stream.chunked({1, 2, 1, 1, 1}, in_place, options)))
                            << name_of(p) << " on " << threads << " threads";
                }
}

std::string kernel_of_step(dwc_layout layout, int64_t channels, int64_t length = 1) {
    dwc_problem p = shape(layout, 2, length, channels, 4);
    p.pad_left = 3;
    p.stateful = 1;
    const Plan plan = make_plan(p, options_with());
    return describe(plan).kernel;
}

TEST(State, AStepCrossesItsChannelsAtOnce) {
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) {
        EXPECT_EQ(kernel_of_step(layout, 512).rfind("flat_f32_kany_m1_s1_linear_", 0), 0u) << kernel_of_step(layout, 512);
        EXPECT_NE(kernel_of_step(layout, 512, 2).rfind("flat_", 0), 0u);
    }
}

// Weights packed for the prompt serve the steps.
TEST(State, PromptAndStepsShareWeights) {
    dwc_problem prompt = shape(DWC_NLC, 1, 100, 512, 4);
    prompt.pad_left = 3;
    dwc_problem step = prompt;
    step.length = 1;
    step.stateful = 1;
    const Plan first = make_plan(prompt, options_with()), later = make_plan(step, options_with());
    EXPECT_STREQ(describe(first).weights_layout, describe(later).weights_layout);
}

// State and input too far apart for the kernel's 32-bit offsets: the rows are copied together first.
TEST(State, FarFromTheInput) {
    constexpr size_t kBytes = 1 << 16;
    const auto map = [](uintptr_t hint) {
        return mmap(reinterpret_cast<void*>(hint), kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    };
    void *low = map(uintptr_t{1} << 35), *high = map(uintptr_t{1} << 36);
    ASSERT_TRUE(low != MAP_FAILED && high != MAP_FAILED);
    const auto apart = static_cast<int64_t>(reinterpret_cast<uintptr_t>(high) - reinterpret_cast<uintptr_t>(low));
    if (std::llabs(apart) < (int64_t{1} << 34)) GTEST_SKIP() << "the system gave other addresses";

    constexpr int64_t kChannels = 80, kSteps = 3;
    const Stream stream(shape(DWC_NLC, 1, 4, kChannels, kSteps + 1));
    const std::vector<float> whole = stream.run(0, 4, nullptr, options_with());
    dwc_problem p = stream.whole;
    p.length = 1;
    p.stateful = 1;
    p.has_bias = 1;
    const Plan plan = make_plan(p, options_with());
    dwc_weights* packed = nullptr;
    ASSERT_EQ(dwc_weights_pack(plan.get(), stream.w.data(), stream.bias.data(), DWC_WEIGHTS_KERAS, &packed, nullptr),
              DWC_OK);
    for (const auto& [state, input] : {std::pair{low, high}, std::pair{high, low}}) {
        std::memcpy(state, stream.x.data(), kSteps * kChannels * sizeof(float));
        std::memcpy(input, stream.x.data() + kSteps * kChannels, kChannels * sizeof(float));
        std::vector<float> y(kChannels);
        dwc_args args;
        dwc_args_init(&args);
        args.x = input;
        args.weights = packed;
        args.y = y.data();
        args.state_in = args.state_out = state;
        dwc_error error{};
        ASSERT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_OK) << error.message;
        EXPECT_TRUE(same_bits(y, {whole.begin() + kSteps * kChannels, whole.end()}));
        EXPECT_EQ(std::memcmp(state, stream.x.data() + kChannels, kSteps * kChannels * sizeof(float)), 0);
    }
    dwc_weights_destroy(packed);
    munmap(low, kBytes);
    munmap(high, kBytes);
}

// Sequences live in any slots; a negative index is a sequence without past and without future.
TEST(State, SlotsAreFoundByIndex) {
    const int64_t slots = 6;
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) {
        const Stream stream(shape(layout, 3, 24, 17, 4));
        const auto slot = static_cast<size_t>(stream.steps * 17);
        const std::vector<float> poison(slot * slots, -7.0f);
        std::vector<float> state = poison;
        const std::vector<int32_t> index = {4, -1, 0};
        const Stream::Call first{nullptr, state.data(), index.data(), slots},
            second{state.data(), state.data(), index.data(), slots};
        const auto whole = stream.run(0, 24, nullptr, options_with());
        const auto a = stream.run(0, 10, &first, options_with()), b = stream.run(10, 24, &second, options_with());
        const auto at = [](const std::vector<float>& y, int64_t n, int64_t length) {
            return std::vector<float>(y.begin() + n * length * 17, y.begin() + (n + 1) * length * 17);
        };
        for (const int64_t n : {0, 2}) {
            std::vector<float> joined = at(a, n, 10);
            const auto rest = at(b, n, 14);
            joined.insert(joined.end(), rest.begin(), rest.end());
            EXPECT_TRUE(same_bits(at(whole, n, 24), joined)) << n;
        }
        EXPECT_FALSE(same_bits(at(b, 1, 14), at(stream.run(0, 24, nullptr, options_with()), 1, 14)));
        for (const size_t untouched : {1, 2, 3, 5})
            EXPECT_TRUE(same_bits({state.begin() + static_cast<long>(untouched * slot),
                                   state.begin() + static_cast<long>((untouched + 1) * slot)},
                                  std::vector<float>(slot, -7.0f)))
                << untouched;
        // The kept state is the last inputs, oldest first, channels side by side.
        for (int64_t s = 0; s < stream.steps; ++s)
            for (int64_t c = 0; c < 17; ++c)
                EXPECT_EQ(state[4 * slot + static_cast<size_t>(s * 17 + c)],
                          stream.x[static_cast<size_t>((24 - stream.steps + s) * 17 + c)]);
    }
}

TEST(State, WhatIsRefused) {
    dwc_error error{};
    dwc_problem p = shape(DWC_NLC, 2, 8, 4, 3);
    p.stateful = 1;
    EXPECT_EQ(dwc_problem_validate(&p, &error), DWC_ERROR_STATE);
    EXPECT_NE(std::string(error.message).find("pad_left"), std::string::npos) << error.message;
    p.pad_left = 2;
    p.pad_right = 1;
    EXPECT_EQ(dwc_problem_validate(&p, &error), DWC_ERROR_STATE);
    p.pad_right = 0;
    ASSERT_EQ(dwc_problem_validate(&p, &error), DWC_OK);
    char text[200];
    ASSERT_EQ(dwc_problem_format(&p, text, sizeof text, nullptr), DWC_OK);
    EXPECT_NE(std::string(text).find("_state"), std::string::npos);

    const Plan plan = make_plan(p, options_with());
    EXPECT_EQ(describe(plan).state_elements, 2 * 4);
    std::vector<float> x(64), y(64), w(12), state(64);
    dwc_weights* packed = nullptr;
    ASSERT_EQ(dwc_weights_pack(plan.get(), w.data(), nullptr, DWC_WEIGHTS_KERAS, &packed, nullptr), DWC_OK);
    const auto refused = [&](const std::function<void(dwc_args&)>& change) {
        dwc_args args;
        dwc_args_init(&args);
        args.x = x.data();
        args.y = y.data();
        args.weights = packed;
        args.state_in = args.state_out = state.data();
        change(args);
        return dwc_plan_execute(plan.get(), &args, &error);
    };
    const int32_t outside[] = {0, 3};
    EXPECT_EQ(refused([](dwc_args&) {}), DWC_OK) << error.message;
    EXPECT_EQ(refused([](dwc_args& a) { a.state_slots = 1; }), DWC_ERROR_STATE) << error.message;
    EXPECT_EQ(refused([](dwc_args& a) { a.state_slots = -1; }), DWC_ERROR_STATE) << error.message;
    EXPECT_EQ(refused([&](dwc_args& a) { a.sequence_index = outside, a.state_slots = 3; }), DWC_ERROR_STATE);
    EXPECT_NE(std::string(error.message).find("sequence_index[1]=3"), std::string::npos) << error.message;
    EXPECT_EQ(refused([&](dwc_args& a) { a.state_out = state.data() + 4; }), DWC_ERROR_ALIAS) << error.message;
    EXPECT_EQ(refused([&](dwc_args& a) { a.state_out = x.data(); }), DWC_ERROR_ALIAS) << error.message;
    EXPECT_EQ(refused([&](dwc_args& a) { a.state_in = y.data() + 3; }), DWC_ERROR_ALIAS) << error.message;
    EXPECT_EQ(refused([](dwc_args& a) { a.state_slots = int64_t{1} << 62; }), DWC_ERROR_STATE) << error.message;
    dwc_weights_destroy(packed);
}

// Structs of a caller compiled before they grew: shorter, and what lies behind them is not the library's.
TEST(OlderStructs, AreTakenAndFilledAsFarAsTheyGo) {
    dwc_problem p = shape(DWC_NLC, 1, 8, 4, 3);
    struct {
        dwc_options options;
        char behind[64];
    } o;
    std::memset(&o, 0x5a, sizeof o);
    dwc_options_init(&o.options);
    o.options.struct_size = offsetof(dwc_options, plan_level) + 4;
    std::memset(reinterpret_cast<char*>(&o.options) + o.options.struct_size, 0x5a,
                sizeof o.options - o.options.struct_size);
    dwc_error error{};
    dwc_plan* raw = nullptr;
    ASSERT_EQ(dwc_plan_create(&raw, &p, &o.options, &error), DWC_OK) << error.message;
    const Plan plan(raw);

    dwc_plan_info info;
    std::memset(&info, 0x5a, sizeof info);
    info.struct_size = offsetof(dwc_plan_info, state_elements);
    ASSERT_EQ(dwc_plan_describe(plan.get(), &info, &error), DWC_OK) << error.message;
    EXPECT_EQ(info.out_length, 6);
    EXPECT_EQ(info.threads, 1);
    EXPECT_EQ(info.state_elements, 0x5a5a5a5a5a5a5a5a);
    EXPECT_EQ(info.struct_size, offsetof(dwc_plan_info, state_elements));

    std::vector<float> x(32, 1.0f), w(12, 1.0f), y(24);
    dwc_weights* packed = nullptr;
    ASSERT_EQ(dwc_weights_pack(plan.get(), w.data(), nullptr, DWC_WEIGHTS_KERAS, &packed, nullptr), DWC_OK);
    dwc_args args;
    std::memset(&args, 0x5a, sizeof args);
    args.struct_size = offsetof(dwc_args, state_in);
    args.x = x.data();
    args.y = y.data();
    args.weights = packed;
    args.workspace = nullptr;
    EXPECT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_OK) << error.message;
    EXPECT_EQ(y[0], 3.0f);
    args.struct_size = offsetof(dwc_args, workspace);
    EXPECT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_ERROR_STRUCT_SIZE);
    dwc_weights_destroy(packed);
}

}  // namespace
