// A problem with data, dense or strided, run through plans with any options and compared element by element.
#pragma once

#include <algorithm>
#include <cctype>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "support.hpp"

namespace dwc_test {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();

inline dwc_problem parse(const std::string& text) {
    dwc_problem p;
    dwc_error error{};
    EXPECT_EQ(dwc_problem_parse(text.c_str(), &p, &error), DWC_OK) << text << ": " << error.message;
    return p;
}

// A problem string as the name of a test case.
inline std::string case_name(const testing::TestParamInfo<const char*>& info) {
    std::string name = info.param;
    std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c) && c != '_'; }, '_');
    return name;
}

// Targets with kernels in this library that this CPU itself runs.
inline std::vector<dwc_target_info> running_targets() {
    std::vector<dwc_target_info> all;
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        EXPECT_EQ(dwc_target_at(i, &info, nullptr), DWC_OK);
        if (info.built && info.supported && info.device == DWC_MEMORY_HOST) all.push_back(info);
    }
    EXPECT_FALSE(all.empty());
    return all;
}

// And those of devices that answer.
inline std::vector<dwc_target_info> running_targets_and_devices() {
    std::vector<dwc_target_info> all = running_targets();
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        EXPECT_EQ(dwc_target_at(i, &info, nullptr), DWC_OK);
        if (info.built && info.supported && info.device != DWC_MEMORY_HOST) all.push_back(info);
    }
    return all;
}

inline dwc_options options_with(const char* target = nullptr, const char* kernel = nullptr, int threads = 1) {
    dwc_options o;
    dwc_options_init(&o);
    o.force_target = target;
    o.force_kernel = kernel;
    o.threads = threads;
    return o;
}

struct Explained {
    std::string chosen, chosen_target;
    std::vector<std::string> eligible;
    int candidates = 0;
};

inline Explained explain(const dwc_problem& p, const dwc_options& options) {
    Explained e;
    dwc_error error{};
    const auto collect = [](void* user, const dwc_candidate* c) {
        auto& to = *static_cast<Explained*>(user);
        ++to.candidates;
        if (c->eligible) to.eligible.push_back(c->kernel);
        if (c->chosen) to.chosen = c->kernel, to.chosen_target = c->target;
    };
    EXPECT_EQ(dwc_explain(&p, &options, collect, &e, &error), DWC_OK) << error.message;
    return e;
}

// Weights that destroy themselves; plans likewise.
struct PlanDelete {
    void operator()(dwc_plan* p) const { dwc_plan_destroy(p); }
    void operator()(dwc_weights* w) const { dwc_weights_destroy(w); }
};
using Plan = std::unique_ptr<dwc_plan, PlanDelete>;
using Weights = std::unique_ptr<dwc_weights, PlanDelete>;

inline Plan make_plan(const dwc_problem& p, const dwc_options& options) {
    dwc_plan* plan = nullptr;
    dwc_error error{};
    EXPECT_EQ(dwc_plan_create(&plan, &p, &options, &error), DWC_OK) << name_of(p) << ": " << error.message;
    return Plan(plan);
}

inline dwc_plan_info describe(const Plan& plan) {
    dwc_plan_info info;
    dwc_plan_info_init(&info);
    EXPECT_EQ(dwc_plan_describe(plan.get(), &info, nullptr), DWC_OK);
    return info;
}

// Memory for the workspace of one execution.
class Workspace {
   public:
    explicit Workspace(size_t bytes) : memory_(bytes ? bytes + 64 : 0) {}
    void* get() {
        if (memory_.empty()) return nullptr;
        return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(memory_.data()) + 63) / 64 * 64);
    }

   private:
    std::vector<char> memory_;
};

// Strides and span (elements up to the last one, inclusive) of a tensor of shape (n, t, c).
struct Extent {
    int64_t n, t, c, span;
};
inline Extent extent(const dwc_problem& p, const int64_t* strides, int64_t time, int64_t channels) {
    Extent e{strides[0], strides[1], strides[2], 0};
    if (!e.n && !e.t && !e.c)
        e = p.layout == DWC_NLC ? Extent{time * channels, channels, 1, 0} : Extent{time * channels, 1, time, 0};
    if (p.batch > 0 && time > 0 && channels > 0)
        e.span = (p.batch - 1) * e.n + (time - 1) * e.t + (channels - 1) * e.c + 1;
    return e;
}

class Workload {
   public:
    static constexpr float kPoison = -12345.5f;

    explicit Workload(const dwc_problem& problem, unsigned seed = 1) : p(problem) {
        EXPECT_EQ(dwc_problem_out_length(&p, &out_length, nullptr), DWC_OK) << name_of(p);
        Q = p.channels * p.depth_multiplier;
        xe = extent(p, p.x_strides, p.length, p.channels);
        ye = extent(p, p.y_strides, out_length, Q);
        // Between the elements of a strided x lies NaN: one used by mistake shows in the result.
        x = poisoned(p.x_dtype, xe.span, kNotANumber);
        w = poisoned(p.w_dtype, p.kernel_size * Q, 0);
        b = poisoned(p.w_dtype, Q, 0);
        std::mt19937 random(seed);
        std::uniform_real_distribution<float> uniform(-1, 1);
        for (int64_t n = 0; n < p.batch; ++n)
            for (int64_t t = 0; t < p.length; ++t)
                for (int64_t c = 0; c < p.channels; ++c) set_x(n, t, c, uniform(random));
        fill(w.data(), p.kernel_size * Q, p.w_dtype, random);
        fill(b.data(), Q, p.w_dtype, random);
    }

    void set_x(int64_t n, int64_t t, int64_t c, float value) {
        put(x, p.x_dtype, n * xe.n + t * xe.t + c * xe.c, value);
    }
    const void* bias() const { return p.has_bias ? b.data() : nullptr; }

    Weights pack(const Plan& plan) const {
        dwc_weights* weights = nullptr;
        dwc_error error{};
        EXPECT_EQ(dwc_weights_pack(plan.get(), w.data(), bias(), DWC_WEIGHTS_KERAS, &weights, &error), DWC_OK)
            << error.message;
        return Weights(weights);
    }

    std::vector<char> fresh_y() const { return poisoned(p.y_dtype, ye.span, kPoison); }

    dwc_args args(const Weights& weights, std::vector<char>& y, Workspace& workspace) const {
        dwc_args args;
        dwc_args_init(&args);
        args.x = x.data();
        args.y = y.data();
        args.weights = weights.get();
        args.workspace = workspace.get();
        return args;
    }

    dwc_status execute(const Plan& plan, const Weights& weights, std::vector<char>& y,
                       dwc_error* error = nullptr) const {
        Workspace workspace(dwc_plan_workspace_size(plan.get()));
        const dwc_args execution = args(weights, y, workspace);
        return dwc_plan_execute(plan.get(), &execution, error);
    }

    // Plans, packs and executes; the whole of y's memory, poison where nothing was written.
    std::vector<char> run(const dwc_options& options) const {
        const Plan plan = make_plan(p, options);
        std::vector<char> y = fresh_y();
        if (!plan) return y;
        const Weights weights = pack(plan);
        dwc_error error{};
        EXPECT_EQ(execute(plan, weights, y, &error), DWC_OK) << name_of(p) << ": " << error.message;
        return y;
    }

    std::vector<char> reference(bool fma) const {
        std::vector<char> y = fresh_y();
        dwc_error error{};
        EXPECT_EQ(dwc_reference(&p, x.data(), w.data(), bias(), y.data(), DWC_WEIGHTS_KERAS, fma, &error), DWC_OK)
            << error.message;
        return y;
    }

    // The first difference between two outputs in words, or empty. NaNs are equal whatever their payload.
    std::string difference(const std::vector<char>& got, const std::vector<char>& wanted) const {
        const int64_t count = static_cast<int64_t>(wanted.size() / bytes_of(p.y_dtype));
        for (int64_t i = 0; i < count; ++i) {
            const float a = at(got, p.y_dtype, i), e = at(wanted, p.y_dtype, i);
            if (std::isnan(a) && std::isnan(e)) continue;
            if (std::memcmp(&a, &e, sizeof a) != 0)
                return name_of(p) + ": y[" + std::to_string(i) + "] = " + std::to_string(a) + ", expected " +
                       std::to_string(e) + " (difference " + std::to_string(std::fabs(a - e)) + ")";
        }
        return got.size() == wanted.size() ? "" : "other size";
    }

    static float at(const std::vector<char>& data, dwc_dtype dtype, int64_t i) {
        return dtype == DWC_F32 ? reinterpret_cast<const float*>(data.data())[i]
                                : from_bf16(reinterpret_cast<const uint16_t*>(data.data())[i]);
    }
    static void put(std::vector<char>& data, dwc_dtype dtype, int64_t i, float value) {
        if (dtype == DWC_F32)
            reinterpret_cast<float*>(data.data())[i] = value;
        else
            reinterpret_cast<uint16_t*>(data.data())[i] = to_bf16(value);
    }
    static std::vector<char> poisoned(dwc_dtype dtype, int64_t count, float value) {
        std::vector<char> data(static_cast<size_t>(count) * bytes_of(dtype));
        for (int64_t i = 0; i < count; ++i) put(data, dtype, i, value);
        return data;
    }

    dwc_problem p;
    int64_t out_length = 0, Q = 0;
    Extent xe{}, ye{};
    std::vector<char> x, w, b;
};

}  // namespace dwc_test
