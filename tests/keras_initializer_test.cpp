// Initializers: distribution and shape rules on Keras' rows (initializers.json), bits on golden values of our own.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "dwconv/keras/functions.hpp"
#include "keras_oracle.hpp"
#include "orthogonal.hpp"
#include "random.hpp"

namespace {

namespace keras = dwconv::keras;
using keras::Initializer;
using keras::Shape;
using keras::Tensor;
using keras_oracle::Json;
using keras_oracle::refusal;

Json object(const Json& class_name, const Json& config) { return {{"class_name", class_name}, {"config", config}}; }
Initializer of(const Json& class_name, const Json& config) {
    return *Initializer::from_json(object(class_name, config).dump());
}

struct Moments {
    double mean = 0, std = 0, min = 0, max = 0, kurtosis = 0;
};
Moments moments(const Tensor& t) {
    Moments m;
    const auto n = static_cast<double>(t.data.size());
    for (const float v : t.data) m.mean += v / n;
    double fourth = 0;
    for (const float v : t.data) {
        const double d = v - m.mean;
        m.std += d * d / n;
        fourth += d * d * d * d / n;
    }
    m.kurtosis = m.std > 0 ? fourth / (m.std * m.std) : 0;
    m.std = std::sqrt(m.std);
    const auto [low, high] = std::minmax_element(t.data.begin(), t.data.end());
    m.min = *low;
    m.max = *high;
    return m;
}

// What a distribution's parameters say of n draws.
struct Expected {
    double mean, std, kurtosis;
    bool bounded;
    double low, high;
};
constexpr double kCut = 0.87962566103423978;  // standard deviation of the truncated standard normal
Expected uniform(double low, double high) {
    return {(low + high) / 2, (high - low) / std::sqrt(12.0), 1.8, true, low, high};
}
Expected normal(double mean, double stddev) { return {mean, stddev, 3, false, 0, 0}; }
Expected truncated(double mean, double stddev) {
    return {mean, stddev * kCut, 2.3645, true, mean - 2 * stddev, mean + 2 * stddev};
}

Expected expected(const Json& row, const Json& draw) {
    const Json& config = row["get_config"];
    const std::string cls = row["cls"];
    if (cls == "RandomUniform") return uniform(config["minval"], config["maxval"]);
    if (cls == "RandomNormal") return normal(config["mean"], config["stddev"]);
    if (cls == "TruncatedNormal") return truncated(config["mean"], config["stddev"]);
    const std::string distribution = draw["distribution"];
    if (distribution == "uniform") return uniform(-draw["limit"].get<double>(), draw["limit"]);
    if (distribution == "truncated_normal") return truncated(0, draw["stddev_parameter"]);
    return normal(0, draw["stddev_parameter"]);
}

// Five standard errors of the mean and of the standard deviation of n draws: 1 chance in 10^6, and the seed is fixed.
void check_draws(const Tensor& values, const Expected& want, double* worst) {
    const auto n = static_cast<double>(values.data.size());
    const Moments got = moments(values);
    const double mean_error = want.std / std::sqrt(n);
    const double std_error = want.std * std::sqrt((want.kurtosis - 1) / (4 * n));
    *worst =
        std::max({*worst, std::fabs(got.mean - want.mean) / mean_error, std::fabs(got.std - want.std) / std_error});
    EXPECT_LE(std::fabs(got.mean - want.mean), 5 * mean_error);
    EXPECT_LE(std::fabs(got.std - want.std), 5 * std_error);
    EXPECT_NEAR(got.kurtosis, want.kurtosis, 0.2);
    if (!want.bounded) return;
    const double rounding = 1e-7 * std::max(std::fabs(want.low), std::fabs(want.high));  // of the bound to float
    EXPECT_GE(got.min, want.low - rounding);
    EXPECT_LE(got.max, want.high + rounding);
    const double reach = (want.high - want.low) * 0.01;
    EXPECT_LE(got.min, want.low + reach);
    EXPECT_GE(got.max, want.high - reach);
}

void check_weight(const Json& row, const Json& draw, const Initializer& initializer, double* worst) {
    Shape shape = draw["shape"].get<Shape>();
    if (draw.contains("error")) {
        const std::string message = refusal([&] { initializer(shape); });
        EXPECT_NE(message.find(draw["message"].get<std::string>()), std::string::npos) << message;
        return;
    }
    if (row["cls"] == "STFT") shape[1] = 1;  // what Keras' array has whatever the shape asked for
    const Tensor values = initializer(shape);
    ASSERT_EQ(values.shape, shape);
    EXPECT_EQ(initializer(shape).data, values.data);
    if (row["get_config"].contains("seed") && row["cls"] != "Orthogonal") {
        check_draws(values, expected(row, draw), worst);
        return;
    }
    const Moments got = moments(values);
    EXPECT_NEAR(got.std, draw["std"].get<double>(), row["cls"] == "Orthogonal" ? 1e-4 : 1e-6);
    if (row["cls"] == "Orthogonal") return;
    EXPECT_NEAR(got.mean, draw["mean"].get<double>(), 1e-6);
    EXPECT_NEAR(got.min, draw["min"].get<double>(), 1e-6);
    EXPECT_NEAR(got.max, draw["max"].get<double>(), 1e-6);
}

TEST(KerasInitializer, OracleRows) {
    double worst = 0;
    const Json rows = Json::parse(std::ifstream(keras_oracle::kFolder + "initializers.json"));
    EXPECT_EQ(rows.size(), 28u);
    for (const Json& row : rows) {
        SCOPED_TRACE(row["name"].dump() + row["config"].dump());
        Json config = row["config"];
        if (row["get_config"].contains("seed")) config["seed"] = 7;
        const Initializer initializer = of(row["name"], config);
        EXPECT_EQ(initializer.class_name, row["cls"]);
        EXPECT_EQ(initializer.config, row["get_config"].dump());
        EXPECT_EQ(of(row["cls"], row["get_config"]).config, initializer.config);
        check_weight(row, row["kernel"], initializer, &worst);
        check_weight(row, row["bias"], initializer, &worst);
    }
    std::printf("largest deviation of a moment from its expectation: %.2f standard errors\n", worst);
}

// Known answers of the authors' implementation (Random123, kat_vectors).
TEST(KerasInitializer, PhiloxKnownAnswers) {
    using Words = std::array<std::uint32_t, 4>;
    using keras::detail::philox4x32;
    EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(KerasInitializer, Quantile) {
    using keras::detail::normal_quantile;
    // Against the distribution function, and digits of tables.
    for (double p = 0x1p-52; p < 0.5; p *= 1.37) {
        const double x = normal_quantile(p), density = std::exp(-x * x / 2) * 0.3989422804014327;
        EXPECT_NEAR(std::erfc(-x / std::sqrt(2.0)) / 2, p, 4e-15 * p + 4e-15 * density * (1 + std::fabs(x))) << p;
        if (p > 1e-3) {
            EXPECT_NEAR(normal_quantile(1 - p), -x, 1e-12);
        }
    }
    EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-14);
    EXPECT_NEAR(normal_quantile(1e-10), -6.361340902404056, 1e-13);
    EXPECT_EQ(normal_quantile(0.5), 0);
    for (double x = 1e-17; x < 1e17; x *= 1.7) {
        EXPECT_NEAR(keras::detail::natural_log(x), std::log(x), 3e-16 * std::max(1e-3, std::fabs(std::log(x)))) << x;
    }
}

// These bits hold on every platform.
TEST(KerasInitializer, GoldenBits) {
    const auto bits = [](const Initializer& initializer, const Shape& shape) {
        std::vector<std::uint32_t> result;
        for (const float value : initializer(shape).data) result.push_back(std::bit_cast<std::uint32_t>(value));
        return result;
    };
    using Bits = std::vector<std::uint32_t>;
    const auto show = [&](const Initializer& initializer, const Shape& shape) {
        std::string text;
        for (const std::uint32_t word : bits(initializer, shape)) {
            char hex[16];
            std::snprintf(hex, sizeof hex, "0x%08x, ", word);
            text += hex;
        }
        return text;
    };
    const auto check = [&](const Initializer& initializer, const Shape& shape, const Bits& want) {
        EXPECT_EQ(bits(initializer, shape), want) << show(initializer, shape);
    };
    check(Initializer::random_uniform(-1, 1, 7), {5}, {0x3f0013f4, 0xbf5424a7, 0x3f172f78, 0x3f6a6bdd, 0xbf7bac09});
    check(Initializer::random_normal(0, 1, 7), {5}, {0x3f2ccac2, 0xbfaf1a3e, 0x3f532c3c, 0x3fdcf7bc, 0xc018e121});
    check(Initializer::truncated_normal(0, 1, 7), {5}, {0x3f23ba1e, 0xbfa0cd2f, 0x3f474898, 0x3fc3df01, 0xbfef37fe});
    check(Initializer::glorot_uniform(1234567890123), {1, 2, 2}, {0xbded8eb3, 0x3f86152f, 0x3f33b3a7, 0xbf6909e4});
    check(Initializer::orthogonal(1, 7), {2, 1, 2}, {0x3ee28bf7, 0x3f659375, 0xbf659375, 0x3ee28bf7});
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a over a larger draw of each kind
    for (const Initializer& initializer :
         {Initializer::random_normal(.5f, .2f, 3), Initializer::truncated_normal(-1, .3f, 3),
          Initializer::he_uniform(3), Initializer::orthogonal(1, 3)}) {
        for (const std::uint32_t word : bits(initializer, {8, 16, 32})) hash = (hash ^ word) * 1099511628211u;
    }
    EXPECT_EQ(hash, 5967167344421220069u);
}

TEST(KerasInitializer, BoundsAreKept) {
    std::vector<float> values(200000);
    // Two neighbours: rounding may not reach the upper bound.
    const float low = 1, high = std::nextafter(1.0f, 2.0f);
    keras::detail::draw_uniform(1, low, high, values.data(), values.size());
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [&](float v) { return v == low; }));
    keras::detail::draw_uniform(1, -0.05f, 0.05f, values.data(), values.size());
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](float v) { return v >= -0.05f && v < 0.05f; }));
    keras::detail::draw_truncated_normal(1, 3, 0.1, values.data(), values.size());
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](float v) { return std::fabs(v - 3.0) <= 0.2; }));
    keras::detail::draw_uniform(1, 2, 2, values.data(), 3);
    EXPECT_EQ(values[2], 2);
}

TEST(KerasInitializer, Seeds) {
    const Shape shape{3, 4, 2};
    const Initializer drawn = Initializer::by_name("glorot_uniform");
    EXPECT_EQ(drawn(shape).data, drawn(shape).data);
    EXPECT_NE(drawn(shape).data, Initializer::by_name("GlorotUniform")(shape).data);
    EXPECT_EQ(drawn.config, R"({"seed":null,"input_axes":null,"output_axes":null})");
    const Initializer seeded = drawn.with_seed(5);
    EXPECT_EQ(seeded(shape).data, Initializer::glorot_uniform(5)(shape).data);
    EXPECT_EQ(seeded.config, Initializer::glorot_uniform(5).config);
    EXPECT_EQ(seeded.with_seed(6)(shape).data, Initializer::glorot_uniform(6)(shape).data);
    EXPECT_NE(seeded(shape).data, seeded.with_seed(6)(shape).data);
    EXPECT_NE(Initializer::glorot_uniform(-5)(shape).data, seeded(shape).data);
    EXPECT_EQ(Initializer::zeros().with_seed(1).config, "{}");
    const Json generator = {{"class_name", "SeedGenerator"}, {"config", {{"seed", 5}}}};
    EXPECT_EQ(of("GlorotUniform", {{"seed", generator}})(shape).data, seeded(shape).data);
    EXPECT_EQ(Initializer::random_normal(0, 0.05f, 1).config, R"({"seed":1,"mean":0.0,"stddev":0.05})");
    for (int i = 0; i < 20; ++i) {
        const std::int64_t seed = keras::detail::random_seed();
        EXPECT_TRUE(seed >= 1 && seed <= 1000000000) << seed;
    }
}

TEST(KerasInitializer, NamesAndAliases) {
    const char* same[][4] = {{"Zeros", "zeros", "zero"},
                             {"Ones", "ones", "one"},
                             {"RandomNormal", "random_normal", "normal"},
                             {"RandomUniform", "random_uniform", "uniform"},
                             {"TruncatedNormal", "truncated_normal"},
                             {"VarianceScaling", "variance_scaling"},
                             {"GlorotUniform", "glorot_uniform"},
                             {"GlorotNormal", "glorot_normal"},
                             {"HeUniform", "he_uniform"},
                             {"HeNormal", "he_normal"},
                             {"LecunUniform", "lecun_uniform"},
                             {"LecunNormal", "lecun_normal"},
                             {"Orthogonal", "orthogonal", "OrthogonalInitializer"},
                             {"Identity", "identity", "IdentityInitializer"},
                             {"STFT", "stft", "STFTInitializer"}};
    for (const auto& names : same) {
        for (const char* name : names) {
            if (name) {
                EXPECT_EQ(Initializer::by_name(name).class_name, names[0]);
            }
        }
    }
    // A name gives no value; Keras' constructor has a default.
    EXPECT_NE(refusal([] { Initializer::by_name("constant"); }).find("'value'"), std::string::npos);
    EXPECT_NE(refusal([] { Initializer::from_json("\"Constant\""); }).find("'value'"), std::string::npos);
    EXPECT_EQ(of("Constant", Json::object())({1}).data[0], 0);
    EXPECT_EQ(of("Constant", {{"value", 0.25}})({1}).data[0], 0.25f);
    EXPECT_EQ(Initializer::constant(0.25f).config, R"({"value":0.25})");
    EXPECT_FALSE(Initializer::from_json("null").has_value());
}

TEST(KerasInitializer, OrthogonalAndIdentity) {
    for (const Shape& shape : {Shape{3, 4, 5}, Shape{2, 7}, Shape{7, 2}, Shape{1, 1, 9}, Shape{1, 1}}) {
        const Tensor w = Initializer::orthogonal(2, 11)(shape);
        const int64_t columns = shape.back(), rows = (int64_t)w.data.size() / columns;
        const bool by_row = rows <= columns;
        const int64_t count = std::min(rows, columns), length = std::max(rows, columns);
        double worst = 0;
        for (int64_t a = 0; a < count; ++a) {
            for (int64_t b = 0; b < count; ++b) {
                double dot = 0;
                for (int64_t i = 0; i < length; ++i) {
                    dot += by_row ? double{w.data[a * columns + i]} * w.data[b * columns + i]
                                  : double{w.data[i * columns + a]} * w.data[i * columns + b];
                }
                worst = std::max(worst, std::fabs(dot - (a == b ? 4 : 0)));
            }
        }
        EXPECT_LE(worst, 2e-6) << keras::to_string(shape);
    }
    // Q R = A with a positive diagonal: Q^T A is upper triangular.
    const std::vector<double> a = {1, 2, 2, -4, 0, 3};
    const std::vector<double> q = keras::detail::orthonormal_columns(a, 3, 2);
    const auto dot = [](const double* x, const double* y) { return x[0] * y[0] + x[1] * y[1] + x[2] * y[2]; };
    EXPECT_NEAR(dot(&q[0], &a[0]), 3, 1e-14);
    EXPECT_NEAR(dot(&q[3], &a[0]), 0, 1e-14);
    EXPECT_GT(dot(&q[3], &a[3]), 0);
    EXPECT_EQ(of("Identity", {{"gain", 3}})({2, 3}).data, (std::vector<float>{3, 0, 0, 0, 3, 0}));
    EXPECT_TRUE(Initializer::orthogonal()({0, 4}).data.empty());
}

TEST(KerasInitializer, Stft) {
    // hann over 3 points is 0, 1, 0: only the middle row is left, cos and sin of -2 pi f / 4.
    const Tensor real = of("STFT", {{"scaling", nullptr}})({3, 1, 3});
    const Tensor imaginary = of("STFT", {{"scaling", "spectrum"}, {"side", "imag"}})({3, 1, 3});
    const float want_real[] = {0, 0, 0, 1, 0, -1, 0, 0, 0}, want_imaginary[] = {0, 0, 0, 0, -1, 0, 0, 0, 0};
    for (int i = 0; i < 9; ++i) {
        EXPECT_NEAR(real.data[i], want_real[i], 1e-7) << i;
        EXPECT_NEAR(imaginary.data[i], want_imaginary[i], 1e-7) << i;
    }
    const Tensor periodic = of("STFT", {{"periodic", true}, {"scaling", nullptr}})({4, 1, 2});
    EXPECT_NEAR(periodic.data[2], 0.5, 1e-7);
    EXPECT_NEAR(periodic.data[4], 1, 1e-7);
    EXPECT_NEAR(of("STFT", {{"window", {1, 2}}, {"scaling", "density"}})({2, 1, 2}).data[2], 2 / std::sqrt(5.0), 1e-7);
    EXPECT_NEAR(of("STFT", {{"window", "hamming"}, {"scaling", nullptr}})({3, 1, 2}).data[0], 0.08, 1e-7);
    EXPECT_NE(refusal([] {
                  of("STFT", {{"window", {1, 2}}})({3, 1, 2});
              }).find("window shape=(2,)"),
              std::string::npos);
    EXPECT_NE(refusal([] { Initializer::by_name("stft")({3, 4, 2}); }).find("(3, 4, 2)"), std::string::npos);
    EXPECT_NE(refusal([] { Initializer::by_name("stft")({3, 1, 1}); }).find("(3, 1, 1)"), std::string::npos);
    EXPECT_NE(refusal([] { of("STFT", {{"window", "nope"}}); }).find("nope"), std::string::npos);
    EXPECT_EQ(refusal([] { of("STFT", {{"side", "left"}}); }), "side should be 'real' or 'imag', not left");
    EXPECT_NE(refusal([] { of("STFT", {{"scaling", "x"}}); }).find("Received scaling=x"), std::string::npos);
}

TEST(KerasInitializer, Axes) {
    const Shape shape{3, 5, 7};
    const auto limit = [&](const Json& config) { return moments(of("HeUniform", config)({30, 50, 70})).max; };
    EXPECT_NEAR(limit({{"seed", 1}}), std::sqrt(6.0 / 1500), 1e-4);
    EXPECT_NEAR(limit({{"seed", 1}, {"input_axes", {0}}, {"output_axes", {-1}}}), std::sqrt(6.0 / 30), 1e-4);
    EXPECT_NEAR(limit({{"seed", 1}, {"input_axes", {0}}}), std::sqrt(6.0 / 1500), 1e-4);
    EXPECT_NE(refusal([&] {
                  of("HeUniform", {{"input_axes", {3}}, {"output_axes", {0}}})(shape);
              }).find("axis 3"),
              std::string::npos);
    EXPECT_NE(refusal([&] { of("HeUniform", {{"input_axes", "x"}}); }).find("input_axes"), std::string::npos);
}

TEST(KerasInitializer, Refusals) {
    const auto named = [](const char* name) { return refusal([&] { Initializer::by_name(name); }); };
    const auto json = [](const std::string& text) { return refusal([&] { Initializer::from_json(text); }); };
    const std::string start = "Could not interpret initializer identifier: ";
    for (const char* name : {"glorot", "Glorot_Uniform", "glorotuniform", "HE_NORMAL", "nope", ""}) {
        EXPECT_EQ(named(name), start + name);
        EXPECT_EQ(json(Json(name).dump()), start + name);
    }
    EXPECT_EQ(json("5"), start + "5");
    EXPECT_EQ(json("[[1.0]]"), start + "[[1.0]]");
    const auto scaling = [&](const Json& config) { return json(object("VarianceScaling", config).dump()); };
    EXPECT_EQ(scaling({{"scale", -1.0}}), "Argument `scale` must be positive float. Received: scale=-1.0");
    EXPECT_EQ(scaling({{"mode", "fan"}}).rfind("Invalid `mode` argument: fan. Please use one of {", 0), 0u);
    EXPECT_EQ(scaling({{"distribution", "gauss"}}).rfind("Invalid `distribution` argument: gauss.Please use", 0), 0u);
    EXPECT_EQ(scaling({{"distribution", "Normal"}}), "accepted");
    EXPECT_NE(scaling({{"seed", 1.5}}).find("seed=1.5"), std::string::npos);
    EXPECT_NE(scaling({{"seed", 18446744073709551615u}}).find("seed"), std::string::npos);
    EXPECT_NE(scaling({{"seeds", 1}}).find("'seeds'"), std::string::npos);
    EXPECT_NE(json(object("RandomUniform", {{"minval", 2}, {"maxval", 1}}).dump()).find("minval=2"), std::string::npos);
    EXPECT_NE(json(object("RandomNormal", {{"mean", "x"}}).dump()).find("mean"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "Zeros"})").find("config"), std::string::npos);
    EXPECT_NE(refusal([] { Initializer::constant(NAN); }).find("value"), std::string::npos);
    EXPECT_NE(refusal([] { Initializer::zeros()({2, -1}); }), "accepted");
    const Initializer values(Tensor{{3, 1, 4}, std::vector<float>(12, 1)});
    EXPECT_EQ(refusal([&] {
                  values({3, 4, 1});
              }),
              "Expected `shape` to be (3, 1, 4) for direct tensor as initializer. Received shape=(3, 4, 1)");
    EXPECT_EQ(values({3, 1, 4}).data[11], 1);
    const Initializer wrong([](const Shape&) { return Tensor{{1}, {1}}; });
    EXPECT_NE(refusal([&] { wrong({2}); }).find("(1,)"), std::string::npos);
    const Initializer broken([](const Shape& shape) { return Tensor{shape, {1}}; });
    EXPECT_NE(refusal([&] { broken({2}); }), "accepted");
}

}  // namespace
