#include "pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace dwc {
namespace {

// How long a thread looks for the next job before it sleeps: waking it costs tens of microseconds on a virtual machine,
// which is more than a layer of a small model takes, and layers follow each other sooner than this.
constexpr std::chrono::microseconds patience{100};

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

struct Job {
    int (*body)(void*, int64_t);
    void* arg;
    int64_t count;
    std::atomic<int> seats;  // threads that may still join
    std::atomic<int64_t> next{0};
    std::atomic<int> code{0};

    void work() {
        for (int64_t i; (i = next.fetch_add(1)) < count;)
            if (const int failed = body(arg, i)) {
                int none = 0;
                code.compare_exchange_strong(none, failed);
            }
    }
};

// A process that was forked has none of the pool's threads, and whatever they held stays held.
std::atomic<bool> forked{false};

class Pool {
   public:
    Pool() { pthread_atfork(nullptr, nullptr, [] { forked = true; }); }
    ~Pool() {
        if (forked) {
            for (std::thread& t : threads_) t.detach();
            return;
        }
        stop_ = true;
        announce();
        for (std::thread& t : threads_) t.join();
    }

    // False where another job is being done, or in a forked process.
    bool run(int threads, Job* job) {
        if (forked) return false;
        const std::unique_lock<std::mutex> lock(busy_, std::try_to_lock);
        if (!lock) return false;
        grow(threads - 1);
        job_ = job;
        caller_ = sched_getcpu();
        const bool wakes = asleep_ > 0;
        announce();
        if (wakes) sched_yield();  // to threads that were put on this processor: see leave
        job->work();
        // Whoever has taken the job by now is counted in `inside_`; whoever comes later finds none.
        job_ = nullptr;
        while (inside_ != 0) relax();
        return true;
    }

   private:
    std::mutex busy_;
    std::vector<std::thread> threads_;
    std::atomic<uint32_t> jobs_{0};  // announced so far
    std::atomic<Job*> job_{nullptr};
    std::atomic<int> inside_{0};
    std::atomic<int> asleep_{0};
    std::atomic<int> caller_{-1};  // the processor of the job's caller
    std::atomic<bool> stop_{false};

    void announce() {
        ++jobs_;
        jobs_.notify_all();
    }

    void grow(int wanted) {
        try {
            while (static_cast<int>(threads_.size()) < wanted) threads_.emplace_back(&Pool::serve, this, jobs_.load());
        } catch (const std::system_error&) {
            // As many as there are must do.
        }
    }

    void serve(uint32_t seen) {
        for (;;) {
            wait_for_more_than(seen);
            seen = jobs_;
            if (stop_) return;
            leave(caller_);
            ++inside_;
            if (Job* job = job_; job && --job->seats >= 0) job->work();
            --inside_;
        }
    }

    // A woken thread is mostly put on the processor of who woke it, and stays there for milliseconds beside idle ones,
    // since the caller does not rest. Being forbidden that processor for a moment moves it.
    static void leave(int processor) {
        cpu_set_t all;
        if (sched_getcpu() != processor || sched_getaffinity(0, sizeof all, &all) != 0) return;
        cpu_set_t others = all;
        CPU_CLR(static_cast<unsigned>(processor), &others);
        if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
            sched_setaffinity(0, sizeof all, &all);
    }

    void wait_for_more_than(uint32_t seen) {
        const auto end = std::chrono::steady_clock::now() + patience;
        do {
            for (int i = 0; i < 32; ++i) {
                if (jobs_ != seen) return;
                relax();
            }
        } while (std::chrono::steady_clock::now() < end);
        ++asleep_;
        jobs_.wait(seen);
        --asleep_;
    }
};

// Bodies call only kernels; should one come back here, it runs on its own thread.
thread_local bool in_a_body = false;

}  // namespace

int pool_parallel_for(int threads, int64_t count, int (*body)(void*, int64_t), void* arg) {
    static Pool pool;
    threads = static_cast<int>(std::min<int64_t>(threads, count));
    Job job{body, arg, count, threads - 1};
    if (in_a_body || threads < 2) {
        job.work();
        return job.code;
    }
    in_a_body = true;
    if (!pool.run(threads, &job)) job.work();
    in_a_body = false;
    return job.code;
}

}  // namespace dwc
