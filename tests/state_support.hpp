// Causal layers fed in chunks, cut from a sequence that is computed in one go as well.
#pragma once

#include <cmath>
#include <cstring>
#include <utility>

#include "plan_support.hpp"

namespace dwc_test {

// A sequence of `length` steps of every channel for `batch` sequences, (batch, time, channel), and one plan for the
// whole; chunks are cut from it in the problem's layout. Memory ends where buffers do.
struct Stream {
    explicit Stream(dwc_problem problem) : whole(problem) {
        whole.pad_left = (whole.kernel_size - 1) * whole.dilation;
        whole.pad_right = 0;
        steps = whole.pad_left;
        const auto count = static_cast<size_t>(whole.batch * whole.length * whole.channels);
        for (size_t i = 0; i < count; ++i) x.push_back(std::sin(static_cast<float>(i * 7 % 1013)));
        for (int64_t i = 0; i < whole.kernel_size * outputs(); ++i) w.push_back(std::cos(static_cast<float>(i)));
        for (int64_t i = 0; i < outputs(); ++i) bias.push_back(0.1f * static_cast<float>(i));
    }

    int64_t outputs() const { return whole.channels * whole.depth_multiplier; }

    // Steps [begin, end) of x in the layout.
    std::vector<float> cut(int64_t begin, int64_t end) const {
        std::vector<float> part;
        const int64_t C = whole.channels, L = whole.length;
        const auto at = [&](int64_t n, int64_t t, int64_t c) { return x[static_cast<size_t>((n * L + t) * C + c)]; };
        for (int64_t n = 0; n < whole.batch; ++n) {
            if (whole.layout == DWC_NLC) {
                for (int64_t t = begin; t < end; ++t)
                    for (int64_t c = 0; c < C; ++c) part.push_back(at(n, t, c));
            } else {
                for (int64_t c = 0; c < C; ++c)
                    for (int64_t t = begin; t < end; ++t) part.push_back(at(n, t, c));
            }
        }
        return part;
    }

    struct Call {
        const float* state_in = nullptr;
        float* state_out = nullptr;
        const int32_t* index = nullptr;
        int64_t slots = 0;
    };

    // y of steps [begin, end) as (batch, time, channel); stateful where `call` is given.
    std::vector<float> run(int64_t begin, int64_t end, const Call* call, const dwc_options& options) const {
        dwc_problem p = whole;
        p.length = end - begin;
        p.stateful = call != nullptr;
        p.has_bias = 1;
        const Plan plan = make_plan(p, options);
        dwc_plan_info info = describe(plan);
        dwc_weights* packed = nullptr;
        dwc_error error{};
        EXPECT_EQ(dwc_weights_pack(plan.get(), w.data(), bias.data(), DWC_WEIGHTS_KERAS, &packed, &error), DWC_OK)
            << error.message;
        const std::vector<float> part = cut(begin, end);
        Guarded in(part.size() * sizeof(float), Guarded::end);
        std::copy(part.begin(), part.end(), in.as<float>());
        Guarded out(static_cast<size_t>(p.batch * info.out_length * outputs()) * sizeof(float), Guarded::end);
        const float* y = out.as<float>();
        std::vector<char> workspace(dwc_plan_workspace_size(plan.get()) + 64);
        dwc_args args;
        dwc_args_init(&args);
        args.x = in.as<float>();
        args.weights = packed;
        args.y = out.as<float>();
        args.workspace = workspace.data() + (64 - reinterpret_cast<uintptr_t>(workspace.data()) % 64) % 64;
        if (call) {
            args.state_in = call->state_in;
            args.state_out = call->state_out;
            args.sequence_index = call->index;
            args.state_slots = call->slots;
        }
        EXPECT_EQ(dwc_plan_execute(plan.get(), &args, &error), DWC_OK) << error.message << " " << info.problem;
        EXPECT_TRUE(in.poison_intact() && out.poison_intact()) << info.problem;
        dwc_weights_destroy(packed);
        std::vector<float> result;
        for (int64_t n = 0; n < p.batch; ++n)
            for (int64_t t = 0; t < info.out_length; ++t)
                for (int64_t q = 0; q < outputs(); ++q) {
                    const int64_t at = p.layout == DWC_NLC ? (n * info.out_length + t) * outputs() + q
                                                           : (n * outputs() + q) * info.out_length + t;
                    result.push_back(y[at]);
                }
        return result;
    }

    // The outputs of chunks of these lengths, joined, with the state in one buffer or in two.
    std::vector<float> chunked(const std::vector<int64_t>& lengths, bool in_place, const dwc_options& options) const {
        const size_t bytes = static_cast<size_t>(steps * whole.channels * whole.batch) * sizeof(float);
        Guarded one(bytes, Guarded::end), other(bytes, Guarded::end);
        float *state = one.as<float>(), *next = in_place ? state : other.as<float>();
        std::vector<std::vector<float>> parts;
        int64_t begin = 0;
        for (const int64_t length : lengths) {
            Call call{begin ? state : nullptr, next, nullptr, 0};
            parts.push_back(run(begin, begin + length, &call, options));
            std::swap(state, next);
            begin += length;
        }
        EXPECT_TRUE(one.poison_intact() && other.poison_intact());
        std::vector<float> joined;
        for (int64_t n = 0; n < whole.batch; ++n)
            for (const auto& part : parts) {
                const auto each = static_cast<int64_t>(part.size()) / whole.batch;
                joined.insert(joined.end(), part.begin() + n * each, part.begin() + (n + 1) * each);
            }
        return joined;
    }

    dwc_problem whole;
    int64_t steps = 0;
    std::vector<float> x, w, bias;
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && !std::memcmp(a.data(), b.data(), a.size() * sizeof(float));
}

inline dwc_problem shape(dwc_layout layout, int64_t batch, int64_t length, int64_t channels, int64_t k) {
    dwc_problem p;
    dwc_problem_init(&p);
    p.layout = layout;
    p.batch = batch;
    p.length = length;
    p.channels = channels;
    p.kernel_size = k;
    return p;
}

}  // namespace dwc_test
