// The canonical problem string, both ways: one string a problem, and no second spelling is read.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <string>

#include "dwconv/dwconv.h"
#include "problem.hpp"
#include "problem_case.hpp"

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

using dwc_test::format;
using dwc_test::some_problem;

TEST(String, Examples) {
    dwc_problem p;
    dwc_problem_init(&p);
    p.length = 384;
    p.channels = 192;
    p.kernel_size = 4;
    p.pad_left = 3;
    p.has_bias = 1;
    p.activation = DWC_SILU;
    EXPECT_EQ(format(p), "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu");
    p.has_bias = 0;
    p.layout = DWC_NCL;
    p.w_dtype = DWC_BF16;
    p.y_dtype = DWC_BF16;
    p.activation = DWC_RELU;
    p.activation_params[0] = 0.1f;
    p.activation_params[1] = kInf;
    p.activation_params[2] = 1e-10f;
    p.x_strides[0] = 0, p.x_strides[1] = 1, p.x_strides[2] = 400;
    p.y_strides[0] = 1000000, p.y_strides[1] = 1, p.y_strides[2] = 500;
    EXPECT_EQ(format(p),
              "f32_ncl_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_nobias_relu_wbf16_ybf16_a0.1,inf,1e-10_xs0.1.400_"
              "ys1000000.1.500");
}

TEST(String, BufferOneTooSmall) {
    const dwc_problem p = some_problem();
    const std::string text = format(p);
    std::string buffer(text.size(), '#');
    dwc_error error{};
    EXPECT_EQ(dwc_problem_format(&p, buffer.data(), buffer.size(), &error), DWC_ERROR_BUFFER_SIZE);
    EXPECT_EQ(buffer, std::string(text.size(), '#'));
    EXPECT_NE(std::string(error.message).find(std::to_string(text.size() + 1)), std::string::npos) << error.message;
    buffer.resize(text.size() + 1);
    EXPECT_EQ(dwc_problem_format(&p, buffer.data(), buffer.size(), nullptr), DWC_OK);
    EXPECT_EQ(std::string(buffer.c_str()), text);
}

TEST(String, ParseLeavesDefaultsForTheNextActivation) {
    dwc_problem p;
    ASSERT_EQ(dwc_problem_parse("f32_nlc_n1_l4_c1_k1_m1_s1_d1_pl0_pr0_nobias_linear", &p, nullptr), DWC_OK);
    p.activation = DWC_RELU;
    EXPECT_EQ(format(p), "f32_nlc_n1_l4_c1_k1_m1_s1_d1_pl0_pr0_nobias_relu");
}

struct BadString {
    std::string text;
    dwc_status status;
    const char* says;
};

TEST(String, RefusesEverySecondSpelling) {
    const std::string head = "f32_nlc_n2_l10_c3_k3_m1_s1_d1_pl0_pr0_nobias_";
    const BadString rows[] = {
        {"", DWC_ERROR_PARSE, "token '': expected the dtype of x"},
        {"f64_nlc", DWC_ERROR_PARSE, "token 'f64': expected the dtype of x: f32 or bf16"},
        {"F32_nlc", DWC_ERROR_PARSE, "token 'F32'"},
        {"f32", DWC_ERROR_PARSE, "ends too early: expected the layout"},
        {"f32_", DWC_ERROR_PARSE, "token '': expected the layout"},
        {"f32_nhc_n1", DWC_ERROR_PARSE, "token 'nhc': expected the layout: nlc or ncl"},
        {"f32_nlc_n01_l1", DWC_ERROR_PARSE, "token 'n01': expected n and the batch"},
        {"f32_nlc_n-1_l1", DWC_ERROR_PARSE, "token 'n-1'"},
        {"f32_nlc_n+1_l1", DWC_ERROR_PARSE, "token 'n+1'"},
        {"f32_nlc_n_l1", DWC_ERROR_PARSE, "token 'n': expected n and the batch"},
        {"f32_nlc_n1_c1_l1", DWC_ERROR_PARSE, "token 'c1': expected l and the length"},
        {"f32_nlc_n1_l9223372036854775808_c1", DWC_ERROR_PARSE, "token 'l9223372036854775808'"},
        {"f32_nlc_n1_l1.5_c1", DWC_ERROR_PARSE, "token 'l1.5'"},
        {"f32_nlc_n1_l1_c1_k1_m1_s1_d1_p0_pr0_bias_silu", DWC_ERROR_PARSE, "token 'p0': expected pl"},
        {"f32_nlc_n2_l10_c3_k3_m1_s1_d1_pl0_pr0_silu", DWC_ERROR_PARSE, "token 'silu': expected bias or nobias"},
        {head, DWC_ERROR_PARSE, "token '': expected an activation name"},
        {head + "swish", DWC_ERROR_PARSE, "token 'swish': expected an activation name"},
        {head + "relu7", DWC_ERROR_PARSE, "token 'relu7'"},
        {head + "linear_", DWC_ERROR_PARSE, "token '': expected the end, or a suffix"},
        {head + "linear ", DWC_ERROR_PARSE, "token 'linear '"},
        {head + "linear\n", DWC_ERROR_PARSE, "token 'linear?'"},
        {head + "linear_linear", DWC_ERROR_PARSE, "token 'linear': expected the end, or a suffix"},
        {head + "linear_wf32", DWC_ERROR_PARSE, "token 'wf32': expected wf32 or wbf16, only where it differs"},
        {head + "linear_yf32", DWC_ERROR_PARSE, "token 'yf32'"},
        {head + "linear_wf16", DWC_ERROR_PARSE, "token 'wf16'"},
        {head + "linear_ybf16_wbf16", DWC_ERROR_PARSE, "token 'wbf16': expected the end, or a suffix in the order"},
        {head + "linear_wbf16_wbf16", DWC_ERROR_PARSE, "token 'wbf16'"},
        {head + "linear_a1", DWC_ERROR_PARSE, "token 'a1': expected no parameters"},
        {head + "leaky_relu_a0.2", DWC_ERROR_PARSE, "token 'a0.2': expected no token: these are the activation's"},
        {head + "leaky_relu_a0.30", DWC_ERROR_PARSE, "token 'a0.30': expected a and one float"},
        {head + "leaky_relu_a.3", DWC_ERROR_PARSE, "token 'a.3'"},
        {head + "leaky_relu_a0.3,0.3", DWC_ERROR_PARSE, "token 'a0.3,0.3'"},
        {head + "leaky_relu_a", DWC_ERROR_PARSE, "token 'a'"},
        {head + "leaky_relu_anan", DWC_ERROR_PARSE, "not canonical"},
        {head + "leaky_relu_a0.30000001", DWC_ERROR_PARSE, "token 'a0.30000001'"},
        {head + "relu_a0,inf,0", DWC_ERROR_PARSE, "expected no token"},
        {head + "relu_a0,6", DWC_ERROR_PARSE, "three floats"},
        {head + "threshold_a1", DWC_ERROR_PARSE, "two floats"},
        {head + "threshold", DWC_ERROR_ACTIVATION, "threshold"},
        {head + "celu_a0", DWC_ERROR_ACTIVATION, "alpha"},
        {head + "linear_xs0.0.0", DWC_ERROR_PARSE, "token 'xs0.0.0': expected no token"},
        {head + "linear_xs30.3.1", DWC_ERROR_PARSE, "not canonical"},
        {head + "linear_xs30.3", DWC_ERROR_PARSE, "token 'xs30.3': expected three whole strides"},
        {head + "linear_xs30.3.1.1", DWC_ERROR_PARSE, "token 'xs30.3.1.1'"},
        {head + "linear_xs30.03.1", DWC_ERROR_PARSE, "token 'xs30.03.1'"},
        {head + "linear_xs30.3.2", DWC_ERROR_STRIDES, "x_strides[2]=2"},
        {head + "linear_ys99.3.1_xs99.3.1", DWC_ERROR_PARSE, "token 'xs99.3.1'"},
        {head + "linear_state", DWC_ERROR_STATE, "stateful=1"},
        {head + "linear_state_state", DWC_ERROR_PARSE, "token 'state'"},
        {"f32_nlc_n1_l1_c1_k0_m1_s1_d1_pl0_pr0_bias_silu", DWC_ERROR_KERNEL_SIZE, "kernel_size=0"},
        {"f32_nlc_n1_l1_c1_k2_m1_s1_d1_pl0_pr0_bias_silu", DWC_ERROR_OUT_LENGTH, "length=1"},
        {head + std::string(5000, 'z'), DWC_ERROR_PARSE, "zzz...'"},
    };
    for (const BadString& row : rows) {
        SCOPED_TRACE(row.text.substr(0, 100));
        dwc_problem p;
        std::memset(&p, 0x33, sizeof p);
        const dwc_problem before = p;
        dwc_error error{};
        EXPECT_EQ(dwc_problem_parse(row.text.c_str(), &p, &error), row.status) << error.message;
        EXPECT_NE(std::string(error.message).find(row.says), std::string::npos) << error.message;
        EXPECT_EQ(std::memcmp(&p, &before, sizeof p), 0);
    }
}

class RandomProblems {
   public:
    explicit RandomProblems(uint32_t seed) : random_(seed) {}

    // Valid but for the output length.
    dwc_problem next() {
        dwc_problem p;
        dwc_problem_init(&p);
        p.x_dtype = dtype();
        p.w_dtype = dtype();
        p.y_dtype = dtype();
        p.layout = static_cast<dwc_layout>(below(2));
        p.batch = size();
        p.length = size();
        p.channels = size();
        p.kernel_size = 1 + below(9);
        p.depth_multiplier = 1 + below(3);
        p.stride = 1 + below(4);
        p.dilation = 1 + below(4);
        p.pad_left = below(12);
        p.pad_right = below(12);
        p.has_bias = static_cast<int32_t>(below(2));
        p.activation = static_cast<dwc_activation>(below(DWC_ACTIVATION_COUNT));
        const int count = dwc_activation_params(p.activation, p.activation_params);
        if (p.activation == DWC_THRESHOLD || below(2) == 0) {
            for (int i = 0; i < count; ++i) p.activation_params[i] = parameter();
        }
        if (below(2) == 0) some_strides(p.x_strides, p.layout, p.length + below(5), p.channels + below(5));
        const int64_t out_length = std::max<int64_t>(p.length + p.pad_left + p.pad_right, 0);
        if (below(2) == 0) {
            some_strides(p.y_strides, p.layout, out_length + below(5), p.channels * p.depth_multiplier + below(5));
        }
        return p;
    }

   private:
    int64_t below(int64_t bound) { return std::uniform_int_distribution<int64_t>(0, bound - 1)(random_); }
    int64_t size() { return below(3) == 0 ? below(3) : below(5000); }
    dwc_dtype dtype() { return static_cast<dwc_dtype>(below(2)); }
    float parameter() {  // any finite positive float, by its bits
        const auto bits = static_cast<uint32_t>(1 + below(0x7f7fffff));
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    static void some_strides(int64_t (&strides)[3], dwc_layout layout, int64_t time, int64_t channels) {
        strides[0] = time * channels;
        strides[1] = layout == DWC_NLC ? channels : 1;
        strides[2] = layout == DWC_NLC ? 1 : time;
    }
    std::mt19937 random_;
};

bool same_canonical(const dwc_problem& a, const dwc_problem& b) {
    const auto same_list = [](const auto& left, const auto& right) {
        return std::memcmp(left, right, sizeof left) == 0;
    };
    return a.x_dtype == b.x_dtype && a.w_dtype == b.w_dtype && a.y_dtype == b.y_dtype && a.layout == b.layout &&
           a.batch == b.batch && a.length == b.length && a.channels == b.channels && a.kernel_size == b.kernel_size &&
           a.depth_multiplier == b.depth_multiplier && a.stride == b.stride && a.dilation == b.dilation &&
           a.pad_left == b.pad_left && a.pad_right == b.pad_right && a.has_bias == b.has_bias &&
           a.activation == b.activation && same_list(a.activation_params, b.activation_params) &&
           same_list(a.x_strides, b.x_strides) && same_list(a.y_strides, b.y_strides) && a.stateful == b.stateful;
}

TEST(String, FormatAndParseAreInverse) {
    constexpr uint32_t kSeed = 20240601;
    SCOPED_TRACE(testing::Message() << "seed " << kSeed);
    RandomProblems problems(kSeed);
    int valid = 0;
    std::set<int> activations;
    for (int i = 0; i < 20000; ++i) {
        const dwc_problem p = problems.next();
        dwc::Problem r;
        dwc_error error{};
        const dwc_status status = dwc::resolve(&p, &r, &error);
        if (status == DWC_ERROR_OUT_LENGTH) continue;
        ASSERT_EQ(status, DWC_OK) << error.message;
        ++valid;
        activations.insert(p.activation);
        const std::string text = format(p);
        ASSERT_EQ(text, r.key());
        dwc_problem read;
        ASSERT_EQ(dwc_problem_parse(text.c_str(), &read, &error), DWC_OK) << error.message;
        ASSERT_EQ(format(read), text);
        dwc::Problem read_back;
        ASSERT_EQ(dwc::resolve(&read, &read_back, nullptr), DWC_OK);
        ASSERT_TRUE(same_canonical(read_back.given, r.given)) << text;
    }
    EXPECT_GT(valid, 10000);
    EXPECT_EQ(activations.size(), size_t{DWC_ACTIVATION_COUNT});
}

TEST(String, MutatedStringsNeverParseToAnotherSpelling) {
    constexpr uint32_t kSeed = 7;
    SCOPED_TRACE(testing::Message() << "seed " << kSeed);
    RandomProblems problems(kSeed);
    std::mt19937 random(kSeed);
    constexpr char kAlphabet[] = "_0123456789.,abcdefiklmnoprstuwxy-+";
    int parsed = 0;
    for (int i = 0; i < 20000; ++i) {
        const dwc_problem p = problems.next();
        if (dwc_problem_validate(&p, nullptr) != DWC_OK) continue;
        std::string text = format(p);
        const size_t at = random() % text.size();
        const char letter = kAlphabet[random() % (sizeof kAlphabet - 1)];
        switch (random() % 3) {
            case 0:
                text[at] = letter;
                break;
            case 1:
                text.insert(at, 1, letter);
                break;
            default:
                text.erase(at, 1);
                break;
        }
        dwc_problem read;
        if (dwc_problem_parse(text.c_str(), &read, nullptr) != DWC_OK) continue;
        ++parsed;
        ASSERT_EQ(format(read), text);
    }
    EXPECT_GT(parsed, 100);
}

}  // namespace
