// The inputs kept from fuzzing, run again: whatever was found once stays fixed, with every compiler.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "targets.hpp"

namespace {

struct Target {
    const char* name;
    int (*run)(const std::uint8_t*, std::size_t);
};

class FuzzCorpus : public testing::TestWithParam<Target> {};

TEST_P(FuzzCorpus, EveryKeptInputRuns) {
    const std::filesystem::path folder = std::filesystem::path(DWC_FUZZ_CORPUS) / GetParam().name;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    ASSERT_FALSE(files.empty()) << folder;
    for (const auto& path : files) {
        SCOPED_TRACE(path.string());
        std::ifstream file(path, std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        const std::string bytes = text.str();
        EXPECT_EQ(GetParam().run(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus,
                         testing::Values(Target{"config", dwconv_fuzz::fuzz_config},
                                         Target{"keras", dwconv_fuzz::fuzz_keras}, Target{"h5", dwconv_fuzz::fuzz_h5},
                                         Target{"npy", dwconv_fuzz::fuzz_npy},
                                         Target{"safetensors", dwconv_fuzz::fuzz_safetensors}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
