// Running the built command in a process of its own, with a folder that vanishes after the test.
// DWC_CLI: path of the binary.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace dwc_test {

struct Outcome {
    int exit_code;  // -1: ended by a signal
    std::string out, err;
};

inline std::string contents(const std::filesystem::path &path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

class CliProcess : public testing::Test {
   protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "dwconv_cli_XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    // Runs the command with `arguments` (shell words) after `environment` (settings, or other words of the shell).
    Outcome run(const std::string &arguments, const std::string &environment = "") {
        const auto out = folder_ / "out", err = folder_ / "err";
        const std::string line = environment + " '" DWC_CLI "' " + arguments + " >'" + out.string() + "' 2>'" +
                                 err.string() + "' </dev/null";
        const int status = std::system(line.c_str());
        // The shell reports a command that a signal ended as 128 + its number.
        const bool exited = WIFEXITED(status) && WEXITSTATUS(status) < 128;
        EXPECT_TRUE(exited) << arguments << "\n" << contents(err);
        return {exited ? WEXITSTATUS(status) : -1, contents(out), contents(err)};
    }

    // Returns the path.
    std::string write_file(const std::string &name, const std::string &bytes) {
        std::ofstream(folder_ / name, std::ios::binary) << bytes;
        return (folder_ / name).string();
    }

    std::filesystem::path folder_;
};

}  // namespace dwc_test
