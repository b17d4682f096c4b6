// `dwconv tune` as a user runs it, on kernels of this test's own: right, wrong, hanging, crashing, not compiling;
// killed and resumed. DWC_TUNING: folder of kernel.c and generator.sh; DWC_CC: the C compiler.
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "cli_process.hpp"

namespace {

using dwc_test::contents;
using dwc_test::Outcome;
using Json = nlohmann::json;

// Few channels and few outputs leave few points: what is enumerated is enumerated in seconds. K = 17 is never compiled
// in.
constexpr const char *kProblem = "f32_nlc_n1_l21_c5_k17_m1_s1_d1_pl0_pr0_bias_linear";
constexpr const char *kAll = " --families channels --candidates 0 --jobs 1 --rounds 5 --min-time 0.01 --timeout 4";

class Tune : public dwc_test::CliProcess {
   protected:
    void SetUp() override {
        CliProcess::SetUp();
        compile("right", 0), compile("wrong", 1), compile("hang", 2), compile("crash", 3);
        shell("true | " DWC_CC " -x c -c -o " + path("empty.o") + " -");
        log_ = path("log.jsonl");
    }
    void compile(const std::string &name, int broken) {
        shell(DWC_CC " -O1 -fPIC -DDWC_BROKEN=" + std::to_string(broken) + " -c -o " + path(name + ".o") +
              " '" DWC_TUNING "/kernel.c'");
    }
    void shell(const std::string &line) { ASSERT_EQ(std::system(line.c_str()), 0) << line; }
    std::string path(const std::string &name) const { return (folder_ / name).string(); }

    std::string environment(const std::string &broken = "") const {
        return "DWC_GENERATOR='" DWC_TUNING "/generator.sh' DWC_TEST_OBJECTS='" + folder_.string() +
               "' DWC_TEST_BROKEN='" + broken + "' CC='" DWC_CC "' TMPDIR='" + folder_.string() + "'";
    }
    Outcome tune(const std::string &arguments, const std::string &broken = "") {
        return run("tune " + arguments, environment(broken));
    }
    std::string problem_and_log() const { return std::string("--problem ") + kProblem + " --resume '" + log_ + "'"; }

    std::vector<Json> lines() const {
        std::vector<Json> all;
        std::istringstream text(contents(log_));
        for (std::string line; std::getline(text, line);) all.push_back(Json::parse(line));
        return all;
    }
    // Kernel -> outcome, and how often each result was measured.
    std::map<std::string, std::string> outcomes(std::map<std::string, int> *times = nullptr) const {
        std::map<std::string, std::string> all;
        for (const Json &line : lines()) {
            if (line.at("type") != "result") continue;
            all[line.at("kernel")] = line.at("outcome");
            if (times && line.value("samples", 0) <= 5) ++(*times)[line.at("kernel")];
        }
        return all;
    }
    std::set<std::string> temporary_folders() const {
        std::set<std::string> names;
        for (const auto &entry : std::filesystem::directory_iterator(folder_))
            if (entry.path().filename().string().rfind("dwconv-tune-", 0) == 0) names.insert(entry.path().string());
        return names;
    }
    std::string log_;
};

int tile(const std::string &kernel) {
    const size_t at = kernel.rfind("_t");
    return std::atoi(kernel.c_str() + at + 2);
}

TEST_F(Tune, ABadCandidateCostsItselfAndIsNeverBest) {
    const Outcome done = tune(problem_and_log() + kAll + " --json", "wrong=2 hang=5/8 crash=3 fail=4 illegal=1");
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const std::map<int, std::string> expected = {{1, "constraints"}, {2, "wrong"}, {3, "crash"}, {4, "compile"}};
    std::map<std::string, int> count;
    for (const Json &line : lines()) {
        if (line.at("type") != "result") continue;
        const std::string kernel = line.at("kernel"), outcome = line.at("outcome");
        ++count[outcome];
        if (outcome == "ok") {
            // Right ones, and what the library holds anyway.
            EXPECT_TRUE(!line.contains("object_bytes") || tile(kernel) == 5) << line;
            continue;
        }
        EXPECT_EQ(outcome, tile(kernel) == 5 ? "timeout" : expected.at(tile(kernel))) << line;
        EXPECT_FALSE(line.value("message", "").empty()) << line;
        EXPECT_FALSE(line.contains("us_median")) << line;
    }
    for (const char *outcome : {"ok", "constraints", "wrong", "crash", "compile", "timeout"})
        EXPECT_GE(count[outcome], 1) << outcome;
    EXPECT_GE(count["wrong"], 4);
    const Json summary = Json::parse(done.out);
    EXPECT_GE(summary.at("failed"), count["wrong"] + count["crash"] + count["compile"] + count["timeout"]);
    const std::string best = summary.at("best");
    EXPECT_EQ(outcomes().at(best.substr(0, best.find('@'))), "ok");
    EXPECT_NE(done.err.find("wrong: "), std::string::npos) << done.err;
    EXPECT_NE(done.err.find("where the reference says"), std::string::npos) << done.err;
    EXPECT_TRUE(temporary_folders().empty());
}

TEST_F(Tune, TheLogTellsWhereAndWhatWasMeasured) {
    ASSERT_EQ(tune(problem_and_log() + kAll).exit_code, 0);
    const std::vector<Json> all = lines();
    ASSERT_GT(all.size(), 20u);
    const Json &run = all[0];
    for (const char *key : {"id", "target", "cpu", "machine", "date", "dwconv", "command"})
        EXPECT_TRUE(run.contains(key)) << key << " in " << run;
    EXPECT_NE(run.at("command").get<std::string>().find(kProblem), std::string::npos);
    int finalists = 0;
    for (size_t i = 1; i < all.size(); ++i) {
        EXPECT_EQ(all[i].at("run"), run.at("id"));
        EXPECT_EQ(all[i].at("problem"), kProblem);
        EXPECT_EQ(all[i].at("outcome"), "ok") << all[i];
        for (const char *key : {"us_median", "us_min", "us_q25", "us_q75", "incumbent", "incumbent_us_median",
                                "ratio_median", "ratio_q25", "ratio_q75", "cost"})
            EXPECT_TRUE(all[i].contains(key)) << key << " in " << all[i];
        finalists += all[i].at("samples") == 5;
    }
    EXPECT_GE(finalists, 1);
}

TEST_F(Tune, KilledAndResumedItEndsWithTheSameSet) {
    ASSERT_EQ(tune(problem_and_log() + kAll, "wrong=3").exit_code, 0);
    const auto whole = outcomes();
    const std::string first_log = log_;
    log_ = path("killed.jsonl");

    for (const size_t wanted : {3u, 15u}) {
        const pid_t child = fork();
        if (child == 0) {
            const std::string line = "exec env " + environment("wrong=3") + " '" DWC_CLI "' tune " + problem_and_log() +
                                     kAll + " >/dev/null 2>&1";
            execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
            _exit(127);
        }
        const auto lines_so_far = [this] {
            const std::string text = contents(log_);
            return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
        };
        for (int i = 0; i < 8000 && lines_so_far() < wanted; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        ASSERT_GE(lines_so_far(), wanted);
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the run was over before it was killed";
    }
    // The power failed in the middle of a line.
    const size_t before = outcomes().size();
    EXPECT_LT(before, whole.size());
    std::ofstream(log_, std::ios::app) << R"({"type":"result","run":"x","prob)";
    const Outcome resumed = tune(problem_and_log() + kAll, "wrong=3");
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    std::map<std::string, int> times;
    EXPECT_EQ(outcomes(&times), whole);

    // Once more: everything is known, nothing is measured again.
    const size_t size = lines().size();
    ASSERT_EQ(tune(problem_and_log() + kAll, "wrong=3").exit_code, 0);
    EXPECT_EQ(lines().size(), size + 1) << "only the line of the run";
}

TEST_F(Tune, InterruptedItLeavesAWholeLogAndSaysHowToGoOn) {
    const std::string line = "timeout --preserve-status -s INT 3 env " + environment("hang=all") +
                             " '" DWC_CLI "' tune " + problem_and_log() + kAll + " 2>'" + path("err") + "' >/dev/null";
    const int status = std::system(line.c_str());
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 1) << contents(path("err"));
    EXPECT_NE(contents(path("err")).find("--resume"), std::string::npos) << contents(path("err"));
    EXPECT_GE(lines().size(), 1u);
    EXPECT_TRUE(temporary_folders().empty());
}

TEST_F(Tune, TheBudgetEndsIt) {
    const auto begin = std::chrono::steady_clock::now();
    const Outcome done = tune(problem_and_log() + kAll + " --json --budget 1s", "hang=all");
    EXPECT_EQ(done.exit_code, 0) << done.err;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
    EXPECT_EQ(Json::parse(done.out).at("complete"), false);
}

TEST_F(Tune, ShardsTakeEveryProblemOnce) {
    std::string file;
    for (const int length : {21, 22, 23}) {
        std::string problem = kProblem;
        problem.replace(problem.find("l21"), 3, "l" + std::to_string(length));
        file += problem + "  # a comment\n";
    }
    write_file("problems", file);
    std::multiset<std::string> problems;
    for (const char *shard : {"1/2", "2/2"}) {
        const Outcome done = tune("--problems '" + path("problems") +
                                  "' --json --candidates 2 --families channels "
                                  "--rounds 1 --min-time 0.01 --resume '" +
                                  path("log" + std::string(shard, 1)) + "' --shard " + shard);
        ASSERT_EQ(done.exit_code, 0) << done.err;
        std::istringstream text(done.out);
        for (std::string line; std::getline(text, line);) problems.insert(Json::parse(line).at("problem"));
    }
    EXPECT_EQ(problems.size(), 3u);
    EXPECT_EQ(std::set<std::string>(problems.begin(), problems.end()).size(), 3u);
}

TEST_F(Tune, BadInputIsOneSentence) {
    const std::string good = problem_and_log();
    write_file("no.log", "this is a letter, not a log\n");
    write_file("tail.log", "this is a letter, not a log");
    write_file("bad.problems", std::string(kProblem) + "\nbanana\n");
    const std::pair<std::string, std::string> cases[] = {
        {"", "no problem to tune"},
        {"--problem banana", "banana"},
        {"--problems '" + path("none") + "'", "cannot be read"},
        {"--problems '" + folder_.string() + "'", "cannot be read"},
        {"--problems '" + path("bad.problems") + "'", "bad.problems:2: "},
        {"--model '" + path("none.keras") + "'", "say by --length"},
        {"--model '" + path("none.keras") + "' --length 5", "none.keras"},
        {"--model '" + path("none.keras") + "' --length five", "--length five: must be a positive integer"},
        {good + " --length 5", "--length"},
        {good + " --budget 10", "--budget 10: must be a time"},
        {good + " --budget -3s", "--budget -3s: must be a time"},
        {good + " --budget nans", "--budget nans: must be a time"},
        {good + " --shard 0/2", "--shard 0/2: must be i/n"},
        {good + " --shard 3/2", "--shard 3/2: must be i/n"},
        {good + " --shard 1/2x", "--shard 1/2x: must be i/n"},
        {good + " --families channels,banana", "families=banana: no such family"},
        {good + " --target banana", "target=banana: no such target"},
        {good + " --target cuda", "--target cuda: is a device's"},
        {good + " --threads -1", "--threads"},
        {good + " --jobs many", "--jobs"},
        {"--problem " + std::string(kProblem) + " --resume '" + path("no.log") + "'",
         "no.log:1: must be a JSON object"},
        {"--problem " + std::string(kProblem) + " --resume '" + path("tail.log") + "'",
         "tail.log:1: must be a JSON object"},
        {"--problem " + std::string(kProblem) + " --resume '" + path("none/log") + "'", "cannot be opened"},
    };
    for (const auto &[arguments, words] : cases) {
        const Outcome done = tune(arguments);
        EXPECT_EQ(done.exit_code, 2) << arguments << "\n" << done.err;
        EXPECT_NE(done.err.find(words), std::string::npos) << arguments << "\n" << done.err;
        EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
    }
    EXPECT_EQ(contents(path("tail.log")), "this is a letter, not a log") << "no file of a stranger is cut";
    const Outcome none = run("tune " + good, "DWC_GENERATOR=/nonexistent/generator");
    EXPECT_EQ(none.exit_code, 2);
    EXPECT_EQ(none.err, "dwconv: DWC_GENERATOR=/nonexistent/generator: must be the generator program\n");
}

TEST_F(Tune, AModelsLayersAreProblems) {
    write_file("layer.json", R"({"kernel_size": 17, "padding": "valid", "activation": "relu"})");
    const std::string model = path("m.keras");
    ASSERT_EQ(run("init --config '" + path("layer.json") + "' --input-shape None,21,5 --out '" + model + "'").exit_code,
              0);
    const Outcome done =
        tune("--model '" + model + "' --length 21 --length 30 --families channels --candidates 2 --json " +
             "--rounds 1 --min-time 0.01 --resume '" + log_ + "'");
    ASSERT_EQ(done.exit_code, 0) << done.err;
    std::vector<std::string> problems;
    std::istringstream text(done.out);
    for (std::string line; std::getline(text, line);) problems.push_back(Json::parse(line).at("problem"));
    EXPECT_EQ(problems, (std::vector<std::string>{"f32_nlc_n1_l21_c5_k17_m1_s1_d1_pl0_pr0_bias_relu",
                                                  "f32_nlc_n1_l30_c5_k17_m1_s1_d1_pl0_pr0_bias_relu"}));
}

TEST_F(Tune, TwoRunsDoNotShareALog) {
    const std::string line = "env " + environment("hang=all") + " timeout 2 '" DWC_CLI "' tune " + problem_and_log() +
                             kAll + " >/dev/null 2>&1 &";
    shell(line);
    for (int i = 0; i < 2000 && contents(log_).empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const Outcome second = tune(problem_and_log() + kAll);
    EXPECT_EQ(second.exit_code, 2) << second.err;
    EXPECT_NE(second.err.find("another process"), std::string::npos) << second.err;
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // the folder is removed when nobody works in it
}

TEST_F(Tune, TheWorkerIsNobodysCommand) {
    const Outcome help = run("--help");
    EXPECT_EQ(help.out.find("tune-worker"), std::string::npos);
    EXPECT_NE(help.out.find("tune"), std::string::npos);
    EXPECT_EQ(run("tune-worker").exit_code, 2);
    const Outcome wrong = run("tune-worker --problem " + std::string(kProblem) + " --kernel banana@nowhere --object x");
    EXPECT_EQ(wrong.exit_code, 2);
}

}  // namespace
