// `dwconv promote` on a small tree of schedules, and `dwconv list --tuned`: files, diff, refusals.
#include <algorithm>
#include <set>

#include "cli_process.hpp"
#include "dwconv/dwconv.h"
#include "tuning_logs.hpp"

namespace {

using namespace dwc_test;

class CliPromote : public CliProcess {
   protected:
    void SetUp() override {
        CliProcess::SetUp();
        std::filesystem::create_directories(folder_ / "schedules");
        write_file("schedules/targets.json",
                   R"({"targets": [{"name": "x86-64-avx512", "processor": "x86_64", "lanes": 16}]})");
        write_file(
            "schedules/default.jsonl",
            R"({"target": "x86-64-avx512", "family": "channels", "k": 4, "stride": 1, "m": 1, "activation": "linear", "v": 16, "t": 4})"
            "\n"
            R"({"target": "x86-64-avx512", "family": "activation", "function": ["relu", "elu"], "v": 16})"
            "\n");
        write_file("golden.txt",
                   problem_of(192) + " x86-64-avx512 whatever\n" + problem_of(6000) + " x86-64-avx512 whatever\n");
    }
    Outcome promote(const std::string& arguments) {
        return run("promote " + arguments + " --schedules '" + (folder_ / "schedules").string() + "' --golden '" +
                   (folder_ / "golden.txt").string() + "'");
    }
    std::filesystem::path database() const { return folder_ / "schedules" / "db" / "x86-64-avx512.jsonl"; }
    void fresh() { std::filesystem::remove_all(folder_ / "schedules" / "db"); }
};

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(CliPromote, WritesRecordsAndSaysWhatTheyChange) {
    const std::string log = write_file(
        "a.log", LogText().add({problem_of(192), channels(6), 0.9}).add({problem_of(6000), channels(6), 0.99}).str() +
                     "{\"type\":\"resu");
    const Outcome dry = promote(log + " --dry-run");
    EXPECT_EQ(dry.exit_code, 0) << dry.err;
    EXPECT_FALSE(std::filesystem::exists(database()));
    const Outcome o = promote(log);
    EXPECT_EQ(o.exit_code, 0) << o.err;
    EXPECT_TRUE(holds(o.out, "2 results; 2 ok, measured")) << o.out;
    EXPECT_TRUE(holds(o.out,
                      "2 measured problems: in 1 a kernel beats the incumbent by 3 % and its spread, in 1 the "
                      "incumbent stays"))
        << o.out;
    EXPECT_TRUE(holds(o.out, "1 default points and 1 for records, of 62")) << o.out;
    EXPECT_TRUE(holds(o.out, "golden: " + problem_of(192) + " x86-64-avx512: " + channels(4) + " -> " + channels(6)))
        << o.out;
    EXPECT_TRUE(holds(o.out, "golden selections: 1 of 2 change")) << o.out;
    EXPECT_TRUE(holds(contents(database()), channels(6)));
    const std::string file = contents(database());
    EXPECT_TRUE(holds(promote(log).out, "nothing changes"));
    EXPECT_EQ(promote("--check").exit_code, 0);
    EXPECT_EQ(contents(database()), file);
}

TEST_F(CliPromote, LogsInAnyOrderTogetherOrOneByOneGiveTheSameBytes) {
    const std::string a = write_file("a.log", LogText("CPU A", "2026-11-22T10:00:00Z")
                                                  .add({problem_of(192), channels(6), 0.9})
                                                  .add({problem_of(64), channels(5), 0.8})
                                                  .add({problem_of(64), channels(6), 0.85})
                                                  .str());
    const std::string b = write_file("b.log", LogText("CPU B", "2026-11-23T10:00:00Z")
                                                  .add({problem_of(192), channels(7), 0.7})
                                                  .add({problem_of(300), channels(6), 0.9})
                                                  .str());
    std::set<std::string> files;
    for (const auto& calls : {std::vector<std::string>{a + " " + b}, {b + " " + a}, {a, b}, {b, a}}) {
        fresh();
        for (const std::string& logs : calls) EXPECT_EQ(promote(logs + " --variants 5").exit_code, 0);
        files.insert(contents(database()));
    }
    EXPECT_EQ(files.size(), 1u);
    EXPECT_TRUE(holds(*files.begin(), "CPU A") && holds(*files.begin(), "CPU B"));
}

TEST_F(CliPromote, TheBudgetIsKeptAndItsLossSaid) {
    LogText text;
    for (int i = 0; i < 4; ++i)
        text.add({problem_of(64 + i), channels(6), 0.8}).add({problem_of(64 + i), channels(7 + i), 0.76});
    const std::string log = write_file("a.log", text.str());
    const Outcome o = promote(log + " --variants 4");
    EXPECT_TRUE(holds(o.out, "1 default points and 1 for records, of 2")) << o.out;
    EXPECT_TRUE(holds(o.out, "loss to the best of each problem: mean 5.26 %, in 4 of 4 problems, worst 5.26 % ("))
        << o.out;
    EXPECT_TRUE(holds(promote("").out, "5.26 %") == false) << "a larger budget chooses anew from what is kept";
}

TEST_F(CliPromote, CheckFindsAFileThatIsNotItsOwn) {
    promote(write_file(
        "a.log", LogText().add({problem_of(192), channels(6), 0.9}).add({problem_of(64), channels(6), 0.9}).str()));
    std::string file = contents(database());
    const size_t end = file.find('\n') + 1;
    write_file("schedules/db/x86-64-avx512.jsonl", file.substr(end) + file.substr(0, end));
    const Outcome o = promote("--check");
    EXPECT_EQ(o.exit_code, 1);
    EXPECT_TRUE(holds(o.err, "is not what promote would write")) << o.err;
    EXPECT_EQ(contents(database()), file.substr(end) + file.substr(0, end)) << "and leaves it";
}

TEST_F(CliPromote, BadInputIsOneSentenceAndExit2) {
    const std::string good = LogText().add({problem_of(192), channels(6), 0.9}).str();
    Row alien{problem_of(192), channels(6), 0.9};
    alien.target = "z80";
    Row illegal{problem_of(192), channels(60), 0.9};
    Row nameless{problem_of(192), "fast_kernel", 0.9};
    Row problem{"f32_nlc_nonsense", channels(6), 0.9};
    const std::pair<std::string, std::string> cases[] = {
        {write_file("alien.log", LogText().add(alien).str()), "target=z80"},
        {write_file("illegal.log", LogText().add(illegal).str()), "t must be from 1 to 32"},
        {write_file("nameless.log", LogText().add(nameless).str()), "kernel=fast_kernel"},
        {write_file("problem.log", LogText().add(problem).str()), "f32_nlc_nonsense"},
        {write_file("other.log", "{\"type\":\"shopping list\"}\n"), "other.log"},
        {write_file("text.log", "milk\neggs\n"), "text.log"},
        {(folder_ / "missing.log").string(), "missing.log"},
        {folder_.string(), folder_.string()},
        {"--variants 0", "--variants"},
        {"--golden /no/such/golden", "no/such/golden"},
    };
    for (const auto& [argument, names] : cases) {
        const Outcome o = run("promote " + argument + " --schedules '" + (folder_ / "schedules").string() + "'");
        EXPECT_EQ(o.exit_code, 2) << argument << o.out;
        EXPECT_TRUE(holds(o.err, names)) << o.err;
        EXPECT_EQ(std::count(o.err.begin(), o.err.end(), '\n'), 1) << o.err;
        EXPECT_FALSE(std::filesystem::exists(database())) << argument;
    }
    EXPECT_EQ(run("promote --schedules /no/such/folder").exit_code, 2);
    std::filesystem::create_directories(folder_ / "schedules" / "db");
    write_file("schedules/db/x86-64-avx512.jsonl", "{}\n");
    const Outcome o = promote(write_file("good.log", good));
    EXPECT_EQ(o.exit_code, 2);
    EXPECT_TRUE(holds(o.err, "x86-64-avx512.jsonl:1: ")) << o.err;
}

TEST_F(CliPromote, ListTuned) {
    const Outcome o = run("list --tuned");
    EXPECT_EQ(o.exit_code, 0) << o.err;
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        ASSERT_EQ(dwc_target_at(i, &info, nullptr), DWC_OK);
        EXPECT_TRUE(holds(o.out, info.name)) << o.out;
    }
    EXPECT_TRUE(holds(o.out, std::to_string(dwc_record_count()) + " records")) << o.out;
    const Outcome json = run("list --tuned --json");
    EXPECT_EQ(json.exit_code, 0) << json.err;
    EXPECT_EQ(std::count(json.out.begin(), json.out.end(), '\n'), dwc_record_count());
}

}  // namespace
