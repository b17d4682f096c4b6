#include "measure.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>

#include "plan.hpp"

namespace dwc {
namespace {

using Clock = std::chrono::steady_clock;

// Memory of a plan's size, 64-byte aligned; nullptr where it cannot be had.
class Scratch {
   public:
    explicit Scratch(int64_t bytes)
        : data_(::operator new(static_cast<size_t>(std::max<int64_t>(bytes, 1)), std::align_val_t{64}, std::nothrow)) {}
    ~Scratch() { ::operator delete(data_, std::align_val_t{64}); }
    Scratch(const Scratch&) = delete;
    void* data() const { return data_; }

   private:
    void* data_;
};

// Numbers of magnitude 1 that repeat after 251: no denormals, no NaN, and no two channels alike.
void fill(void* data, dwc_dtype dtype, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        const float value = 0.5f + static_cast<float>(i % 251) / 512.0f;
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        if (dtype == DWC_F32)
            static_cast<float*>(data)[i] = value;
        else
            static_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(bits >> 16);
    }
}

struct Delete {
    void operator()(dwc_plan* p) const { dwc_plan_destroy(p); }
    void operator()(dwc_weights* w) const { dwc_weights_destroy(w); }
};

// The problem's memory, shared by all contestants.
struct Buffers {
    explicit Buffers(const Problem& p)
        : x(p.x_span * element_size(p.given.x_dtype)),
          y(p.y_span * element_size(p.given.y_dtype)),
          w(p.given.kernel_size * p.out_channels * element_size(p.given.w_dtype)),
          bias(p.out_channels * element_size(p.given.w_dtype)) {
        if (!whole()) return;
        fill(x.data(), p.given.x_dtype, p.x_span);
        fill(w.data(), p.given.w_dtype, p.given.kernel_size * p.out_channels);
        fill(bias.data(), p.given.w_dtype, p.out_channels);
    }
    bool whole() const { return x.data() && y.data() && w.data() && bias.data(); }
    Scratch x, y, w, bias;
};

// One kernel ready to run on the buffers.
class Contestant {
   public:
    Contestant(const Problem& p, const ConvKernel& kernel, dwc_options options, const Buffers& buffers)
        : kernel(&kernel) {
        options.plan_level = DWC_PLAN_DEFAULT;
        options.force_kernel = kernel.name;
        options.force_target = targets()[kernel.target].name;
        dwc_plan* plan = nullptr;
        if (dwc_plan_create(&plan, &p.given, &options, nullptr)) return;
        plan_.reset(plan);
        dwc_weights* weights = nullptr;
        if (dwc_weights_pack(plan, buffers.w.data(), p.given.has_bias ? buffers.bias.data() : nullptr,
                             DWC_WEIGHTS_KERAS, &weights, nullptr))
            return;
        weights_.reset(weights);
        const size_t workspace = dwc_plan_workspace_size(plan);
        if (workspace) workspace_ = std::make_unique<Scratch>(static_cast<int64_t>(workspace));
        dwc_args_init(&args_);
        args_.x = buffers.x.data();
        args_.y = buffers.y.data();
        args_.weights = weights;
        args_.workspace = workspace_ ? workspace_->data() : nullptr;
        ready = run() > 0;  // the first execution touches memory and code
    }

    // Seconds of one execution; 0 where it fails.
    double run() const {
        const auto start = Clock::now();
        if (dwc_plan_execute(plan_.get(), &args_, nullptr)) return 0;
        return std::max(std::chrono::duration<double>(Clock::now() - start).count(), 1e-9);
    }
    // Seconds of one execution on the average over at least `least` seconds, the best seen.
    void sample(double least) {
        const auto count = static_cast<int>(std::clamp(least / std::max(one_, 1e-9), 1.0, 1e5));
        const auto start = Clock::now();
        for (int i = 0; i < count; ++i)
            if (dwc_plan_execute(plan_.get(), &args_, nullptr)) return;
        one_ = std::max(std::chrono::duration<double>(Clock::now() - start).count() / count, 1e-9);
        best = best == 0 ? one_ : std::min(best, one_);
    }

    const ConvKernel* kernel;
    bool ready = false;
    double best = 0;

   private:
    std::unique_ptr<dwc_plan, Delete> plan_;
    std::unique_ptr<dwc_weights, Delete> weights_;
    std::unique_ptr<Scratch> workspace_;
    dwc_args args_;
    double one_ = 1;
};

// The chosen kernel, then the others of its target by predicted work.
std::vector<const ConvKernel*> order_of(const Selection& s) {
    std::vector<const Candidate*> others;
    for (const Candidate& c : s.candidates)
        if (c.eligible() && c.kernel != s.chosen && c.kernel->target == s.chosen->target) others.push_back(&c);
    std::stable_sort(others.begin(), others.end(),
                     [](const Candidate* a, const Candidate* b) { return a->cost < b->cost; });
    std::vector<const ConvKernel*> kernels = {s.chosen};
    for (const Candidate* c : others) kernels.push_back(c->kernel);
    return kernels;
}

constexpr int64_t largest_memory = int64_t{4} << 30;
constexpr double least_sample = 100e-6;  // seconds: well above what a clock and a call take
constexpr double still_in_the_race = 1.5;
constexpr double least_gain = 0.03;

}  // namespace

size_t best_of(const std::vector<double>& times) {
    size_t best = 0;
    double limit = times.at(0) * (1 - least_gain);
    for (size_t i = 1; i < times.size(); ++i)
        if (times[i] > 0 && times[i] <= limit) best = i, limit = times[i];
    return best;
}

Measured measure(const Problem& problem, const Selection& selection, const dwc_options& options) {
    Measured result;
    if (!selection.chosen || problem.bytes > largest_memory) return result;
    const auto end = Clock::now() + std::chrono::milliseconds(options.measure_ms);
    const Buffers buffers(problem);
    if (!buffers.whole()) return result;
    std::vector<std::unique_ptr<Contestant>> field;
    for (const ConvKernel* kernel : order_of(selection)) {
        if (!field.empty() && Clock::now() >= end) break;
        auto contestant = std::make_unique<Contestant>(problem, *kernel, options, buffers);
        if (contestant->ready) field.push_back(std::move(contestant));
        if (field.empty()) return result;  // the chosen kernel itself fails: nothing to compare with
    }
    const auto in_race = [&](const Contestant& c) {
        double least = 0;
        for (const auto& f : field)
            if (f->best > 0 && (least == 0 || f->best < least)) least = f->best;
        return &c == field[0].get() || c.best <= least * still_in_the_race;
    };
    do {
        for (auto& c : field) {
            if (in_race(*c) || c->best == 0) c->sample(least_sample);
            if (Clock::now() >= end) break;
        }
    } while (Clock::now() < end);
    std::vector<double> times;
    for (const auto& c : field) times.push_back(c->best), result.kernels += c->best > 0;
    const size_t best = best_of(times);
    result.best = field[best]->kernel;
    result.us = times[best] * 1e6;
    return result;
}

}  // namespace dwc
