#include "roof.hpp"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "bench_buffer.hpp"
#include "tuner/measure.hpp"

namespace cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSampleSeconds = 2e-3;
constexpr int kWarmUps = 4;                // others had the caches; a victim cache fills over several passes
constexpr size_t kActivationCount = 4096;  // 16 KiB: half of the smallest L1 in use
constexpr int kPlacements = 4;
constexpr size_t kLargestCopy = size_t{1} << 30;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Seconds from the moment all threads are ready until the last one has run body(thread).
double run_together(int threads, const std::function<void(int)> &body) {
    if (threads == 1) {
        const auto start = Clock::now();
        body(0);
        return seconds_since(start);
    }
    std::barrier ready(threads);
    std::vector<Clock::time_point> starts(threads), ends(threads);
    std::vector<std::thread> pool;
    for (int i = 0; i < threads; ++i) {
        pool.emplace_back([&, i] {
            ready.arrive_and_wait();
            starts[i] = Clock::now();
            body(i);
            ends[i] = Clock::now();
        });
    }
    for (auto &thread : pool) thread.join();
    const auto first = *std::min_element(starts.begin(), starts.end());
    return std::chrono::duration<double>(*std::max_element(ends.begin(), ends.end()) - first).count();
}

// Repeats `body` until a sample lasts kSampleSeconds and returns units / second; the count is found once.
std::function<double()> rate(int threads, double units, int warm_samples, std::function<void(int)> body) {
    auto count = std::make_shared<int64_t>(0);
    return [=] {
        const auto repeated = [&](int thread) {
            for (int64_t i = 0; i < *count; ++i) body(thread);
        };
        if (*count == 0) {
            *count = 1;
            run_together(threads, repeated);  // touches memory, wakes the vector units
            double seconds = 0;
            while ((seconds = run_together(threads, repeated)) < kSampleSeconds / 4) *count *= 2;
            *count = std::max<int64_t>(1, std::llround(std::ceil(*count * kSampleSeconds / seconds)));
        }
        run_together(threads, [&](int thread) {
            for (int64_t i = 0; i < std::max<int64_t>(kWarmUps, *count * warm_samples); ++i) body(thread);
        });
        return units * static_cast<double>(*count) / run_together(threads, repeated);
    };
}

// Seconds per pass are taken around four applications only, and the values restored outside the timer: applied again
// and again, most activations would drive them into denormals.
std::function<double()> activation_rate(const RoofRequest &request) {
    auto initial = std::make_shared<Buffer>(kActivationCount * sizeof(float), 0);
    auto values = std::make_shared<Buffer>(kActivationCount * sizeof(float), 0);
    for (size_t i = 0; i < kActivationCount; ++i) {
        initial->as<float>()[i] = (i % 2 ? -1.0f : 1.0f) * (0.5f + 0.5f * static_cast<float>(i) / kActivationCount);
    }
    return [=] {
        constexpr int kApplications = 4;
        double seconds = 0;
        int passes = 0;
        for (; seconds < kSampleSeconds / 2; ++passes) {
            std::memcpy(values->data(), initial->data(), kActivationCount * sizeof(float));
            const auto start = Clock::now();
            for (int i = 0; i < kApplications; ++i) {
                dwc_error error{};
                check(
                    dwc_activation_apply(request.activation,
                                         request.activation_params.empty() ? nullptr : request.activation_params.data(),
                                         values->as<float>(), kActivationCount, request.target.c_str(), &error),
                    error);
            }
            seconds += seconds_since(start);
        }
        return static_cast<double>(kActivationCount) * kApplications * passes / seconds;
    };
}

std::string fma_key(Isa isa) { return format("fma %d", static_cast<int>(isa)); }
std::string copy_key(size_t bytes, const char *method, int placement) {
    return format("copy %zu %s %d", bytes, method, placement);
}
std::string activation_key(const RoofRequest &request) {
    std::string key = "activation " + std::string(dwc_activation_name(request.activation)) + " " + request.target;
    for (const float p : request.activation_params) key += format(" %a", p);
    return key;
}

}  // namespace

std::vector<CacheLevel> cache_levels() {
    std::vector<dwc_cache_level> known(static_cast<size_t>(dwc_cache_levels(nullptr, 0)));
    dwc_cache_levels(known.data(), static_cast<int32_t>(known.size()));
    std::vector<CacheLevel> levels;
    for (const auto &level : known) {
        levels.push_back(
            {format("L%d", static_cast<int>(level.level)), static_cast<size_t>(level.bytes), level.shared != 0});
    }
    return levels;
}

// Source and destination of the copies, grown to the largest step prepared. All steps share them.
struct Roofs::Arena {
    Buffer source{0, 0}, destination{0, 0};
    void reserve(size_t bytes) {
        if (source.size() >= bytes) return;
        source = Buffer(bytes, 0);
        // Half a page apart: equal page offsets would let a load wait for an unrelated store.
        destination = Buffer(bytes, 2048);
    }
};

Roofs::Roofs(int threads)
    : threads_(std::max(threads, 1)), levels_(cache_levels()), arena_(std::make_unique<Arena>()) {}
Roofs::~Roofs() = default;

Roofs::Step Roofs::ladder_step(double bytes_xy) const {
    const size_t grain = 2 * kCopyStep * static_cast<size_t>(threads_);
    const auto up = [grain](double bytes) { return static_cast<size_t>(std::ceil(bytes / grain)) * grain; };
    for (const auto &level : levels_) {
        const double capacity = static_cast<double>(level.bytes) * (level.shared ? 1 : threads_);
        if (bytes_xy > capacity) continue;
        const double smallest = 4096.0 * threads_;
        const double step = std::exp2(std::ceil(4 * std::log2(std::max(bytes_xy, smallest)) - 1e-9) / 4);
        return {level.name, up(std::min(step, capacity))};
    }
    return {"memory", up(std::min(4.0 * static_cast<double>(levels_.back().bytes), double{kLargestCopy}))};
}

void Roofs::add_gauge(const std::string &key, std::function<double()> sample) {
    gauges_.try_emplace(key, Gauge{std::move(sample), {}});
}

void Roofs::prepare(const RoofRequest &request) {
    const Isa isa = isa_of_target(request.target);
    constexpr int64_t kSteps = 2000;
    add_gauge(fma_key(isa), rate(threads_, run_multiply_adds(isa, kSteps) * threads_, 0,
                                 [isa](int) { run_multiply_adds(isa, kSteps); }));
    const Step step = ladder_step(request.bytes_xy);
    const size_t side = step.bytes / 2;
    // First-level caches that predict the way from the address (Zen) lose half of their bandwidth where source and
    // destination happen to collide, so there several placements are tried, and the best counts.
    constexpr size_t kShift = 3 * 4096;
    const int placements = step.level == levels_.front().name ? kPlacements : 1;
    arena_->reserve(side + kShift * kPlacements);
    // Bandwidth is the machine's, so the widest vectors it has may move the bytes, whatever the plan's target.
    // As the problems are: where the copy fills a large part of the last level, it takes many passes to get there.
    const int warm = step.bytes > (size_t{1} << 20) ? 6 : 0;
    const auto add_copy = [&](const char *method, CopyKernel kernel) {
        if (!kernel) return;
        const size_t slice = side / static_cast<size_t>(threads_);
        for (int placement = 0; placement < placements; ++placement) {
            const size_t shift = kShift * static_cast<size_t>(placement);
            add_gauge(copy_key(step.bytes, method, placement),
                      rate(threads_, static_cast<double>(step.bytes), warm, [this, kernel, slice, shift](int thread) {
                          const size_t offset = slice * static_cast<size_t>(thread);
                          kernel(arena_->destination.as<char>() + shift + offset, arena_->source.as<char>() + offset,
                                 slice);
                      }));
        }
    };
    add_copy("vector", vector_copy(widest_isa()));
    add_copy("library", library_copy);
    // Stores around the caches leave y outside them; within the inner levels that is another job, and slower.
    if (step.level == "memory" || step.bytes > levels_.back().bytes / 4) {
        add_copy("stream", streaming_copy(widest_isa()));
    }
    if (request.activation != DWC_LINEAR) add_gauge(activation_key(request), activation_rate(request));
}

void Roofs::sample() {
    for (auto &[key, gauge] : gauges_) gauge.rates.push_back(gauge.sample());
}

double Roofs::rate_of(const std::string &key) const {
    const auto found = gauges_.find(key);
    return found == gauges_.end() || found->second.rates.empty() ? 0 : dwc::tuner::quantile(found->second.rates, 0.5);
}

Roof Roofs::of(const RoofRequest &request) const {
    const Step step = ladder_step(request.bytes_xy);
    Roof roof;
    roof.level = step.level;
    roof.copy_set_bytes = static_cast<double>(step.bytes);
    for (const char *method : {"vector", "library", "stream"}) {
        for (int placement = 0; placement < kPlacements; ++placement) {
            roof.copy_gbs = std::max(roof.copy_gbs, rate_of(copy_key(step.bytes, method, placement)) * 1e-9);
        }
    }
    roof.fma_gflops = rate_of(fma_key(isa_of_target(request.target))) * 1e-9;
    if (request.activation != DWC_LINEAR) roof.activation_ns = 1e9 / rate_of(activation_key(request));
    roof.memory_us = request.bytes_useful / roof.copy_gbs * 1e-3;
    // An activation's rate is one core's; the outputs are shared among the threads.
    roof.compute_us = request.flops / roof.fma_gflops * 1e-3 + roof.activation_ns * request.outputs / threads_ * 1e-3;
    roof.roof_us = std::max(roof.memory_us, roof.compute_us);
    return roof;
}

}  // namespace cli
