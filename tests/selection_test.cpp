// Which kernel runs: the golden selection of every target, and that a forced target or kernel is what really runs.
//
// golden_selection.txt holds lines `problem target kernel`. DWC_UPDATE_GOLDEN=1 writes the kernels of the targets that
// run here anew, for every problem named in the file, and leaves the lines of other targets as they are.
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "plan_support.hpp"

namespace {

using namespace dwc_test;

struct Golden {
    std::vector<std::string> comments, problems;                      // problems in the order of the file
    std::map<std::pair<std::string, std::string>, std::string> rows;  // (problem, target) -> kernel
};

Golden read_golden(std::istream& file) {
    Golden g;
    std::string line;
    while (std::getline(file, line)) {
        if (line.empty()) continue;
        if (line[0] == '#') {
            g.comments.push_back(line);
            continue;
        }
        std::istringstream words(line);
        std::string problem, target, kernel;
        EXPECT_TRUE(words >> problem) << line;
        if (std::find(g.problems.begin(), g.problems.end(), problem) == g.problems.end()) g.problems.push_back(problem);
        if (words >> target >> kernel) g.rows[{problem, target}] = kernel;
    }
    return g;
}

std::string chosen(const std::string& problem, const char* target) {
    const Explained e = explain(parse(problem), options_with(target));
    return e.chosen.empty() ? "reference" : e.chosen;
}

// One line per row of a target that runs here and whose kernel is another.
std::string mismatches(const Golden& g, int* compared) {
    std::string text;
    for (const auto& target : running_targets())
        for (const std::string& problem : g.problems) {
            const auto row = g.rows.find({problem, target.name});
            const std::string now = chosen(problem, target.name);
            const std::string then = row == g.rows.end() ? "(no line)" : row->second;
            if (then != now) text += problem + " " + target.name + ": " + now + ", golden: " + then + "\n";
            ++*compared;
        }
    return text;
}

void update(Golden g) {
    for (const auto& target : running_targets())
        for (const std::string& problem : g.problems) g.rows[{problem, target.name}] = chosen(problem, target.name);
    const std::string temporary = std::string(DWC_GOLDEN) + ".new";
    std::ofstream file(temporary);
    for (const std::string& comment : g.comments) file << comment << '\n';
    for (const std::string& problem : g.problems)
        for (int32_t i = 0; i < dwc_target_count(); ++i) {
            dwc_target_info info;
            dwc_target_info_init(&info);
            ASSERT_EQ(dwc_target_at(i, &info, nullptr), DWC_OK);
            const auto row = g.rows.find({problem, info.name});
            if (row != g.rows.end()) file << problem << ' ' << info.name << ' ' << row->second << '\n';
        }
    file.close();
    ASSERT_TRUE(file) << temporary;
    ASSERT_EQ(std::rename(temporary.c_str(), DWC_GOLDEN), 0);
}

TEST(Selection, Golden) {
    std::ifstream file(DWC_GOLDEN);
    ASSERT_TRUE(file) << DWC_GOLDEN;
    const Golden g = read_golden(file);
    ASSERT_GT(g.problems.size(), 20u);
    if (const char* wish = std::getenv("DWC_UPDATE_GOLDEN"); wish && *wish == '1') return update(g);
    int compared = 0;
    EXPECT_EQ(mismatches(g, &compared), "") << "If this is meant, run this test with DWC_UPDATE_GOLDEN=1.";
    EXPECT_GT(compared, 20);
}

TEST(Selection, GoldenBites) {
    const auto target = running_targets().front();
    const std::string problem = "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_linear";
    int compared = 0;
    const auto read = [](const std::string& text) {
        std::istringstream stream(text);
        return read_golden(stream);
    };
    Golden g = read(problem + " " + target.name + " " + chosen(problem, target.name));
    g.rows[{problem, target.name}] += "x";
    EXPECT_NE(mismatches(g, &compared), "");
    EXPECT_NE(mismatches(read(problem), &compared), "") << "a missing line must be seen";
}

// ----------------------------------------------------------------------------------------------------- forced targets

class Environment {
   public:
    Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
    ~Environment() { unsetenv(name_); }
    Environment(const Environment&) = delete;

   private:
    const char* name_;
};

TEST(Forced, TargetReallyRuns) {
    int with_fma = 0, without_fma = 0;
    for (const char* text : {"f32_nlc_n1_l384_c192_k13_m1_s1_d1_pl12_pr0_bias_linear",
                             "f32_ncl_n1_l384_c12_k13_m1_s1_d1_pl12_pr0_bias_linear",
                             "f32_nlc_n1_l384_c3_k13_m1_s1_d1_pl12_pr0_bias_linear"}) {
        const Workload work(parse(text));
        const std::vector<char> fused = work.reference(true), rounded = work.reference(false);
        ASSERT_NE(work.difference(fused, rounded), "") << "this data cannot tell targets with FMA from those without";
        for (const auto& target : running_targets()) {
            const Environment forced("DWC_FORCE_TARGET", target.name);
            const Plan plan = make_plan(work.p, options_with());
            const dwc_plan_info info = describe(plan);
            EXPECT_STREQ(info.target, target.name);
            EXPECT_NE(std::string(info.kernel).find(std::string("@") + target.name), std::string::npos) << info.kernel;
            const Explained e = explain(work.p, options_with());
            EXPECT_EQ(e.chosen, info.kernel);
            EXPECT_EQ(e.chosen_target, target.name);
            // Not only the name: the bits are those of this target's arithmetic.
            const std::vector<char> y = work.run(options_with());
            EXPECT_EQ(work.difference(y, target.fma ? fused : rounded), "") << target.name;
            EXPECT_NE(work.difference(y, target.fma ? rounded : fused), "") << target.name;
            ++(target.fma ? with_fma : without_fma);
        }
    }
    EXPECT_GT(with_fma + without_fma, 0);
}

TEST(Forced, OptionsWinOverTheEnvironment) {
    const dwc_problem p = parse("f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_linear");
    const auto targets = running_targets();
    const Environment forced("DWC_FORCE_TARGET", "no-such-target");
    EXPECT_STREQ(describe(make_plan(p, options_with(targets.back().name))).target, targets.back().name);
    dwc_plan* plan = nullptr;
    dwc_error error{};
    EXPECT_EQ(dwc_plan_create(&plan, &p, nullptr, &error), DWC_ERROR_FORCED_TARGET);
    EXPECT_NE(std::string(error.message).find("no-such-target"), std::string::npos) << error.message;
}

TEST(Forced, KernelOfTheEnvironmentRuns) {
    const dwc_problem p = parse("f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_linear");
    const Explained e = explain(p, options_with());
    ASSERT_GT(e.eligible.size(), 1u);
    for (const std::string& kernel : e.eligible) {
        const Environment forced("DWC_FORCE_KERNEL", kernel.c_str());
        EXPECT_EQ(describe(make_plan(p, options_with())).kernel, kernel);
        EXPECT_EQ(explain(p, options_with()).chosen, kernel);
    }
}

TEST(Explain, NamesEveryConvolutionKernelOnceAndTheChosenFirst) {
    const dwc_problem p = parse("f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu");
    int kernels = 0;
    for (int32_t i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        ASSERT_EQ(dwc_kernel_at(i, &info, nullptr), DWC_OK);
        kernels += std::strcmp(info.family, "activation") != 0;
    }
    std::vector<std::pair<std::string, bool>> lines;
    const auto collect = [](void* user, const dwc_candidate* c) {
        EXPECT_STRNE(c->reason, "") << c->kernel;
        static_cast<decltype(lines)*>(user)->emplace_back(c->kernel, c->chosen != 0);
    };
    ASSERT_EQ(dwc_explain(&p, nullptr, collect, &lines, nullptr), DWC_OK);
    EXPECT_EQ(static_cast<int>(lines.size()), kernels);
    for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i].second, i == 0) << lines[i].first;
    EXPECT_EQ(describe(make_plan(p, options_with())).kernel, lines[0].first);
}

}  // namespace
