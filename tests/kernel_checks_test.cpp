// What kernels ask of their buffers themselves, whoever calls them: generators/fewer_checks.hpp leaves out what views
// have by construction and nothing that guards memory. A refused call touches none of its buffers.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "halide_glue.hpp"
#include "registry.hpp"

namespace {

// A call of one tile of a kernel of family channels or width with M = 1, all buffers as large as they must be.
struct Tile {
    explicit Tile(const dwc::ConvKernel& kernel) : kernel(kernel) {
        const bool channels = kernel.family == dwc::Family::channels;
        const int64_t K = kernel.k ? kernel.k : 5, stride = channels && kernel.stride ? kernel.stride : 1;
        const int64_t i = channels ? kernel.v : int64_t{kernel.v} * kernel.t, j = channels ? kernel.t : 1;
        const int64_t q = channels ? i : j;
        const int64_t x_i = channels ? i : i + K - 1, x_j = channels ? (j - 1) * stride + K : j;
        for (int32_t k = 0; k < K; ++k) taps.push_back(k);
        call.x = {memory.data(), {{x_i, 1}, {x_j, x_i}, {1, 0}}};
        call.w = {memory.data(), {{1, q}, {q, 1}, {K, q}}};
        call.b = {memory.data(), {{1, q}, {q, 1}}};
        call.y = {output.data(), {{1, 1}, {i, 1}, {j, i}, {1, 0}}};
        call.taps = taps.data();
        call.tap_count = static_cast<int32_t>(K);
        call.max_tap = static_cast<int32_t>(K - 1);
        call.step = static_cast<int32_t>(stride);
        call.parameters = parameters;
    }
    int run() {
        dwc::KernelError error;
        const int code = dwc::call_conv(kernel, call, dwc::Form::plain, error);
        message = error.message;
        return code;
    }

    const dwc::ConvKernel& kernel;
    std::vector<float> memory = std::vector<float>(1 << 16), output = std::vector<float>(1 << 16);
    std::vector<int32_t> taps;
    const float parameters[3] = {};
    dwc::ConvCall call;
    std::string message;
};

std::vector<const dwc::ConvKernel*> kernels() {
    std::vector<const dwc::ConvKernel*> all;
    for (const dwc::ConvKernel& k : dwc::conv_kernels())
        if (dwc::targets()[k.target].supported() && k.dtype == DWC_F32 && k.v > 1 &&
            ((k.family == dwc::Family::channels && k.m == 1) || k.family == dwc::Family::width))
            all.push_back(&k);
    return all;
}

TEST(KernelChecks, RunWhereEverythingFits) {
    ASSERT_FALSE(kernels().empty());
    for (const dwc::ConvKernel* k : kernels()) {
        Tile tile(*k);
        EXPECT_EQ(tile.run(), 0) << k->name << ": " << tile.message;
    }
}

TEST(KernelChecks, RefuseBuffersThatAreTooSmall) {
    for (const dwc::ConvKernel* k : kernels())
        for (dwc::View dwc::ConvCall::* buffer : {&dwc::ConvCall::x, &dwc::ConvCall::w, &dwc::ConvCall::b})
            for (const int axis : {0, 1}) {
                const int time = k->family == dwc::Family::width ? 0 : 1;
                if (axis == time && buffer == &dwc::ConvCall::x && k->ends()) continue;  // zeros: row_ends_test
                Tile tile(*k);
                --(tile.call.*buffer).axis[axis].extent;
                EXPECT_NE(tile.run(), 0) << k->name << ", axis " << axis;
                EXPECT_FALSE(tile.message.empty());
            }
}

TEST(KernelChecks, RefuseBuffersThatAreNotThere) {
    for (const dwc::ConvKernel* k : kernels())
        for (dwc::View dwc::ConvCall::* buffer :
             {&dwc::ConvCall::x, &dwc::ConvCall::w, &dwc::ConvCall::b, &dwc::ConvCall::y}) {
            Tile tile(*k);
            (tile.call.*buffer).data = nullptr;
            EXPECT_NE(tile.run(), 0) << k->name;
        }
}

TEST(KernelChecks, RefuseSpansThat32BitsDoNotCount) {
    for (const dwc::ConvKernel* k : kernels())
        for (dwc::View dwc::ConvCall::* buffer : {&dwc::ConvCall::x, &dwc::ConvCall::y}) {
            Tile tile(*k);
            dwc::Axis& batch = (tile.call.*buffer).axis[buffer == &dwc::ConvCall::y ? 3 : 2];
            batch = {2, (int64_t{1} << 31) - 1};
            if (buffer == &dwc::ConvCall::y) tile.call.x.axis[2].extent = 2;
            EXPECT_NE(tile.run(), 0) << k->name;
        }
}

}  // namespace
