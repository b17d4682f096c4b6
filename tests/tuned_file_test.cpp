// The file of what was tuned: written and read back, and every way in which it can be of no use.
#include "tuned_file.hpp"

#include <gtest/gtest.h>

#include <random>

namespace {

using dwc::parse_tuned;

constexpr const char* kVersion = "0.1.0";
constexpr const char* kCpu = "Some CPU @ 3 GHz";

dwc::TunedEntry entry(const std::string& problem, int threads, const std::string& kernel, double us) {
    dwc_problem given;
    EXPECT_EQ(dwc_problem_parse(problem.c_str(), &given, nullptr), DWC_OK);
    std::string why;
    const auto made = dwc::make_tuned(given, threads, kernel, us, &why);
    EXPECT_TRUE(made) << why;
    return *made;
}

std::string good_file() {
    const std::vector<dwc::TunedEntry> entries = {
        entry("f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu", 1, "a_kernel@x86-64-avx2", 12.5),
        entry("f32_ncl_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_elu_a0.25", 4, "b@x86-64-avx2", 1e-3),
    };
    return dwc::format_tuned(entries, kVersion, kCpu);
}

TEST(TunedFile, RoundTrip) {
    const auto read = parse_tuned(good_file(), kVersion, kCpu);
    EXPECT_EQ(read.miss, "");
    EXPECT_TRUE(read.skipped.empty());
    ASSERT_EQ(read.entries.size(), 2u);
    EXPECT_EQ(read.entries[0].problem, "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu");
    EXPECT_EQ(read.entries[0].kernel, "a_kernel@x86-64-avx2");
    EXPECT_EQ(read.entries[0].us, 12.5);
    EXPECT_EQ(read.entries[0].key.text(), "f32_nlc_k4_m1_s1_d1_c7_l8_n1_t1_silu");
    EXPECT_EQ(read.entries[1].threads, 4);
    EXPECT_TRUE(read.entries[1].from_file);
    EXPECT_EQ(dwc::format_tuned(read.entries, kVersion, kCpu), good_file());
    EXPECT_EQ(parse_tuned(dwc::format_tuned({}, kVersion, kCpu), kVersion, kCpu).miss, "");
}

TEST(TunedFile, CutOffAnywhereIsAMiss) {
    const std::string text = good_file();
    for (size_t length = 0; length < text.size(); ++length) {
        const auto read = parse_tuned(text.substr(0, length), kVersion, kCpu);
        EXPECT_NE(read.miss, "") << length;
        EXPECT_TRUE(read.entries.empty()) << length;
    }
}

TEST(TunedFile, EveryChangedByteIsAMiss) {
    const std::string text = good_file();
    for (size_t at = 0; at < text.size(); ++at)
        for (const int flip : {1, 0x20, 0x80}) {
            std::string damaged = text;
            damaged[at] = static_cast<char>(damaged[at] ^ flip);
            const auto read = parse_tuned(damaged, kVersion, kCpu);
            EXPECT_NE(read.miss, "") << at;
            EXPECT_TRUE(read.entries.empty()) << at;
        }
}

TEST(TunedFile, OtherVersionOrCpuIsAMissThatSaysSo) {
    EXPECT_NE(parse_tuned(good_file(), "0.2.0", kCpu).miss.find("version '0.1.0'"), std::string::npos);
    EXPECT_NE(parse_tuned(good_file(), kVersion, "Another CPU").miss.find("CPU 'Some CPU @ 3 GHz'"), std::string::npos);
    std::string text = good_file();
    text.replace(text.find(" 1 "), 3, " 2 ");
    EXPECT_NE(parse_tuned(text, kVersion, kCpu).miss.find("format '2'"), std::string::npos);
    EXPECT_NE(parse_tuned("#!/bin/sh\n", kVersion, kCpu).miss.find("dwconv-tuned"), std::string::npos);
}

TEST(TunedFile, RandomBytesAreAMiss) {
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
        std::string bytes(random() % 400, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        if (i % 2) bytes = good_file().substr(0, random() % 60) + bytes;
        EXPECT_NE(parse_tuned(bytes, kVersion, kCpu).miss, "");
    }
}

// Whole files of ours that hold lines no version of ours writes: somebody made them with a right checksum.
std::string with_lines(const std::string& lines, int count) {
    const std::string header = std::string("dwconv-tuned 1 ") + kVersion + " " + kCpu + "\n";
    uint64_t hash = 0xcbf29ce484222325ull;
    for (const char c : header + lines) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    char end[60];
    std::snprintf(end, sizeof end, "end %d %016llx\n", count, static_cast<unsigned long long>(hash));
    return header + lines + end;
}

TEST(TunedFile, ABadLineCostsItselfOnly) {
    const std::string good = "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu\t1\ta@b\t12.5\n";
    const std::string problem = "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_linear";
    const std::string bad[] = {"\n",
                               "nonsense\t1\ta@b\t1\n",
                               problem + "\n",
                               problem + "\t0\ta@b\t1\n",
                               problem + "\tmany\ta@b\t1\n",
                               problem + "\t2000\ta@b\t1\n",
                               problem + "\t1\t\t1\n",
                               problem + "\t1\tno_target\t1\n",
                               problem + "\t1\ta@b\tnan\n",
                               problem + "\t1\ta@b\t-1\n",
                               problem + "\t1\ta@b\tinf\n",
                               problem + "\t1\ta@b\t1\t2\n",
                               problem + "\t1\ta b@c\t1\n",
                               problem + "\t1\t" + std::string(300, 'a') + "@b\t1\n"};
    for (const std::string& line : bad) {
        const auto read = parse_tuned(with_lines(line + good, 2), kVersion, kCpu);
        EXPECT_EQ(read.miss, "") << line;
        EXPECT_EQ(read.skipped.size(), 1u) << line;
        ASSERT_EQ(read.entries.size(), 1u) << line;
        EXPECT_EQ(read.entries[0].us, 12.5);
    }
    EXPECT_NE(parse_tuned(with_lines(good, 2), kVersion, kCpu).miss, "") << "the count must agree";
}

}  // namespace
