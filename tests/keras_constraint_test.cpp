// Constraints on Keras' own values (constraints.json).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "dwconv/keras/functions.hpp"
#include "keras_oracle.hpp"

namespace {

namespace keras = dwconv::keras;
using keras::Constraint;
using keras::Tensor;
using keras_oracle::Json;
using keras_oracle::refusal;

TEST(KerasConstraint, OracleValues) {
    const Json all = Json::parse(std::ifstream(keras_oracle::kFolder + "constraints.json"));
    double worst = 0;
    for (const Json& row : all["constraints"]) {
        SCOPED_TRACE(row["identifier"].dump() + row["params"].dump());
        const auto constraint =
            row["params"].empty()
                ? Constraint::by_name(row["identifier"])
                : *Constraint::from_json(Json{{"class_name", row["identifier"]}, {"config", row["params"]}}.dump());
        EXPECT_EQ(constraint.config, row["get_config"].dump());
        for (const char* weight : {"kernel", "bias"}) {
            const Tensor w = keras::read_npy(keras_oracle::kFolder + all["files"][weight].get<std::string>());
            if (row[weight].is_object()) {
                const std::string message = refusal([&] { constraint(w); });
                EXPECT_NE(message.find("is out of range for shape " + keras::to_string(w.shape)), std::string::npos)
                    << message;
                continue;
            }
            const Tensor want = keras::read_npy(keras_oracle::kFolder + row[weight].get<std::string>()),
                         got = constraint(w);
            ASSERT_EQ(got.shape, want.shape);
            for (size_t i = 0; i < want.data.size(); ++i) {
                const double error = std::fabs(double{got.data[i]} - want.data[i]);
                EXPECT_LE(error, 3e-7 * std::max(1.0f, std::fabs(want.data[i]))) << i;
                worst = std::max(worst, error);
            }
        }
    }
    std::printf("largest error on constraints.json: %.3g\n", worst);
}

TEST(KerasConstraint, ZeroFilterStaysZero) {
    const Tensor w{{2, 2}, {0, 3, 0, 4}};
    for (const Constraint& c : {Constraint::max_norm(1), Constraint::unit_norm(), Constraint::min_max_norm(1, 2)}) {
        const Tensor got = c(w);
        EXPECT_EQ(got.data[0], 0);
        EXPECT_EQ(got.data[2], 0);
        EXPECT_GT(got.data[1], 0);
    }
    EXPECT_NEAR(Constraint::max_norm(1)(w).data[1], 0.6, 1e-6);
    EXPECT_EQ(Constraint::non_neg()({{2}, {-1, 2}}).data, (std::vector<float>{0, 2}));
    EXPECT_TRUE(std::isnan(Constraint::non_neg()({{1}, {NAN}}).data[0]));
    EXPECT_NEAR(Constraint::unit_norm({-1})(w).data[1], 1, 1e-6);
    EXPECT_NEAR(Constraint::unit_norm({0, 1})(w).data[3], 0.8, 1e-6);
    EXPECT_NEAR((*Constraint::from_json(R"({"class_name": "UnitNorm", "config": {"axis": null}})"))(w).data[3], 0.8,
                1e-6);
    EXPECT_EQ(Constraint::max_norm().config, R"({"max_value":2,"axis":0})");
    EXPECT_EQ(Constraint::max_norm(1.1f, {0, 1}).config, R"({"max_value":1.1,"axis":[0,1]})");
}

TEST(KerasConstraint, Refusals) {
    const auto named = [](const char* name) { return refusal([&] { Constraint::by_name(name); }); };
    const auto json = [](const char* text) { return refusal([&] { Constraint::from_json(text); }); };
    const std::string start = "Could not interpret constraint identifier: ";
    for (const char* name : {"maxnorm", "Max_Norm", ""}) EXPECT_EQ(named(name), start + name);
    EXPECT_EQ(json("7"), start + "7");
    EXPECT_NE(json(R"({"class_name": "MaxNorm", "config": {"axis": "x"}})").find("axis"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "MaxNorm", "config": {"axis": 1e99}})").find("axis"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "MaxNorm", "config": {"max_value": null}})").find("max_value"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "NonNeg", "config": {"axis": 0}})").find("'axis'"), std::string::npos);
    EXPECT_NE(refusal([] { Constraint::max_norm(NAN); }).find("max_value"), std::string::npos);
    EXPECT_NE(refusal([] { Constraint::max_norm(1, {0, 0})({{1, 1}, {1}}); }).find("twice"), std::string::npos);
    EXPECT_NE(refusal([] { Constraint::unit_norm({-3})({{1, 1}, {1}}); }).find("axis=-3"), std::string::npos);
    EXPECT_FALSE(Constraint::from_json("null").has_value());
}

TEST(KerasConstraint, CallableKeepsTheShape) {
    const Constraint half([](const Tensor& w) {
        Tensor result = w;
        for (float& value : result.data) value /= 2;
        return result;
    });
    EXPECT_EQ(half({{2}, {2, 4}}).data[1], 2);
    EXPECT_EQ(half.config, "");
    const Constraint wrong([](const Tensor&) { return Tensor{{1}, {1}}; });
    const std::string message = refusal([&] { wrong({{2}, {2, 4}}); });
    EXPECT_NE(message.find("(2,)"), std::string::npos) << message;
    EXPECT_NE(message.find("(1,)"), std::string::npos) << message;
}

}  // namespace
