// Kernels that compute the ends of padded rows themselves (generators/row_ends.hpp): bits of a kernel that finds the
// same row with its zeros in memory, and no touch of what lies outside the row.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "halide_glue.hpp"
#include "registry.hpp"
#include "space.hpp"

namespace {

// One page of floats between two that nobody may touch.
class Page {
   public:
    Page() : bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
        void* memory = mmap(nullptr, 3 * bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        base_ = static_cast<char*>(memory);
        if (mprotect(base_ + bytes_, bytes_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    }
    ~Page() { munmap(base_, 3 * bytes_); }
    Page(const Page&) = delete;
    float* data() const { return reinterpret_cast<float*>(base_ + bytes_); }
    int64_t size() const { return static_cast<int64_t>(bytes_ / sizeof(float)); }

   private:
    size_t bytes_;
    char* base_;
};

std::vector<const dwc::ConvKernel*> kernels(dwc::Family family) {
    std::vector<const dwc::ConvKernel*> all;
    for (const dwc::ConvKernel& k : dwc::conv_kernels())
        if (dwc::targets()[k.target].supported() && k.ends() && k.family == family) all.push_back(&k);
    return all;
}

void fill(std::vector<float>* values) {
    std::mt19937 random(1);
    for (float& f : *values) f = std::uniform_real_distribution<float>(-1, 1)(random);
}

class RowEnds : public testing::Test {
   protected:
    void SetUp() override {
        if (kernels(dwc::Family::width).empty()) GTEST_SKIP() << "no kernel of this CPU computes the ends of rows";
        fill(&row_);
        fill(&weights_);
    }

    // One row of `outputs` outputs, of `taps` taps `apart` apart, the first of which reads position 0. The row of
    // `length` elements begins at position `first`.
    std::vector<float> run(const dwc::ConvKernel& kernel, float* x, int64_t first, int64_t length, int64_t outputs,
                           int64_t taps, int64_t apart) {
        std::vector<int32_t> offsets;
        for (int64_t k = 0; k < taps; ++k) offsets.push_back(static_cast<int32_t>(k * apart));
        const float parameters[3] = {-0.5f, 0.5f, 0};
        std::vector<float> y(static_cast<size_t>(outputs));
        dwc::ConvCall call;
        call.x = {x, {{length, 1}, {1, length}, {1, 0}}};
        call.w = {weights_.data(), {{1, taps}, {1, taps}, {taps, 1}}};
        call.b = {weights_.data(), {{1, 1}, {1, 1}}};
        call.y = {y.data(), {{1, outputs}, {outputs, 1}, {1, outputs}, {1, 0}}};
        call.taps = offsets.data();
        call.tap_count = kernel.k ? 0 : static_cast<int32_t>(taps);
        call.max_tap = offsets.back();
        call.step = static_cast<int32_t>(apart);
        call.x_first[0] = first;
        call.parameters = parameters;
        dwc::KernelError error;
        code_ = dwc::call_conv(kernel, call, dwc::Form::plain, error);
        return y;
    }

    // The row lies at the end of its page, or at the start.
    void compare(const dwc::ConvKernel& kernel, bool at_end, int64_t first, int64_t length, int64_t outputs,
                 int64_t taps, int64_t apart) {
        const int64_t reach = outputs + (taps - 1) * apart;
        float* x = page_.data() + (at_end ? page_.size() - length : 0);
        std::memcpy(x, row_.data(), static_cast<size_t>(length) * sizeof(float));
        std::vector<float> extended(static_cast<size_t>(reach), 0.0f);
        for (int64_t i = 0; i < length; ++i)
            if (first + i >= 0 && first + i < reach) extended[static_cast<size_t>(first + i)] = x[i];
        const auto is = run(kernel, x, first, length, outputs, taps, apart);
        EXPECT_EQ(code_, 0) << kernel.name;
        const auto should = run(kernel, extended.data(), 0, reach, outputs, taps, apart);
        EXPECT_EQ(code_, 0) << kernel.name;
        EXPECT_EQ(std::memcmp(is.data(), should.data(), is.size() * sizeof(float)), 0)
            << kernel.name << ": " << length << " elements from " << first << " on, " << outputs << " outputs, " << taps
            << " taps " << apart << " apart";
    }

    int code_ = 0;  // of the last run
    Page page_;
    std::vector<float> row_ = std::vector<float>(1024), weights_ = std::vector<float>(1024);
};

TEST_F(RowEnds, AreThoseOfARowWithItsZerosInMemory) {
    for (const dwc::ConvKernel* k : kernels(dwc::Family::width)) {
        const int64_t tile = int64_t{k->v} * k->t;
        for (const int64_t taps : k->k ? std::vector<int64_t>{k->k} : std::vector<int64_t>{1, 2, 9, 40})
            for (const int64_t apart : {1, 2, 3, 11})
                for (const int64_t outputs : {tile, tile + 1, 2 * tile - 1, 3 * tile, 4 * tile + 5})
                    for (const bool at_end : {false, true}) {
                        const int64_t reach = outputs + (taps - 1) * apart;
                        const auto length = std::min<int64_t>(reach, page_.size());
                        // Causal, same, valid, beginning and ending inside, and more padding than row.
                        for (const int64_t first : {reach - length, (taps - 1) * apart, (taps - 1) * apart / 2})
                            compare(*k, at_end, first, std::min(length, reach - first), outputs, taps, apart);
                        compare(*k, at_end, -7, length, outputs, taps, apart);
                        compare(*k, at_end, tile / 2 + 1, 3, outputs, taps, apart);
                        compare(*k, at_end, 0, 1, outputs, taps, apart);
                        compare(*k, at_end, reach, 5, outputs, taps, apart);
                    }
    }
}

TEST_F(RowEnds, AsFarAsTheLongestReach) {
    for (const dwc::ConvKernel* k : kernels(dwc::Family::width)) {
        const int64_t tile = int64_t{k->v} * k->t, taps = k->k ? k->k : 2;
        const int64_t apart = taps > 1 ? dwc::max_reach_of_ends / (taps - 1) : 1;
        compare(*k, true, (taps - 1) * apart, tile, tile + 3, taps, apart);
        compare(*k, false, 3, 20, tile, taps, apart);
    }
}

// A kernel of any K copies ends to a place of fixed size.
TEST_F(RowEnds, OfALongerReachAreRefused) {
    const int64_t taps = 2, apart = dwc::max_reach_of_ends + 1;
    for (const dwc::ConvKernel* k : kernels(dwc::Family::width)) {
        if (k->k) continue;
        const int64_t tile = int64_t{k->v} * k->t;
        run(*k, row_.data(), apart, tile, tile, taps, apart);
        EXPECT_NE(code_, 0) << k->name;
        run(*k, row_.data(), 0, tile + apart, tile, taps, apart);
        EXPECT_EQ(code_, 0) << k->name << ", with the whole row in memory";
    }
}

// Family channels: steps of time instead of elements of a row.
class StepEnds : public testing::Test {
   protected:
    void SetUp() override {
        if (kernels(dwc::Family::channels).empty()) GTEST_SKIP() << "no kernel of this CPU computes the ends of rows";
        fill(&steps_);
        fill(&weights_);
    }

    struct Case {
        const dwc::ConvKernel& kernel;
        int64_t channels, taps, stride, outputs, first, length;

        int64_t reach() const { return (outputs - 1) * stride + taps; }
    };

    std::vector<float> run(const Case& c, float* x, int64_t first, int64_t length) {
        const int64_t C = c.channels, M = c.kernel.m;
        const float parameters[3] = {-0.5f, 0.5f, 0};
        std::vector<float> y(static_cast<size_t>(c.outputs * C * M));
        dwc::ConvCall call;
        call.x = {x, {{C, 1}, {length, C}, {1, 0}}};
        call.w = {weights_.data(), {{M, C}, {C, 1}, {c.taps, M * C}}};
        call.b = {weights_.data(), {{M, C}, {C, 1}}};
        call.y = {y.data(), {{M, 1}, {C, M}, {c.outputs, M * C}, {1, 0}}};
        call.step = static_cast<int32_t>(c.stride);
        call.x_first[1] = first;
        call.parameters = parameters;
        dwc::KernelError error;
        EXPECT_EQ(dwc::call_conv(c.kernel, call, dwc::Form::plain, error), 0) << c.kernel.name << ": " << error.message;
        return y;
    }

    void compare(const Case& c) {
        for (const bool at_end : {false, true}) {
            float* x = page_.data() + (at_end ? page_.size() - c.length * c.channels : 0);
            std::memcpy(x, steps_.data(), static_cast<size_t>(c.length * c.channels) * sizeof(float));
            std::vector<float> extended(static_cast<size_t>(c.reach() * c.channels), 0.0f);
            for (int64_t t = 0; t < c.length; ++t)
                if (c.first + t >= 0 && c.first + t < c.reach())
                    std::memcpy(&extended[static_cast<size_t>((c.first + t) * c.channels)], x + t * c.channels,
                                static_cast<size_t>(c.channels) * sizeof(float));
            const auto is = run(c, x, c.first, c.length), should = run(c, extended.data(), 0, c.reach());
            EXPECT_EQ(std::memcmp(is.data(), should.data(), is.size() * sizeof(float)), 0)
                << c.kernel.name << ": " << c.length << " steps from " << c.first << " on, " << c.outputs
                << " outputs, " << c.taps << " taps, stride " << c.stride << ", " << c.channels << " channels";
        }
    }

    Page page_;
    std::vector<float> steps_ = std::vector<float>(1024), weights_ = std::vector<float>(8192);
};

TEST_F(StepEnds, AreThoseOfStepsWithTheirZerosInMemory) {
    for (const dwc::ConvKernel* k : kernels(dwc::Family::channels))
        for (const int64_t taps : k->k ? std::vector<int64_t>{k->k} : std::vector<int64_t>{1, 3, 9})
            for (const int64_t stride : k->stride ? std::vector<int64_t>{k->stride} : std::vector<int64_t>{1, 3})
                for (const int64_t channels : {k->v, k->v + 3})
                    for (const int64_t outputs : {k->t, k->t + 1, 2 * k->t - 1, 3 * k->t}) {
                        Case c{*k, channels, taps, stride, outputs, 0, 0};
                        const int64_t most = page_.size() / channels;
                        for (const int64_t first : {int64_t{0}, taps - 1, taps / 2, c.reach() / 2, c.reach() - 1}) {
                            c.first = first;
                            c.length = std::min(most, c.reach() - first);
                            compare(c);
                            c.length = 1;
                            compare(c);
                        }
                        c.first = -2, c.length = std::min(most, c.reach() + 1);
                        compare(c);
                    }
}

}  // namespace
