// Tiles of ncl turned round for kernels of nlc: the transposition itself, and the layouts of memory and shares of work
// that kernels_test.cpp, which runs every kernel on dense problems and one thread, does not meet.
#include <algorithm>

#include "plan_support.hpp"
#include "registry.hpp"
#include "transpose.hpp"

namespace {

using namespace dwc_test;

// Vectors that this CPU has.
std::vector<int> vector_lanes() {
    std::vector<int> lanes;
    for (const dwc::Target& t : dwc::targets())
        if (!t.on_device() && t.supported() && std::find(lanes.begin(), lanes.end(), t.lanes) == lanes.end())
            lanes.push_back(t.lanes);
    return lanes;
}

// Rows longer than what is read of them, between pages that fault.
TEST(Transpose, EverySizeAndNothingElse) {
    for (const int lanes : vector_lanes())
        for (int64_t rows = 1; rows < 36; ++rows)
            for (int64_t columns = 1; columns < 36; ++columns)
                for (const Guarded::Side side : {Guarded::start, Guarded::end}) {
                    const int64_t src_row = columns + rows % 3, dst_row = rows + columns % 4;
                    Guarded from(static_cast<size_t>((rows - 1) * src_row + columns) * sizeof(float), side);
                    Guarded to(static_cast<size_t>((columns - 1) * dst_row + rows) * sizeof(float), side);
                    float *src = from.as<float>(), *dst = to.as<float>();
                    for (int64_t i = 0; i < (rows - 1) * src_row + columns; ++i) src[i] = static_cast<float>(i + 1);
                    std::fill_n(dst, (columns - 1) * dst_row + rows, -1.0f);
                    dwc::transpose(dst, dst_row, src, src_row, rows, columns, lanes);
                    ASSERT_TRUE(to.poison_intact());
                    for (int64_t at = 0; at < (columns - 1) * dst_row + rows; ++at) {
                        const int64_t i = at % dst_row, j = at / dst_row;
                        ASSERT_EQ(dst[at], i < rows ? src[i * src_row + j] : -1.0f)
                            << rows << " x " << columns << " with vectors of " << lanes << ": (" << i << ", " << j
                            << ")";
                    }
                }
}

std::vector<std::string> turning_kernels(const dwc_problem& p, const char* target) {
    std::vector<std::string> all = explain(p, options_with(target)).eligible;
    all.erase(
        std::remove_if(all.begin(), all.end(), [](const std::string& name) { return name.rfind("channels_", 0) != 0; }),
        all.end());
    return all;
}

// Sequences and rows that do not touch, more threads than blocks of channels, lanes of several sequences in a tile and
// a last tile of few, taps that read nothing but padding: every kernel gives the reference's bits and writes nothing
// else.
TEST(Turned, AnyStridesAndThreads) {
    int tried = 0;
    for (const char* text :
         {"f32_ncl_n5_l40_c3_k7_m2_s1_d1_pl3_pr3_bias_relu", "f32_ncl_n7_l9_c13_k4_m1_s1_d2_pl6_pr0_bias_linear",
          "f32_ncl_n61_l12_c3_k5_m1_s1_d1_pl4_pr0_bias_linear", "f32_ncl_n3_l50_c37_k5_m3_s2_d1_pl2_pr2_bias_linear",
          "f32_ncl_n2_l300_c18_k90_m1_s1_d1_pl89_pr0_nobias_linear",
          "f32_ncl_n1_l700_c70_k9_m1_s3_d4_pl20_pr40_bias_linear"})
        for (const int64_t apart : {0, 1, 24}) {
            dwc_problem p = parse(text);
            if (apart) {
                int64_t out = 0;
                ASSERT_EQ(dwc_problem_out_length(&p, &out, nullptr), DWC_OK);
                const int64_t row = p.length + apart, y_row = out + apart;
                const int64_t sequence = p.channels * row + 3, y_sequence = p.channels * p.depth_multiplier * y_row + 5;
                std::copy_n(std::initializer_list<int64_t>{sequence, 1, row}.begin(), 3, p.x_strides);
                std::copy_n(std::initializer_list<int64_t>{y_sequence, 1, y_row}.begin(), 3, p.y_strides);
            }
            const Workload work(p);
            for (const dwc_target_info& target : running_targets())
                for (const std::string& kernel : turning_kernels(p, target.name))
                    for (const int threads : {1, 2, 5}) {
                        const std::vector<char> y = work.run(options_with(target.name, kernel.c_str(), threads));
                        ASSERT_EQ(work.difference(y, work.reference(target.fma)), "") << kernel << ", " << threads;
                        ++tried;
                    }
        }
    const bool x86 = std::string(running_targets()[0].name).rfind("x86", 0) == 0;
    EXPECT_EQ(tried > 500, x86);
}

// Kernels whose vectors have more lanes than there are channels: only where the next sequence's rows follow.
TEST(Turned, SequencesAreMergedWhereTheyTouch) {
    if (vector_lanes()[0] < 8) GTEST_SKIP() << "no vector of more lanes than channels";
    dwc_problem p = parse("f32_ncl_n4_l40_c3_k7_m1_s1_d1_pl3_pr3_bias_linear");
    EXPECT_FALSE(turning_kernels(p, nullptr).empty());
    const int64_t strides[3] = {3 * 40 + 1, 1, 40};
    std::copy_n(strides, 3, p.x_strides);
    EXPECT_TRUE(turning_kernels(p, nullptr).empty());
    p.batch = 1;
    EXPECT_FALSE(turning_kernels(p, nullptr).empty());
    p.stateful = 1, p.pad_left = 6, p.pad_right = 0;
    EXPECT_TRUE(turning_kernels(p, nullptr).empty());
}

// Half and less of the time that tiles along time take, measured: they are chosen.
TEST(Turned, ShortAndStridedRowsAre) {
    if (vector_lanes()[0] < 8) GTEST_SKIP() << "the choice depends on it";
    for (const char* text : {"f32_ncl_n16_l20_c64_k3_m1_s1_d1_pl1_pr1_nobias_linear",
                             "f32_ncl_n1_l40_c192_k31_m1_s1_d1_pl15_pr15_nobias_linear",
                             "f32_ncl_n1_l1000_c64_k9_m1_s4_d1_pl4_pr4_nobias_linear",
                             "f32_ncl_n256_l64_c8_k64_m2_s1_d1_pl0_pr0_nobias_linear"})
        EXPECT_EQ(explain(parse(text), options_with()).chosen.rfind("channels_", 0), 0u) << text;
    for (const char* text : {"f32_ncl_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu",
                             "f32_ncl_n1_l3072_c512_k31_m1_s1_d1_pl15_pr15_bias_linear"})
        EXPECT_EQ(explain(parse(text), options_with()).chosen.rfind("width_", 0), 0u) << text;
}

}  // namespace
