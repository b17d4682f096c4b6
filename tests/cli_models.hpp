// The model files of the oracle, and how the command line is driven over them.
// DWC_CLI: path of the binary. DWC_TEST_DATA: folder with the oracle.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli_process.hpp"

namespace dwc_test {

using Json = nlohmann::ordered_json;

class CliModels : public CliProcess {
   protected:
    std::string oracle(const std::string &relative) const { return DWC_TEST_DATA "/keras_oracle/" + relative; }

    std::vector<Json> rows() const {
        std::vector<Json> rows;
        std::ifstream file(oracle("models.jsonl"));
        for (std::string line; std::getline(file, line);) rows.push_back(Json::parse(line));
        EXPECT_FALSE(rows.empty());
        return rows;
    }

    static std::string quoted(const std::string &word) { return " '" + word + "'"; }
    std::string path(const std::string &name) const { return (folder_ / name).string(); }

    // Runs a command that must succeed; returns its stdout.
    std::string succeed(const std::string &arguments) {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.err;
        EXPECT_EQ(outcome.err, "") << arguments;
        return outcome.out;
    }
    void expect_failure(const std::string &arguments, const std::string &part, int exit_code = 2) {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.exit_code, exit_code) << arguments << "\n" << outcome.err;
        EXPECT_EQ(outcome.out, "") << arguments;
        EXPECT_EQ(outcome.err.find('\n') + 1, outcome.err.size()) << arguments << "\n" << outcome.err;
        EXPECT_EQ(outcome.err.rfind("dwconv: ", 0), 0u) << arguments << "\n" << outcome.err;
        EXPECT_NE(outcome.err.find(part), std::string::npos) << arguments << "\n" << outcome.err;
    }

    Json inspect(const std::string &file) { return Json::parse(succeed("inspect --json" + quoted(file))); }
};

}  // namespace dwc_test
