// Activations on Keras' own values (activations.json), in every form in which a config may hold them.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "dwconv/keras/functions.hpp"
#include "keras_oracle.hpp"

namespace {

namespace keras = dwconv::keras;
using keras::Activation;
using keras::Tensor;
using keras_oracle::Json;
using keras_oracle::refusal;

Json oracle() { return Json::parse(std::ifstream(keras_oracle::kFolder + "activations.json")); }

Tensor tensor(const Json& values) {
    Tensor result;
    const bool matrix = values[0].is_array();
    result.shape =
        matrix ? keras::Shape{(int64_t)values.size(), (int64_t)values[0].size()} : keras::Shape{(int64_t)values.size()};
    for (const Json& row : values) {
        if (!matrix) result.data.push_back(row.is_string() ? std::stof(row.get<std::string>()) : row.get<float>());
        for (size_t i = 0; matrix && i < row.size(); ++i) result.data.push_back(row[i].get<float>());
    }
    return result;
}

// Largest |got - want| / max(1, |want|); infinite where NaN, infinity or shape differ.
double distance(const Tensor& got, const Tensor& want) {
    if (got.shape != want.shape || got.data.size() != want.data.size()) return INFINITY;
    double worst = 0;
    for (size_t i = 0; i < want.data.size(); ++i) {
        const double g = got.data[i], w = want.data[i];
        if (g == w || (std::isnan(g) && std::isnan(w))) continue;
        if (!std::isfinite(g) || !std::isfinite(w)) return INFINITY;
        worst = std::max(worst, std::fabs(g - w) / std::max(1.0, std::fabs(w)));
    }
    return worst;
}

Activation of_row(const Json& row) {
    if (row["params"].empty()) return Activation::by_name(row["name"]);
    return *Activation::from_json(Json{{"class_name", row["name"]}, {"config", row["params"]}}.dump());
}

TEST(KerasActivation, OracleValues) {
    const Json all = oracle();
    double worst = 0;
    int names = 0;
    for (const Json& row : all["activations"]) {
        SCOPED_TRACE(row["name"].dump() + row["params"].dump());
        const Activation activation = of_row(row);
        EXPECT_EQ(activation.name, row["canonical"]);
        EXPECT_EQ(activation.fused, row["input"] == "grid");
        const Tensor got = activation(tensor(all[row["input"].get<std::string>()]));
        const double error = distance(got, tensor(row["y"]));
        EXPECT_LE(error, 2e-6);
        worst = std::max(worst, error);
        names += row["params"].empty() ? 1 : 0;
        if (row.contains("y_true_sparsemax")) {
            const Tensor published = Activation::published_sparsemax()(tensor(all["matrix"]));
            EXPECT_LE(distance(published, tensor(row["y_true_sparsemax"])), 1e-6);
        }
    }
    EXPECT_EQ(names + 1, 32);  // 31 names and sparsemax's, which is one of them; threshold is apart
    RecordProperty("worst", std::to_string(worst));
    std::printf("largest error on activations.json: %.3g\n", worst);
}

// NaN stays NaN, or becomes 0 (the shrinks) or the default value (threshold), as Keras says.
TEST(KerasActivation, NanFollowsKeras) {
    for (const Json& row : oracle()["activations"]) {
        if (!row.contains("y_special")) continue;
        SCOPED_TRACE(row["name"].dump());
        const Tensor got = of_row(row)({{1}, {NAN}});
        const float want = std::stof(row["y_special"][0].get<std::string>());
        EXPECT_TRUE(std::isnan(want) ? std::isnan(got.data[0]) : got.data[0] == want) << got.data[0];
    }
}

TEST(KerasActivation, EveryAxis) {
    std::mt19937 engine(5);
    std::normal_distribution<float> normal(0, 3);
    Tensor x{{3, 4, 6}, std::vector<float>(72)};
    for (float& value : x.data) value = normal(engine);
    const auto at = [](const Tensor& t, int64_t a, int64_t b, int64_t c) {
        return t.data[(a * t.shape[1] + b) * t.shape[2] + c];
    };
    for (int axis = -3; axis <= 2; ++axis) {
        const int along = axis < 0 ? axis + 3 : axis;
        // The same function on the last axis of the transposed tensor.
        Tensor moved{{}, std::vector<float>(72)};
        const int order[3][3] = {{1, 2, 0}, {0, 2, 1}, {0, 1, 2}};
        for (const int from : order[along]) moved.shape.push_back(x.shape[from]);
        const auto transpose = [&](const Tensor& t, keras::Shape shape) {
            Tensor result{shape, std::vector<float>(t.data.size())};
            size_t i = 0;
            int64_t index[3];
            const int* o = order[along];
            for (index[o[0]] = 0; index[o[0]] < t.shape[o[0]]; ++index[o[0]])
                for (index[o[1]] = 0; index[o[1]] < t.shape[o[1]]; ++index[o[1]])
                    for (index[o[2]] = 0; index[o[2]] < t.shape[o[2]]; ++index[o[2]])
                        result.data[i++] = at(t, index[0], index[1], index[2]);
            return result;
        };
        moved = transpose(x, moved.shape);
        const auto same = [&](const Activation& there, const Activation& last) {
            const Tensor got = there(x), want = last(moved);
            return distance(transpose(got, want.shape), want);
        };
        EXPECT_LE(same(Activation::softmax(axis), Activation::softmax()), 1e-6) << axis;
        EXPECT_LE(same(Activation::log_softmax(axis), Activation::log_softmax()), 1e-6) << axis;
        EXPECT_EQ(same(Activation::sparsemax(axis), Activation::sparsemax()), 0) << axis;
        EXPECT_EQ(same(Activation::published_sparsemax(axis), Activation::published_sparsemax()), 0) << axis;
        if (along == 0) {
            EXPECT_NE(refusal([&] { Activation::glu(axis)(x); })
                          .find("axis size must be divisible by 2. Received: "
                                "x.shape=(3, 4, 6) with axis="),
                      std::string::npos);
        } else {
            EXPECT_EQ(same(Activation::glu(axis), Activation::glu()), 0) << axis;
        }
    }
    EXPECT_NE(refusal([] { Activation::softmax(3); }).find("axis=3"), std::string::npos);
    EXPECT_NE(refusal([] { Activation::glu(-4); }).find("axis=-4"), std::string::npos);
    EXPECT_NE(refusal([] { Activation::softmax(2)({{2, 2}, {1, 2, 3, 4}}); }).find("(2, 2)"), std::string::npos);
}

TEST(KerasActivation, LargeAndMissingValuesAlongTheAxis) {
    const float inf = INFINITY;
    const Tensor x{{5, 2}, {1000, 999, -inf, 0, NAN, 1, inf, 1, -inf, -inf}};
    const Tensor soft = Activation::softmax()(x), log = Activation::log_softmax()(x);
    EXPECT_NEAR(soft.data[0], 0.73105858, 1e-6);
    EXPECT_NEAR(log.data[1], -1.3132617, 1e-6);
    EXPECT_EQ(soft.data[2], 0);
    EXPECT_EQ(soft.data[3], 1);
    EXPECT_EQ(log.data[2], -inf);
    for (int i = 4; i < 6; ++i) EXPECT_TRUE(std::isnan(soft.data[i]) && std::isnan(log.data[i])) << i;
    EXPECT_TRUE(std::isnan(soft.data[6]) && std::isnan(soft.data[8]));
    const Tensor sparse = Activation::sparsemax()(x), published = Activation::published_sparsemax()(x);
    EXPECT_EQ(published.data[3], 1);
    EXPECT_EQ(published.data[2], 0);
    for (const int i : {4, 5, 6, 8}) EXPECT_TRUE(std::isnan(sparse.data[i]) && std::isnan(published.data[i])) << i;
    for (const char* name : {"softmax", "log_softmax", "sparsemax", "glu", "relu"}) {
        EXPECT_TRUE(Activation::by_name(name)({{0, 4}, {}}).data.empty()) << name;
    }
    EXPECT_EQ(Activation::sparsemax()({{4}, {.1f, .5f, -.2f, .9f}}).data[3], 0.25f);
    EXPECT_NEAR(Activation::published_sparsemax()({{4}, {.1f, .5f, -.2f, .9f}}).data[1], 0.3f, 1e-7);
}

TEST(KerasActivation, SerializedForms) {
    const auto json = [](const char* text) { return *Activation::from_json(text); };
    EXPECT_FALSE(Activation::from_json("null").has_value());
    EXPECT_EQ(json("\"swish\"").name, "silu");
    EXPECT_EQ(json("\"swish\"").json, "\"silu\"");
    EXPECT_EQ(
        json(R"({"module": "builtins", "class_name": "function", "config": "gelu", "registered_name": "function"})")
            .code,
        DWC_GELU);
    EXPECT_EQ(json(R"({"class_name": "LeakyReLU", "config": {}})").params[0], 0.3f);
    EXPECT_EQ(json(R"({"class_name": "LeakyReLU", "config": {"alpha": 0.125}})").params[0], 0.125f);
    EXPECT_EQ(json(R"({"class_name": "ReLU", "config": {"max_value": 1.0}})").params[1], 1);
    EXPECT_TRUE(std::isinf(json(R"({"class_name": "ReLU", "config": {"max_value": null}})").params[1]));
    EXPECT_EQ(json(R"({"class_name": "ELU", "config": {"alpha": 2}})").params[0], 2);
    EXPECT_EQ(json(R"({"class_name": "Activation", "config": {"activation": "tanh"}})").code, DWC_TANH);
    EXPECT_EQ(json(R"({"class_name": "Softmax", "config": {"axis": [1]}})").name, "softmax");
    // A layer object comes back as it was, and every object comes back.
    const std::string saved =
        R"({"module":"keras.layers","class_name":"LeakyReLU","config":{"name":"mine","trainable":true,"dtype":)"
        R"({"module":"keras","class_name":"DTypePolicy","config":{"name":"float32"},"registered_name":null},)"
        R"("negative_slope":0.25},"registered_name":null})";
    EXPECT_EQ(json(saved.c_str()).json, saved);
    EXPECT_EQ(Activation::leaky_relu().json, "\"leaky_relu\"");
    EXPECT_EQ(Json::parse(Activation::relu(0, 6).json)["class_name"], "ReLU");
    EXPECT_EQ(Json::parse(Activation::softmax(1).json)["config"]["axis"], 1);
    EXPECT_EQ(Activation::celu(2).json, R"({"class_name":"celu","config":{"alpha":2.0}})");
    const Tensor x{{2, 2}, {-3, -0.1f, 0.3f, 9}};
    for (const Activation& a :
         {Activation::relu(.1f, 6, 1), Activation::relu(-1), Activation::leaky_relu(.1f), Activation::elu(.3f),
          Activation::celu(.7f), Activation::gelu(true), Activation::gelu(), Activation::soft_shrink(.2f),
          Activation::hard_shrink(.2f), Activation::squareplus(1), Activation::threshold(.2f, -1),
          Activation::softmax(0), Activation::log_softmax(0), Activation::sparsemax(0), Activation::glu(0),
          Activation::published_sparsemax(), Activation::published_sparsemax(0)}) {
        SCOPED_TRACE(a.json);
        const Activation again = json(a.json.c_str());
        EXPECT_EQ(again.json, a.json);
        EXPECT_EQ(again(x).data, a(x).data);
    }
}

TEST(KerasActivation, Refusals) {
    const auto named = [](const char* name) { return refusal([&] { Activation::by_name(name); }); };
    const auto json = [](const char* text) { return refusal([&] { Activation::from_json(text); }); };
    const std::string start = "Could not interpret activation function identifier: ";
    for (const char* name : {"ReLU", "unknown", "rms", "prelu", "", "LeakyReLU", "gelu_tanh", "published_sparsemax"}) {
        EXPECT_EQ(named(name), start + name);
    }
    EXPECT_EQ(json("3"), start + "3");
    EXPECT_EQ(json("[]"), start + "[]");
    EXPECT_NE(named("threshold").find("threshold() missing 2 required positional arguments"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "threshold", "config": {"threshold": 1}})").find("default_value"),
              std::string::npos);
    EXPECT_NE(json(R"({"class_name": "elu", "config": {"beta": 1}})").find("'beta'"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "elu", "config": {"alpha": "x"}})").find("alpha"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "elu", "config": 1})").find("config"), std::string::npos);
    EXPECT_NE(json(R"({"class_name": "celu", "config": {"alpha": 0}})"), "accepted");
    EXPECT_NE(json(R"({"class_name": "softmax", "config": {"axis": 1e300}})"), "accepted");
    EXPECT_NE(json(R"({"class_name": "softmax", "config": {"axis": 99999999999999}})"), "accepted");
    EXPECT_EQ(json(R"({"class_name": "ReLU", "config": {"max_value": -1.0}})"),
              "max_value of a ReLU layer cannot be a negative value. Received: max_value=-1.0");
    EXPECT_NE(refusal([] { Activation::elu(NAN); }).find("alpha"), std::string::npos);
    EXPECT_THROW(Activation::from_json(R"({"class_name": "PReLU", "config": {}})"), dwconv::error);
}

TEST(KerasActivation, Callable) {
    const Activation twice([](Tensor x) {
        for (float& value : x.data) value *= 2;
        return x;
    });
    EXPECT_FALSE(twice.fused);
    EXPECT_EQ(twice.json, "");
    EXPECT_EQ(twice.name, "");
    EXPECT_EQ(twice({{2}, {1, 2}}).data[1], 4);
    const Activation broken([](Tensor) { return Tensor{{4}, {1}}; });
    EXPECT_NE(refusal([&] { broken({{1}, {1}}); }), "accepted");
    EXPECT_NE(refusal([] { Activation{Activation::Function()}; }), "accepted");
    const keras::Identifier<Activation> by_callable = [](Tensor x) { return x; };
    EXPECT_TRUE(by_callable.get().has_value());
}

}  // namespace
