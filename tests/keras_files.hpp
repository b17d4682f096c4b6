// Model files of the oracle, copies of them with damage, and what opening them comes to.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>
#include <zip.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "dwconv/keras.hpp"
#include "keras_oracle.hpp"

namespace keras_files {

inline std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_FALSE(text.str().empty()) << path;
    return text.str();
}

// Opens and reads everything that can be read without a config from elsewhere; the message of the dwconv::error, or
// "accepted". Anything else that is thrown fails the test.
inline std::string attempt(const std::string& path) {
    try {
        const dwconv::keras::Model model = dwconv::keras::Model::open(path);
        for (size_t i = 0; i < model.size(); ++i) {
            model.stored(i);
            if (model.has_configs()) {
                model.layer(i);
            } else {
                model.weights(i);
            }
        }
        return "accepted";
    } catch (const dwconv::error& error) {
        return error.what();
    }
}

class FilesTest : public testing::Test {
   protected:
    void SetUp() override {
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        folder_ = std::filesystem::temp_directory_path() /
                  ("dwconv-" + std::string(test->name()) + "-" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& bytes, const std::string& name = "model") const {
        const std::string path = (folder_ / name).string();
        std::ofstream(path, std::ios::binary) << bytes;
        return path;
    }
    // Every truncation at a multiple of `step`, and every `step`th byte changed: refused or read, never a crash.
    void damage(const std::string& good, const std::string& name, size_t step) const {
        for (size_t at = 0; at < good.size(); at += step) {
            EXPECT_NE(attempt(write(good.substr(0, at), name)), "accepted") << name << " cut at " << at;
        }
        for (size_t at = 0; at < good.size(); at += step / 2 + 1) {
            for (const int mask : {0x41, 0xff}) {
                std::string bytes = good;
                bytes[at] = static_cast<char>(bytes[at] ^ mask);
                EXPECT_FALSE(attempt(write(bytes, name)).empty());
            }
        }
    }
    // A zip archive of these members, deflated where asked.
    std::string zip(const std::vector<std::pair<std::string, std::string>>& members, bool deflate = false) const {
        const std::string path = (folder_ / "made.keras").string();
        std::filesystem::remove(path);
        int code = 0;
        zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_EXCL, &code);
        for (const auto& [name, bytes] : members) {
            zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
            const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
            zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                     0);
        }
        zip_close(archive);
        return path;
    }
    static std::string member(const std::string& file, const char* name) {
        int code = 0;
        zip_t* archive = zip_open((keras_oracle::kFolder + file).c_str(), ZIP_RDONLY, &code);
        zip_stat_t stat;
        zip_stat(archive, name, 0, &stat);
        std::string bytes(stat.size, '\0');
        zip_file_t* open = zip_fopen(archive, name, 0);
        zip_fread(open, bytes.data(), bytes.size());
        zip_fclose(open);
        zip_discard(archive);
        return bytes;
    }
    std::filesystem::path folder_;
};

#define EXPECT_REFUSED(path, words) EXPECT_HAS(keras_files::attempt(path), words)

}  // namespace keras_files
