// Random numbers that are the same on every platform: a counter-based generator, and only arithmetic that IEEE 754
// fixes (+ - * / and sqrt). random.cpp is compiled without contraction into fused multiply-adds for that reason.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dwconv::keras::detail {

// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// All fill out[0..count). Element i depends on the seed and i alone: two elements share one block of the generator,
// whose counter is i / 2 and whose key is the seed.
// Within [low, high); low where both are equal.
void draw_uniform(std::int64_t seed, float low, float high, float* out, std::size_t count);
void draw_normal(std::int64_t seed, double mean, double stddev, float* out, std::size_t count);
// The normal distribution cut off at two standard deviations on both sides of the mean.
void draw_truncated_normal(std::int64_t seed, double mean, double stddev, float* out, std::size_t count);

// Inverse of the standard normal distribution function, 0 < p < 1, to about 1e-15 relative. Wichura, algorithm AS 241,
// Applied Statistics 37 (1988).
double normal_quantile(double p);
// Natural logarithm of a positive normal number, to about 1 ulp.
double natural_log(double x);

// Between 1 and 1e9, from the machine's source of entropy.
std::int64_t random_seed();

}  // namespace dwconv::keras::detail
