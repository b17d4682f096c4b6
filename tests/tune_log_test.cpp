// The log: what is written is read, a torn end costs nothing but itself, and what is no log is refused and left alone.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tuner/log.hpp"

namespace {

using namespace dwc::tuner;

dwc::tuner::Run the_run() {
    return {"20261122T230000-0badcafe", "x86-64-avx2", "A CPU \"quoted\"", R"({"cpus":2,"caches":{"L1":"32K"}})",
            "2026-11-22T23:00:00Z",     "0.1.0",       "21.0.0",           "dwconv tune --problem x"};
}

Result result(const std::string &kernel, int64_t samples) {
    Result r;
    r.run = the_run().id;
    r.problem = "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu";
    r.kernel = kernel;
    r.target = "x86-64-avx2";
    r.us_median = 7.25, r.us_min = 7, r.us_q25 = 7.125, r.us_q75 = 7.5;
    r.samples = samples;
    r.incumbent = "other@x86-64-avx2";
    r.incumbent_us_median = 8, r.ratio_median = 0.9, r.ratio_q25 = 0.875, r.ratio_q75 = 0.925;
    r.cost = 123456, r.object_bytes = 4000;
    return r;
}

class LogFile : public testing::Test {
   protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "dwconv_log_XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
        path_ = name + "/log.jsonl";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    void write(const std::string &text) const { std::ofstream(path_, std::ios::binary) << text; }
    std::string text() const {
        std::ostringstream all;
        all << std::ifstream(path_, std::ios::binary).rdbuf();
        return all.str();
    }
    std::string folder_, path_;
};

TEST_F(LogFile, WhatIsWrittenIsRead) {
    Result failed = result("channels_f32_k4_m1_s1_linear_v8_t4", 0);
    failed.outcome = Outcome::crash;
    failed.us_median = failed.us_min = failed.us_q25 = failed.us_q75 = std::nullopt;
    failed.message = "Segmentation fault: a \xff byte, a \"quote\" and a\nline";
    failed.source = Source::emulated;
    failed.threads = 4;
    {
        LogWriter writer(path_);
        writer.append(the_run());
        writer.append(result("a", 5));
        writer.append(failed);
    }
    const Log log = read_log(path_);
    ASSERT_EQ(log.runs.size(), 1u);
    ASSERT_EQ(log.results.size(), 2u);
    const dwc::tuner::Run &r = log.runs[0];
    EXPECT_EQ(r.id, the_run().id);
    EXPECT_EQ(r.cpu, the_run().cpu);
    EXPECT_EQ(r.machine, the_run().machine);
    EXPECT_EQ(r.halide, "21.0.0");
    EXPECT_EQ(log.run(the_run().id), &r);
    EXPECT_EQ(log.run("other"), nullptr);
    EXPECT_EQ(line_of(log.results[0]), line_of(result("a", 5)));
    EXPECT_EQ(log.results[0].ratio_q75, 0.925);
    EXPECT_EQ(log.results[1].outcome, Outcome::crash);
    EXPECT_EQ(log.results[1].source, Source::emulated);
    EXPECT_EQ(log.results[1].threads, 4);
    EXPECT_FALSE(log.results[1].us_median);
    EXPECT_NE(log.results[1].message.find("and a\nline"), std::string::npos);
    EXPECT_EQ(log.whole_bytes, text().size());
}

TEST_F(LogFile, ATornEndIsLeftOutAndCutOff) {
    const std::string whole = line_of(the_run()) + line_of(result("a", 5)), last = line_of(result("b", 5));
    for (size_t cut = 0; cut < last.size(); cut += 7) {
        write(whole + last.substr(0, cut));
        const Log log = read_log(path_);
        EXPECT_EQ(log.results.size(), 1u) << cut;
        EXPECT_EQ(log.whole_bytes, whole.size());
        LogWriter(path_).append(result("c", 5));
        EXPECT_EQ(text(), whole + line_of(result("c", 5))) << cut;
    }
}

TEST_F(LogFile, TheBestMeasuredResultOfAKeyCounts) {
    Result first = result("a", 31), second = result("a", 5), third = result("a", 31), other = result("a", 1);
    third.us_median = 6;
    other.threads = 2;
    const Log log = parse_log(line_of(first) + line_of(second) + line_of(third) + line_of(other), "log");
    const auto latest = log.latest();
    ASSERT_EQ(latest.size(), 2u);
    EXPECT_EQ(latest.at(key_of(first)).us_median, 6);
    EXPECT_EQ(latest.at(key_of(other)).samples, 1);
}

TEST_F(LogFile, WhatIsNoLogIsRefusedByLineAndLeftAlone) {
    const std::string good = line_of(the_run());
    const auto replaced = [&](const std::string &from, const std::string &to) {
        std::string line = line_of(result("a", 5));
        const size_t at = line.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return line.replace(at, from.size(), to);
    };
    const std::pair<std::string, std::string> cases[] = {
        {"a letter\n", ":1: must be a JSON object"},
        {"a letter", ":1: must be a JSON object"},
        {std::string("\0\0\0", 3), ":1: must be a JSON object"},
        {good + "[1]\n", ":2: must be a JSON object"},
        {good + "{}\n", ":2: type is missing"},
        {good + "{\"type\":\"banana\"}\n", ":2: type=banana must be run or result"},
        {good + "{\"type\":7}\n", ":2: type must be a string"},
        {good + replaced("\"ok\"", "\"banana\""), ":2: outcome=banana must be one of ok, constraints"},
        {good + replaced("\"measured\"", "\"guessed\""), ":2: source=guessed must be one of"},
        {good + replaced("7.25", "\"fast\""), ":2: us_median must be a number"},
        {good + replaced("7.25", "-1"), ":2: us_median must be a finite number, at least 0"},
        {good + replaced("7.25", "1e999"), ":2: "},
        {good + replaced("\"samples\":5", "\"samples\":-5"), ":2: samples=-5 must be at least 0"},
        {good + replaced("\"kernel\"", "\"colonel\""), ":2: kernel is missing"},
        {std::string(good).replace(good.find("\"version\":1"), 11, "\"version\":9"),
         ":1: version=9: this dwconv reads"},
    };
    for (const auto &[bytes, words] : cases) {
        write(bytes);
        for (const bool writer : {false, true}) {
            try {
                writer ? static_cast<void>(LogWriter(path_)) : static_cast<void>(read_log(path_));
                ADD_FAILURE() << bytes;
            } catch (const InputError &error) {
                EXPECT_NE(std::string(error.what()).find(path_ + words), std::string::npos) << error.what();
            }
        }
        EXPECT_EQ(text(), bytes);
    }
    EXPECT_THROW(read_log(folder_), InputError);
    EXPECT_THROW(read_log(folder_ + "/none"), InputError);
    EXPECT_TRUE(read_log(folder_ + "/none", true).results.empty());
}

TEST_F(LogFile, OneWriterAtATime) {
    const LogWriter first(path_);
    EXPECT_THROW(LogWriter second(path_), InputError);
}

}  // namespace
