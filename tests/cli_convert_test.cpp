// dwconv init and convert: the same seed, the same weights; no bit lost between the kinds of files; and what is
// refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "cli_models.hpp"
#include "npy_bytes.hpp"

namespace {

using namespace dwc_test;

const std::vector<std::string> kEndings = {".keras", ".h5", ".weights.h5", ".safetensors"};

class CliConvert : public CliModels {
   protected:
    void SetUp() override {
        CliModels::SetUp();
        config_ = write_file("layer.json",
                             "{\"kernel_size\": 3, \"depth_multiplier\": 2, \"padding\": \"same\", \"name\": \"conv\", "
                             "\"activation\": \"tanh\", \"bias_initializer\": \"random_normal\"}");
        x_ = write_file("x.npy", npy(some_array({2, 10, 5}, 1)));
    }

    std::string init(const std::string &out, const std::string &seed = "7") {
        return succeed("init --config" + quoted(config_) + " --input-shape None,10,5 --seed " + seed + " --out" +
                       quoted(path(out)));
    }
    // Bytes of the output of the one layer of this file.
    std::string output_of(const std::string &file, bool config_needed) {
        succeed("run --model" + quoted(file) + " --x" + quoted(x_) + " --y" + quoted(path("y.npy")) +
                (config_needed ? " --config" + quoted(config_) : ""));
        return contents(folder_ / "y.npy");
    }
    std::string output_of(const std::string &file) {
        return output_of(file, file.find(".weights.h5") != std::string::npos);
    }
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto &entry : std::filesystem::directory_iterator(folder_)) {
            const std::string name = entry.path().filename().string();
            if (name != "out" && name != "err") names.push_back(name);
        }
        std::sort(names.begin(), names.end());
        return names;
    }
    void expect_refused(const std::string &arguments, const std::string &part, int exit_code = 2) {
        const auto before = names();
        expect_failure(arguments, part, exit_code);
        EXPECT_EQ(names(), before) << arguments;
    }

    std::string config_, x_;
};

TEST_F(CliConvert, OneSeedGivesOneSetOfWeights) {
    std::string first;
    for (const std::string &ending : kEndings) {
        SCOPED_TRACE(ending);
        const std::string said = init("a" + ending);
        EXPECT_NE(said.find("parameters  40\n"), std::string::npos) << said;
        EXPECT_NE(said.find("(None, 10, 10)"), std::string::npos) << said;
        EXPECT_NE(said.find("conv"), std::string::npos) << said;
        EXPECT_NE(said.find("(3, 5, 2)"), std::string::npos) << said;
        init("b" + ending);
        init("c" + ending, "8");
        const std::string a = output_of(path("a" + ending));
        EXPECT_EQ(a, output_of(path("b" + ending)));
        EXPECT_NE(a, output_of(path("c" + ending)));
        if (first.empty()) first = a;
        EXPECT_EQ(a, first);
        const Json told = inspect(path("a" + ending));
        ASSERT_EQ(told.at("total_layers"), 1);
        EXPECT_EQ(told.at("layers")[0].at("name"), "conv");
        EXPECT_EQ(told.at("total_parameters"), 40);
    }
    // Without --seed one is drawn and told.
    const std::string said =
        succeed("init --config" + quoted(config_) + " --input-shape 4,?,5 --out" + quoted(path("drawn.keras")));
    const std::string seed = said.substr(said.find("seed        ") + 12);
    init("again.keras", seed.substr(0, seed.find('\n')));
    EXPECT_EQ(output_of(path("drawn.keras")), output_of(path("again.keras")));
}

TEST_F(CliConvert, EveryKindIntoEveryOtherKeepsEveryBit) {
    for (const std::string &from : kEndings) {
        init("from" + from);
        const std::string expected = output_of(path("from" + from));
        for (const std::string &to : kEndings) {
            SCOPED_TRACE(from + " -> " + to);
            // Whole models and our .safetensors hold their configs.
            const std::string config = from == ".weights.h5" ? " --config" + quoted(config_) : "";
            succeed("convert" + quoted(path("from" + from)) + quoted(path("to" + to)) + config);
            EXPECT_EQ(output_of(path("to" + to)), expected);
            // And over what stands there already.
            succeed("convert" + quoted(path("from" + from)) + quoted(path("to" + to)) + config +
                    " --input-shape None,20,5");
            EXPECT_EQ(output_of(path("to" + to)), expected);
        }
    }
}

TEST_F(CliConvert, AChainIsConvertedWhole) {
    const std::string dense = oracle("models/nested.keras");
    expect_refused("convert" + quoted(dense) + quoted(path("b.keras")), "--layer");
    succeed("convert" + quoted(dense) + quoted(path("b.keras")) + " --layer pub_inner/depthwise_conv1d");
    succeed("run --model" + quoted(path("b.keras")) + " --x" + quoted(oracle("models/nested_keras_1_x.npy")) +
            " --expect" + quoted(oracle("models/nested_keras_1_y.npy")));
    for (const std::string &ending : kEndings) {
        SCOPED_TRACE(ending);
        const std::string out = path("single" + ending);
        succeed("convert" + quoted(oracle("models/seq_single.keras")) + quoted(out));
        const Json told = inspect(out);
        ASSERT_EQ(told.at("total_layers"), 1);
        EXPECT_EQ(told.at("layers")[0].at("name"), "depthwise_conv1d");
        const std::string config =
            ending == ".weights.h5" ? " --config" + quoted(write_file("single.json",
                                                                      "{\"kernel_size\": 3, \"depth_multiplier\": 3, "
                                                                      "\"activation\": \"relu\"}"))
                                    : "";
        succeed("run --model" + quoted(out) + config + " --x" + quoted(oracle("models/seq_single_keras_0_x.npy")) +
                " --expect" + quoted(oracle("models/seq_single_keras_0_y.npy")));
    }
}

TEST_F(CliConvert, BadOutputsAreRefused) {
    init("a.keras");
    const std::string a = quoted(path("a.keras"));
    std::filesystem::create_directory(folder_ / "folder.keras");
    std::filesystem::create_symlink(path("a.keras"), path("link.keras"));
    expect_refused("convert" + a + a, "is the file that is read");
    expect_refused("convert" + a + quoted(path("link.keras")), "is the file that is read");
    for (const std::string name : {"b", "b.npy", "b.weights.json", ".keras/b", "b.keras.txt"}) {
        expect_refused("convert" + a + quoted(path(name)), "must end in");
        expect_refused("init --config" + quoted(config_) + " --input-shape 1,2,3 --out" + quoted(path(name)),
                       "must end in");
    }
    for (const std::string name :
         {"none/b.keras", "folder.keras", "none/b.h5", "none/b.weights.h5", "none/b.safetensors"}) {
        expect_refused("convert" + a + quoted(path(name)), name);
        expect_refused("init --config" + quoted(config_) + " --input-shape 1,2,3 --out" + quoted(path(name)), name);
    }
    expect_refused("convert" + quoted(path("missing.keras")) + quoted(path("b.keras")), "missing.keras");
    expect_refused("convert" + a, "TO");
    expect_refused("convert" + a + quoted(path("b.keras")) + " --layer nobody", "nobody");
    expect_refused("convert" + a + quoted(path("b.keras")) + " --config" + quoted(path("missing")), "missing");
    // Weights alone tell no config.
    init("w.weights.h5");
    expect_refused("convert" + quoted(path("w.weights.h5")) + quoted(path("b.keras")), "--config");
    // The layer cannot be built for what is asked.
    expect_refused("convert" + a + quoted(path("b.keras")) + " --input-shape None,10,6", "6");
}

TEST_F(CliConvert, BadShapesAndSeedsAreRefused) {
    const std::string init_with = "init --config" + quoted(config_) + " --out" + quoted(path("b.keras"));
    for (const std::string shape : {"", "4", "4,10", "4,10,12,1", "4,,12", "4,10,", ",", "a,b,c", "4,10,0", "4,-2,5",
                                    "4,10.5,5", "4,10,99999999999999999999", "4;10;5", "1e3,10,5"}) {
        expect_refused(init_with + " --input-shape" + quoted(shape), "--input-shape");
    }
    expect_refused(init_with + " --input-shape None,10,None", "channels");
    expect_refused(init_with + " --input-shape None,10,1000000000000000", "parameters");
    for (const std::string seed : {"-1", "x", "1.5", "9223372036854775808", "99999999999999999999", "7 8", ""}) {
        expect_refused(init_with + " --input-shape 4,10,5 --seed" + quoted(seed), "--seed");
    }
    init("b.keras", "9223372036854775807");
    expect_refused("init --input-shape 4,10,5 --out" + quoted(path("b.keras")), "--config");
    expect_refused("init --config" + quoted(config_) + " --out" + quoted(path("b.keras")), "--input-shape");
    // A layer that leaves no output.
    const std::string valid = write_file("valid.json", "{\"kernel_size\": 30}");
    expect_refused("init --config" + quoted(valid) + " --input-shape 4,10,5 --out" + quoted(path("v.keras")),
                   "would be zero or negative");
    const std::string both = write_file("both.json", "{\"kernel_size\": 3, \"strides\": 2, \"dilation_rate\": 2}");
    expect_refused("init --config" + quoted(both) + " --input-shape 4,10,5 --out" + quoted(path("v.keras")),
                   "strides=(2,)");
}

}  // namespace
