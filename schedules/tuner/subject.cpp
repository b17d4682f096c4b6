#include "subject.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace dwc::tuner {
namespace {

int64_t out_length_of(const dwc_problem &problem) {
    int64_t length = 0;
    dwc_error error{};
    check(dwc_problem_out_length(&problem, &length, &error), error);
    return length;
}

// Elements from the first to the last one of a tensor with these strides (all zero: dense).
int64_t extent(int64_t batch, int64_t time, int64_t channels, const int64_t strides[3]) {
    if (batch == 0 || time == 0 || channels == 0) return 0;
    if (strides[0] == 0 && strides[1] == 0 && strides[2] == 0) return batch * time * channels;
    return 1 + (batch - 1) * strides[0] + (time - 1) * strides[1] + (channels - 1) * strides[2];
}

size_t bytes_of(int64_t count, dwc_dtype dtype) {
    const double bytes = static_cast<double>(count) * static_cast<double>(dtype_size(dtype));
    const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    if (bytes > memory / 4) throw std::runtime_error("its buffers do not fit this machine's memory");
    return static_cast<size_t>(count) * dtype_size(dtype);
}

}  // namespace

void check(dwc_status status, const dwc_error &error) {
    if (status != DWC_OK) throw std::runtime_error(error.message[0] ? error.message : dwc_status_string(status));
}

size_t dtype_size(dwc_dtype dtype) { return dtype == DWC_BF16 ? 2 : 4; }

double load(const void *data, dwc_dtype dtype, int64_t i) {
    if (dtype == DWC_BF16)
        return std::bit_cast<float>(static_cast<uint32_t>(static_cast<const uint16_t *>(data)[i]) << 16);
    return static_cast<const float *>(data)[i];
}

// splitmix64
void fill(const Guarded &buffer, dwc_dtype dtype, uint64_t state) {
    for (size_t i = 0; i < buffer.size() / dtype_size(dtype); ++i) {
        uint64_t z = (state += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        const float value = static_cast<float>(static_cast<int64_t>(z) >> 40) * 0x1p-23f;
        if (dtype == DWC_BF16) {  // round to nearest, ties to even
            const auto bits = std::bit_cast<uint32_t>(value);
            static_cast<uint16_t *>(buffer.data())[i] =
                static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
        } else {
            static_cast<float *>(buffer.data())[i] = value;
        }
    }
}

double max_abs(const Guarded &buffer, dwc_dtype dtype) {
    double largest = 0;
    for (size_t i = 0; i < buffer.size() / dtype_size(dtype); ++i)
        largest = std::max(largest, std::fabs(load(buffer.data(), dtype, static_cast<int64_t>(i))));
    return largest;
}

bool target_has_fma(const char *name) {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) == DWC_OK && name && std::string(name) == info.name) return info.fma;
    }
    return true;
}

double tolerance(const Data &data, double max_y) {
    constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
    const dwc_problem &p = data.problem;
    if (p.activation == DWC_LINEAR) return 0;
    double bound =
        kEpsilon * static_cast<double>(p.kernel_size) * max_abs(data.x, p.x_dtype) * max_abs(data.w, p.w_dtype);
    if (p.has_bias) bound += kEpsilon * max_abs(data.bias, p.w_dtype);
    double scale = std::max(1.0, max_y);
    for (const float parameter : p.activation_params)
        if (std::isfinite(parameter)) scale = std::max<double>(scale, std::fabs(parameter));
    bound = scale * (2 * bound + 16 * kEpsilon);
    return p.y_dtype == DWC_BF16 ? bound + 0x1p-7 * max_y : bound;
}

Data::Data(const dwc_problem &p, bool guarded)
    : problem(p),
      out_length(out_length_of(p)),
      x(bytes_of(extent(p.batch, p.length, p.channels, p.x_strides), p.x_dtype), guarded ? Guarded::kAtEnd : 0),
      w(bytes_of(p.kernel_size * p.channels * p.depth_multiplier, p.w_dtype), guarded ? Guarded::kAtEnd : 1024),
      bias(bytes_of(p.has_bias ? p.channels * p.depth_multiplier : 0, p.w_dtype), guarded ? Guarded::kAtEnd : 0),
      y(bytes_of(extent(p.batch, out_length, p.channels * p.depth_multiplier, p.y_strides), p.y_dtype),
        guarded ? Guarded::kAtEnd : 2048) {
    fill(x, p.x_dtype, 1);
    fill(w, p.w_dtype, 2);
    fill(bias, p.w_dtype, 3);
}

Subject::Subject(const Data &data, const std::string &kernel, int threads) {
    dwc_options options;
    dwc_options_init(&options);
    options.threads = threads;
    options.force_kernel = kernel.c_str();
    dwc_error error{};
    dwc_plan *plan = nullptr;
    check(dwc_plan_create(&plan, &data.problem, &options, &error), error);
    plan_.reset(plan);
    dwc_weights *weights = nullptr;
    check(dwc_weights_pack(plan, data.w.data(), data.bias_or_null(), DWC_WEIGHTS_KERAS, &weights, &error), error);
    weights_.reset(weights);
    if (const size_t bytes = dwc_plan_workspace_size(plan)) {
        scratch_ = std::make_unique<char[]>(bytes + 64);
        void *start = scratch_.get();
        size_t space = bytes + 64;
        workspace_ = std::align(64, bytes, start, space);
    }
    dwc_plan_info info;
    dwc_plan_info_init(&info);
    check(dwc_plan_describe(plan, &info, &error), error);
    fma_ = target_has_fma(info.target);
    serial_ = info.threads == 1;
}

dwc_status Subject::execute(const void *x, void *y, dwc_error *error) const {
    dwc_args args;
    dwc_args_init(&args);
    args.x = x;
    args.weights = weights_.get();
    args.y = y;
    args.workspace = workspace_;
    return dwc_plan_execute(plan_.get(), &args, error);
}

}  // namespace dwc::tuner
