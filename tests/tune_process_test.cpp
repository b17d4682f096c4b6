// Child processes: however one ends, the parent learns it in time. And where the generator program is found.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "tuner/compile.hpp"
#include "tuner/process.hpp"

namespace {

using namespace dwc::tuner;

const std::atomic<bool> never{false};

Ended shell(const std::string &script, double seconds = 20, const std::atomic<bool> &stop = never) {
    return run_process({"sh", "-c", script}, seconds, stop);
}

double seconds_of(const std::function<void()> &body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(Process, StatusOutputAndAnswer) {
    const Ended fine = shell("echo out; echo err >&2; echo answer >&3");
    EXPECT_TRUE(fine.ok());
    EXPECT_EQ(fine.output, "out\nerr\n");
    EXPECT_EQ(fine.answer, "answer\n");
    EXPECT_EQ(shell("cat").output, "") << "the standard input is empty";
    const Ended failed = shell("exit 7");
    EXPECT_EQ(failed.how, Ended::How::exited);
    EXPECT_EQ(failed.code, 7);
    EXPECT_FALSE(failed.ok());
}

TEST(Process, SignalsAndMissingPrograms) {
    const Ended crashed = shell("kill -SEGV $$");
    EXPECT_EQ(crashed.how, Ended::How::signalled);
    EXPECT_EQ(crashed.code, SIGSEGV);
    const Ended none = run_process({"/nonexistent/program"}, 5, never);
#ifdef DWC_EMULATED  // qemu makes a fork of the vfork through which the child would say why it could not start
    EXPECT_EQ(none.how, Ended::How::exited);
    EXPECT_EQ(none.code, 127);
#else
    EXPECT_EQ(none.how, Ended::How::not_started);
    EXPECT_EQ(none.code, ENOENT);
#endif
}

TEST(Process, ADeadlineEndsTheWholeGroup) {
    Ended ended{};
    // The grandchild holds the pipe, and the child ignores what can be ignored.
    const double took = seconds_of([&] { ended = shell("trap '' TERM INT; sleep 50 & sleep 50", 0.3); });
    EXPECT_EQ(ended.how, Ended::How::timed_out);
    EXPECT_LT(took, 5);
    const double left_behind = seconds_of([&] { ended = shell("sleep 50 & echo done", 20); });
    EXPECT_TRUE(ended.ok());
    EXPECT_EQ(ended.output, "done\n");
    EXPECT_LT(left_behind, 5);
}

TEST(Process, AStopEndsIt) {
    std::atomic<bool> stop{false};
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        stop = true;
    });
    EXPECT_EQ(shell("sleep 50", 50, stop).how, Ended::How::stopped);
    later.join();
}

TEST(Process, AFloodIsCutAndDoesNotBlock) {
    const Ended flood = shell("yes x | head -c 3000000; yes y | head -c 3000000 >&3; echo last");
    EXPECT_TRUE(flood.ok());
    EXPECT_EQ(flood.output.size(), 4000u);
    EXPECT_EQ(flood.output.substr(3995), "last\n");
    EXPECT_EQ(flood.answer.size(), 65536u);
}

TEST(Process, LastWordsAreOneLine) {
    EXPECT_EQ(last_words("\n one\t\ttwo \n"), "one two");
    EXPECT_EQ(last_words(std::string(50, 'x') + "end", 5), "...xxend");
    EXPECT_EQ(last_words(""), "");
}

// ------------------------------------------------------------------------------------------------ the generator
// program

TEST(Generator, IsFoundByTheEnvironmentOrBesideTheCommand) {
    namespace fs = std::filesystem;
    const TemporaryFolder folder;
    const fs::path root = folder.path();
    const std::string command = (root / "prefix/bin/dwconv").string(), built = (root / "build/cli/dwconv").string();
    const fs::path installed = root / "prefix/libexec/dwconv/dwconv-gen",
                   fresh = root / "build/generators/dwc_generator";
    const auto found = [](const std::string &program) {
        try {
            return find_generator(program);
        } catch (const InputError &error) {
            return std::string("error: ") + error.what();
        }
    };
    unsetenv("DWC_GENERATOR");
    EXPECT_NE(found(command).find("error: the generator program is not installed"), std::string::npos)
        << found(command);
    for (const fs::path &path : {installed, fresh}) {
        fs::create_directories(path.parent_path());
        std::ofstream(path.string()) << "#!/bin/sh\n";
        EXPECT_NE(found(path == installed ? command : built).find("error"), std::string::npos)
            << "it is no program yet";
        fs::permissions(path, fs::perms::owner_all);
    }
    EXPECT_EQ(found(command), installed.string());
    EXPECT_EQ(found(built), fresh.string());
    setenv("DWC_GENERATOR", fresh.c_str(), 1);
    EXPECT_EQ(found(command), fresh.string());
    setenv("DWC_GENERATOR", folder.path().c_str(), 1);
    EXPECT_EQ(found(command), "error: DWC_GENERATOR=" + folder.path() + ": must be the generator program");
    unsetenv("DWC_GENERATOR");
}

TEST(Generator, ATemporaryFolderIsGoneAfterwards) {
    std::string path;
    {
        const TemporaryFolder folder;
        path = folder.path();
        std::ofstream(path + "/file") << "x";
        EXPECT_TRUE(std::filesystem::exists(path));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
