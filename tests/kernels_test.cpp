// Every compiled kernel that this CPU runs, forced, on sizes around its vector width and tile, all problem parameters
// at their corners, against the plain reference, between guard pages. One GoogleTest case a kernel.
#include <set>

#include "support.hpp"

namespace {

using namespace dwc_test;

std::vector<dwc_kernel_info> kernels() {
    std::vector<dwc_kernel_info> all;
    for (int32_t i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        dwc_error error{};
        EXPECT_EQ(dwc_kernel_at(i, &info, &error), DWC_OK) << error.message;
        if (std::string(info.family) != "activation") all.push_back(info);
    }
    return all;
}

std::string test_name(const testing::TestParamInfo<dwc_kernel_info>& info) {
    std::string name = info.param.name;
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return name;
}

class Kernel : public testing::TestWithParam<dwc_kernel_info> {
   protected:
    void SetUp() override {
        if (!GetParam().supported && on_device()) GTEST_SKIP() << "no device runs " << GetParam().target;
        if (!GetParam().supported) GTEST_SKIP() << "this CPU does not run " << GetParam().target;
        dwc_options_init(&options_);
        options_.force_kernel = GetParam().name;
    }

    // Families of devices take tails, padding and any stride themselves, so one grid serves both layouts.
    bool on_device() const { return std::string(GetParam().family).rfind("gpu", 0) == 0; }
    bool ncl() const { return std::string(GetParam().family) == "width" || std::string(GetParam().family) == "gpuncl"; }
    bool by_channels() const { return std::string(GetParam().family) == "channels" || on_device(); }

    dwc_problem problem() const {
        const dwc_kernel_info& k = GetParam();
        dwc_problem p;
        dwc_problem_init(&p);
        p.x_dtype = p.w_dtype = p.y_dtype = k.dtype;
        p.layout = ncl() ? DWC_NCL : DWC_NLC;
        p.kernel_size = k.kernel_size ? k.kernel_size : 6;
        p.stride = k.stride ? k.stride : 1;
        p.depth_multiplier = k.depth_multiplier ? k.depth_multiplier : 1;
        p.channels = k.vector_width;
        p.has_bias = 1;
        const std::string fused = k.activation;
        if (fused == "clamp") p.activation = DWC_RELU6;
        if (fused == "silu") p.activation = DWC_SILU;
        return p;
    }

    // The problem; for kernels of channels the same one in ncl, too; and where vectors of a device must be whole, the
    // nearest one in which they are.
    void check(dwc_problem p, Guarded::Side side = Guarded::end, bool pytorch = false) {
        attempt(p, side, pytorch);
        if (std::string(GetParam().family) == "channels" && !HasFatalFailure()) {
            const int before = tried_;
            p.layout = DWC_NCL;
            attempt(p, side, pytorch);
            p.layout = DWC_NLC;
            turned_ += tried_ - before;
            tried_ = before;
        }
        const int64_t v = GetParam().vector_width;
        int64_t out = 0;
        if (!on_device() || v == 1 || HasFatalFailure() || dwc_problem_out_length(&p, &out, nullptr) != DWC_OK) return;
        if (ncl() ? out % v == 0 : p.channels % v == 0) return;
        if (ncl())
            p.pad_right += (v - out % v) * p.stride;
        else
            p.channels += v - p.channels % v;
        attempt(p, side, pytorch);
    }

    // Counts as tried when the kernel accepts the problem.
    void attempt(const dwc_problem& p, Guarded::Side side, bool pytorch) {
        int64_t out = 0;
        if (dwc_problem_out_length(&p, &out, nullptr) != DWC_OK) return;
        const Outcome o = run(p, options_, seed_++, side, pytorch);
        if (o.status == DWC_ERROR_FORCED_KERNEL && o.message.find("cannot compute") != std::string::npos) return;
        ASSERT_EQ(o.status, DWC_OK) << name_of(p) << ": " << o.message;
        ASSERT_TRUE(o.guards) << name_of(p) << ": wrote outside a buffer";
        if (out * p.batch * p.channels == 0) return;
        ASSERT_EQ(o.kernel, GetParam().name) << name_of(p);
        if (exact(p.activation))
            ASSERT_TRUE(o.same_bits) << name_of(p) << ": differs from the reference by " << o.worst;
        else
            ASSERT_LE(o.worst, 4e-6 * (static_cast<double>(p.kernel_size) + 1)) << name_of(p);
        ++tried_;
    }

    dwc_options options_;
    unsigned seed_ = 1;
    int tried_ = 0, turned_ = 0;  // problems that it computed in its own layout, and in ncl
};

TEST_P(Kernel, SizesAroundVectorAndTile) {
    const int64_t v = GetParam().vector_width, t = GetParam().time_tile;
    const bool width = std::string(GetParam().family) == "width", flat = std::string(GetParam().family) == "flat";
    std::set<int64_t> channels{v - 1, v, v + 1, 2 * v - 1, 2 * v, 3 * v + 5};
    std::set<int64_t> lengths{1, t - 1, t, t + 1, 2 * t + 3, 61};
    if (width) channels = {1, 2, 5}, lengths = {1, v - 1, v, v + 1, v * t - 1, v * t, v * t + 1, 2 * v * t + 7, 1000};
    if (flat) channels = {1, 2, 3, 7, 12, 16}, lengths = {1, 9, v * t - 1, v * t, v * t + 1, 5 * v * t + 3};
    for (const int64_t c : channels)
        for (const int64_t l : lengths)
            for (const int64_t batch : {1, 3}) {
                dwc_problem p = problem();
                p.channels = c;
                p.length = l;
                p.batch = batch;
                check(p);
                p.pad_left = p.kernel_size - 1;
                check(p);
                p.pad_left = p.pad_right = p.kernel_size / 2;
                check(p, Guarded::start);
                if (HasFatalFailure()) return;
            }
    EXPECT_GT(tried_, 20);
    const bool turns = std::string(GetParam().family) == "channels" && GetParam().dtype == DWC_F32 &&
                       GetParam().depth_multiplier > 0 && std::string(GetParam().target).rfind("x86", 0) == 0;
    EXPECT_EQ(turned_ > 60, turns);
}

// The form that stores around the caches, where y allows it (whole vectors of channels, rows on cache lines), and
// where it does not and stores through them: the same bits.
TEST_P(Kernel, StreamedStores) {
    if (!GetParam().streams) return;
    options_.stores = DWC_STORES_STREAMED;
    const int64_t v = GetParam().vector_width, t = GetParam().time_tile;
    for (const int64_t channels : {2 * v, 3 * v, 2 * v + 1, 3 * v - 4})
        for (const int64_t length : {t, 4 * t + 3, 61 * t})
            for (const int64_t dilation : {1, 3})
                for (const Guarded::Side side : {Guarded::start, Guarded::end}) {
                    dwc_problem p = problem();
                    p.channels = channels;
                    p.length = length * dilation * p.stride;
                    p.dilation = dilation;
                    p.batch = 2;
                    p.pad_left = (p.kernel_size - 1) * dilation;
                    check(p, side);
                    if (HasFatalFailure()) return;
                }
    EXPECT_GE(tried_, 40);
}

TEST_P(Kernel, KernelSizesPadsAndBias) {
    const int64_t v = GetParam().vector_width, t = GetParam().time_tile;
    std::set<int64_t> sizes{1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 31, 87};
    if (GetParam().kernel_size) sizes = {GetParam().kernel_size};
    for (const int64_t k : sizes) {
        dwc_problem p = problem();
        p.kernel_size = k;
        p.channels = by_channels() ? v + 3 : 3;
        for (const int64_t l : {k, 4 * t * v + 3})
            for (const auto& [left, right] :
                 {std::pair<int64_t, int64_t>{0, 0}, {k - 1, 0}, {0, k + 3}, {2 * k, 2 * k}})
                for (const int bias : {0, 1}) {
                    p.length = l;
                    p.pad_left = left;
                    p.pad_right = right;
                    p.has_bias = bias;
                    check(p, bias ? Guarded::start : Guarded::end, bias != 0);
                    if (HasFatalFailure()) return;
                }
    }
    EXPECT_GT(tried_, 4);
}

TEST_P(Kernel, StridesDilationsMultipliers) {
    const int64_t v = GetParam().vector_width, t = GetParam().time_tile;
    for (const int64_t stride : {1, 2, 3, 5})
        for (const int64_t dilation : {1, 2, 3, 9, 50})
            for (const int64_t m : {1, 2, 3, 4, 5}) {
                dwc_problem p = problem();
                p.stride = stride;
                p.dilation = dilation;
                p.depth_multiplier = m;
                p.channels = by_channels() ? v + 1 : 5;
                for (const int64_t l : {int64_t{7}, dilation * t + 3, dilation * t * stride * 2 + 77}) {
                    p.length = l;
                    ASSERT_EQ(dwc_problem_pad_same(&p, nullptr), DWC_OK);
                    check(p);
                    p.pad_left = (p.kernel_size - 1) * dilation;
                    p.pad_right = 0;
                    check(p, Guarded::start);
                    if (HasFatalFailure()) return;
                }
            }
    EXPECT_GT(tried_, 4);
}

TEST_P(Kernel, RandomProblems) {
    std::mt19937 random(12345);
    const int64_t v = GetParam().vector_width;
    const auto pick = [&](int64_t low, int64_t high) {
        return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    for (int i = 0; i < 60; ++i) {
        dwc_problem p = problem();
        p.batch = pick(0, 3);
        p.channels = pick(1, 3 * v + 2);
        p.length = pick(0, 300);
        if (!GetParam().kernel_size) p.kernel_size = pick(1, 40);
        if (!GetParam().stride || p.layout == DWC_NCL) p.stride = pick(1, 4);
        if (!GetParam().depth_multiplier) p.depth_multiplier = pick(1, 6);
        p.dilation = pick(0, 2) ? 1 : pick(1, 12);
        p.pad_left = pick(0, 50);
        p.pad_right = pick(0, 50);
        p.has_bias = static_cast<int32_t>(pick(0, 1));
        check(p, pick(0, 1) ? Guarded::start : Guarded::end, pick(0, 1) != 0);
        ASSERT_FALSE(HasFatalFailure()) << "random problem " << i << " of seed 12345";
    }
    EXPECT_GT(tried_, 2);
}

INSTANTIATE_TEST_SUITE_P(All, Kernel, testing::ValuesIn(kernels()), test_name);

// The checker bites: one changed weight is seen as a difference.
TEST(Checker, SeesOneWrongWeight) {
    dwc_problem p;
    dwc_problem_init(&p);
    p.length = 40;
    p.channels = 32;
    p.kernel_size = 3;
    std::mt19937 random(7);
    std::vector<float> x(40 * 32), w(96), a(38 * 32), b(38 * 32);
    fill(x.data(), x.size(), DWC_F32, random);
    fill(w.data(), w.size(), DWC_F32, random);
    ASSERT_EQ(dwc_reference(&p, x.data(), w.data(), nullptr, a.data(), DWC_WEIGHTS_KERAS, 1, nullptr), DWC_OK);
    w[50] = std::nextafter(w[50], 2.0f);
    ASSERT_EQ(dwc_reference(&p, x.data(), w.data(), nullptr, b.data(), DWC_WEIGHTS_KERAS, 1, nullptr), DWC_OK);
    EXPECT_NE(a, b);
}
TEST(Checker, SeesAWriteOutside) {
    for (const auto side : {Guarded::end, Guarded::start}) {
        Guarded memory(100, side);
        EXPECT_TRUE(memory.poison_intact());
        memory.as<char>()[side == Guarded::end ? -1 : 100] = 0;
        EXPECT_FALSE(memory.poison_intact());
    }
}
TEST(Checker, FaultsBeyondTheGuardedSide) {
    Guarded memory(100, Guarded::end);
    EXPECT_DEATH(std::fprintf(stderr, "%d", memory.as<volatile char>()[100]), "");
}

}  // namespace
