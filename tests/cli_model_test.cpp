// Every model file of the oracle through the command line: outputs, what inspect tells, and how layers are named.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cli_models.hpp"

namespace {

using namespace dwc_test;

bool is_weights_alone(const std::string &file) {
    return file.find("weights") != std::string::npos;  // .weights.h5, .weights.json, Keras 2's *_weights.h5
}

// The path by which the file knows a row's layer.
std::string named(const Json &inspected, const Json &row) {
    const Json &places = row.at("weights").at(0).at("h5_paths");
    for (const Json &layer : inspected.at("layers")) {
        const std::string stored = layer.at("weights").at(0).at("stored");
        if (std::find(places.begin(), places.end(), Json(stored)) != places.end()) return layer.at("path");
    }
    return row.at("layer");
}

TEST_F(CliModels, EveryLayerComputesWhatKerasDid) {
    std::map<std::string, Json> inspected;
    int done = 0;
    for (const Json &row : rows()) {
        const std::string file = oracle(row.at("file"));
        SCOPED_TRACE(row.at("file").get<std::string>() + " " + row.at("layer").get<std::string>());
        if (inspected.count(file) == 0) inspected[file] = inspect(file);
        const std::string config =
            is_weights_alone(file) ? " --config" + quoted(write_file("layer.json", row.at("config").dump())) : "";
        const std::string out =
            succeed("run --model" + quoted(file) + " --layer" + quoted(named(inspected[file], row)) + config + " --x" +
                    quoted(oracle(row.at("x"))) + " --expect" + quoted(oracle(row.at("y"))));
        EXPECT_NE(out.find("max error"), std::string::npos) << out;
        ++done;
    }
    EXPECT_GE(done, 70);
}

TEST_F(CliModels, ExpectBites) {
    const std::string model = "run --model" + quoted(oracle("models/seq_single.keras"));
    const std::string x = " --x" + quoted(oracle("models/seq_single_keras_0_x.npy"));
    EXPECT_EQ(run(model + x + " --expect" + quoted(oracle("models/seq_single_h5_0_y.npy"))).exit_code, 1);
}

TEST_F(CliModels, InspectTellsWeightsOfEveryFile) {
    std::map<std::string, std::vector<Json>> files;
    for (const Json &row : rows()) files[row.at("file")].push_back(row);
    for (const auto &[file, layers] : files) {
        SCOPED_TRACE(file);
        const Json told = inspect(oracle(file));
        EXPECT_EQ(told.at("has_configs"), !is_weights_alone(file));
        std::int64_t total = 0;
        for (const Json &layer : told.at("layers")) {
            EXPECT_EQ(layer.at("class"), "DepthwiseConv1D");
            EXPECT_FALSE(layer.contains("fault")) << layer;
            std::int64_t parameters = 0;
            for (const Json &weight : layer.at("weights")) {
                std::int64_t count = 1;
                for (const Json &dimension : weight.at("shape")) count *= dimension.get<std::int64_t>();
                parameters += count;
            }
            EXPECT_EQ(layer.at("parameters"), parameters);
            total += parameters;
        }
        EXPECT_EQ(told.at("total_parameters"), total);
        std::set<std::string> names;
        for (const Json &row : layers) {
            names.insert(row.at("layer"));
            const std::string path = named(told, row);
            const auto found = std::find_if(told.at("layers").begin(), told.at("layers").end(), [&](const Json &layer) {
                return layer.at("path") == path || layer.at("name") == path;
            });
            ASSERT_NE(found, told.at("layers").end()) << path;
            EXPECT_EQ(found->at("weights").size(), row.at("weights").size());
            for (size_t i = 0; i < row.at("weights").size(); ++i) {
                EXPECT_EQ(found->at("weights")[i].at("name"), row.at("weights")[i].at("name"));
                EXPECT_EQ(found->at("weights")[i].at("dtype"), row.at("weights")[i].at("dtype"));
            }
            if (is_weights_alone(file)) {
                EXPECT_TRUE(found->at("config").is_null());
                continue;
            }
            EXPECT_EQ(found->at("config").at("kernel_size"), row.at("config").at("kernel_size").at(0));
            for (const char *key : {"padding", "depth_multiplier", "data_format", "use_bias", "trainable"}) {
                EXPECT_EQ(found->at("config").at(key), row.at("config").at(key)) << key;
            }
        }
        EXPECT_EQ(told.at("total_layers"), names.size());
        EXPECT_EQ(told.at("layers").size(), names.size());
        // The table holds the same.
        const std::string text = succeed("inspect" + quoted(oracle(file)));
        for (const Json &layer : told.at("layers")) {
            EXPECT_NE(text.find(layer.at("path").get<std::string>()), std::string::npos) << text;
        }
        EXPECT_NE(text.find(std::to_string(total) + " parameters\n"), std::string::npos) << text;
    }
}

TEST_F(CliModels, SharedLayersKnowTheirCalls) {
    const std::string shared = "run --model" + quoted(oracle("models/shared.keras")) + " --call ";
    const Json told = inspect(oracle("models/shared.keras"));
    EXPECT_EQ(told.at("layers").at(0).at("calls"), 3);
    for (const std::string call : {"0", "1", "2"}) {
        succeed(shared + call + " --x" + quoted(oracle("models/shared_keras_" + call + "_x.npy")) + " --expect" +
                quoted(oracle("models/shared_keras_" + call + "_y.npy")));
    }
    const std::string x = " --x" + quoted(oracle("models/shared_keras_0_x.npy")) + " --y" + quoted(path("y.npy"));
    expect_failure(shared + "3" + x, "is called 3 times");
    expect_failure(shared + "-1" + x, "is called 3 times");
    expect_failure(shared + "many" + x, "--call");
    expect_failure("run --config a --kernel b --call 0" + x, "--call");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "y.npy"));
}

TEST_F(CliModels, LayersOfSeveralAreListedAndChosen) {
    const std::string y = " --y" + quoted(path("y.npy"));
    const std::string x = " --x" + quoted(oracle("models/nested_keras_1_x.npy")) + y;
    const std::string nested = "run --model" + quoted(oracle("models/nested.keras"));
    expect_failure(nested + x, "pub_inner/depthwise_conv1d");
    expect_failure(nested + x, "--layer");
    expect_failure(nested + " --layer nobody" + x, "nobody");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "y.npy"));
    for (const std::string name : {"pub_inner/depthwise_conv1d", "depthwise_conv1d"}) {
        succeed(nested + " --layer " + name + " --x" + quoted(oracle("models/nested_keras_1_x.npy")) + " --expect" +
                quoted(oracle("models/nested_keras_1_y.npy")));
    }
}

TEST_F(CliModels, WeightsAloneNeedAConfigThatFits) {
    for (const std::string file : {"models/seq_single.weights.h5", "models/seq_multi_shards.weights.json"}) {
        const bool single = file.find("single") != std::string::npos;
        const std::string x = single ? "models/seq_single_weights_h5_0_x.npy" : "models/seq_multi_keras_0_x.npy";
        const std::string tail = " --x" + quoted(oracle(x)) + " --y" + quoted(path("y.npy"));
        const std::string model = "run --model" + quoted(oracle(file));
        expect_failure(model + (single ? "" : " --layer pub_first") + tail, "--config");
        // Another kernel size fits nothing.
        const std::string odd = write_file("odd.json", "{\"kernel_size\": 29, \"depth_multiplier\": 3}");
        expect_failure(model + " --config" + quoted(odd) + tail, single ? "kernel" : "--layer");
        expect_failure(model + " --config" + quoted(path("missing.json")) + tail, "missing.json");
        EXPECT_FALSE(std::filesystem::exists(folder_ / "y.npy"));
    }
    // The config fits one layer of several: no --layer is needed.
    for (const Json &row : rows()) {
        if (row.at("file") != "models/seq_multi.weights.h5") continue;
        const std::string config = write_file("layer.json", row.at("config").dump());
        succeed("run --model" + quoted(oracle(row.at("file"))) + " --config" + quoted(config) + " --x" +
                quoted(oracle(row.at("x"))) + " --expect" + quoted(oracle(row.at("y"))));
    }
}

TEST_F(CliModels, AConfigStandsInPlaceOfTheFiles) {
    const std::string config =
        write_file("layer.json", "{\"kernel_size\": 3, \"depth_multiplier\": 3, \"activation\": \"softmax\"}");
    const std::string model = "run --model" + quoted(oracle("models/seq_single.keras"));
    const std::string x = " --x" + quoted(oracle("models/seq_single_keras_0_x.npy"));
    const std::string out = succeed(model + x + " --config" + quoted(config) + " --y" + quoted(path("y.npy")));
    EXPECT_NE(out.find("softmax"), std::string::npos) << out;
    // Rows of a softmax sum to one.
    const std::string bytes = contents(folder_ / "y.npy");
    ASSERT_GT(bytes.size(), 36u * 4);
    std::vector<float> last(36);
    std::memcpy(last.data(), bytes.data() + bytes.size() - 36 * 4, 36 * 4);
    double sum = 0;
    for (const float value : last) sum += value;
    EXPECT_NEAR(sum, 1, 1e-5);
}

}  // namespace
