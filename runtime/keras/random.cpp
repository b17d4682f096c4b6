#include "random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace dwconv::keras::detail {
namespace {

// 64 random bits for element i of the stream of this seed.
class Bits {
   public:
    explicit Bits(std::int64_t seed) : seed_(static_cast<std::uint64_t>(seed)) {}

    // Elements are asked for in ascending order, so that every block is made once.
    std::uint64_t operator()(std::uint64_t i) {
        if (i % 2 == 0) {
            const std::uint64_t block = i / 2;
            words_ = philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0},
                                {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
        }
        const size_t half = 2 * (i % 2);
        return words_[half] | std::uint64_t{words_[half + 1]} << 32;
    }

   private:
    std::uint64_t seed_;
    std::array<std::uint32_t, 4> words_{};
};

// On [0, 1): 53 bits.
double closed_unit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }
// On (0, 1), symmetric about 1/2: 52 bits and a half, so that neither end can be rounded to.
double open_unit(std::uint64_t bits) { return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52; }

double polynomial(const double (&coefficients)[8], double x) {
    double value = coefficients[7];
    for (int i = 6; i >= 0; --i) value = value * x + coefficients[i];
    return value;
}

// The rational functions of AS 241 (PPND16): numerator and denominator, ascending powers.
constexpr double kCentre[2][8] = {
    {3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
     4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3},
    {1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3, 2.1213794301586595867e+4,
     3.9307895800092710610e+4, 2.8729085735721942674e+4, 5.2264952788528545610e+3}};
constexpr double kTail[2][8] = {
    {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4},
    {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9}};
constexpr double kFarTail[2][8] = {
    {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
    {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15}};

double ratio(const double (&functions)[2][8], double x) {
    return polynomial(functions[0], x) / polynomial(functions[1], x);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t first = std::uint64_t{0xD2511F53} * counter[0];
        const std::uint64_t second = std::uint64_t{0xCD9E8D57} * counter[2];
        counter = {static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(second),
                   static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(first)};
        key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
    }
    return counter;
}

// x = m * 2^e with m within [sqrt(1/2), sqrt(2)); log m = 2 artanh((m - 1) / (m + 1)) by its series, whose argument
// stays below 0.172, so that twelve terms suffice.
double natural_log(double x) {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    int exponent = static_cast<int>(bits >> 52) - 1023;
    double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFu) | std::uint64_t{1023} << 52);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        ++exponent;
    }
    const double s = (m - 1) / (m + 1), square = s * s;
    double series = 0;
    for (int i = 23; i >= 3; i -= 2) series = (series + 1.0 / i) * square;
    constexpr double kLn2High = 0x1.62e42fefa3800p-1,
                     kLn2Low = 0x1.ef35793c76730p-45;  // the high part times e is exact
    return exponent * kLn2High + (2 * s + (2 * s * series + exponent * kLn2Low));
}

double normal_quantile(double p) {
    const double q = p - 0.5;
    if (std::fabs(q) <= 0.425) return q * ratio(kCentre, 0.180625 - q * q);
    const double r = std::sqrt(-natural_log(q < 0 ? p : 1 - p));
    const double tail = r <= 5 ? ratio(kTail, r - 1.6) : ratio(kFarTail, r - 5);
    return q < 0 ? -tail : tail;
}

void draw_uniform(std::int64_t seed, float low, float high, float* out, std::size_t count) {
    Bits bits(seed);
    const double span = double{high} - double{low};
    const float largest = low < high ? std::nextafter(high, low) : low;
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = std::min(static_cast<float>(low + span * closed_unit(bits(i))), largest);
    }
}

void draw_normal(std::int64_t seed, double mean, double stddev, float* out, std::size_t count) {
    Bits bits(seed);
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = static_cast<float>(mean + stddev * normal_quantile(open_unit(bits(i))));
    }
}

void draw_truncated_normal(std::int64_t seed, double mean, double stddev, float* out, std::size_t count) {
    constexpr double kBelow = 0.022750131948179207;  // Phi(-2)
    constexpr double kWithin = 0.95449973610364159;  // Phi(2) - Phi(-2)
    const double reach = 2 * std::fabs(stddev);
    Bits bits(seed);
    for (std::size_t i = 0; i < count; ++i) {
        const double z = normal_quantile(kBelow + kWithin * open_unit(bits(i)));
        float value = static_cast<float>(mean + stddev * std::clamp(z, -2.0, 2.0));
        // Rounding to float may step over the bound.
        if (value > mean + reach) value = std::nextafter(value, -std::numeric_limits<float>::infinity());
        if (value < mean - reach) value = std::nextafter(value, std::numeric_limits<float>::infinity());
        out[i] = value;
    }
}

std::int64_t random_seed() {
    std::random_device device;
    return std::uniform_int_distribution<std::int64_t>(1, 1000000000)(device);
}

}  // namespace dwconv::keras::detail
