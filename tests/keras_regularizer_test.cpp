// Regularizers on Keras' own values (regularizers.json).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "dwconv/keras/functions.hpp"
#include "keras_oracle.hpp"

namespace {

namespace keras = dwconv::keras;
using keras::Regularizer;
using keras::Tensor;
using keras_oracle::Json;
using keras_oracle::refusal;

TEST(KerasRegularizer, OracleValues) {
    const Json all = Json::parse(std::ifstream(keras_oracle::kFolder + "regularizers.json"));
    double worst = 0;
    for (const Json& row : all["regularizers"]) {
        SCOPED_TRACE(row["identifier"].dump() + row["params"].dump());
        const auto regularizer =
            row["params"].empty()
                ? Regularizer::by_name(row["identifier"])
                : *Regularizer::from_json(Json{{"class_name", row["identifier"]}, {"config", row["params"]}}.dump());
        EXPECT_EQ(regularizer.config, row["get_config"].dump());
        const auto again =
            Regularizer::from_json(Json{{"class_name", regularizer.class_name}, {"config", row["get_config"]}}.dump());
        EXPECT_EQ(again->config, regularizer.config);
        for (const char* weight : {"kernel", "bias"}) {
            const Tensor x = keras::read_npy(keras_oracle::kFolder + all["files"][weight].get<std::string>());
            if (row[weight].is_object()) {
                EXPECT_EQ(refusal([&] { regularizer(x); }), row[weight]["message"]);
                continue;
            }
            const double want = row[weight], error = std::fabs(regularizer(x) - want) / std::max(1.0, want);
            EXPECT_LE(error, 2e-7);
            worst = std::max(worst, error);
            EXPECT_EQ((*again)(x), regularizer(x));
        }
    }
    std::printf("largest error on regularizers.json: %.3g\n", worst);
}

// Rows (3, 4) and (1, 0): the cosine of their angle is 0.6. Columns (3, 1) and (4, 0): 3 / sqrt(10).
TEST(KerasRegularizer, OrthogonalByHand) {
    const Tensor x{{2, 2}, {3, 4, 1, 0}};
    EXPECT_NEAR(Regularizer::orthogonal(0.5f)(x), 0.5 * 0.6, 1e-7);
    EXPECT_NEAR(Regularizer::orthogonal(0.5f, "columns")(x), 0.5 * 3 / std::sqrt(10.0), 1e-7);
    // Three rows, pairs at cosines 0.6, 0.8, 0: their mean.
    EXPECT_NEAR(Regularizer::orthogonal(1)({{3, 2}, {3, 4, 1, 0, 0, 2}}), (0.6 + 0.8) / 3, 1e-7);
    EXPECT_EQ(Regularizer::orthogonal(1)({{2, 2}, {0, 0, 1, 2}}), 0);
    EXPECT_TRUE(std::isnan(Regularizer::orthogonal(1)({{1, 2}, {1, 2}})));
    EXPECT_NE(refusal([] { Regularizer::orthogonal(1, "row"); }).find("mode=row"), std::string::npos);
}

TEST(KerasRegularizer, Refusals) {
    const auto named = [](const char* name) { return refusal([&] { Regularizer::by_name(name); }); };
    const auto json = [](const char* text) { return refusal([&] { Regularizer::from_json(text); }); };
    const std::string start = "Could not interpret regularizer identifier: ";
    for (const char* name : {"l3", "l1_l2", "", "L1l2"}) EXPECT_EQ(named(name), start + name);
    EXPECT_EQ(json("7"), start + "7");
    EXPECT_EQ(json(R"({"class_name": "L3", "config": {}})"), start + "{'class_name': 'L3', 'config': {}}");
    EXPECT_EQ(json(R"({"class_name": "L1", "config": {"l1": -0.2}})"),
              "Invalid value for argument l1: expected a non-negative float.Received: l1=-0.2");
    EXPECT_EQ(json(R"({"class_name": "L2", "config": {"l2": "x"}})"),
              "Invalid value for argument l2: expected a non-negative float.Received: l2=x");
    EXPECT_NE(json(R"({"class_name": "L2", "config": {"l1": 1}})").find("'l1'"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "L2"})").find("config"), std::string::npos);
    EXPECT_EQ(refusal([] { Regularizer::l1(-0.2f); }),
              "Invalid value for argument l1: expected a non-negative float.Received: l1=-0.2");
    EXPECT_EQ(refusal([] { Regularizer::l2(NAN); }),
              "Invalid value for argument l2: expected a non-negative float.Received: l2=nan");
    EXPECT_NE(refusal([] { Regularizer::l1_l2(0, INFINITY); }).find("l2=inf"), std::string::npos);
    EXPECT_NE(refusal([] { Regularizer{Regularizer::Function()}; }), "accepted");
    EXPECT_FALSE(Regularizer::from_json("null").has_value());
    EXPECT_EQ(Regularizer([](const Tensor& x) { return x.data[0]; })({{1}, {4}}), 4);
}

}  // namespace
