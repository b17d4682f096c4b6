// `dwconv check` bites: one spoiled row of a category makes that row, and no other, fail.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <sstream>
#include <string>

#include "cli_models.hpp"

namespace {

using namespace dwc_test;

class CliCheck : public CliModels {
   protected:
    void SetUp() override {
        CliModels::SetUp();
        std::filesystem::copy(DWC_TEST_DATA "/keras_oracle", folder_ / "oracle",
                              std::filesystem::copy_options::recursive);
    }

    // Changes row `index` of a file of lines, checks its category, and puts the file back.
    void expect_bite(const std::string &category, size_t index, const std::function<void(Json &)> &spoil) {
        SCOPED_TRACE(category + " row " + std::to_string(index));
        const std::string name = "oracle/" + category + ".jsonl", whole = contents(folder_ / name);
        std::string changed;
        std::istringstream lines(whole);
        size_t number = 0;
        for (std::string line; std::getline(lines, line); ++number) {
            Json row = Json::parse(line);
            if (number == index) spoil(row);
            changed += row.dump() + "\n";
        }
        ASSERT_LT(index, number);
        write_file(name, changed);
        expect_one_failure(category);
        write_file(name, whole);
    }
    void expect_bite_in_document(const std::string &category, const std::function<void(Json &)> &spoil) {
        SCOPED_TRACE(category);
        const std::string name = "oracle/" + category + ".json", whole = contents(folder_ / name);
        Json document = Json::parse(whole);
        spoil(document);
        write_file(name, document.dump());
        expect_one_failure(category);
        write_file(name, whole);
    }
    void expect_one_failure(const std::string &category) {
        const Outcome outcome = run("check" + quoted(path("oracle")) + " --only " + category);
        EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
        EXPECT_NE(outcome.out.find(" passed, 1 failed, 0 skipped\n"), std::string::npos) << outcome.out;
        EXPECT_EQ(outcome.out.find("FAIL "), outcome.out.rfind("FAIL ")) << outcome.out;
    }
};

TEST_F(CliCheck, OneSpoiledRowFails) {
    expect_bite("cases", 3, [](Json &row) { row["files"]["y64"] = "cases/004_y64.npy"; });
    expect_bite("models", 0, [](Json &row) { row["y"] = "models/seq_single_h5_0_y.npy"; });
    expect_bite("models", 2, [](Json &row) { row["config"]["strides"] = {2}; });
    expect_bite("models", 3, [](Json &row) { row["weights"][0]["h5_paths"] = {"layers/another/vars/0"}; });
    expect_bite("models", 0, [](Json &row) { row["weights"][1]["file"] = "models/seq_single_h5_0_bias.npy"; });
    expect_bite("errors", 0, [](Json &row) { row["kwargs"]["kernel_size"] = 3; });
    expect_bite("errors", 0, [](Json &row) { row["message"] = "The `kernel_size` argument must be polite."; });
    expect_bite("accepted", 2, [](Json &row) { row["kwargs"]["kernel_size"] = {-3}; });
    expect_bite("accepted", 2, [](Json &row) { row["weights"][0]["trainable"] = false; });
    expect_bite("accepted", 2, [](Json &row) { row["weights"][1]["all_zero"] = false; });
    expect_bite("accepted", 2, [](Json &row) { row["config"]["padding"] = "same"; });
    expect_bite("keras_json", 1, [](Json &row) { row["result"] = "channels_last"; });
    expect_bite("keras_json", 7, [](Json &row) { row["error"] = "ValueError: something else entirely"; });
}

TEST_F(CliCheck, OneSpoiledValueFails) {
    expect_bite_in_document("activations", [](Json &document) { document["activations"][0]["y"][3] = 0.5; });
    expect_bite_in_document("regularizers", [](Json &document) { document["regularizers"][2]["kernel"] = 0.32685; });
    expect_bite_in_document("regularizers", [](Json &document) { document["layer_losses"][0]["losses"][2] = 3.0987; });
    expect_bite_in_document("regularizers",
                            [](Json &document) { document["regularizers"][0]["get_config"]["l1"] = 0.01; });
    expect_bite_in_document(
        "constraints", [](Json &document) { document["constraints"][0]["kernel"] = "stats/constraint_01_kernel.npy"; });
    for (const char *key : {"mean", "std"}) {  // row 1: glorot_normal
        expect_bite_in_document("initializers", [key](Json &document) {
            document[1]["kernel"][key] = document[1]["kernel"][key].get<double>() + 0.003;
        });
    }
    expect_bite_in_document("initializers", [](Json &document) { document[2]["kernel"]["limit"] = 0.0530; });
    expect_bite_in_document("initializers", [](Json &document) { document[2]["kernel"]["limit"] = 0.0560; });
}

TEST_F(CliCheck, ASettingOfTheUsersDecidesNothing) {
    std::filesystem::create_directory(folder_ / "khome");
    write_file("khome/keras.json", "{\"image_data_format\": \"channels_first\"}");
    const Outcome outcome =
        run("check" + quoted(path("oracle")) + " --only cases,accepted,keras_json", "KERAS_HOME=" + path("khome"));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out;
    EXPECT_EQ(contents(folder_ / "khome/keras.json"), "{\"image_data_format\": \"channels_first\"}");
}

TEST_F(CliCheck, GradientsAreNotHidden) {
    const Outcome outcome = run("check" + quoted(path("oracle")) + " --only grads");
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.out.find("not supported in this version"), std::string::npos);
}

}  // namespace
