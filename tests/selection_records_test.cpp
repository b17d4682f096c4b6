// The steps of the selection that measurements answer, on invented kernels and records: which step answers, what passes
// a record over, and that what is said is what was chosen.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>

#include "cost.hpp"
#include "internals.hpp"
#include "select.hpp"

namespace {

using dwc::ConvKernel;
using dwc::Evidence;
using dwc::Record;
using dwc_test::resolved_problem;

constexpr const char* kProblem = "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_linear";
constexpr const char* kSameClass = "f32_nlc_n1_l300_c200_k4_m1_s1_d1_pl3_pr0_bias_linear";
constexpr const char* kNextClass = "f32_nlc_n1_l384_c384_k4_m1_s1_d1_pl3_pr0_bias_linear";
constexpr const char* kFarClass = "f32_nlc_n1_l384_c6144_k4_m1_s1_d1_pl3_pr0_bias_linear";
constexpr const char* kTarget = "x86-64-avx512";

// Kernels of two targets: default points of t 4 and 8, and one of t 6 for records.
class World {
   public:
    World() {
        for (const char* target : {kTarget, "x86-64-avx2"}) {
            add("t4", target, 4, 16, 4, false);
            add("t8", target, 4, 16, 8, false);
            add("t6", target, 4, 16, 6, true);
            add("any", target, 0, 16, 8, true);
        }
    }

    void add(const std::string& name, const char* target, int k, int v, int t, bool recorded) {
        names_.push_back(name + "@" + target);
        kernels_.push_back({nullptr, nullptr, nullptr, names_.back().c_str(), dwc::Family::channels,
                            dwc::find_target(target), "linear", DWC_F32, k, 1, 1, v, t, 4, recorded});
    }
    void record(const char* problem, const char* kernel, const char* incumbent, double ratio, bool measured = true,
                const char* cpu = "this cpu", int threads = 1, const char* target = kTarget) {
        records_.push_back({dwc::find_target(target), measured, problem, threads, kernel, incumbent, 10 * ratio, ratio,
                            cpu, "2026-11-22T00:00:00Z"});
    }
    void tuned(const std::string& text, const std::string& kernel, int threads = 1) {
        std::string why;
        auto entry = dwc::make_tuned(resolved_problem(text).given, threads, kernel, 5, &why);
        ASSERT_TRUE(entry) << why;
        entry->from_file = true;
        tuned_.push_back(*entry);
    }

    dwc::Selection select(const std::string& text, int threads = 1, const std::string& forced = "") const {
        dwc::Knowledge knowledge;
        for (const ConvKernel& k : kernels_) knowledge.kernels.push_back(&k);
        knowledge.tuned = std::make_shared<dwc::TunedTable>(tuned_);
        const std::vector<Evidence> evidence = dwc::evidence_of(records_);
        knowledge.records = evidence;
        knowledge.cpu = "this cpu";
        knowledge.this_machine = false;
        dwc::Selection s;
        dwc_error error{};
        EXPECT_EQ(dwc::select(resolved_problem(text), {forced, kTarget, threads}, knowledge, &s, &error), DWC_OK)
            << error.message;
        return s;
    }
    std::string chosen(const std::string& text, int threads = 1) const {
        const dwc::Selection s = select(text, threads);
        return s.chosen ? s.chosen->name : "none";
    }
    // The name of the kernel that the default order takes.
    std::string default_choice(const std::string& text) const {
        World bare;
        return bare.chosen(text);
    }

   private:
    std::deque<std::string> names_;
    std::deque<ConvKernel> kernels_;
    std::vector<Record> records_;
    dwc::TunedTable tuned_;
};

const std::string kT4 = std::string("t4@") + kTarget, kT6 = std::string("t6@") + kTarget,
                  kT8 = std::string("t8@") + kTarget, kAny = std::string("any@") + kTarget;

TEST(SelectionByRecords, WithoutThemTheDefaultOrderAnswersAndPassesOverRecordedKernels) {
    World world;
    world.add("t5", kTarget, 4, 16, 5, true);  // predicted to be between the default points
    const dwc::Selection s = world.select(kProblem);
    EXPECT_FALSE(s.chosen->recorded);
    EXPECT_NE(s.reason.find("default order"), std::string::npos) << s.reason;
}

TEST(SelectionByRecords, ExactProblem) {
    World world;
    world.record(kProblem, kT6.c_str(), kT4.c_str(), 0.8);
    const dwc::Selection s = world.select(kProblem);
    EXPECT_EQ(s.chosen->name, kT6);
    EXPECT_EQ(s.reason,
              "record of this problem: 0.80 of the time of t4 (this cpu, 2026-11-22T00:00:00Z), target forced");
    for (const dwc::Candidate& c : s.candidates)
        if (c.kernel == s.chosen) {
            EXPECT_EQ(dwc::why_not(c, s), s.reason);
        }
}

TEST(SelectionByRecords, ExactClass) {
    World world;
    world.record(kSameClass, kT6.c_str(), kT4.c_str(), 0.8);
    const dwc::Selection s = world.select(kProblem);
    EXPECT_EQ(s.chosen->name, kT6);
    EXPECT_NE(s.reason.find("record of class f32_nlc_k4_m1_s1_d1_c7_l8_n1_t1_linear"), std::string::npos) << s.reason;
    EXPECT_NE(s.reason.find(kSameClass), std::string::npos) << s.reason;
}

TEST(SelectionByRecords, TheNearestProblemOfAClassAnswers) {
    World world;
    world.record("f32_nlc_n1_l500_c250_k4_m1_s1_d1_pl3_pr0_bias_linear", kT8.c_str(), kT4.c_str(), 0.7);
    world.record("f32_nlc_n1_l380_c190_k4_m1_s1_d1_pl3_pr0_bias_linear", kT6.c_str(), kT4.c_str(), 0.8);
    EXPECT_EQ(world.chosen(kProblem), kT6);
    EXPECT_EQ(world.chosen("f32_nlc_n1_l480_c250_k4_m1_s1_d1_pl3_pr0_bias_linear"), kT8);
}

TEST(SelectionByRecords, NearestClassWithinReach) {
    World near, far;
    near.record(kNextClass, kT6.c_str(), kT4.c_str(), 0.8);
    const dwc::Selection s = near.select(kProblem);
    EXPECT_EQ(s.chosen->name, kT6);
    EXPECT_NE(s.reason.find("nearest class f32_nlc_k4_m1_s1_d1_c8_l8_n1_t1_linear"), std::string::npos) << s.reason;
    far.record(kFarClass, kT6.c_str(), kT4.c_str(), 0.8);
    EXPECT_NE(far.chosen(kProblem), kT6);
}

TEST(SelectionByRecords, AnExactClassGoesBeforeANearerProblemOfAnother) {
    World world;
    // 255 and 256 channels are next to each other and of two classes.
    world.record("f32_nlc_n1_l384_c256_k4_m1_s1_d1_pl3_pr0_bias_linear", kT8.c_str(), kT4.c_str(), 0.6);
    world.record("f32_nlc_n1_l384_c144_k4_m1_s1_d1_pl3_pr0_bias_linear", kT6.c_str(), kT4.c_str(), 0.8);
    EXPECT_EQ(world.chosen("f32_nlc_n1_l384_c240_k4_m1_s1_d1_pl3_pr0_bias_linear"), kT6);
}

TEST(SelectionByRecords, ARecordWhereTheIncumbentStaysKeepsNeighboursAway) {
    World world;
    const std::string incumbent = world.default_choice(kProblem);
    world.record(kSameClass, incumbent.c_str(), incumbent.c_str(), 1);
    world.record(kNextClass, kT6.c_str(), kT4.c_str(), 0.8);
    const dwc::Selection s = world.select(kProblem);
    EXPECT_EQ(s.chosen->name, incumbent);
    EXPECT_NE(s.reason.find("nothing measured was faster"), std::string::npos) << s.reason;
}

TEST(SelectionByRecords, AnotherKernelSizeOnlyWhereItIsKnownAtRunTime) {
    World fixed, any;
    const char* k5 = "f32_nlc_n1_l384_c192_k5_m1_s1_d1_pl4_pr0_bias_linear";
    fixed.record(k5, kT6.c_str(), kT4.c_str(), 0.5);
    EXPECT_NE(fixed.chosen(kProblem), kT6);
    any.add("k5", kTarget, 5, 16, 4, false);
    any.record(k5, kAny.c_str(), "k5@x86-64-avx512", 0.5);
    EXPECT_EQ(any.chosen(kProblem), kAny);
}

TEST(SelectionByRecords, ARecordWhoseGainTheProblemWouldWasteIsPassedOver) {
    World world;
    world.add("v64", kTarget, 4, 64, 4, true);
    // Eight channels more than a multiple of 64: the kernel computes 56 lanes that nobody asked for.
    const char* full = "f32_nlc_n1_l384_c128_k4_m1_s1_d1_pl3_pr0_bias_linear";
    const char* wasteful = "f32_nlc_n1_l384_c136_k4_m1_s1_d1_pl3_pr0_bias_linear";
    world.record(full, "v64@x86-64-avx512", kT4.c_str(), 0.9);
    EXPECT_EQ(world.chosen(full), "v64@x86-64-avx512");
    EXPECT_EQ(world.chosen(wasteful), world.default_choice(wasteful));
}

TEST(SelectionByRecords, StaticCostDecidesNothing) {
    World world;
    world.record(kProblem, kT6.c_str(), kT4.c_str(), 0.5, false);
    EXPECT_EQ(world.chosen(kProblem), world.default_choice(kProblem));
    world.record(kSameClass, kT8.c_str(), kT4.c_str(), 0.9);
    EXPECT_EQ(world.chosen(kProblem), kT8) << "what was measured elsewhere does";
}

TEST(SelectionByRecords, OwnCpuFirstThenAnother) {
    World world;
    world.record(kSameClass, kT8.c_str(), kT4.c_str(), 0.5, true, "another cpu");
    EXPECT_EQ(world.chosen(kProblem), kT8);
    world.record(kSameClass, kT6.c_str(), kT4.c_str(), 0.9);
    EXPECT_EQ(world.chosen(kProblem), kT6);
}

TEST(SelectionByRecords, WhatCannotServeIsPassedOver) {
    World world;
    world.record(kProblem, "not_compiled@x86-64-avx512", kT4.c_str(), 0.1);
    world.record("no problem at all", kT6.c_str(), kT4.c_str(), 0.1);
    world.add("v64", kTarget, 4, 64, 4, true);
    const char* narrow = "f32_nlc_n1_l384_c40_k4_m1_s1_d1_pl3_pr0_bias_linear";
    world.record(narrow, "v64@x86-64-avx512", kT4.c_str(), 0.1);  // needs 64 channels
    EXPECT_EQ(world.chosen(kProblem), world.default_choice(kProblem));
    EXPECT_EQ(world.chosen(narrow), world.default_choice(narrow));
}

TEST(SelectionByRecords, ThreadsAreAClassOfTheirOwn) {
    World world;
    world.record(kProblem, kT6.c_str(), kT4.c_str(), 0.8, true, "this cpu", 1);
    world.record(kProblem, kT8.c_str(), kT4.c_str(), 0.8, true, "this cpu", 4);
    EXPECT_EQ(world.chosen(kProblem, 1), kT6);
    EXPECT_EQ(world.chosen(kProblem, 2), kT8);
}

TEST(SelectionByRecords, AParentsRecordSaysNothingAgainstTheTargetsOwnDefault) {
    World world;
    world.record(kProblem, "t6@x86-64-avx2", "t4@x86-64-avx2", 0.1, true, "this cpu", 1, "x86-64-avx2");
    EXPECT_EQ(world.chosen(kProblem), world.default_choice(kProblem));
}

TEST(SelectionByTunedFile, GoesBeforeRecordsAndForcedBeforeIt) {
    World world;
    world.record(kProblem, kT6.c_str(), kT4.c_str(), 0.5);
    world.tuned(kProblem, kT8);
    const dwc::Selection s = world.select(kProblem);
    EXPECT_EQ(s.chosen->name, kT8);
    EXPECT_TRUE(s.tuned_here);
    EXPECT_EQ(s.reason.rfind("tuned file: ", 0), 0u) << s.reason;
    // What is forced must run here, whatever the selection is asked for.
    if (dwc::targets()[dwc::find_target(kTarget)].supported()) {
        EXPECT_EQ(world.select(kProblem, 1, kAny).chosen->name, kAny);
    }
}

TEST(SelectionByTunedFile, ServesItsClassAndNoOther) {
    World world;
    world.tuned(kSameClass, kAny);
    EXPECT_EQ(world.chosen(kProblem), kAny);
    EXPECT_EQ(world.chosen(kNextClass), world.default_choice(kNextClass));
    EXPECT_EQ(world.chosen(kProblem, 2), world.default_choice(kProblem));
    world.tuned(kProblem, kT6);
    EXPECT_EQ(world.chosen(kProblem), kT6) << "the problem itself before its class";
}

TEST(SelectionByTunedFile, KernelsThatDoNotExistOrRefuseArePassedOver) {
    World world;
    world.add("v64", kTarget, 4, 64, 4, true);
    const char* narrow = "f32_nlc_n1_l384_c40_k4_m1_s1_d1_pl3_pr0_bias_linear";
    world.tuned(kProblem, "gone@x86-64-avx512");
    world.tuned(narrow, "v64@x86-64-avx512");
    EXPECT_EQ(world.chosen(kProblem), world.default_choice(kProblem));
    EXPECT_EQ(world.chosen(narrow), world.default_choice(narrow));
}

// The table that the library is compiled with: every record can be used as it stands.
TEST(CompiledRecords, NameProblemsKernelsAndTargets) {
    for (int32_t i = 0; i < dwc_record_count(); ++i) {
        dwc_record record;
        dwc_record_init(&record);
        dwc_error error{};
        ASSERT_EQ(dwc_record_at(i, &record, &error), DWC_OK) << error.message;
        resolved_problem(record.problem);
        bool found = false;
        for (const ConvKernel& kernel : dwc::conv_kernels()) found = found || !std::strcmp(kernel.name, record.kernel);
        EXPECT_TRUE(found) << record.kernel << " is not compiled";
        EXPECT_GE(dwc::find_target(record.target), 0);
        EXPECT_GT(record.us, 0);
        EXPECT_GT(record.threads, 0);
    }
    dwc_record record;
    dwc_record_init(&record);
    EXPECT_EQ(dwc_record_at(dwc_record_count(), &record, nullptr), DWC_ERROR_BUFFER_SIZE);
    record.struct_size = 1;
    EXPECT_EQ(dwc_record_at(0, &record, nullptr), DWC_ERROR_STRUCT_SIZE);
}

// ------------------------------------------------------------------------------------------------------- catalogues

TEST(Catalog, ChoosesAmongGivenKernelsAndRecords) {
    dwc_kernel_row rows[2];
    for (dwc_kernel_row& row : rows) {
        dwc_kernel_row_init(&row);
        row.family = "channels";
        row.target = kTarget;
        row.activation = "linear";
        row.k = 4, row.stride = 1, row.m = 1, row.v = 16, row.t = 4;
    }
    rows[1].t = 6;
    dwc_record record;
    dwc_record_init(&record);
    record.problem = kProblem;
    record.target = kTarget;
    record.kernel = "channels_f32_k4_m1_s1_linear_v16_t6@x86-64-avx512";
    record.incumbent = "channels_f32_k4_m1_s1_linear_v16_t4@x86-64-avx512";
    record.threads = 1;
    record.measured = 1;
    record.us = 5;
    record.ratio = 0.8;
    dwc_catalog catalog;
    dwc_catalog_init(&catalog);
    catalog.kernels = rows;
    catalog.kernel_count = 2;
    catalog.default_count = 1;
    const dwc_problem p = resolved_problem(kProblem).given;
    int32_t kernel = 9;
    dwc_error error{};
    ASSERT_EQ(dwc_catalog_select(&catalog, &p, kTarget, 1, &kernel, &error), DWC_OK) << error.message;
    EXPECT_EQ(kernel, 0);
    catalog.records = &record;
    catalog.record_count = 1;
    ASSERT_EQ(dwc_catalog_select(&catalog, &p, kTarget, 1, &kernel, &error), DWC_OK) << error.message;
    EXPECT_EQ(kernel, 1);
    ASSERT_EQ(dwc_catalog_select(&catalog, &p, "x86-64-sse41", 1, &kernel, &error), DWC_OK) << error.message;
    EXPECT_EQ(kernel, -1);
    EXPECT_EQ(dwc_catalog_select(&catalog, &p, "z80", 1, &kernel, &error), DWC_ERROR_FORCED_TARGET);
    EXPECT_EQ(dwc_catalog_select(&catalog, &p, nullptr, 1, &kernel, &error), DWC_ERROR_NULL_POINTER);
    rows[1].v = 3;
    EXPECT_EQ(dwc_catalog_select(&catalog, &p, kTarget, 1, &kernel, &error), DWC_ERROR_KERNEL_ROW);
}

}  // namespace
