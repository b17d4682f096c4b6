// Shared by the tests of kernels and plans: memory whose every out-of-bounds access shows, seeded data, and one run of
// a problem against the reference.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "dwconv/dwconv.h"

namespace dwc_test {

// `bytes` of memory that ends (or starts) at a page that faults; the rest of its pages holds a poison that check()
// compares. Reads beyond the guarded side crash, writes beyond the other side are seen.
class Guarded {
   public:
    enum Side { end, start };
    Guarded(size_t bytes, Side side) : bytes_(bytes) {
        const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        room_ = (bytes + page - 1) / page * page + page;  // one page of poison at least
        total_ = room_ + 2 * page;
        base_ = static_cast<char*>(mmap(nullptr, total_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (base_ == MAP_FAILED) throw std::bad_alloc();
        mprotect(base_ + page, room_, PROT_READ | PROT_WRITE);
        std::memset(base_ + page, poison, room_);
        data_ = side == end ? base_ + page + room_ - bytes : base_ + page;
    }
    ~Guarded() { munmap(base_, total_); }
    Guarded(const Guarded&) = delete;

    template <typename T>
    T* as() {
        return reinterpret_cast<T*>(data_);
    }
    size_t size() const { return bytes_; }
    bool poison_intact() const {
        const char* first = base_ + (total_ - room_) / 2;
        for (const char* c = first; c < first + room_; ++c)
            if ((c < data_ || c >= data_ + bytes_) && *c != poison) return false;
        return true;
    }
    static constexpr char poison = 0x5b;

   private:
    size_t bytes_, room_, total_;
    char *base_, *data_;
};

inline uint16_t to_bf16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return static_cast<uint16_t>(bits >> 16);
}
inline float from_bf16(uint16_t value) {
    const uint32_t bits = uint32_t{value} << 16;
    float f;
    std::memcpy(&f, &bits, 4);
    return f;
}

inline void fill(void* data, int64_t count, dwc_dtype dtype, std::mt19937& random) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (int64_t i = 0; i < count; ++i) {
        const float v = uniform(random);
        if (dtype == DWC_F32)
            static_cast<float*>(data)[i] = v;
        else
            static_cast<uint16_t*>(data)[i] = to_bf16(v);
    }
}

inline size_t bytes_of(dwc_dtype dtype) { return dtype == DWC_F32 ? 4 : 2; }

inline std::string name_of(const dwc_problem& p) {
    char text[400];
    dwc_error error{};
    return dwc_problem_format(&p, text, sizeof text, &error) == DWC_OK ? text : error.message;
}

inline bool target_has_fma(const char* name) {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) == DWC_OK && !std::strcmp(info.name, name)) return info.fma;
    }
    return true;
}

// Activations whose result is one of the sum's bits or a constant: compared to the bit. The others within `tolerance`.
inline bool exact(dwc_activation a) { return a == DWC_LINEAR || a == DWC_RELU || a == DWC_RELU6 || a == DWC_HARD_TANH; }

struct Outcome {
    dwc_status status = DWC_OK;
    std::string message, kernel;
    double worst = 0;       // largest |y - reference|
    bool same_bits = true;  // of every output
    bool guards = true;
    std::vector<char> y;
};

// Runs `p` (dense) with `options` between guards and compares with the reference.
inline Outcome run(const dwc_problem& p, const dwc_options& options, unsigned seed, Guarded::Side side,
                   bool pytorch_order = false) {
    Outcome out;
    dwc_error error{};
    dwc_plan* plan = nullptr;
    if ((out.status = dwc_plan_create(&plan, &p, &options, &error)) != DWC_OK) {
        out.message = error.message;
        return out;
    }
    dwc_plan_info info;
    dwc_plan_info_init(&info);
    EXPECT_EQ(dwc_plan_describe(plan, &info, &error), DWC_OK);
    out.kernel = info.kernel;
    const int64_t Q = p.channels * p.depth_multiplier;
    std::mt19937 random(seed);
    Guarded x(p.batch * p.length * p.channels * bytes_of(p.x_dtype), side);
    Guarded y(p.batch * info.out_length * Q * bytes_of(p.y_dtype), side);
    Guarded w(p.kernel_size * Q * bytes_of(p.w_dtype), side), b(Q * bytes_of(p.w_dtype), side);
    fill(x.as<void>(), p.batch * p.length * p.channels, p.x_dtype, random);
    fill(w.as<void>(), p.kernel_size * Q, p.w_dtype, random);
    fill(b.as<void>(), Q, p.w_dtype, random);
    const auto order = pytorch_order ? DWC_WEIGHTS_PYTORCH : DWC_WEIGHTS_KERAS;
    dwc_weights* weights = nullptr;
    const void* bias = p.has_bias ? b.as<void>() : nullptr;
    out.status = dwc_weights_pack(plan, w.as<void>(), bias, order, &weights, &error);
    std::vector<char> workspace(dwc_plan_workspace_size(plan) + 64);
    dwc_args args;
    dwc_args_init(&args);
    args.x = x.as<void>();
    args.y = y.as<void>();
    args.weights = weights;
    args.workspace = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(workspace.data()) + 63) / 64 * 64);
    if (out.status == DWC_OK) out.status = dwc_plan_execute(plan, &args, &error);
    out.message = error.message;
    out.guards = x.poison_intact() && y.poison_intact() && w.poison_intact() && b.poison_intact();
    std::vector<char> expected(y.size());
    if (out.status == DWC_OK) {
        EXPECT_EQ(dwc_reference(&p, x.as<void>(), w.as<void>(), bias, expected.data(), order,
                                target_has_fma(info.target), &error),
                  DWC_OK)
            << error.message;
    }
    out.same_bits = expected.empty() || std::memcmp(expected.data(), y.as<void>(), y.size()) == 0;
    for (size_t i = 0; i < y.size() / bytes_of(p.y_dtype); ++i) {
        const bool f32 = p.y_dtype == DWC_F32;
        const float a = f32 ? y.as<float>()[i] : from_bf16(y.as<uint16_t>()[i]);
        const float e = f32 ? reinterpret_cast<float*>(expected.data())[i]
                            : from_bf16(reinterpret_cast<uint16_t*>(expected.data())[i]);
        if (!(a == e || (std::isnan(a) && std::isnan(e)))) out.worst = std::fmax(out.worst, std::fabs(a - e));
        if (std::isnan(a) != std::isnan(e)) out.worst = INFINITY;
    }
    out.y.assign(y.as<char>(), y.as<char>() + y.size());
    dwc_weights_destroy(weights);
    dwc_plan_destroy(plan);
    return out;
}

}  // namespace dwc_test
