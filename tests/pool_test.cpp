// The library's own threads: every index once, on several threads, also from many callers, bodies and forked processes.
#include "pool.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace {

using dwc::pool_parallel_for;

struct Counts {
    std::vector<std::atomic<int>> of;
    explicit Counts(size_t size) : of(size) {}
    static int add(void* self, int64_t i) {
        ++static_cast<Counts*>(self)->of[static_cast<size_t>(i)];
        return 0;
    }
    bool all_are(int n) const {
        for (const auto& count : of)
            if (count != n) return false;
        return true;
    }
};

TEST(Pool, EveryIndexOnce) {
    for (const int threads : {1, 2, 3, 8})
        for (const int64_t count : {0, 1, 2, 7, 100}) {
            Counts counts(static_cast<size_t>(count));
            EXPECT_EQ(pool_parallel_for(threads, count, Counts::add, &counts), 0);
            EXPECT_TRUE(counts.all_are(1)) << threads << " " << count;
        }
}

// Short jobs close behind each other: a thread that comes late for one must not take part in the next by mistake.
TEST(Pool, ManyShortJobs) {
    constexpr int jobs = 20000;
    Counts counts(3);
    for (int i = 0; i < jobs; ++i) pool_parallel_for(3, 3, Counts::add, &counts);
    EXPECT_TRUE(counts.all_are(jobs));
}

// Each waits until the other has begun, so that one thread alone would not come through.
TEST(Pool, ThreadsWorkAtOnceAlsoAfterSleeping) {
    struct Meeting {
        std::atomic<int> begun{0};
        std::mutex mutex;
        std::set<std::thread::id> ids;
        static int meet(void* self, int64_t) {
            auto* m = static_cast<Meeting*>(self);
            {
                const std::lock_guard lock(m->mutex);
                m->ids.insert(std::this_thread::get_id());
            }
            ++m->begun;
            const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
            while (m->begun < 3 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
            return m->begun < 3;
        }
    };
    for (const int pause_ms : {0, 20}) {
        std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
        Meeting meeting;
        EXPECT_EQ(pool_parallel_for(3, 3, Meeting::meet, &meeting), 0);
        EXPECT_EQ(meeting.ids.size(), 3u);
    }
}

// The caller's own share is done long before the other thread's.
TEST(Pool, ReturnsWhenAllAreDone) {
    struct Shares {
        std::thread::id caller = std::this_thread::get_id();
        std::atomic<int> begun{0}, done{0};
        static int run(void* self, int64_t) {
            auto* s = static_cast<Shares*>(self);
            ++s->begun;
            const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
            while (s->begun < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
            if (std::this_thread::get_id() != s->caller) std::this_thread::sleep_for(std::chrono::milliseconds(20));
            ++s->done;
            return 0;
        }
    };
    // Not on the stack: where the call returns too early, the other thread still writes to it.
    static Shares shares;
    EXPECT_EQ(pool_parallel_for(2, 2, Shares::run, &shares), 0);
    EXPECT_EQ(shares.done, 2);
}

TEST(Pool, ReturnsWhatABodyReturned) {
    const auto fails = [](void*, int64_t i) { return i == 5 ? 42 : 0; };
    EXPECT_EQ(pool_parallel_for(4, 9, fails, nullptr), 42);
    EXPECT_EQ(pool_parallel_for(1, 9, fails, nullptr), 42);
    EXPECT_EQ(pool_parallel_for(4, 5, fails, nullptr), 0);
}

TEST(Pool, ManyCallersAndBodiesThatCall) {
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&] {
            for (int repeat = 0; repeat < 200; ++repeat) {
                Counts counts(6);
                const auto nested = [](void* arg, int64_t) { return pool_parallel_for(2, 6, Counts::add, arg); };
                if (pool_parallel_for(2, 4, nested, &counts) != 0 || !counts.all_are(4)) ++wrong;
            }
        });
    for (std::thread& t : callers) t.join();
    EXPECT_EQ(wrong, 0);
}

// The child has none of the threads: it computes alone, and comes to its end.
TEST(Pool, AForkedProcessComputesAlone) {
    Counts before(4);
    pool_parallel_for(4, 4, Counts::add, &before);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        alarm(60);
        Counts counts(10);
        const int code = pool_parallel_for(4, 10, Counts::add, &counts);
        std::exit(code == 0 && counts.all_are(1) ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
