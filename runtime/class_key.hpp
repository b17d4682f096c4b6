// Classes of problems: what a record is a statement about. Problems of a class differ by less than a factor of two in
// channels and length and agree in everything that decides which kernels can serve.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "problem.hpp"

namespace dwc {

// The activations as kernels see them: what a fused kernel computes, or another pass.
enum class ActivationClass { linear, clamp, silu, other };

struct ClassKey {
    dwc_dtype dtype = DWC_F32;
    dwc_layout layout = DWC_NLC;
    int64_t k = 1, stride = 1, m = 1;
    bool dilated = false;          // dilation > 1 that an output sees
    int channels = 0, length = 0;  // floor(log2), 0 for 0
    bool batched = false;          // batch > 1
    bool threaded = false;         // more than one thread
    ActivationClass activation = ActivationClass::linear;

    bool operator==(const ClassKey&) const = default;
    // "f32_nlc_k4_m1_s1_d1_c9_l11_n1_t1_linear"; "dn", "nn", "tn" where more than one.
    std::string text() const;
};

ClassKey class_of(const Problem& problem, int threads);
// The class of a text, to the letter; nothing where it is none.
std::optional<ClassKey> parse_class(std::string_view text);

// How far a measurement in class `of` is from a problem of class `at`: 0 for the same class, nothing where it says
// nothing. dtype, layout, stride and multiplier must agree, and the kernel size, too, where the measured kernel was
// compiled for one. The rest adds up: a factor of two in channels 1 (below 32 channels 2: vectors fill badly), in
// length 0.5, in kernel size 2; dilation 2; batch, threads 1 each; linear against an activation of a pass of its own 1,
// other activations 3.
std::optional<double> class_distance(const ClassKey& of, const ClassKey& at, bool any_kernel_size);
// Measurements further away than this are not consulted.
constexpr double farthest_class = 3;

// Sum of |log2| of what two problems differ in: orders measurements within a class.
double problem_distance(const dwc_problem& a, const dwc_problem& b);

}  // namespace dwc
