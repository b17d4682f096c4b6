// Problems: validation names field, value and rule; padding as in Keras.
#include "problem.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <string>

#include "dwconv/dwconv.h"
#include "error.hpp"
#include "problem_case.hpp"

namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
constexpr float kInf = std::numeric_limits<float>::infinity();

using dwc_test::format;
using dwc_test::some_problem;

// ------------------------------------------------------------------------------------------------------- statuses

TEST(Status, EveryConstantHasItsOwnName) {
    std::set<std::string> names;
    for (int i = DWC_OK; i <= DWC_ERROR_ALIGNMENT; ++i) names.insert(dwc_status_string(static_cast<dwc_status>(i)));
    EXPECT_EQ(names.size(), size_t{DWC_ERROR_ALIGNMENT + 1});
    EXPECT_EQ(names.count("DWC_ERROR_UNKNOWN"), 0u);
    EXPECT_STREQ(dwc_status_string(DWC_ERROR_STRIDE), "DWC_ERROR_STRIDE");
    EXPECT_STREQ(dwc_status_string(static_cast<dwc_status>(DWC_ERROR_ALIGNMENT + 1)), "DWC_ERROR_UNKNOWN");
    EXPECT_STREQ(dwc_status_string(static_cast<dwc_status>(-1)), "DWC_ERROR_UNKNOWN");
}

TEST(Status, VersionIsThatOfTheHeader) {
    EXPECT_EQ(std::string(dwc_version()), std::to_string(DWC_VERSION_MAJOR) + "." + std::to_string(DWC_VERSION_MINOR) +
                                              "." + std::to_string(DWC_VERSION_PATCH));
}

TEST(Status, MessagesAreCutToFitAndStayPrintable) {
    struct {
        dwc_error error;
        char guard[16];
    } place;
    std::memset(&place, 0x5a, sizeof place);
    EXPECT_EQ(dwc::fail(&place.error, DWC_ERROR_PARSE, "%s", std::string(2000, 'x').c_str()), DWC_ERROR_PARSE);
    EXPECT_EQ(std::strlen(place.error.message), sizeof place.error.message - 1);
    for (const char c : place.guard) EXPECT_EQ(c, 0x5a);
    dwc::fail(&place.error, DWC_ERROR_PARSE, "a\nb\x1b[0m\x7f");
    EXPECT_STREQ(place.error.message, "a?b?[0m?");
    EXPECT_EQ(dwc::fail(nullptr, DWC_ERROR_ALIAS, "nobody listens"), DWC_ERROR_ALIAS);
}

// ----------------------------------------------------------------------------------------------------- validation

struct Fault {
    const char* name;
    void (*break_it)(dwc_problem&);
    dwc_status status;
    const char* says;  // part of the message
};

constexpr Fault kFaults[] = {
    {"StructSizeSmall", [](auto& p) { --p.struct_size; }, DWC_ERROR_STRUCT_SIZE, "struct_size="},
    {"StructSizeLarge", [](auto& p) { p.struct_size += 8; }, DWC_ERROR_STRUCT_SIZE, "struct_size="},
    {"StructSizeZero", [](auto& p) { p.struct_size = 0; }, DWC_ERROR_STRUCT_SIZE, "struct_size=0"},
    {"XDtype", [](auto& p) { p.x_dtype = static_cast<dwc_dtype>(2); }, DWC_ERROR_DTYPE, "x_dtype=2"},
    {"WDtype", [](auto& p) { p.w_dtype = static_cast<dwc_dtype>(-1); }, DWC_ERROR_DTYPE, "w_dtype=-1"},
    {"YDtype", [](auto& p) { p.y_dtype = static_cast<dwc_dtype>(77); }, DWC_ERROR_DTYPE, "y_dtype=77"},
    {"Layout", [](auto& p) { p.layout = static_cast<dwc_layout>(2); }, DWC_ERROR_LAYOUT, "layout=2"},
    {"Batch", [](auto& p) { p.batch = -1; }, DWC_ERROR_BATCH, "batch=-1: must be at least 0"},
    {"Length", [](auto& p) { p.length = -5; }, DWC_ERROR_LENGTH, "length=-5: must be at least 0"},
    {"Channels", [](auto& p) { p.channels = -1; }, DWC_ERROR_CHANNELS, "channels=-1: must be at least 0"},
    {"KernelSize", [](auto& p) { p.kernel_size = 0; }, DWC_ERROR_KERNEL_SIZE, "kernel_size=0: must be at least 1"},
    {"DepthMultiplier", [](auto& p) { p.depth_multiplier = 0; }, DWC_ERROR_DEPTH_MULTIPLIER, "depth_multiplier=0"},
    {"Stride", [](auto& p) { p.stride = 0; }, DWC_ERROR_STRIDE, "stride=0: must be at least 1"},
    {"Dilation", [](auto& p) { p.dilation = -3; }, DWC_ERROR_DILATION, "dilation=-3: must be at least 1"},
    {"PadLeft", [](auto& p) { p.pad_left = -1; }, DWC_ERROR_PADDING, "pad_left=-1"},
    {"PadRight", [](auto& p) { p.pad_right = -2; }, DWC_ERROR_PADDING, "pad_right=-2"},
    {"OutLength", [](auto& p) { p.length = 2; }, DWC_ERROR_OUT_LENGTH,
     "computed output length would be zero or negative: length=2"},
    {"OutLengthDilated", [](auto& p) { p.dilation = 5; }, DWC_ERROR_OUT_LENGTH, "effective kernel of 11"},
    {"Activation", [](auto& p) { p.activation = DWC_ACTIVATION_COUNT; }, DWC_ERROR_ACTIVATION, "activation=27"},
    {"ActivationNegative", [](auto& p) { p.activation = static_cast<dwc_activation>(-1); }, DWC_ERROR_ACTIVATION,
     "activation=-1"},
    {"ActivationParam",
     [](auto& p) {
         p.activation = DWC_CELU;
         p.activation_params[0] = 0;
     },
     DWC_ERROR_ACTIVATION, "alpha"},
    {"ActivationParamMissing", [](auto& p) { p.activation = DWC_THRESHOLD; }, DWC_ERROR_ACTIVATION, "threshold"},
    {"StridesNegative", [](auto& p) { p.x_strides[0] = -30, p.x_strides[1] = 3, p.x_strides[2] = 1; },
     DWC_ERROR_STRIDES, "x_strides[0]=-30"},
    {"StridesInner", [](auto& p) { p.x_strides[0] = 60, p.x_strides[1] = 6, p.x_strides[2] = 2; }, DWC_ERROR_STRIDES,
     "x_strides[2]=2: the channel stride must be 1 in layout nlc"},
    {"StridesInnerNcl",
     [](auto& p) {
         p.layout = DWC_NCL;
         p.y_strides[0] = 24, p.y_strides[1] = 3, p.y_strides[2] = 1;
     },
     DWC_ERROR_STRIDES, "y_strides[1]=3: the time stride must be 1 in layout ncl"},
    {"YOverlapTime", [](auto& p) { p.y_strides[0] = 24, p.y_strides[1] = 2, p.y_strides[2] = 1; }, DWC_ERROR_STRIDES,
     "y_strides=24.2.1"},
    {"YOverlapBatch", [](auto& p) { p.y_strides[0] = 23, p.y_strides[1] = 3, p.y_strides[2] = 1; }, DWC_ERROR_STRIDES,
     "overlap"},
    {"YBroadcast", [](auto& p) { p.y_strides[0] = 0, p.y_strides[1] = 3, p.y_strides[2] = 1; }, DWC_ERROR_STRIDES,
     "overlap"},
    {"OverflowKernel", [](auto& p) { p.kernel_size = p.dilation = int64_t{1} << 40; }, DWC_ERROR_OVERFLOW, "dilation"},
    {"OverflowPads", [](auto& p) { p.pad_left = p.pad_right = kHuge / 2 + 1; }, DWC_ERROR_OVERFLOW, "pad_left"},
    {"OverflowX", [](auto& p) { p.channels = int64_t{1} << 58; }, DWC_ERROR_OVERFLOW, "bytes of x"},
    {"OverflowY", [](auto& p) { p.pad_left = int64_t{1} << 60; }, DWC_ERROR_OVERFLOW, "bytes of y"},
    {"OverflowMultiplier", [](auto& p) { p.depth_multiplier = kHuge; }, DWC_ERROR_OVERFLOW, "output channels"},
    {"OverflowSpan", [](auto& p) { p.x_strides[0] = kHuge, p.x_strides[1] = 3, p.x_strides[2] = 1; },
     DWC_ERROR_OVERFLOW, "x_strides"},
    {"OverflowWeights",
     [](auto& p) {
         p.batch = 0;
         p.channels = 1;
         p.kernel_size = kHuge / 2;
         p.pad_left = kHuge / 2;
     },
     DWC_ERROR_OVERFLOW, "bytes of w"},
    {"Stateful", [](auto& p) { p.stateful = 1, p.pad_left += 1; }, DWC_ERROR_STATE, "stateful=1"},
};

class Faults : public testing::TestWithParam<Fault> {};

TEST_P(Faults, IsNamed) {
    dwc_problem p = some_problem();
    ASSERT_EQ(dwc_problem_validate(&p, nullptr), DWC_OK);
    GetParam().break_it(p);
    dwc_error error{};
    EXPECT_EQ(dwc_problem_validate(&p, &error), GetParam().status) << error.message;
    EXPECT_EQ(error.status, GetParam().status);
    EXPECT_NE(std::string(error.message).find(GetParam().says), std::string::npos) << error.message;
    // The other entrances judge alike, and leave their results untouched.
    int64_t out_length = 12345;
    EXPECT_EQ(dwc_problem_out_length(&p, &out_length, nullptr), GetParam().status);
    EXPECT_EQ(out_length, 12345);
    char text[8] = "before";
    EXPECT_EQ(dwc_problem_format(&p, text, sizeof text, nullptr), GetParam().status);
    EXPECT_STREQ(text, "before");
}

INSTANTIATE_TEST_SUITE_P(Problem, Faults, testing::ValuesIn(kFaults),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Problem, NullPointers) {
    dwc_problem p = some_problem();
    int64_t out_length = 0;
    char text[256];
    EXPECT_EQ(dwc_problem_validate(nullptr, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_problem_out_length(nullptr, &out_length, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_problem_out_length(&p, nullptr, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_problem_pad_same(nullptr, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_problem_format(nullptr, text, sizeof text, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_problem_format(&p, nullptr, 0, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_problem_parse(nullptr, &p, nullptr), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_problem_parse("f32", nullptr, nullptr), DWC_ERROR_NULL_POINTER);
    dwc_problem_init(nullptr);
}

std::string show(const dwc::Strides& s) {
    return std::to_string(s.n) + "." + std::to_string(s.t) + "." + std::to_string(s.c);
}

TEST(Problem, ResolvesEverythingOnce) {
    dwc_problem p = some_problem();
    p.layout = DWC_NCL;
    p.depth_multiplier = 2;
    p.stride = 2;
    p.dilation = 2;
    p.pad_left = 1;
    p.has_bias = 7;
    p.w_dtype = DWC_BF16;
    p.activation = DWC_RELU;
    dwc::Problem r;
    ASSERT_EQ(dwc::resolve(&p, &r, nullptr), DWC_OK);
    EXPECT_EQ(r.effective_kernel, 5);
    EXPECT_EQ(r.out_length, 4);  // floor((10 + 1 - 5) / 2) + 1
    EXPECT_EQ(r.out_channels, 6);
    EXPECT_EQ(show(r.x), "30.1.10");
    EXPECT_EQ(show(r.y), "24.1.4");
    EXPECT_EQ(r.x_span, 60);
    EXPECT_EQ(r.y_span, 48);
    EXPECT_EQ(r.flops, 2 * 2 * 4 * 6 * 3);
    EXPECT_EQ(r.bytes, 60 * 4 + 48 * 4 + 18 * 2 + 6 * 2);
    EXPECT_EQ(r.given.has_bias, 1);
    EXPECT_EQ(r.given.activation_params[0], 0.0f);
    EXPECT_EQ(r.given.activation_params[1], kInf);  // not 0: a relu with max_value 0 would be silence
    EXPECT_FALSE(r.empty_output());
}

TEST(Problem, StridesThatAreFine) {
    dwc_problem p = some_problem();  // x (2, 10, 3), y (2, 8, 3)
    dwc::Problem r;
    const auto accepts = [&](int64_t xn, int64_t xt, int64_t yn, int64_t yt) {
        p.x_strides[0] = xn, p.x_strides[1] = xt, p.x_strides[2] = 1;
        p.y_strides[0] = yn, p.y_strides[1] = yt, p.y_strides[2] = 1;
        dwc_error error{};
        EXPECT_EQ(dwc::resolve(&p, &r, &error), DWC_OK) << error.message;
    };
    accepts(0, 3, 24, 3);  // one row of x for every batch entry
    EXPECT_EQ(r.x_span, 30);
    accepts(30, 1, 100, 7);  // x windows overlap; y is a slice of something wider
    EXPECT_EQ(r.y_span, 100 + 7 * 7 + 3);
    accepts(30, 0, 3, 6);  // y: batch interleaved inside time
    accepts(30, 3, 24, 3);
    EXPECT_EQ(r.given.x_strides[0], 0);  // dense, spelled out: canonical form says nothing
    EXPECT_EQ(r.given.y_strides[1], 0);
}

TEST(Problem, EmptyOnes) {
    dwc_problem p = some_problem();
    dwc::Problem r;
    p.batch = 0;
    ASSERT_EQ(dwc::resolve(&p, &r, nullptr), DWC_OK);
    EXPECT_EQ(r.out_length, 8);
    EXPECT_TRUE(r.empty_output());
    p = some_problem();
    p.channels = 0;
    ASSERT_EQ(dwc::resolve(&p, &r, nullptr), DWC_OK);
    EXPECT_TRUE(r.empty_output());
    EXPECT_EQ(r.x_span, 0);
    p = some_problem();
    p.length = 0;
    ASSERT_EQ(dwc::resolve(&p, &r, nullptr), DWC_OK);
    EXPECT_EQ(r.out_length, 0);
    p.pad_left = 4;  // nothing but padding: rows of bias
    ASSERT_EQ(dwc::resolve(&p, &r, nullptr), DWC_OK);
    EXPECT_EQ(r.out_length, 2);
    EXPECT_FALSE(r.empty_output());
}

TEST(Problem, LargestSizesThatFit) {
    dwc_problem p = some_problem();
    p.batch = 1;
    p.kernel_size = 1;
    p.channels = 1;
    p.length = (int64_t{1} << 59);  // x and y of 2^61 bytes each
    EXPECT_EQ(dwc_problem_validate(&p, nullptr), DWC_OK);
    p.length = (int64_t{1} << 60);  // each fits, both together do not
    EXPECT_EQ(dwc_problem_validate(&p, nullptr), DWC_ERROR_OVERFLOW);
}

// -------------------------------------------------------------------------------------------------------- padding

struct Padding {
    int64_t length, kernel_size, stride, dilation, effective;
    int64_t same, left, right;
    int64_t valid;  // 0: an error
};

// Computed by an independent exact loop; the rule is that of TensorFlow, JAX and torch behind Keras 3.
constexpr Padding kPaddings[] = {
    {7, 3, 1, 1, 3, 7, 1, 1, 5},  {5, 2, 3, 1, 2, 2, 0, 0, 2},     {7, 4, 1, 1, 4, 7, 1, 2, 4},
    {12, 2, 5, 1, 2, 3, 0, 0, 3}, {7, 2, 1, 1, 2, 7, 0, 1, 6},     {1, 3, 2, 1, 3, 1, 1, 1, 0},
    {8, 3, 2, 1, 3, 4, 0, 1, 3},  {4, 7, 1, 1, 7, 4, 3, 3, 0},     {7, 3, 2, 1, 3, 4, 1, 1, 3},
    {7, 4, 2, 3, 10, 4, 4, 5, 0}, {8, 4, 2, 1, 4, 4, 1, 1, 3},     {6, 1, 4, 1, 1, 2, 0, 0, 2},
    {13, 6, 5, 1, 6, 3, 1, 2, 2}, {100, 5, 3, 1, 5, 34, 2, 2, 32}, {10, 2, 2, 2, 3, 5, 0, 1, 4},
    {2, 3, 1, 4, 9, 2, 4, 4, 0},  {10, 11, 5, 1, 11, 2, 3, 3, 0},  {12, 7, 1, 2, 13, 12, 6, 6, 0},
};

TEST(Padding, SameAndValidAsInKeras) {
    for (const Padding& row : kPaddings) {
        SCOPED_TRACE(testing::Message() << row.length << "," << row.kernel_size << "," << row.stride << ","
                                        << row.dilation);
        dwc_problem p = some_problem();
        p.length = row.length;
        p.kernel_size = row.kernel_size;
        p.stride = row.stride;
        p.dilation = row.dilation;
        int64_t out_length = -1;
        EXPECT_EQ(dwc_problem_out_length(&p, &out_length, nullptr), row.valid == 0 ? DWC_ERROR_OUT_LENGTH : DWC_OK);
        EXPECT_EQ(out_length, row.valid == 0 ? -1 : row.valid);
        p.pad_left = 99;  // what was there does not matter
        ASSERT_EQ(dwc_problem_pad_same(&p, nullptr), DWC_OK);
        EXPECT_EQ(p.pad_left, row.left);
        EXPECT_EQ(p.pad_right, row.right);
        dwc::Problem r;
        ASSERT_EQ(dwc::resolve(&p, &r, nullptr), DWC_OK);
        EXPECT_EQ(r.out_length, row.same);
        EXPECT_EQ(r.effective_kernel, row.effective);
    }
}

TEST(Padding, SameGivesCeilOfLengthOverStride) {
    dwc_problem p = some_problem();
    for (p.length = 0; p.length < 40; ++p.length) {
        for (p.kernel_size = 1; p.kernel_size < 10; ++p.kernel_size) {
            for (p.stride = 1; p.stride < 7; ++p.stride) {
                for (p.dilation = 1; p.dilation < 4; ++p.dilation) {
                    ASSERT_EQ(dwc_problem_pad_same(&p, nullptr), DWC_OK);
                    int64_t out_length = -1;
                    ASSERT_EQ(dwc_problem_out_length(&p, &out_length, nullptr), DWC_OK);
                    ASSERT_EQ(out_length, (p.length + p.stride - 1) / p.stride) << format(p);
                    const int64_t extra = p.pad_right - p.pad_left;
                    ASSERT_TRUE(extra == 0 || extra == 1) << format(p);
                }
            }
        }
    }
}

TEST(Padding, SameRefusesWhatItCannotCompute) {
    dwc_problem p = some_problem();
    p.kernel_size = p.dilation = int64_t{1} << 33;
    const dwc_problem before = p;
    EXPECT_EQ(dwc_problem_pad_same(&p, nullptr), DWC_ERROR_OVERFLOW);
    EXPECT_EQ(std::memcmp(&p, &before, sizeof p), 0);
    p = some_problem();
    p.stride = 0;
    EXPECT_EQ(dwc_problem_pad_same(&p, nullptr), DWC_ERROR_STRIDE);
}

}  // namespace
