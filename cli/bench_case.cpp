#include "bench_case.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace cli {
namespace {

using dwc::tuner::dtype_size;
using dwc::tuner::Guarded;
using dwc::tuner::load;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void refuse_more_than_memory(double bytes) {
    const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    if (memory <= 0 || bytes <= memory / 2) return;
    throw Failure(kExitFailure,
                  format("its buffers take %.3g GB, more than half of this machine's memory", bytes * 1e-9));
}

}  // namespace

const char *ColdPool::inputs(dwc_dtype dtype, size_t bytes) {
    auto &held = inputs_[dtype];
    if (!held || held->size() < bytes) {
        held = std::make_unique<Guarded>(bytes, 0);
        dwc::tuner::fill(*held, dtype, 7);
    }
    return static_cast<const char *>(held->data());
}

char *ColdPool::outputs(size_t bytes) {
    if (!outputs_ || outputs_->size() < bytes) outputs_ = std::make_unique<Guarded>(bytes, 0);
    return static_cast<char *>(outputs_->data());
}

BenchCase::BenchCase(const std::string &problem, const PlanOptions &options) : problem_(parse_problem(problem)) {
    try {
        make_plan(options);
        if (info_.flops == 0) throw Failure(kExitFailure, "its output is empty: there is nothing to time");
        make_data();
    } catch (const std::runtime_error &failure) {
        throw Failure(kExitFailure, problem + ": " + failure.what());
    }
}

void BenchCase::make_plan(const PlanOptions &options) {
    const dwc_options c_options = options.to_c();
    dwc_error error{};
    dwc_plan *plan = nullptr;
    const auto start = Clock::now();
    check(dwc_plan_create(&plan, &problem_, &c_options, &error), error);
    plan_us_ = seconds_since(start) * 1e6;
    plan_.reset(plan);
    dwc_plan_info_init(&info_);
    check(dwc_plan_describe(plan_.get(), &info_, &error), error);
}

void BenchCase::make_data() {
    const dwc_problem &p = problem_;
    const double outputs = static_cast<double>(p.channels) * static_cast<double>(p.depth_multiplier);
    const double batch = static_cast<double>(p.batch);
    // Two outputs, the packed weights and their source, and the sets of the cold executions.
    refuse_more_than_memory(
        batch * (3.0 * static_cast<double>(p.length * p.channels) * static_cast<double>(dtype_size(p.x_dtype)) +
                 4.0 * static_cast<double>(info_.out_length) * outputs * static_cast<double>(dtype_size(p.y_dtype))) +
        2.0 * static_cast<double>(p.kernel_size) * outputs * static_cast<double>(dtype_size(p.w_dtype)));
    data_ = std::make_unique<dwc::tuner::Data>(p, false);
    if (state_bytes()) {
        state_ = std::make_unique<Guarded>(state_bytes(), 3072);
        dwc::tuner::fill(*state_, p.x_dtype, 4);
    }
    if (const size_t scratch = dwc_plan_workspace_size(plan_.get())) workspace_ = std::make_unique<Guarded>(scratch, 0);

    dwc_error error{};
    dwc_weights *packed = nullptr;
    check(dwc_weights_pack(plan_.get(), data_->w.data(), data_->bias_or_null(), DWC_WEIGHTS_KERAS, &packed, &error),
          error);
    packed_.reset(packed);
}

size_t BenchCase::state_bytes() const {
    return static_cast<size_t>(info_.state_elements * problem_.batch) * dtype_size(problem_.x_dtype);
}

void BenchCase::execute(const void *x, void *y, void *state) const {
    dwc_args args;
    dwc_args_init(&args);
    args.x = x;
    args.weights = packed_.get();
    args.y = y;
    args.state_in = args.state_out = state;
    args.workspace = workspace_ ? workspace_->data() : nullptr;
    dwc_error error;
    check(dwc_plan_execute(plan_.get(), &args, &error), error);
}

void BenchCase::verify() {
    const dwc_problem &p = problem_;
    const Guarded expected(data_->y.size(), 0);
    dwc_error error{};
    check(dwc_reference(&p, data_->x.data(), data_->w.data(), data_->bias_or_null(), expected.data(), DWC_WEIGHTS_KERAS,
                        dwc::tuner::target_has_fma(info_.target), &error),
          error);
    execute(data_->x.data(), data_->y.data(), nullptr);

    tolerance_ = dwc::tuner::tolerance(*data_, dwc::tuner::max_abs(expected, p.y_dtype));
    max_error_ = 0;
    const auto count = static_cast<int64_t>(expected.size() / dtype_size(p.y_dtype));
    for (int64_t i = 0; i < count; ++i) {
        const double is = load(data_->y.data(), p.y_dtype, i), should = load(expected.data(), p.y_dtype, i);
        if (std::isnan(is) && std::isnan(should)) continue;  // between the elements of a strided output
        const double error_i = std::fabs(is - should);
        if (!(error_i <= tolerance_)) {  // also where one is NaN
            throw Failure(kExitFailure,
                          format("%s: %s is wrong: element %lld is %.9g where the reference says %.9g (tolerance %.3g)",
                                 info_.problem, info_.kernel, static_cast<long long>(i), is, should, tolerance_));
        }
        max_error_ = std::max(max_error_, error_i);
    }
}

// Another problem had the caches, and a last level that keeps what others evict takes many passes to fill.
constexpr int64_t kWarmUps = 5;
constexpr double kWarmSeconds = 12e-3;
constexpr double kLargeBytes = 1 << 20;

double BenchCase::time_hot(double seconds) {
    const auto run = [this](int64_t count) {
        const auto start = Clock::now();
        for (int64_t i = 0; i < count; ++i) execute_once();
        return seconds_since(start);
    };
    run(kWarmUps);
    const double one = std::max(run(1), 1e-9);
    if (static_cast<double>(info_.bytes) > kLargeBytes) run(static_cast<int64_t>(kWarmSeconds / one));
    const auto count = static_cast<int64_t>(std::clamp(std::ceil(seconds / one), 1.0, 1e7));
    run(count / 16);
    return run(count) / static_cast<double>(count);
}

double BenchCase::time_cold(ColdPool &pool) {
    const auto up = [](size_t bytes) { return (bytes + 63) / 64 * 64; };
    const size_t x_bytes = up(data_->x.size()), y_only = up(data_->y.size()), y_bytes = y_only + up(state_bytes());
    const size_t sets = std::max<size_t>(2, pool.rotation_bytes() / (x_bytes + y_bytes) + 1);
    const char *x = pool.inputs(problem_.x_dtype, sets * x_bytes);
    char *y = pool.outputs(sets * y_bytes);
    const auto run = [&](size_t i) {
        char *out = y + i * y_bytes;
        execute(x + i * x_bytes, out, state_ ? out + y_only : nullptr);
    };
    run(sets - 1);  // code and page tables are not what is cold here
    const auto start = Clock::now();
    for (size_t i = 0; i < sets; ++i) run(i);
    return seconds_since(start) / static_cast<double>(sets);
}

RoofRequest BenchCase::roof_request() const {
    const dwc_problem &p = problem_;
    const double channels_out = static_cast<double>(p.channels) * static_cast<double>(p.depth_multiplier);
    const double batch = static_cast<double>(p.batch);
    RoofRequest request;
    request.target = info_.target ? info_.target : "";
    request.outputs = batch * static_cast<double>(info_.out_length) * channels_out;
    request.bytes_xy = batch * static_cast<double>(p.length) * static_cast<double>(p.channels) *
                           static_cast<double>(dtype_size(p.x_dtype)) +
                       request.outputs * static_cast<double>(dtype_size(p.y_dtype)) +
                       static_cast<double>(state_bytes());
    request.bytes_useful = static_cast<double>(info_.bytes);
    request.flops = static_cast<double>(info_.flops);
    request.activation = p.activation;
    // NaN stands for a parameter's default.
    float defaults[DWC_MAX_ACTIVATION_PARAMS] = {};
    const int count = dwc_activation_params(p.activation, defaults);
    for (int i = 0; i < count; ++i) {
        const float given = p.activation_params[i];
        request.activation_params.push_back(std::isnan(given) ? defaults[i] : given);
    }
    return request;
}

}  // namespace cli
