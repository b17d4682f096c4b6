// The reference's order of summation, rounding, special values, activation and bf16, against hand-written values.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "dwconv/dwconv.h"
#include "reference.hpp"
#include "reference_case.hpp"

namespace {

using reference_test::Case;
using reference_test::kInf;
using reference_test::kNan;
using reference_test::shape;

// -------------------------------------------------------------------------------------------- order and rounding

float product_rounded(float a, float b) {
    volatile float product = a * b;  // no contraction, whatever this file's flags
    return product;
}

void check_order(dwc_layout layout, bool fma) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    dwc_problem p = shape(2, 37, 19, 5);
    p.layout = layout;
    p.depth_multiplier = 2;
    p.stride = 2;
    p.pad_left = 3;
    p.pad_right = 2;
    p.has_bias = 1;
    Case a(p);
    a.fill([&] { return normal(random); });
    ASSERT_EQ(a.run(fma), DWC_OK);
    a.expect([&](int64_t n, int64_t t, int64_t q) {
        float sum = a.bias.get(q);
        for (int64_t j = 0; j < p.kernel_size; ++j) {
            const int64_t at = t * p.stride + j - p.pad_left;
            const float x = at >= 0 && at < p.length ? a.x.get(a.x_at(n, at, q / 2)) : 0.0f;
            const float w = a.w.get(a.w_at(j, q));
            sum = fma ? std::fma(x, w, sum) : sum + product_rounded(x, w);
        }
        return sum;
    });
}

TEST(Reference, OrderOfSummationToTheBit) {
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) {
        for (const bool fma : {true, false}) check_order(layout, fma);
    }
}

TEST(Reference, FusedAndUnfusedDiffer) {
    const float x = 1.0f + 0x1p-12f;  // x*x = 1 + 2^-11 + 2^-24: the last bit is lost unless fused
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) {
        dwc_problem p = shape(1, 64, 1, 2);
        p.layout = layout;
        Case a(p);
        a.fill([&] { return x; });
        a.w.set(0, -(1.0f + 0x1p-11f));
        a.x.set(a.x_at(0, 0, 0), 1.0f);
        ASSERT_EQ(a.run(true), DWC_OK);
        EXPECT_EQ(a.y.get(a.y_at(0, 0, 0)), 0x1p-24f);
        ASSERT_EQ(a.run(false), DWC_OK);
        EXPECT_EQ(a.y.get(a.y_at(0, 0, 0)), 0.0f);
    }
}

TEST(Reference, PaddingMultipliesALiteralZero) {
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) {
        dwc_problem p = shape(1, 4, 2, 3);
        p.layout = layout;
        p.pad_left = p.pad_right = 1;
        Case a(p);
        a.fill([] { return 1.0f; });
        a.w.set(a.w_at(0, 0), kInf);  // the first tap of channel 0 falls on padding at t = 0 only
        a.w.set(a.w_at(2, 1), kNan);
        ASSERT_EQ(a.run(), DWC_OK);
        a.expect([&](int64_t, int64_t t, int64_t q) {
            if (q == 1) return kNan;
            return t == 0 ? kNan : kInf;
        });
    }
}

TEST(Reference, NanReachesExactlyTheOutputsThatReadIt) {
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) {
        dwc_problem p = shape(1, 12, 3, 3);
        p.layout = layout;
        p.dilation = 2;
        p.activation = DWC_RELU;
        Case a(p);
        a.fill([] { return 1.0f; });
        a.x.set(a.x_at(0, 5, 1), kNan);
        ASSERT_EQ(a.run(), DWC_OK);
        a.expect([&](int64_t, int64_t t, int64_t q) { return q == 1 && (t == 1 || t == 3 || t == 5) ? kNan : 3.0f; });
    }
}

TEST(Reference, SumsStartAtPlusZero) {
    dwc_problem p = shape(1, 3, 1, 1);
    Case a(p);
    a.fill([] { return 1.0f; });
    a.w.set(0, -0.0f);
    ASSERT_EQ(a.run(), DWC_OK);
    a.expect([](int64_t, int64_t, int64_t) { return 0.0f; });  // 0 + 1 * -0 is +0
    p.has_bias = 1;
    Case b(p);
    b.fill([] { return 1.0f; });
    b.w.set(0, -0.0f);
    b.bias.set(0, -0.0f);
    ASSERT_EQ(b.run(), DWC_OK);
    b.expect([](int64_t, int64_t, int64_t) { return -0.0f; });
}

// ----------------------------------------------------------------------------------------------------- activation

TEST(Reference, ActivationOfTheSum) {
    dwc_problem p = shape(1, 5, 1, 1);
    const float in[5] = {-3.0f, -0.5f, 0.0f, 2.0f, 100.0f};
    const auto run = [&](dwc_activation activation, std::vector<float> params, std::vector<float> want) {
        SCOPED_TRACE(dwc_activation_name(activation));
        p.activation = activation;
        for (size_t i = 0; i < params.size(); ++i) p.activation_params[i] = params[i];
        Case a(p);
        a.w.set(0, 1.0f);
        for (int64_t t = 0; t < 5; ++t) a.x.set(a.x_at(0, t, 0), in[t]);
        ASSERT_EQ(a.run(), DWC_OK);
        a.expect([&](int64_t, int64_t t, int64_t) { return want[static_cast<size_t>(t)]; });
        dwc_problem_init(&p);
        p = shape(1, 5, 1, 1);
    };
    run(DWC_LINEAR, {}, {-3.0f, -0.5f, 0.0f, 2.0f, 100.0f});
    run(DWC_RELU, {}, {0.0f, 0.0f, 0.0f, 2.0f, 100.0f});
    run(DWC_RELU, {0.5f, 50.0f, 1.0f}, {-2.0f, -0.75f, -0.5f, 2.0f, 50.0f});
    run(DWC_RELU6, {}, {0.0f, 0.0f, 0.0f, 2.0f, 6.0f});
    run(DWC_THRESHOLD, {1.0f, -7.0f}, {-7.0f, -7.0f, -7.0f, 2.0f, 100.0f});
    run(DWC_LEAKY_RELU, {0.25f}, {-0.75f, -0.125f, 0.0f, 2.0f, 100.0f});
    run(DWC_SOFTSIGN, {},
        {-0.75f, static_cast<float>(-1.0 / 3), 0.0f, static_cast<float>(2.0 / 3), static_cast<float>(100.0 / 101)});
    std::vector<float> silu;
    for (const float v : in) silu.push_back(static_cast<float>(v / (1 + std::exp(-static_cast<double>(v)))));
    run(DWC_SILU, {}, silu);
}

// ----------------------------------------------------------------------------------------------------------- bf16

TEST(Bf16, RoundsToNearestTiesToEven) {
    const struct {
        uint32_t bits;
        uint16_t want;
    } rows[] = {
        {0x3f800000, 0x3f80},  // 1
        {0x3f807fff, 0x3f80},  // just below the tie
        {0x3f808000, 0x3f80},  // tie, even below
        {0x3f808001, 0x3f81},  // just above the tie
        {0x3f818000, 0x3f82},  // tie, even above
        {0x3f817fff, 0x3f81}, {0xbf818000, 0xbf82}, {0xbf808000, 0xbf80},
        {0x00000000, 0x0000}, {0x80000000, 0x8000},  // -0
        {0x00008000, 0x0000},                        // denormal tie to even zero
        {0x00008001, 0x0001},                        // smallest denormal
        {0x7f7f7fff, 0x7f7f}, {0x7f7f8000, 0x7f80},  // past the largest: infinity
        {0x7f7fffff, 0x7f80}, {0xff7fffff, 0xff80}, {0x7f800000, 0x7f80},
        {0xff800000, 0xff80}, {0x3fffffff, 0x4000},  // carry into the exponent
    };
    for (const auto& row : rows) {
        EXPECT_EQ(dwc::float_to_bf16(std::bit_cast<float>(row.bits)), row.want) << std::hex << row.bits;
    }
    for (const uint32_t nan : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xffffffffu, 0xff80ffffu}) {
        EXPECT_TRUE(std::isnan(dwc::bf16_to_float(dwc::float_to_bf16(std::bit_cast<float>(nan))))) << std::hex << nan;
    }
}

TEST(Bf16, EveryValueSurvivesTheRoundTrip) {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        const float value = dwc::bf16_to_float(static_cast<uint16_t>(bits));
        if (std::isnan(value)) continue;
        ASSERT_EQ(dwc::float_to_bf16(value), bits);
    }
}

TEST(Bf16, SumsAreFloat) {
    dwc_problem p = shape(1, 3, 1, 3);
    p.x_dtype = p.w_dtype = p.y_dtype = DWC_BF16;
    Case a(p);
    a.fill([] { return 1.0f; });
    a.x.set(a.x_at(0, 0, 0), 256.0f);  // 256 + 1 + 1: two steps of half a bf16 unit, lost if rounded on the way
    ASSERT_EQ(a.run(), DWC_OK);
    a.expect([](int64_t, int64_t, int64_t) { return 258.0f; });
}

}  // namespace
