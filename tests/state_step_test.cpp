// Steps of decoding: one input a sequence, whose state is read and moved on in one pass where the kernel has the form.
#include <algorithm>
#include <numeric>

#include "registry.hpp"
#include "state_support.hpp"

namespace {

using namespace dwc_test;

const std::vector<int64_t> kSteps(6, 1);

const dwc::ConvKernel* row_of(const std::string& name) {
    for (const dwc::ConvKernel& kernel : dwc::conv_kernels())
        if (name == kernel.name) return &kernel;
    return nullptr;
}

dwc_problem step_of(int64_t batch, int64_t channels, int64_t k, dwc_activation activation) {
    dwc_problem p = shape(DWC_NLC, batch, static_cast<int64_t>(kSteps.size()), channels, k);
    p.activation = activation;
    return p;
}

// The kernel that a plan for one step of `whole` runs.
std::string kernel_of(dwc_problem whole, const dwc_options& options) {
    whole.length = 1;
    whole.pad_left = (whole.kernel_size - 1) * whole.dilation;
    whole.stateful = 1;
    const Plan plan = make_plan(whole, options);
    return describe(plan).kernel;
}

TEST(StateStep, EveryTargetDoesFewTapsInOnePass) {
    for (const dwc_target_info& target : running_targets())
        for (const int64_t k : {2, 3, 4})
            for (const dwc_activation activation : {DWC_LINEAR, DWC_SILU, DWC_GELU}) {
                const dwc_problem p = step_of(1, 512, k, activation);
                const std::string name = kernel_of(p, options_with(target.name));
                const dwc::ConvKernel* row = row_of(name);
                ASSERT_TRUE(row) << name;
                EXPECT_TRUE(row->step(k).in_place) << name_of(p) << ": " << name;
                EXPECT_FALSE(row->step(1).in_place || row->step(5).in_place) << name;
            }
}

// Every kernel that can compute a step, around its vector and the blocks of channels, in place or not, with the state
// that a shorter vector or a fused or separate activation could spoil.
TEST(StateStep, EveryKernelGivesTheBitsOfTheWhole) {
    int one_pass = 0, others = 0;
    for (const dwc_target_info& target : running_targets())
        for (const dwc::ConvKernel& kernel : dwc::conv_kernels()) {
            const std::string name = kernel.name;
            if (dwc::targets()[kernel.target].name != std::string(target.name)) continue;
            if (kernel.family != dwc::Family::flat || kernel.t > 1 || kernel.dtype != DWC_F32) continue;
            const bool silu = std::string(kernel.activation) == "silu";
            const int64_t v = kernel.v;
            for (const int64_t k : {1, 2, 3, 4, 5})
                for (const dwc_activation activation : {silu ? DWC_SILU : DWC_LINEAR, silu ? DWC_SILU : DWC_GELU})
                    for (const int64_t channels : {v, v + 1, 2 * v - 1, 3 * v + 5, int64_t{4096} + 2 * v + 1}) {
                        dwc_problem p = step_of(channels > 4096 ? 1 : 3, channels, k, activation);
                        p.depth_multiplier = std::max(kernel.m, 1);
                        if (kernel.k && kernel.k != k) continue;
                        const Stream stream(p);
                        const auto whole = stream.run(0, p.length, nullptr, options_with(target.name));
                        for (const bool in_place : {true, false})
                            ASSERT_TRUE(same_bits(
                                whole, stream.chunked(kSteps, in_place, options_with(target.name, kernel.name))))
                                << name_of(p) << " by " << name << (in_place ? " in place" : "");
                        ++(kernel.step(k).in_place && p.depth_multiplier == 1 ? one_pass : others);
                    }
        }
    EXPECT_GT(one_pass, 10);
    EXPECT_GT(others, 10);
}

// Taps that are not neighbours: the rows between them move, too.
TEST(StateStep, Dilated) {
    for (const int64_t channels : {16, 37}) {
        dwc_problem p = step_of(2, channels, 3, DWC_LINEAR);
        p.dilation = 2;
        const Stream stream(p);
        const auto whole = stream.run(0, p.length, nullptr, options_with());
        for (const bool in_place : {true, false})
            EXPECT_TRUE(same_bits(whole, stream.chunked(kSteps, in_place, options_with())));
    }
}

// Slots in ascending runs, in descending order, alone, and sequences without one; the others are left alone.
TEST(StateStep, SlotsSideBySide) {
    constexpr int64_t kBatch = 7, kChannels = 21, kSlots = 9;
    const std::vector<int32_t> index = {4, 5, 6, -1, 1, 0, 8};
    for (const int threads : {1, 2})
        for (const int64_t k : {1, 3, 4, 6})
            for (const dwc_activation activation : {DWC_SILU, DWC_GELU}) {
                const dwc_problem p = step_of(kBatch, kChannels, k, activation);
                const Stream stream(p);
                dwc_options options = options_with();
                options.threads = threads;
                const auto whole = stream.run(0, p.length, nullptr, options);
                const auto slot = static_cast<size_t>(stream.steps * kChannels);
                for (const bool in_place : {true, false}) {
                    std::vector<float> state(slot * kSlots, -7.0f), other = state;
                    float *from = state.data(), *to = in_place ? from : other.data();
                    for (int64_t t = 0; t < p.length; ++t) {
                        const Stream::Call call{t ? from : nullptr, to, index.data(), kSlots};
                        const Stream::Call none{};
                        const auto y = stream.run(t, t + 1, &call, options),
                                   first = stream.run(t, t + 1, &none, options);
                        for (int64_t n = 0; n < kBatch; ++n) {
                            const bool kept = index[static_cast<size_t>(n)] >= 0;
                            const float* expected = kept ? &whole[static_cast<size_t>((n * p.length + t) * kChannels)]
                                                         : &first[static_cast<size_t>(n * kChannels)];
                            EXPECT_EQ(std::memcmp(&y[static_cast<size_t>(n * kChannels)], expected, kChannels * 4), 0)
                                << name_of(p) << " step " << t << " sequence " << n;
                        }
                        std::swap(from, to);
                    }
                    for (int64_t s = 0; s < kSlots; ++s) {
                        const auto n = std::find(index.begin(), index.end(), s) - index.begin();
                        for (size_t i = 0; i < slot; ++i) {
                            const auto at = static_cast<size_t>((n + 1) * p.length * kChannels) - slot + i;
                            ASSERT_EQ(from[static_cast<size_t>(s) * slot + i], n < kBatch ? stream.x[at] : -7.0f)
                                << name_of(p) << " slot " << s;
                        }
                    }
                }
            }
}

// What is not finite stays in its channel, and in its sequence until it has left the state.
TEST(StateStep, NotFinite) {
    const dwc_problem p = step_of(2, 35, 3, DWC_LINEAR);
    Stream stream(p);
    const int64_t L = p.length, C = p.channels;
    stream.x[static_cast<size_t>((1 * L + 1) * C + 34)] = kNotANumber;
    stream.x[static_cast<size_t>((1 * L + 1) * C + 3)] = kInfinity;
    const auto y = stream.chunked(kSteps, true, options_with());
    for (int64_t n = 0; n < 2; ++n)
        for (int64_t t = 0; t < L; ++t)
            for (int64_t c = 0; c < C; ++c) {
                const bool reached = n == 1 && t >= 1 && t <= 3 && (c == 3 || c == 34);
                EXPECT_EQ(!std::isfinite(y[static_cast<size_t>((n * L + t) * C + c)]), reached) << n << t << c;
            }
}

}  // namespace
