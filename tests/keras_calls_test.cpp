// Calls of one layer: many threads, plans kept and dropped, and what a call costs.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <thread>

#include "keras_oracle.hpp"
#include "plan_cache.hpp"
#include "rounding.hpp"

namespace {
std::atomic<long> allocations{0};
}  // namespace

// Counted; arrays and the nothrow forms end here as well. Inlined, they would look to GCC like mismatched pairs.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size ? size : 1)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

namespace keras = dwconv::keras;
namespace detail = dwconv::keras::detail;
using keras::Shape;
using keras::Tensor;

Tensor ramp(const Shape& shape) {
    Tensor x{shape, std::vector<float>(static_cast<size_t>(keras::element_count(shape)))};
    for (size_t i = 0; i < x.data.size(); ++i) x.data[i] = static_cast<float>(i % 17) - 8;
    return x;
}

// The first call of each thread may be the one that builds.
TEST(KerasCalls, ManyThreadsManyShapes) {
    constexpr int kThreads = 8, kRounds = 60, kShapes = 40;  // more shapes than plans are kept
    const auto seed = keras::Initializer::glorot_uniform(3);
    std::vector<Tensor> inputs, outputs;
    for (int i = 0; i < kShapes; ++i) {
        inputs.push_back(ramp({1 + i % 3, 5 + i, 6}));
        keras::DepthwiseConv1D alone({.kernel_size = 3, .activation = "tanh", .depthwise_initializer = seed});
        outputs.push_back(alone(inputs.back()));
    }
    keras::DepthwiseConv1D layer({.kernel_size = 3, .activation = "tanh", .depthwise_initializer = seed});
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            Tensor y;
            for (int round = 0; round < kRounds; ++round) {
                const auto i = static_cast<size_t>((t * 7 + round * (t + 1)) % kShapes);
                layer.call(inputs[i], &y);
                if (y.shape != outputs[i].shape || y.data != outputs[i].data) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(layer.built());
}

TEST(KerasCalls, OutputMemoryIsUsedAgain) {
    keras::DepthwiseConv1D layer({.kernel_size = 3});
    Tensor y;
    layer.call(ramp({4, 20, 8}), &y);
    const float* memory = y.data.data();
    layer.call(ramp({4, 20, 8}), &y);
    EXPECT_EQ(y.data.data(), memory);
    layer.call(ramp({2, 10, 8}), &y);
    EXPECT_EQ(y.data.data(), memory);
    EXPECT_EQ(y.shape, (Shape{2, 8, 8}));
    EXPECT_EQ(y.data.size(), 128u);
}

TEST(KerasCalls, NothingIsAllocatedAfterTheFirst) {
    keras::DepthwiseConv1D layer({.kernel_size = 3, .activation = "relu"});
    const Tensor long_x = ramp({2, 20, 8}), short_x = ramp({2, 10, 8});
    Tensor y;
    layer.call(long_x, &y);
    layer.call(short_x, &y);
    const long before = allocations;
    for (int i = 0; i < 3; ++i) {
        layer.call(long_x, &y);
        layer.call(short_x, &y);
    }
    EXPECT_EQ(allocations, before);
}

TEST(KerasCalls, OptionsArePartOfThePlan) {
    keras::DepthwiseConv1D layer({.kernel_size = 3});
    const Tensor x = ramp({2, 20, 8});
    const Tensor y = layer(x);
    dwconv::options two;
    two.threads = 2;
    EXPECT_EQ(layer(x, two).data, y.data);
    dwconv::options nonsense;
    nonsense.force_kernel = "no such kernel";
    EXPECT_THROW(layer(x, nonsense), dwconv::error);
    EXPECT_EQ(layer(x).data, y.data);
}

std::shared_ptr<const detail::PreparedCall> prepared(int64_t length, const std::string& layout) {
    auto call = std::make_shared<detail::PreparedCall>();
    call->input = {1, length, 1};
    call->weights_layout = layout;
    const dwconv::plan plan(dwconv::problem().shape(1, length, 1));
    const float one = 1;
    call->weights = std::make_shared<const dwconv::weights>(plan.pack(&one));
    return call;
}

TEST(KerasCalls, PlansAreBounded) {
    detail::PlanCache cache;
    const auto capacity = static_cast<int64_t>(detail::PlanCache::kCapacity);
    for (int64_t length = 1; length <= 3 * capacity; ++length) {
        cache.insert(prepared(length, "a"));
        EXPECT_NE(cache.find({1, 1, 1}, false, {}), nullptr) << "used all the time, so it stays";
        EXPECT_LE(cache.size(), detail::PlanCache::kCapacity);
    }
    EXPECT_EQ(cache.size(), detail::PlanCache::kCapacity);
    EXPECT_NE(cache.find({1, 3 * capacity, 1}, false, {}), nullptr);
    EXPECT_EQ(cache.find({1, 2, 1}, false, {}), nullptr) << "dropped";
    dwconv::options other;
    other.threads = 2;
    EXPECT_EQ(cache.find({1, 1, 1}, false, other), nullptr);
    EXPECT_EQ(cache.find({1, 1, 1}, true, {}), nullptr) << "a chunk is another call";
    EXPECT_NE(cache.find_weights("a"), nullptr);
    EXPECT_EQ(cache.find_weights("b"), nullptr);
    cache.insert(prepared(1, "b"));
    EXPECT_EQ(cache.size(), detail::PlanCache::kCapacity) << "in the place of the one before";
    cache.forget_weights();
    EXPECT_EQ(cache.find({1, 1, 1}, false, {})->weights, nullptr);
    EXPECT_EQ(cache.find_weights("a"), nullptr);
    EXPECT_EQ(cache.size(), detail::PlanCache::kCapacity) << "plans stay";
}

template <class Body>
double nanoseconds(const Body& body) {
    constexpr int kCalls = 200;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) body();
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kCalls;
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

// One microsecond is the promise; the limit here leaves room for busy and instrumented machines.
TEST(KerasCalls, CostOverThePlan) {
    const Tensor x = ramp({1, 16, 8});
    keras::DepthwiseConv1D layer({.kernel_size = 3, .activation = "relu"});
    Tensor y;
    layer.call(x, &y);
    const dwconv::plan plan(layer.problem(x.shape));
    const dwconv::weights weights = plan.pack(layer.kernel().data.data(), layer.bias()->data.data());
    std::vector<double> bare, called;
    for (int i = 0; i < 101; ++i) {
        bare.push_back(nanoseconds([&] { plan.execute(x.data.data(), weights, y.data.data()); }));
        called.push_back(nanoseconds([&] { layer.call(x, &y); }));
    }
    const double cost = median(called) - median(bare);
    std::printf("plan.execute %.0f ns, layer.call %.0f ns: %.0f ns more\n", median(bare), median(called), cost);
    RecordProperty("nanoseconds", static_cast<int>(cost));
#ifdef DWC_EMULATED
    GTEST_SKIP() << "an emulator's times say nothing";
#endif
    EXPECT_LT(cost, 3000);
}

TEST(KerasCalls, RoundingIsToNearestEven) {
    EXPECT_EQ(detail::rounded_to_bfloat16(1 + 0x1p-8f), 1);  // a tie, to even
    EXPECT_EQ(detail::rounded_to_bfloat16(1 + 3 * 0x1p-8f), 1 + 0x1p-6f);
    EXPECT_EQ(detail::rounded_to_bfloat16(3.4e38f), INFINITY);
    EXPECT_EQ(detail::rounded_to_float16(1 + 0x1p-11f), 1);
    EXPECT_EQ(detail::rounded_to_float16(-1 - 3 * 0x1p-11f), -1 - 0x1p-9f);
    EXPECT_EQ(detail::rounded_to_float16(65519.996f), 65504);
    EXPECT_EQ(detail::rounded_to_float16(65520), INFINITY);
    EXPECT_EQ(detail::rounded_to_float16(-1e30f), -INFINITY);
    EXPECT_EQ(detail::rounded_to_float16(0x1p-25f), 0);  // half of the least subnormal, to even
    EXPECT_EQ(detail::rounded_to_float16(3 * 0x1p-25f), 0x1p-23f);
    EXPECT_EQ(detail::rounded_to_float16(0x1p-15f + 0x1p-25f), 0x1p-15f);  // the largest subnormals
    EXPECT_EQ(detail::rounded_to_float16(0x1p-14f - 0x1p-26f), 0x1p-14f);
    EXPECT_TRUE(std::signbit(detail::rounded_to_float16(-0x1p-30f)));
    EXPECT_TRUE(std::isnan(detail::rounded_to_float16(NAN)) && std::isnan(detail::rounded_to_bfloat16(NAN)));
    EXPECT_EQ(detail::rounded_to_float16(INFINITY), INFINITY);
}

}  // namespace
