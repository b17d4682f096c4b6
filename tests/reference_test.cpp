// The reference against a computation that shares nothing with it: exact integers in scatter form. And its failures.
#include "reference.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "dwconv/dwconv.h"
#include "reference_case.hpp"

namespace {

using reference_test::Case;
using reference_test::shape;

// ---------------------------------------------------------------------------------------- exact sums, scatter form

// Each element of x is handed to every output it reaches: the formula read from right to left, in integers.
std::vector<int64_t> scatter(const Case& a) {
    const dwc_problem& p = a.p();
    std::vector<int64_t> sums(static_cast<size_t>(p.batch * a.r.out_length * a.r.out_channels));
    const auto at = [&](int64_t n, int64_t t, int64_t q) -> int64_t& {
        return sums[static_cast<size_t>((n * a.r.out_length + t) * a.r.out_channels + q)];
    };
    for (int64_t c = 0; c < p.channels; ++c) {
        for (int64_t m = 0; m < p.depth_multiplier; ++m) {
            const int64_t q = c * p.depth_multiplier + m;
            for (int64_t n = 0; n < p.batch; ++n) {
                for (int64_t t = 0; t < a.r.out_length && p.has_bias; ++t) {
                    at(n, t, q) = static_cast<int64_t>(a.bias.get(q));
                }
                for (int64_t from = 0; from < p.length; ++from) {
                    const auto value = static_cast<int64_t>(a.x.get(a.x_at(n, from, c)));
                    for (int64_t j = 0; j < p.kernel_size; ++j) {
                        const int64_t scaled = from + p.pad_left - j * p.dilation;
                        if (scaled < 0 || scaled % p.stride != 0 || scaled / p.stride >= a.r.out_length) continue;
                        at(n, scaled / p.stride, q) += value * static_cast<int64_t>(a.w.get(a.w_at(j, q)));
                    }
                }
            }
        }
    }
    return sums;
}

void check_exact(Case& a, std::mt19937& random, bool fma) {
    a.fill([&] { return static_cast<float>(static_cast<int>(random() % 17) - 8); });
    const std::vector<int64_t> sums = scatter(a);
    ASSERT_EQ(a.run(fma), DWC_OK);
    a.expect([&](int64_t n, int64_t t, int64_t q) {
        return static_cast<float>(sums[static_cast<size_t>((n * a.r.out_length + t) * a.r.out_channels + q)]);
    });
}

TEST(Reference, ExactOnEveryParameterCorner) {
    std::mt19937 random(1);
    int count = 0;
    for (int bits = 0; bits < 1 << 10; ++bits) {
        const auto pick = [&](int bit, int64_t low, int64_t high) { return (bits >> bit & 1) != 0 ? high : low; };
        dwc_problem p = shape(pick(0, 1, 2), pick(1, 1, 11), pick(2, 1, 5), pick(3, 1, 4));
        p.layout = static_cast<dwc_layout>(pick(4, DWC_NLC, DWC_NCL));
        p.depth_multiplier = pick(5, 1, 3);
        p.stride = pick(6, 1, 3);
        p.dilation = pick(7, 1, 2);
        p.pad_left = pick(8, 0, 7);  // 7: whole outputs of padding
        p.pad_right = pick(9, 0, 9);
        p.has_bias = bits % 3 == 0;
        if (dwc_problem_validate(&p, nullptr) == DWC_ERROR_OUT_LENGTH) continue;
        Case a(p, static_cast<dwc_weights_order>(bits % 2));
        check_exact(a, random, bits % 5 != 0);
        if (HasFatalFailure()) return;
        ++count;
    }
    EXPECT_GT(count, 800);
}

TEST(Reference, ExactOnRandomProblems) {
    constexpr uint32_t kSeed = 42;
    SCOPED_TRACE(testing::Message() << "seed " << kSeed);
    std::mt19937 random(kSeed);
    const auto below = [&](int64_t bound) { return static_cast<int64_t>(random() % static_cast<uint32_t>(bound)); };
    int count = 0;
    for (int i = 0; i < 3000; ++i) {
        dwc_problem p = shape(below(3), below(30), below(9), 1 + below(8));
        p.layout = static_cast<dwc_layout>(below(2));
        p.depth_multiplier = 1 + below(4);
        p.stride = 1 + below(5);
        p.dilation = 1 + below(5);
        p.pad_left = below(20);
        p.pad_right = below(20);
        p.has_bias = static_cast<int32_t>(below(2));
        p.x_dtype = static_cast<dwc_dtype>(below(2));
        p.w_dtype = static_cast<dwc_dtype>(below(2));
        p.y_dtype = static_cast<dwc_dtype>(below(2));
        int64_t out_length = 0;
        if (dwc_problem_out_length(&p, &out_length, nullptr) != DWC_OK) continue;
        const bool nlc = p.layout == DWC_NLC;
        if (below(2) == 0) {  // slices of something wider
            const int64_t row = (nlc ? p.channels : p.length) + below(4);
            p.x_strides[0] = row * (nlc ? p.length : p.channels) + below(4);
            p.x_strides[1] = nlc ? row : 1;
            p.x_strides[2] = nlc ? 1 : row;
        }
        if (below(2) == 0) {
            const int64_t channels = p.channels * p.depth_multiplier;
            const int64_t row = (nlc ? channels : out_length) + below(4);
            p.y_strides[0] = row * (nlc ? out_length : channels) + below(4);
            p.y_strides[1] = nlc ? row : 1;
            p.y_strides[2] = nlc ? 1 : row;
        }
        Case a(p, static_cast<dwc_weights_order>(below(2)));
        check_exact(a, random, below(2) == 0);
        if (HasFatalFailure()) return;
        ++count;
    }
    EXPECT_GT(count, 2000);
}

TEST(Reference, BroadcastAndOverlappingInput) {
    std::mt19937 random(3);
    dwc_problem p = shape(3, 9, 4, 2);
    p.x_strides[0] = 0, p.x_strides[1] = 1, p.x_strides[2] = 1;  // every batch entry the same; time overlaps channels
    Case a(p);
    check_exact(a, random, true);
}

TEST(Reference, TheCheckBites) {
    std::mt19937 random(4);
    dwc_problem p = shape(1, 9, 4, 3);
    Case a(p);
    a.fill([&] { return static_cast<float>(static_cast<int>(random() % 17) - 8); });
    ASSERT_EQ(a.run(), DWC_OK);
    std::vector<int64_t> sums = scatter(a);
    for (int64_t q = 0; q < 4; ++q) EXPECT_EQ(a.y.get(a.y_at(0, 2, q)), sums[static_cast<size_t>(2 * 4 + q)]);
    a.w.set(a.w_at(1, 2), a.w.get(a.w_at(1, 2)) + 1);  // one weight off by one
    EXPECT_NE(scatter(a), sums);
}

// --------------------------------------------------------------------------------------------------------- failures

TEST(Reference, EmptyOutputsTouchNothing) {
    dwc_problem p = shape(0, 5, 3, 2);
    EXPECT_EQ(dwc_reference(&p, nullptr, nullptr, nullptr, nullptr, DWC_WEIGHTS_KERAS, 1, nullptr), DWC_OK);
    p = shape(2, 0, 3, 2);
    EXPECT_EQ(dwc_reference(&p, nullptr, nullptr, nullptr, nullptr, DWC_WEIGHTS_KERAS, 1, nullptr), DWC_OK);
    p = shape(2, 5, 0, 2);
    EXPECT_EQ(dwc_reference(&p, nullptr, nullptr, nullptr, nullptr, DWC_WEIGHTS_KERAS, 1, nullptr), DWC_OK);
}

TEST(Reference, NothingButPadding) {
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) {
        dwc_problem p = shape(1, 0, 2, 3);
        p.layout = layout;
        p.pad_left = 4;
        p.has_bias = 1;
        const float w[6] = {1, 2, 3, 4, 5, 6}, bias[2] = {7, 8};
        float y[4] = {};
        ASSERT_EQ(dwc_reference(&p, nullptr, w, bias, y, DWC_WEIGHTS_KERAS, 1, nullptr), DWC_OK);
        const std::vector<float> want =
            layout == DWC_NLC ? std::vector<float>{7, 8, 7, 8} : std::vector<float>{7, 7, 8, 8};
        EXPECT_EQ(std::vector<float>(y, y + 4), want);
    }
}

TEST(Reference, RefusesBadArguments) {
    dwc_problem p = shape(1, 4, 1, 2);
    float memory[16] = {}, w[2] = {}, bias[1] = {};
    float *x = memory, *y = memory + 8;
    const auto run = [&](const float* x_, const float* w_, const float* bias_, float* y_, int order = 0) {
        return dwc_reference(&p, x_, w_, bias_, y_, static_cast<dwc_weights_order>(order), 1, nullptr);
    };
    EXPECT_EQ(run(x, w, nullptr, y), DWC_OK);
    EXPECT_EQ(run(nullptr, w, nullptr, y), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(run(x, nullptr, nullptr, y), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(run(x, w, nullptr, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(run(x, w, bias, y), DWC_ERROR_BIAS);
    EXPECT_EQ(run(x, w, nullptr, y, 2), DWC_ERROR_LAYOUT);
    EXPECT_EQ(run(x, w, nullptr, x), DWC_ERROR_ALIAS);
    EXPECT_EQ(run(x, w, nullptr, x + 3), DWC_ERROR_ALIAS);
    EXPECT_EQ(run(x + 2, w, nullptr, x), DWC_ERROR_ALIAS);
    EXPECT_EQ(run(x, w, nullptr, x + 4), DWC_OK);  // side by side
    EXPECT_EQ(run(x + 3, w, nullptr, x), DWC_OK);
    p.has_bias = 1;
    EXPECT_EQ(run(x, w, nullptr, y), DWC_ERROR_BIAS);
    EXPECT_EQ(run(x, w, bias, y), DWC_OK);
    p.stride = 0;
    EXPECT_EQ(run(x, w, bias, y), DWC_ERROR_STRIDE);
    EXPECT_EQ(dwc_reference(nullptr, x, w, bias, y, DWC_WEIGHTS_KERAS, 1, nullptr), DWC_ERROR_NULL_POINTER);
}

TEST(Reference, SaysWhenMemoryRunsOut) {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "the sanitizer's allocator ends the program instead";
#endif
    dwc_problem p = shape(1, 0, 1, int64_t{1} << 55);  // weights of 2^57 bytes: valid, and nowhere to copy them
    p.pad_left = int64_t{1} << 55;
    const float w = 0;
    float y = 0;
    EXPECT_EQ(dwc_reference(&p, nullptr, &w, nullptr, &y, DWC_WEIGHTS_KERAS, 1, nullptr), DWC_ERROR_OUT_OF_MEMORY);
}

}  // namespace
