// Which form of a kernel runs: the one that stores around the caches only where it was asked for, exists, and y lies on
// the boundaries that non-temporal stores need.
#include <gtest/gtest.h>

#include "halide_glue.hpp"

struct halide_buffer_t;

namespace {

int plain_calls, stream_calls;

template <int* calls>
int count(const void*, halide_buffer_t*, halide_buffer_t*, halide_buffer_t*, halide_buffer_t*, int32_t, int32_t, float,
          float, float, halide_buffer_t*) {
    ++*calls;
    return 0;
}

const dwc::KernelFunction kPlain = reinterpret_cast<dwc::KernelFunction>(count<&plain_calls>);
const dwc::KernelFunction kStream = reinterpret_cast<dwc::KernelFunction>(count<&stream_calls>);

// y(1, 32, rows 2, batch 2) of f32 at `y`, with these distances between rows and sequences.
struct Output {
    char* y;
    int64_t positions = 32, row = 32, sequence = 64, multiplier = 1;
};

// Whether the streaming form ran.
bool streams(const Output& out, bool asked = true, dwc::KernelFunction twin = kStream) {
    const dwc::ConvKernel kernel{kPlain, twin, "fake", dwc::Family::channels, 0, "linear", DWC_F32, 0, 1, 1, 16, 1, 4};
    static float nothing[1];
    const float parameters[3] = {};
    dwc::ConvCall call{};
    call.x = {nothing, {{1, 1}, {1, 1}, {1, 1}}};
    call.w = {nothing, {{1, 1}, {1, 1}, {1, 1}}};
    call.b = {nothing, {{1, 1}, {1, 1}}};
    call.y = {out.y, {{out.multiplier, 1}, {out.positions, out.multiplier}, {2, out.row}, {2, out.sequence}}};
    call.parameters = parameters;
    dwc::KernelError error;
    plain_calls = stream_calls = 0;
    EXPECT_EQ(dwc::call_conv(kernel, call, asked, error), 0);
    EXPECT_EQ(plain_calls + stream_calls, 1);
    return stream_calls == 1;
}

alignas(64) char memory[4096];

TEST(Stream, RunsWhereEveryVectorStartsOnItsSize) { EXPECT_TRUE(streams({memory})); }

TEST(Stream, NotUnasked) { EXPECT_FALSE(streams({memory}, false)); }

TEST(Stream, NotWithoutSuchAForm) { EXPECT_FALSE(streams({memory}, true, nullptr)); }

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

}  // namespace
