#include "bench_case.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>

namespace cli {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

size_t dtype_size(dwc_dtype dtype) { return dtype == DWC_BF16 ? 2 : 4; }

uint16_t to_bf16(float value) {  // round to nearest, ties to even; the data hold no NaN
    const auto bits = std::bit_cast<uint32_t>(value);
    return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

double load(const void *data, dwc_dtype dtype, int64_t i) {
    if (dtype == DWC_BF16) {
        return std::bit_cast<float>(static_cast<uint32_t>(static_cast<const uint16_t *>(data)[i]) << 16);
    }
    return static_cast<const float *>(data)[i];
}

// Uniform in [-1, 1), the same in every run (splitmix64).
class Random {
   public:
    explicit Random(uint64_t seed) : state_(seed) {}
    float next() {
        uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        return static_cast<float>(static_cast<int64_t>(z) >> 40) * 0x1p-23f;
    }

   private:
    uint64_t state_;
};

void fill_random(void *data, dwc_dtype dtype, size_t count, uint64_t seed) {
    Random random(seed);
    for (size_t i = 0; i < count; ++i) {
        if (dtype == DWC_BF16) {
            static_cast<uint16_t *>(data)[i] = to_bf16(random.next());
        } else {
            static_cast<float *>(data)[i] = random.next();
        }
    }
}

double max_abs(const void *data, dwc_dtype dtype, int64_t count) {
    double largest = 0;
    for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(load(data, dtype, i)));
    return largest;
}

// Elements from the first to the last one of a tensor with these strides (all zero: dense).
int64_t extent(int64_t batch, int64_t time, int64_t channels, const int64_t strides[3]) {
    if (batch == 0 || time == 0 || channels == 0) return 0;
    if (strides[0] == 0 && strides[1] == 0 && strides[2] == 0) return batch * time * channels;
    return 1 + (batch - 1) * strides[0] + (time - 1) * strides[1] + (channels - 1) * strides[2];
}

bool target_has_fma(const std::string &name) {
    for (const auto &target : all_targets()) {
        if (name == target.name) return target.fma != 0;
    }
    return true;
}

void refuse_more_than_memory(double bytes) {
    const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    if (memory <= 0 || bytes <= memory / 2) return;
    throw Failure(kExitFailure,
                  format("its buffers take %.3g GB, more than half of this machine's memory", bytes * 1e-9));
}

}  // namespace

const char *ColdPool::inputs(dwc_dtype dtype, size_t bytes) {
    auto found = inputs_.find(dtype);
    if (found == inputs_.end() || found->second.size() < bytes) {
        found = inputs_.insert_or_assign(dtype, Buffer(bytes, 0)).first;
        fill_random(found->second.data(), dtype, bytes / dtype_size(dtype), 7);
    }
    return found->second.as<char>();
}

char *ColdPool::outputs(size_t bytes) {
    if (!outputs_ || outputs_->size() < bytes) outputs_ = std::make_unique<Buffer>(bytes, 0);
    return outputs_->as<char>();
}

BenchCase::BenchCase(const std::string &problem, const PlanOptions &options) : problem_(parse_problem(problem)) {
    try {
        make_plan(options);
        if (info_.flops == 0) throw Failure(kExitFailure, "its output is empty: there is nothing to time");
        make_data();
    } catch (const Failure &failure) {
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
    const int64_t outputs = p.channels * p.depth_multiplier;
    const int64_t x_count = extent(p.batch, p.length, p.channels, p.x_strides);
    const int64_t y_count = extent(p.batch, info_.out_length, outputs, p.y_strides);
    w_count_ = p.kernel_size * outputs;
    bias_count_ = p.has_bias ? outputs : 0;
    const auto bytes = [](int64_t count, dwc_dtype dtype) { return static_cast<size_t>(count) * dtype_size(dtype); };
    // Two outputs, the packed weights and their source, and the sets of the cold executions.
    refuse_more_than_memory(3.0 * bytes(x_count, p.x_dtype) + 4.0 * bytes(y_count, p.y_dtype) +
                            2.0 * bytes(w_count_, p.w_dtype));

    // x, w and y start at different places of their page: with equal ones a load waits for an unrelated store.
    x_ = std::make_unique<Buffer>(bytes(x_count, p.x_dtype), 0);
    w_ = std::make_unique<Buffer>(bytes(w_count_, p.w_dtype), 1024);
    y_ = std::make_unique<Buffer>(bytes(y_count, p.y_dtype), 2048);
    fill_random(x_->data(), p.x_dtype, static_cast<size_t>(x_count), 1);
    fill_random(w_->data(), p.w_dtype, static_cast<size_t>(w_count_), 2);
    if (p.has_bias) {
        bias_ = std::make_unique<Buffer>(bytes(bias_count_, p.w_dtype), 0);
        fill_random(bias_->data(), p.w_dtype, static_cast<size_t>(bias_count_), 3);
    }
    if (state_bytes()) {
        state_ = std::make_unique<Buffer>(state_bytes(), 3072);
        fill_random(state_->data(), p.x_dtype, state_bytes() / dtype_size(p.x_dtype), 4);
    }
    if (const size_t scratch = dwc_plan_workspace_size(plan_.get())) workspace_ = std::make_unique<Buffer>(scratch, 0);

    dwc_error error{};
    dwc_weights *packed = nullptr;
    check(
        dwc_weights_pack(plan_.get(), w_->data(), bias_ ? bias_->data() : nullptr, DWC_WEIGHTS_KERAS, &packed, &error),
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
    const Buffer expected(y_->size(), 0);
    dwc_error error{};
    check(dwc_reference(&p, x_->data(), w_->data(), bias_ ? bias_->data() : nullptr, expected.data(), DWC_WEIGHTS_KERAS,
                        target_has_fma(info_.target ? info_.target : ""), &error),
          error);
    execute(x_->data(), y_->data(), nullptr);

    const auto count = static_cast<int64_t>(y_->size() / dtype_size(p.y_dtype));
    const double max_y = max_abs(expected.data(), p.y_dtype, count);
    // Rounding of K fused steps (and the bias). An activation scales it by its slope, which for those with a slope
    // above one is bounded by the result or a parameter, and adds a few roundings of its own; a 16-bit result may
    // round to the neighbour.
    constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
    tolerance_ = kEpsilon * static_cast<double>(p.kernel_size) *
                 max_abs(x_->data(), p.x_dtype, static_cast<int64_t>(x_->size() / dtype_size(p.x_dtype))) *
                 max_abs(w_->data(), p.w_dtype, w_count_);
    if (p.has_bias) tolerance_ += kEpsilon * max_abs(bias_->data(), p.w_dtype, bias_count_);
    if (p.activation != DWC_LINEAR) {
        double scale = std::max(1.0, max_y);
        for (const float parameter : p.activation_params) {
            if (std::isfinite(parameter)) scale = std::max<double>(scale, std::fabs(parameter));
        }
        tolerance_ = scale * (2 * tolerance_ + 16 * kEpsilon);
    }
    if (p.y_dtype == DWC_BF16) tolerance_ += 0x1p-7 * max_y;

    max_error_ = 0;
    for (int64_t i = 0; i < count; ++i) {
        const double error_i = std::fabs(load(y_->data(), p.y_dtype, i) - load(expected.data(), p.y_dtype, i));
        if (!(error_i <= tolerance_)) {  // also where it is NaN
            throw Failure(kExitFailure,
                          format("%s: %s is wrong: element %lld is %.9g where the reference says %.9g (tolerance %.3g)",
                                 info_.problem, info_.kernel, static_cast<long long>(i), load(y_->data(), p.y_dtype, i),
                                 load(expected.data(), p.y_dtype, i), tolerance_));
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
        for (int64_t i = 0; i < count; ++i) execute(x_->data(), y_->data(), state_ ? state_->data() : nullptr);
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
    const size_t x_bytes = up(x_->size()), y_only = up(y_->size()), y_bytes = y_only + up(state_bytes());
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
