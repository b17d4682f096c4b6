// Model files of every kind, spoiled: exit code 2 and one sentence that names the file, from run, inspect and convert.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli_bad_input.hpp"

namespace {

using namespace dwc_test;

class CliBadModel : public CliBadInput {
   protected:
    void SetUp() override {
        CliBadInput::SetUp();
        const std::filesystem::path models = DWC_TEST_DATA "/keras_oracle/models";
        for (const auto &entry : std::filesystem::directory_iterator(models)) {
            const std::string name = entry.path().filename().string();
            if (name.rfind("seq_multi_shards", 0) == 0 && entry.path().extension() != ".npy") {
                std::filesystem::copy_file(entry.path(), work_ / name);
                if (entry.path().extension() != ".json") shards_.push_back(name);
            }
        }
        std::filesystem::copy_file(models / "seq_single.h5", work_ / "m.h5");
        std::filesystem::copy_file(models / "seq_single.weights.h5", work_ / "m.weights.h5");
        put("relu.json", "{\"kernel_size\": 3, \"depth_multiplier\": 3, \"activation\": \"relu\"}");
    }

    // By every command that reads models, in every way it can be called.
    void expect_model_refused(const std::string &file, const std::string &part) {
        SCOPED_TRACE(file);
        const bool weights = file.find("weights") != std::string::npos;
        const std::string config = weights ? " --config relu.json" : "";
        expect_refused("--model " + file + " --x mx.npy" + config, part);
        expect_failure("inspect " + file, part);
        expect_failure("inspect --json " + file, part);
        for (const std::string to : {"new.keras", "new.safetensors"}) {
            expect_failure("convert " + file + " " + to + config, part);
        }
    }

    std::vector<std::string> shards_;
};

TEST_F(CliBadModel, GoodFilesAreGood) {
    EXPECT_FALSE(output_of("--model m.h5 --x mx.npy").empty());
    EXPECT_FALSE(output_of("--model m.weights.h5 --config relu.json --x mx.npy").empty());
    EXPECT_EQ(run_here("inspect seq_multi_shards.weights.json").exit_code, 0);
    EXPECT_FALSE(shards_.empty());
}

TEST_F(CliBadModel, TruncatedHdf5IsRefused) {
    for (const std::string name : {"m.h5", "m.weights.h5"}) {
        const std::string whole = contents(work_ / name);
        ASSERT_GT(whole.size(), 1000u);
        for (const size_t length :
             {size_t{0}, size_t{1}, size_t{8}, size_t{95}, whole.size() / 4, whole.size() / 2, whole.size() - 1}) {
            SCOPED_TRACE(length);
            put(name, whole.substr(0, length));
            expect_model_refused(name, name);
        }
        put(name, whole);
    }
}

TEST_F(CliBadModel, SafetensorsWithAbsurdHeadersAreRefused) {
    const auto with_length = [](std::uint64_t length, const std::string &rest) {
        std::string bytes;
        for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 255);
        return bytes + rest;
    };
    const std::string header = R"({"conv/kernel": {"dtype": "F32", "shape": [3, 5, 2], "data_offsets": [0, 120]}})";
    const std::string absurd =
        R"({"conv/kernel": {"dtype": "F32", "shape": [1000000000, 1000000000, 2], "data_offsets": [0, 120]}})";
    const std::string beyond =
        R"({"conv/kernel": {"dtype": "F32", "shape": [3, 5, 2], "data_offsets": [0, 99999999999999]}})";
    const std::vector<std::string> bad = {
        std::string(),
        std::string("{}"),
        with_length(~std::uint64_t{0}, header),
        with_length(std::uint64_t{1} << 62, header),
        with_length(header.size() + 1000, header),
        with_length(header.size(), header),  // no data
        with_length(header.size(), header + std::string(60, '\0')),
        with_length(absurd.size(), absurd + std::string(120, '\0')),
        with_length(beyond.size(), beyond + std::string(120, '\0')),
        with_length(3, "{]}" + std::string(120, '\0')),
        with_length(2, "[]"),
    };
    for (size_t i = 0; i < bad.size(); ++i) {
        SCOPED_TRACE(i);
        put("m.safetensors", bad[i]);
        expect_failure("inspect m.safetensors", "m.safetensors");
        expect_failure("convert m.safetensors new.keras --config relu.json", "m.safetensors");
        expect_refused("--model m.safetensors --x mx.npy --config relu.json", "m.safetensors");
    }
}

TEST_F(CliBadModel, MissingAndStrangeShardsAreRefused) {
    const std::string map = "seq_multi_shards.weights.json";
    const std::string whole = contents(work_ / map);
    for (const std::string &shard : shards_) {
        const std::string bytes = contents(work_ / shard);
        std::filesystem::remove(work_ / shard);
        expect_failure("run --model " + map + " --layer pub_first --config relu.json --x mx.npy --y y.npy", shard);
        expect_failure("inspect " + map, shard);
        put(shard, bytes.substr(0, bytes.size() / 2));
        expect_failure("inspect " + map, shard);
        put(shard, bytes);
    }
    for (const std::string &text :
         {std::string(), std::string("{"), std::string("[]"), std::string("{}"), std::string("{\"weight_map\": 3}"),
          std::string("{\"metadata\": {\"total_size\": 3}, \"weight_map\": {\"/layers/a/vars\": \"../b.h5\"}}"),
          std::string("{\"metadata\": {\"total_size\": 3}, \"weight_map\": {\"/layers/a/vars\": \"/etc/hostname\"}}"),
          std::string("{\"metadata\": {\"total_size\": 3}, \"weight_map\": {\"/layers/a/vars\": 3}}")}) {
        SCOPED_TRACE(text);
        put(map, text);
        expect_model_refused(map, map);
    }
}

TEST_F(CliBadModel, OtherFilesAreNoModels) {
    for (const std::string file : {"x.npy", "layer.json", "folder", "missing"}) expect_model_refused(file, file);
}

}  // namespace
