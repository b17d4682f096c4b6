// One problem for the reference tests: buffers between guards, filled and compared element by element.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "dwconv/dwconv.h"
#include "problem.hpp"
#include "reference.hpp"

namespace reference_test {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kPoison = -12345678.0f;
constexpr int64_t kGuard = 8;  // elements before and after every tensor

// Elements of one dtype, read and written as float.
class Elements {
   public:
    Elements(dwc_dtype dtype, int64_t count, float fill) : dtype_(dtype), bytes_(count * dwc::element_size(dtype)) {
        for (int64_t i = 0; i < count; ++i) set(i, fill);
    }
    float get(int64_t i) const {
        if (dtype_ == DWC_F32) return read<float>(i);
        return dwc::bf16_to_float(read<uint16_t>(i));
    }
    void set(int64_t i, float value) {
        if (dtype_ == DWC_F32) return write(i, value);
        write(i, dwc::float_to_bf16(value));
    }
    void* data(int64_t i = 0) { return bytes_.data() + i * dwc::element_size(dtype_); }
    int64_t count() const { return static_cast<int64_t>(bytes_.size()) / dwc::element_size(dtype_); }

   private:
    template <class T>
    T read(int64_t i) const {
        T value;
        std::memcpy(&value, bytes_.data() + i * static_cast<int64_t>(sizeof value), sizeof value);
        return value;
    }
    template <class T>
    void write(int64_t i, T value) {
        std::memcpy(bytes_.data() + i * static_cast<int64_t>(sizeof value), &value, sizeof value);
    }
    dwc_dtype dtype_;
    std::vector<unsigned char> bytes_;
};

// One problem with buffers between guards; everything the problem does not own is poison.
struct Case {
    dwc::Problem r;
    dwc_weights_order order = DWC_WEIGHTS_KERAS;
    Elements x, w, bias, y;

    explicit Case(const dwc_problem& p, dwc_weights_order weights_order = DWC_WEIGHTS_KERAS)
        : r(resolved(p)),
          order(weights_order),
          x(p.x_dtype, r.x_span + 2 * kGuard, kNan),
          w(p.w_dtype, p.kernel_size * r.out_channels, 0),
          bias(p.w_dtype, r.out_channels, 0),
          y(p.y_dtype, r.y_span + 2 * kGuard, kPoison) {}

    static dwc::Problem resolved(const dwc_problem& p) {
        dwc::Problem result{};
        dwc_error error{};
        EXPECT_EQ(dwc::resolve(&p, &result, &error), DWC_OK) << error.message;
        return result;
    }
    const dwc_problem& p() const { return r.given; }
    int64_t x_at(int64_t n, int64_t t, int64_t c) const { return kGuard + n * r.x.n + t * r.x.t + c * r.x.c; }
    int64_t y_at(int64_t n, int64_t t, int64_t q) const { return kGuard + n * r.y.n + t * r.y.t + q * r.y.c; }
    int64_t w_at(int64_t j, int64_t q) const {
        return order == DWC_WEIGHTS_KERAS ? j * r.out_channels + q : q * p().kernel_size + j;
    }
    template <class Value>
    void fill(Value&& value) {
        for (int64_t n = 0; n < p().batch; ++n) {
            for (int64_t t = 0; t < p().length; ++t) {
                for (int64_t c = 0; c < p().channels; ++c) x.set(x_at(n, t, c), value());
            }
        }
        for (int64_t i = 0; i < w.count(); ++i) w.set(i, value());
        for (int64_t i = 0; i < bias.count(); ++i) bias.set(i, value());
    }
    dwc_status run(bool fma = true) {
        dwc_error error{};
        const dwc_status status =
            dwc_reference(&r.given, x.data(kGuard), w.data(), p().has_bias ? bias.data() : nullptr, y.data(kGuard),
                          order, fma, &error);
        EXPECT_EQ(status, error.status) << error.message;
        return status;
    }
    // Every element of y as `expected(n, t, q)` says, to the bit (NaN as NaN), and everything else still poison.
    template <class Expected>
    void expect(Expected&& expected) {
        Elements want(p().y_dtype, y.count(), kPoison);
        for (int64_t n = 0; n < p().batch; ++n) {
            for (int64_t t = 0; t < r.out_length; ++t) {
                for (int64_t q = 0; q < r.out_channels; ++q) want.set(y_at(n, t, q), expected(n, t, q));
            }
        }
        for (int64_t i = 0; i < y.count(); ++i) {
            const float got = y.get(i), wanted = want.get(i);
            if (std::isnan(got) && std::isnan(wanted)) continue;
            ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(wanted))
                << r.key() << " element " << i - kGuard << ": " << got << ", expected " << wanted;
        }
    }
};

inline dwc_problem shape(int64_t batch, int64_t length, int64_t channels, int64_t kernel_size) {
    dwc_problem p;
    dwc_problem_init(&p);
    p.batch = batch;
    p.length = length;
    p.channels = channels;
    p.kernel_size = kernel_size;
    return p;
}

}  // namespace reference_test
