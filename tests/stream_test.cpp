// Which form of a kernel runs: the one that stores around the caches only where it was asked for, exists, and y lies on
// the boundaries that non-temporal stores need; the one that reads ahead only where asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>

#include "dwconv/dwconv.h"
#include "halide_glue.hpp"
#include "plan.hpp"

struct halide_buffer_t;

namespace {

int plain_calls, ahead_calls, stream_calls;

template <int* calls>
int count(const void*, halide_buffer_t*, halide_buffer_t*, halide_buffer_t*, halide_buffer_t*, int32_t, int32_t, float,
          float, float, halide_buffer_t*) {
    ++*calls;
    return 0;
}

const dwc::KernelFunction kPlain = reinterpret_cast<dwc::KernelFunction>(count<&plain_calls>);
const dwc::KernelFunction kAhead = reinterpret_cast<dwc::KernelFunction>(count<&ahead_calls>);
const dwc::KernelFunction kStream = reinterpret_cast<dwc::KernelFunction>(count<&stream_calls>);

// y(1, 32, rows 2, batch 2) of f32 at `y`, with these distances between rows and sequences.
struct Output {
    char* y;
    int64_t positions = 32, row = 32, sequence = 64, multiplier = 1;
};

// The form that ran.
dwc::Form form(const Output& out, dwc::Form asked, dwc::KernelFunction ahead = kAhead,
               dwc::KernelFunction stream = kStream) {
    const dwc::ConvKernel kernel{kPlain, ahead, stream, "fake", dwc::Family::channels, 0, "linear", DWC_F32, 0, 1,
                                 1,      16,    1,      4};
    static float nothing[1];
    const float parameters[3] = {};
    dwc::ConvCall call;
    call.x = {nothing, {{1, 1}, {1, 1}, {1, 1}}};
    call.w = {nothing, {{1, 1}, {1, 1}, {1, 1}}};
    call.b = {nothing, {{1, 1}, {1, 1}}};
    call.y = {out.y, {{out.multiplier, 1}, {out.positions, out.multiplier}, {2, out.row}, {2, out.sequence}}};
    call.parameters = parameters;
    dwc::KernelError error;
    plain_calls = ahead_calls = stream_calls = 0;
    EXPECT_EQ(dwc::call_conv(kernel, call, asked, error), 0);
    EXPECT_EQ(plain_calls + ahead_calls + stream_calls, 1);
    return stream_calls ? dwc::Form::stream : ahead_calls ? dwc::Form::ahead : dwc::Form::plain;
}

// Whether the streaming form ran.
bool streams(const Output& out, dwc::Form asked = dwc::Form::stream, dwc::KernelFunction twin = kStream) {
    return form(out, asked, kAhead, twin) == dwc::Form::stream;
}

alignas(64) char memory[4096];

TEST(Stream, RunsWhereEveryVectorStartsOnItsSize) { EXPECT_TRUE(streams({memory})); }

TEST(Stream, NotUnasked) {
    EXPECT_FALSE(streams({memory}, dwc::Form::plain));
    EXPECT_FALSE(streams({memory}, dwc::Form::ahead));
}

TEST(Stream, NotWithoutSuchAForm) { EXPECT_FALSE(streams({memory}, dwc::Form::stream, nullptr)); }

TEST(Stream, NotWhereYStartsBetweenLines) {
    for (const int offset : {4, 16, 32, 60}) EXPECT_FALSE(streams({memory + offset})) << offset;
    EXPECT_TRUE(streams({memory + 128}));
}

TEST(Stream, NotWhereRowsOrSequencesDo) {
    EXPECT_FALSE(streams({memory, 32, 40}));
    EXPECT_FALSE(streams({memory, 32, 32, 72}));
    EXPECT_TRUE(streams({memory, 32, 48, 96}));
}

// The last vector of a row that is no multiple of it starts inside the one before.
TEST(Stream, NotWhereTheLastVectorIsShifted) {
    EXPECT_FALSE(streams({memory, 40, 48, 96}));
    EXPECT_FALSE(streams({memory, 20, 32, 64}));
}

TEST(Stream, NotWhereOutputsOfAChannelLieApart) { EXPECT_FALSE(streams({memory, 32, 64, 128, 2})); }

TEST(ReadAhead, NotUnaskedOrWithoutSuchAForm) {
    EXPECT_EQ(form({memory}, dwc::Form::ahead), dwc::Form::ahead);
    EXPECT_EQ(form({memory}, dwc::Form::plain), dwc::Form::plain);
    EXPECT_EQ(form({memory}, dwc::Form::ahead, nullptr), dwc::Form::plain);
}

TEST(ReadAhead, WhereYCannotBeStreamed) {
    EXPECT_EQ(form({memory + 4}, dwc::Form::stream), dwc::Form::ahead);
    EXPECT_EQ(form({memory}, dwc::Form::stream, kAhead, nullptr), dwc::Form::ahead);
    EXPECT_EQ(form({memory + 4}, dwc::Form::stream, nullptr), dwc::Form::plain);
}

// The reason of a plan for x and y of `bytes` together, y written through the caches.
std::string reason(int64_t bytes, int threads) {
    dwc_problem p;
    dwc_problem_init(&p);
    p.channels = 500;
    p.length = bytes / (2 * p.channels * static_cast<int64_t>(sizeof(float)));
    p.kernel_size = 4;
    p.pad_left = 3;
    dwc_options options;
    dwc_options_init(&options);
    options.stores = DWC_STORES_CACHED;
    options.threads = threads;
    dwc_plan* plan = nullptr;
    EXPECT_EQ(dwc_plan_create(&plan, &p, &options, nullptr), DWC_OK);
    dwc_plan_info info;
    dwc_plan_info_init(&info);
    EXPECT_EQ(dwc_plan_describe(plan, &info, nullptr), DWC_OK);
    const std::string text = info.reason;
    dwc_plan_destroy(plan);
    return text;
}

TEST(LastCache, IsNoLargerThanWhatSoFewCpusAreLeft) {
    EXPECT_GT(dwc::last_level_bytes(), 0);
    const int64_t most = std::max<int64_t>(32, 16 * std::thread::hardware_concurrency()) << 20;
    EXPECT_LE(dwc::last_level_bytes(), most);
    dwc_cache_level levels[8];
    const int32_t count = std::min(dwc_cache_levels(levels, 8), 8);
    EXPECT_EQ(dwc::last_level_bytes(), std::min(levels[count - 1].bytes, most));
}

TEST(ReadAhead, WhereTheShareOfAThreadExceedsItsCaches) {
    const auto kernels = dwc::conv_kernels();
    const auto reads_ahead = [](const dwc::ConvKernel& k) { return k.ahead && dwc::targets()[k.target].supported(); };
    if (std::none_of(kernels.begin(), kernels.end(), reads_ahead)) GTEST_SKIP() << "no kernel of this CPU does";
    const auto ahead = [&](double share, int64_t caches, int threads) {
        return reason(static_cast<int64_t>(share * static_cast<double>(caches)), threads).find("rows fetched ahead") !=
               std::string::npos;
    };
    for (const dwc::Target& target : dwc::targets()) {
        if (!target.supported() || target.on_device() || target.lanes < 8) continue;
        setenv("DWC_FORCE_TARGET", target.name, 1);
        // Intel's cores read ahead in the last cache by themselves, however many there are.
        const int64_t one = target.intel() ? dwc::last_level_bytes() / 2 : 4 * dwc::private_bytes();
        const int64_t two = target.intel() ? one : 2 * one;
        EXPECT_FALSE(ahead(0.9, one, 1)) << target.name;
        EXPECT_TRUE(ahead(1.1, one, 1)) << target.name;
        EXPECT_FALSE(ahead(0.9, two, 2)) << target.name;
        EXPECT_TRUE(ahead(1.1, two, 2)) << target.name;
    }
    unsetenv("DWC_FORCE_TARGET");
}

}  // namespace
