// What was tuned on this machine, through the C interface: files, the environment, plan level `measure`; and that
// whatever a file says, plans are made and compute the right thing.
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "plan_support.hpp"

namespace {

using namespace dwc_test;

const char* const kProblem = "f32_nlc_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear";
const char* const kSameClass = "f32_nlc_n1_l80_c44_k4_m1_s1_d1_pl3_pr0_bias_linear";

class Tuned : public testing::Test {
   protected:
    void SetUp() override {
        dwc_tuned_clear();
        unsetenv("DWC_TUNED_FILE");
        dwc_set_log_callback([](void* user, const char* line) { static_cast<Tuned*>(user)->log_.push_back(line); },
                             this);
        std::string name = (std::filesystem::temp_directory_path() / "dwconv_tuned_XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override {
        dwc_set_log_callback(nullptr, nullptr);
        dwc_tuned_clear();
        unsetenv("DWC_TUNED_FILE");
        std::filesystem::remove_all(folder_);
    }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }
    std::string write(const std::string& name, const std::string& bytes) const {
        std::ofstream(folder_ / name, std::ios::binary) << bytes;
        return path(name);
    }
    std::string logged() const {
        std::string all;
        for (const std::string& line : log_) all += line + "\n";
        return all;
    }
    static int32_t load(const std::string& path) {
        int32_t entries = -1;
        dwc_error error{};
        EXPECT_EQ(dwc_tuned_load(path.c_str(), &entries, &error), DWC_OK) << error.message;
        return entries;
    }
    static std::string kernel_of(const std::string& problem, const dwc_options& options) {
        return describe(make_plan(parse(problem), options)).kernel;
    }
    static std::string reason_of(const std::string& problem) {
        return describe(make_plan(parse(problem), options_with())).reason;
    }
    // A kernel of the default's target that could compute the problem and is not the default.
    static std::string another(const std::string& problem) {
        const Explained e = explain(parse(problem), options_with());
        for (const std::string& kernel : e.eligible)
            if (kernel != e.chosen && kernel.substr(kernel.find('@')) == "@" + e.chosen_target) return kernel;
        ADD_FAILURE() << problem << ": only one kernel computes it";
        return e.chosen;
    }
    static void add(const std::string& problem, const std::string& kernel, int threads = 1) {
        const dwc_problem p = parse(problem);
        dwc_error error{};
        EXPECT_EQ(dwc_tuned_add(&p, threads, kernel.c_str(), 12.5, &error), DWC_OK) << error.message;
    }
    std::string saved(const std::string& name) {
        dwc_error error{};
        EXPECT_EQ(dwc_tuned_save(path(name).c_str(), &error), DWC_OK) << error.message;
        std::ifstream file(path(name), std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }

    std::filesystem::path folder_;
    std::vector<std::string> log_;
};

TEST_F(Tuned, AddedKernelsServeTheProblemAndItsClass) {
    const std::string before = kernel_of(kProblem, options_with()), other = another(kProblem);
    add(kProblem, other);
    EXPECT_EQ(kernel_of(kProblem, options_with()), other);
    EXPECT_EQ(kernel_of(kSameClass, options_with()), other);
    EXPECT_EQ(reason_of(kProblem), "measured in this process: 12.5 us, the least of its time");
    EXPECT_NE(reason_of(kSameClass).find("of its class"), std::string::npos);
    EXPECT_EQ(explain(parse(kProblem), options_with()).chosen, other);
    EXPECT_EQ(kernel_of(kProblem, options_with(nullptr, before.c_str())), before) << "forced goes first";
    add(kProblem, before);
    EXPECT_EQ(kernel_of(kProblem, options_with()), before) << "the latest word counts";
    dwc_tuned_clear();
    EXPECT_EQ(reason_of(kProblem).find("measured in this process"), std::string::npos) << reason_of(kProblem);
}

TEST_F(Tuned, ResultsStayTheReferences) {
    const Workload work(parse(kProblem));
    for (const std::string& kernel : explain(work.p, options_with()).eligible) {
        add(kProblem, kernel);
        const Plan plan = make_plan(work.p, options_with());
        const dwc_plan_info info = describe(plan);
        EXPECT_EQ(info.kernel, kernel);
        EXPECT_EQ(work.difference(work.run(options_with()), work.reference(target_has_fma(info.target))), "") << kernel;
    }
}

TEST_F(Tuned, SavedAndLoaded) {
    const std::string other = another(kProblem);
    add(kProblem, other);
    add(kSameClass, other, 2);
    const std::string text = saved("tuned");
    EXPECT_NE(text.find(std::string("dwconv-tuned 1 ") + dwc_version() + " " + dwc_cpu_name() + "\n"),
              std::string::npos);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "a temporary file stayed";
    dwc_tuned_clear();
    EXPECT_NE(kernel_of(kProblem, options_with()), other);
    EXPECT_EQ(load(path("tuned")), 2);
    EXPECT_EQ(kernel_of(kProblem, options_with()), other);
    EXPECT_EQ(reason_of(kProblem).rfind("tuned file: 12.5 us", 0), 0u) << reason_of(kProblem);
    EXPECT_EQ(saved("again"), text);
    EXPECT_EQ(logged(), "");
}

TEST_F(Tuned, TheEnvironmentsFileIsReadWhenAPlanIsMade) {
    const std::string other = another(kProblem);
    add(kProblem, other);
    saved("tuned");
    dwc_tuned_clear();
    setenv("DWC_TUNED_FILE", path("tuned").c_str(), 1);
    EXPECT_EQ(kernel_of(kProblem, options_with()), other);
    dwc_tuned_clear();
    setenv("DWC_TUNED_FILE", path("missing").c_str(), 1);
    EXPECT_NE(kernel_of(kProblem, options_with()), other);
    EXPECT_NE(logged().find("missing is not used: it cannot be opened"), std::string::npos) << logged();
    log_.clear();
    kernel_of(kProblem, options_with());
    EXPECT_EQ(logged(), "") << "said once";
}

// Never an error, never another kernel than without the file, and one line that says why.
TEST_F(Tuned, UselessFilesAreLoggedMisses) {
    const std::string plain = kernel_of(kProblem, options_with());
    add(kProblem, another(kProblem));
    const std::string good = saved("good");
    std::vector<std::string> files = {path("missing"),
                                      folder_.string(),
                                      "/dev/zero",
                                      write("empty", ""),
                                      write("binary", std::string(5000, '\0')),
                                      write("long", std::string(17 << 20, 'x'))};
    std::string foreign = good, stale = good;
    foreign.replace(foreign.find(dwc_cpu_name()), 3, "Z80");
    stale.replace(stale.find(dwc_version()), 1, "9");
    files.push_back(write("foreign", foreign));
    files.push_back(write("stale", stale));
    for (size_t length = 0; length < good.size(); ++length)
        files.push_back(write("cut" + std::to_string(length), good.substr(0, length)));
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    files.push_back(path("pipe"));
    dwc_tuned_clear();
    for (const std::string& file : files) {
        log_.clear();
        EXPECT_EQ(load(file), 0) << file;
        ASSERT_EQ(log_.size(), 1u) << file;
        EXPECT_NE(log_[0].find("is not used: "), std::string::npos) << log_[0];
    }
    EXPECT_EQ(kernel_of(kProblem, options_with()), plain);
    EXPECT_EQ(load(path("good")), 1) << "the checker would take the whole one";
}

TEST_F(Tuned, KernelsThatDoNotExistOrCannotComputeArePassedOver) {
    const std::string plain = kernel_of(kProblem, options_with());
    std::string refuses;
    for (int32_t i = 0; i < dwc_kernel_count() && refuses.empty(); ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        ASSERT_EQ(dwc_kernel_at(i, &info, nullptr), DWC_OK);
        if (info.kernel_size == 3) refuses = info.name;
    }
    for (const std::string& kernel : {refuses, std::string("no_such_kernel@nowhere")}) {
        add(kProblem, kernel);
        saved("tuned");
        dwc_tuned_clear();
        EXPECT_EQ(load(path("tuned")), 1);
        EXPECT_EQ(kernel_of(kProblem, options_with()), plain);
        const Workload work(parse(kProblem));
        work.run(options_with());
    }
}

TEST_F(Tuned, BadArguments) {
    const dwc_problem p = parse(kProblem);
    dwc_error error{};
    EXPECT_EQ(dwc_tuned_add(&p, 1, "no target", 1, &error), DWC_ERROR_TUNED);
    EXPECT_EQ(dwc_tuned_add(&p, 1, "a@b", -1, &error), DWC_ERROR_TUNED);
    EXPECT_EQ(dwc_tuned_add(&p, 1, "a@b", kNotANumber, &error), DWC_ERROR_TUNED);
    EXPECT_EQ(dwc_tuned_add(&p, 0, "a@b", 1, &error), DWC_ERROR_TUNED);
    EXPECT_EQ(dwc_tuned_add(&p, 1, nullptr, 1, &error), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_tuned_add(nullptr, 1, "a@b", 1, &error), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_tuned_load(nullptr, nullptr, &error), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_tuned_save(nullptr, &error), DWC_ERROR_NULL_POINTER);
    EXPECT_EQ(dwc_tuned_save(path("no/such/folder").c_str(), &error), DWC_ERROR_TUNED);
    EXPECT_NE(std::string(error.message).find("no/such/folder"), std::string::npos) << error.message;
}

// ---------------------------------------------------------------------------------------- plan levels estimate, measure

TEST_F(Tuned, EstimateLooksAtNoMeasurement) {
    const std::string before = kernel_of(kProblem, options_with()), other = another(kProblem);
    add(kProblem, other);
    EXPECT_EQ(kernel_of(kProblem, options_with()), other);
    dwc_options estimate = options_with();
    estimate.plan_level = DWC_PLAN_ESTIMATE;
    const Plan plan = make_plan(parse(kProblem), estimate);
    EXPECT_EQ(std::string(describe(plan).reason).rfind("default order", 0), 0u) << describe(plan).reason;
    EXPECT_NE(describe(plan).kernel, other);
}

// Where a record answers, the estimate is what the record was compared with.
TEST_F(Tuned, EstimateIgnoresRecords) {
    int answered = 0;
    for (int32_t i = 0; i < dwc_record_count(); ++i) {
        dwc_record record;
        dwc_record_init(&record);
        ASSERT_EQ(dwc_record_at(i, &record, nullptr), DWC_OK);
        dwc_options options = options_with(nullptr, nullptr, record.threads);
        if (!record.measured || kernel_of(record.problem, options) != record.kernel) continue;
        options.plan_level = DWC_PLAN_ESTIMATE;
        EXPECT_EQ(kernel_of(record.problem, options), record.incumbent) << record.problem;
        ++answered;
    }
    if (!answered) GTEST_SKIP() << "no record answers on this machine";
}


dwc_options measuring(int ms, int threads = 1) {
    dwc_options options = options_with(nullptr, nullptr, threads);
    options.plan_level = DWC_PLAN_MEASURE;
    options.measure_ms = ms;
    return options;
}

TEST_F(Tuned, MeasuredOncePerClass) {
    const Workload work(parse(kProblem));
    const Plan plan = make_plan(work.p, measuring(20));
    const dwc_plan_info first = describe(plan);
    const std::string kernel = first.kernel;
    EXPECT_NE(std::string(first.reason).find("measured for this plan: "), std::string::npos) << first.reason;
    EXPECT_EQ(work.difference(work.run(measuring(20)), work.reference(target_has_fma(first.target))), "");
    for (const char* problem : {kProblem, kSameClass}) {
        const Plan later = make_plan(parse(problem), measuring(20));
        EXPECT_EQ(describe(later).kernel, kernel);
        EXPECT_EQ(std::string(describe(later).reason).rfind("measured in this process: ", 0), 0u);
        EXPECT_EQ(kernel_of(problem, options_with()), kernel) << "of any level";
    }
    EXPECT_NE(saved("tuned").find(kernel), std::string::npos);
}

TEST_F(Tuned, MeasuringComputesWhatTheReferenceDoes) {
    for (const char* problem :
         {"f32_ncl_n2_l50_c7_k5_m2_s2_d3_pl3_pr9_nobias_gelu", "bf16_nlc_n1_l64_c64_k4_m1_s1_d1_pl3_pr0_bias_linear",
          "f32_nlc_n1_l5_c40_k3_m1_s9_d1_pl0_pr0_bias_relu", "f32_nlc_n1_l100_c3_k9_m1_s1_d1_pl8_pr0_nobias_silu"}) {
        const Workload work(parse(problem));
        const std::vector<char> plain = work.run(options_with());
        EXPECT_EQ(work.difference(work.run(measuring(5)), plain), "") << "kernels of one target agree to the bit";
    }
}

TEST_F(Tuned, TheBudgetIsKept) {
    const auto start = std::chrono::steady_clock::now();
    make_plan(parse("f32_nlc_n1_l4000_c512_k4_m1_s1_d1_pl3_pr0_bias_linear"), measuring(30));
    EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 5.0);
}

TEST_F(Tuned, ForcedKernelsAreNotMeasured) {
    const std::string other = another(kProblem);
    dwc_options options = measuring(20);
    options.force_kernel = other.c_str();
    const Plan plan = make_plan(parse(kProblem), options);
    EXPECT_STREQ(describe(plan).reason, "forced");
}

TEST_F(Tuned, EmptyOutputsAndHugeProblemsArePlannedAsEver) {
    EXPECT_EQ(kernel_of("f32_nlc_n0_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear", measuring(5)), "none");
    const char* huge = "f32_nlc_n64_l1000000_c512_k4_m1_s1_d1_pl3_pr0_bias_linear";
    EXPECT_EQ(kernel_of(huge, measuring(5)), kernel_of(huge, options_with()));
}

TEST_F(Tuned, ManyThreadsAtOnce) {
    dwc_set_log_callback(nullptr, nullptr);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([i] {
            const std::string problem =
                "f32_nlc_n1_l90_c" + std::to_string(40 << (i % 2)) + "_k4_m1_s1_d1_pl3_pr0_bias_linear";
            for (int j = 0; j < 3; ++j) {
                make_plan(parse(problem), measuring(2));
                add(problem, "a@b");
                dwc_tuned_clear();
            }
        });
    for (std::thread& thread : threads) thread.join();
}

TEST_F(Tuned, BadPlanLevels) {
    const dwc_problem p = parse(kProblem);
    dwc_plan* plan = nullptr;
    dwc_error error{};
    dwc_options options = options_with();
    options.plan_level = 7;
    EXPECT_EQ(dwc_plan_create(&plan, &p, &options, &error), DWC_ERROR_PLAN_LEVEL);
    EXPECT_NE(std::string(error.message).find("plan_level=7"), std::string::npos) << error.message;
    for (const int ms : {0, -1, 60001}) {
        options = measuring(ms);
        EXPECT_EQ(dwc_plan_create(&plan, &p, &options, &error), DWC_ERROR_PLAN_LEVEL);
    }
}

// A caller compiled before plan levels were there: what followed its last field was padding, and may hold anything.
TEST_F(Tuned, OptionsOfTheFirstVersion) {
    dwc_options options = options_with();
    options.plan_level = 0x5a5a5a5a;
    options.measure_ms = 0x5a5a5a5a;
    options.struct_size = (offsetof(dwc_options, plan_level) + 7) / 8 * 8;
    EXPECT_NE(kernel_of(kProblem, options), "");
    EXPECT_FALSE(explain(parse(kProblem), options).chosen.empty());
    --options.struct_size;
    dwc_plan* plan = nullptr;
    const dwc_problem p = parse(kProblem);
    EXPECT_EQ(dwc_plan_create(&plan, &p, &options, nullptr), DWC_ERROR_STRUCT_SIZE);
}

}  // namespace
