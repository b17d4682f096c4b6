#include "run_device.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "cost.hpp"
#include "error.hpp"
#include "stage.hpp"
#include "state.hpp"

namespace dwc {
namespace {

constexpr int64_t element = sizeof(float);

dwc_status report(const DeviceCall& call, dwc_error* error) {
    return call.status ? fail(error, call.status, "%s", call.reason) : DWC_OK;
}

// The problem that a device sees where x and y are copied to it: dense, and with the state as the beginning of each
// row.
Problem on_the_device(const Problem& p) {
    dwc_problem g = p.given;
    std::fill(std::begin(g.x_strides), std::end(g.x_strides), 0);
    std::fill(std::begin(g.y_strides), std::end(g.y_strides), 0);
    if (g.stateful) {
        g.length += state_steps(p);
        g.pad_left = 0;
        g.stateful = 0;
    }
    Problem dense;
    return resolve(&g, &dense, nullptr) ? p : dense;
}

// The elements of a tensor, (n, t, c) each `from` and `to` apart.
struct Shape {
    int64_t n, t, c;
};
void copy_strided(const Shape& shape, const char* from, const Strides& a, char* to, const Strides& b) {
    const bool channels = a.c == 1 && b.c == 1;
    const int64_t inner = channels ? shape.c : shape.t, outer = channels ? shape.t : shape.c;
    const int64_t a_outer = channels ? a.t : a.c, b_outer = channels ? b.t : b.c;
    for (int64_t n = 0; n < shape.n; ++n)
        for (int64_t o = 0; o < outer; ++o)
            std::memcpy(to + (n * b.n + o * b_outer) * element, from + (n * a.n + o * a_outer) * element,
                        static_cast<size_t>(inner * element));
}

bool same(const Strides& a, const Strides& b) { return a.n == b.n && a.t == b.t && a.c == b.c; }

}  // namespace

DeviceMemory::DeviceMemory(Device& device, int64_t bytes, DeviceCall& call) {
    if (call.status) return;
    const uint64_t handle = device.allocate(std::max<int64_t>(bytes, 16), call);
    if (handle) block_ = std::make_shared<Block>(&device, call.where.context, handle);
}

DeviceMemory::Block::~Block() { device->release(context, handle); }

DeviceRunner::DeviceRunner(const Problem& problem, const ConvKernel& kernel, const ActivationRow* epilogue,
                           DeviceKind memory)
    : given_(problem),
      p_(memory == DeviceKind::host ? on_the_device(problem) : problem),
      kernel_(kernel),
      epilogue_(epilogue),
      activation_(activation_kernel(problem.given.activation, problem.given.activation_params)),
      memory_(memory),
      device_(device_of(targets()[kernel.target].device)) {}

std::unique_ptr<DeviceRunner> DeviceRunner::make(const Problem& problem, const ConvKernel& kernel,
                                                 const ActivationRow* epilogue, DeviceKind memory, void* context,
                                                 dwc_status* status, dwc_error* error) {
    if (memory != DeviceKind::host && problem.given.stateful) {
        *status = fail(error, DWC_ERROR_UNSUPPORTED, "stateful=1: is computed from memory of the host only");
        return nullptr;
    }
    if (memory == DeviceKind::opencl && !context) {
        *status = fail(error, DWC_ERROR_DEVICE_CONTEXT, "device_context=NULL: must be the cl_context of x and y");
        return nullptr;
    }
    const Strides& y = problem.y;
    const bool nlc = problem.given.layout == DWC_NLC;
    const int64_t sequence = nlc ? problem.out_length * y.t : problem.out_channels * y.c;
    if (memory == DeviceKind::opencl && epilogue && problem.given.batch > 1 && y.n != sequence) {
        *status =
            fail(error, DWC_ERROR_UNSUPPORTED,
                 "y_strides: an activation of its own reaches rows that are evenly apart only; cl_mem handles have "
                 "no inside to start from");
        return nullptr;
    }
    auto runner = std::unique_ptr<DeviceRunner>(new DeviceRunner(problem, kernel, epilogue, memory));
    DeviceCall call({nullptr, nullptr}, true);
    call.where.context = runner->context_ = runner->device_.context_of(context, call);
    if (!call.status && problem.given.length == 0) runner->make_zeros(call);
    // Compiled now; handles are not looked at.
    dwc_weights none;
    if (!call.status) runner->enqueue(1, 1, none, call);
    *status = report(call, error);
    return *status ? nullptr : std::move(runner);
}

// Rows without elements are all padding. A kernel reads one element at least: one step of zeros, the same of every row.
void DeviceRunner::make_zeros(DeviceCall& call) {
    const int64_t C = p_.given.channels;
    p_.given.length = 1;
    p_.x = p_.given.layout == DWC_NLC ? Strides{0, C, 1} : Strides{0, 1, 1};
    const std::vector<float> zeros(static_cast<size_t>(C));
    call.where.stream = device_.own_stream(context_, call);
    zeros_ = DeviceMemory(device_, C * element, call);
    device_.copy_in(zeros_.handle(), zeros.data(), C * element, call);
    device_.wait(call);
}

PackedLayout DeviceRunner::packed() const {
    return {kernel_.family, p_.given.w_dtype, p_.given.kernel_size, p_.out_channels, 1, 0};
}

std::string DeviceRunner::place() const {
    char text[40];
    std::snprintf(text, sizeof text, "@%s:%p", targets()[kernel_.target].name, context_);
    return text;
}

dwc_status DeviceRunner::upload(dwc_weights* weights, dwc_error* error) const {
    DeviceCall call({context_, nullptr});
    call.where.stream = device_.own_stream(context_, call);
    const int64_t bias = p_.out_channels * element, w = bias * p_.given.kernel_size;
    weights->device_w = DeviceMemory(device_, w, call);
    weights->device_b = DeviceMemory(device_, bias, call);
    if (!call.status && p_.out_channels) {
        device_.copy_in(weights->device_w.handle(), weights->data.get(), w, call);
        device_.copy_in(weights->device_b.handle(), weights->data.get() + weights->bias_offset, bias, call);
        device_.wait(call);
    }
    weights->data.reset();
    return report(call, error);
}

void DeviceRunner::enqueue(uint64_t x, uint64_t y, const dwc_weights& weights, DeviceCall& call) const {
    const dwc_problem& g = p_.given;
    const int64_t Q = p_.out_channels, K = g.kernel_size, T = p_.out_length;
    const bool nlc = g.layout == DWC_NLC;
    const auto at = [](uint64_t handle) { return reinterpret_cast<void*>(static_cast<uintptr_t>(handle)); };
    const int64_t step = device_batch(p_);
    if (zeros_.handle()) x = zeros_.handle();
    DeviceConv conv{};
    if (nlc) {
        conv.w = {at(weights.device_w.handle()), {{Q, 1}, {K, Q}}};
    } else {
        conv.w = {at(weights.device_w.handle()), {{Q, K}, {K, 1}}};
    }
    conv.b = {at(weights.device_b.handle()), {{Q, 1}}};
    conv.multiplier = static_cast<int32_t>(g.depth_multiplier);
    conv.step = static_cast<int32_t>(g.stride);
    conv.dilation = static_cast<int32_t>(g.dilation);
    conv.pad = static_cast<int32_t>(g.pad_left);
    conv.parameters = activation_.p;
    for (int64_t n = 0; n < g.batch && !call.status; n += step) {
        const int64_t count = std::min(step, g.batch - n);
        // Cut only where handles are addresses (see refusal).
        void* const xs = at(x + static_cast<uint64_t>(n * p_.x.n * element));
        void* const ys = at(y + static_cast<uint64_t>(n * p_.y.n * element));
        if (nlc) {
            conv.x = {xs, {{g.channels, 1}, {g.length, p_.x.t}, {count, p_.x.n}}};
            conv.y = {ys, {{Q, 1}, {T, p_.y.t}, {count, p_.y.n}}};
        } else {
            conv.x = {xs, {{g.length, 1}, {g.channels, p_.x.c}, {count, p_.x.n}}};
            conv.y = {ys, {{T, 1}, {Q, p_.y.c}, {count, p_.y.n}}};
        }
        run_conv(kernel_, conv, call);
    }
    if (epilogue_) activate(y, call);
}

// Over rows that lie side by side as one, where they do; else sequence by sequence.
void DeviceRunner::activate(uint64_t y, DeviceCall& call) const {
    const dwc_problem& g = p_.given;
    const bool nlc = g.layout == DWC_NLC;
    const int64_t row = nlc ? p_.out_channels : p_.out_length, rows = nlc ? p_.out_length : p_.out_channels;
    const int64_t apart = nlc ? p_.y.t : p_.y.c;
    if (!call.compile_only) device_.keep_order(call);
    const bool even = g.batch == 1 || p_.y.n == rows * apart;
    const int64_t step = even ? device_batch(p_) : 1;
    for (int64_t n = 0; n < g.batch && !call.status; n += step) {
        const int64_t count = std::min(step, g.batch - n) * rows;
        const uint64_t from = y + static_cast<uint64_t>(n * p_.y.n * element);
        if (apart == row)
            run_activation(*epilogue_, activation_.p, from, count * row, 1, 0, call);
        else
            run_activation(*epilogue_, activation_.p, from, row, count, apart, call);
    }
}

dwc_status DeviceRunner::check_pointers(const dwc_args& args, dwc_error* error) const {
    if (memory_ == DeviceKind::opencl && !args.stream)
        return fail(error, DWC_ERROR_DEVICE_STREAM, "stream=NULL: must be a cl_command_queue of the plan's context");
    if (memory_ != DeviceKind::cuda) return DWC_OK;
    const auto check = [&](const char* name, const void* pointer, int64_t bytes) {
        if (reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(bytes) == 0) return DWC_OK;
        return fail(error, DWC_ERROR_ALIGNMENT,
                    "%s=%p: kernel %s needs a multiple of %d bytes; a kernel with v1 takes any element's address", name,
                    pointer, kernel_.name, static_cast<int>(bytes));
    };
    const int64_t vector = kernel_.v * element;
    if (const dwc_status status = check("x", args.x, kernel_.family == Family::gpunlc ? vector : element))
        return status;
    return check("y", args.y, vector);
}

dwc_status DeviceRunner::execute(const dwc_args& args, dwc_error* error) const {
    if (const dwc_status status = check_pointers(args, error)) return status;
    DeviceCall call({context_, args.stream});
    if (memory_ == DeviceKind::host) return execute_here(args, call, error);
    enqueue(reinterpret_cast<uintptr_t>(args.x), reinterpret_cast<uintptr_t>(args.y), *args.weights, call);
    return report(call, error);
}

// x as the device has it: the caller's, or a dense copy with the state before each row.
const char* DeviceRunner::dense_x(const dwc_args& args, Staging& staging) const {
    const dwc_problem& g = given_.given;
    const auto* x = static_cast<const char*>(args.x);
    if (!g.stateful && same(given_.x, p_.x)) return x;
    staging.host_x.resize(static_cast<size_t>(p_.x_span * element));
    char* to = staging.host_x.data();
    const int64_t S = g.stateful ? state_steps(given_) : 0;
    copy_strided({g.batch, g.length, g.channels}, x, given_.x, to + S * p_.x.t * element, p_.x);
    const Strides slots{S * g.channels, g.channels, 1};
    for (int64_t n = 0; n < g.batch && S; ++n) {
        const int64_t slot = args.sequence_index ? args.sequence_index[n] : n;
        const char* state = static_cast<const char*>(args.state_in) + slot * slots.n * element;
        for (int64_t t = 0; t < S; ++t)
            for (int64_t c = 0; c < g.channels; ++c) {
                char* at = to + (n * p_.x.n + t * p_.x.t + c * p_.x.c) * element;
                if (args.state_in && slot >= 0)
                    std::memcpy(at, state + (t * slots.t + c) * element, element);
                else
                    std::memset(at, 0, element);
            }
    }
    return to;
}

void DeviceRunner::keep_state(const dwc_args& args) const {
    const dwc_problem& g = given_.given;
    const int64_t slot_bytes = state_steps(given_) * g.channels * element;
    for (int64_t n = 0; n < g.batch; ++n) {
        const int64_t slot = args.sequence_index ? args.sequence_index[n] : n;
        if (slot < 0) continue;
        const char* in = args.state_in ? static_cast<const char*>(args.state_in) + slot * slot_bytes : nullptr;
        update_state(given_, static_cast<const char*>(args.x) + n * given_.x.n * element, in,
                     static_cast<char*>(args.state_out) + slot * slot_bytes, 0, g.channels);
    }
}

dwc_status DeviceRunner::execute_here(const dwc_args& args, DeviceCall& call, dwc_error* error) const {
    std::unique_ptr<Staging> staging;
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            staging = std::move(idle_.back());
            idle_.pop_back();
        }
    }
    if (!call.where.stream) call.where.stream = device_.own_stream(context_, call);
    if (!staging) {
        staging = std::make_unique<Staging>();
        staging->x = DeviceMemory(device_, p_.x_span * element, call);
        staging->y = DeviceMemory(device_, p_.y_span * element, call);
        if (call.status) return report(call, error);
    }
    const char* x = dense_x(args, *staging);
    const bool dense = same(given_.y, p_.y);
    if (!dense) staging->host_y.resize(static_cast<size_t>(p_.y_span * element));
    char* y = dense ? static_cast<char*>(args.y) : staging->host_y.data();

    if (p_.x_span) device_.copy_in(staging->x.handle(), x, p_.x_span * element, call);
    device_.keep_order(call);
    enqueue(staging->x.handle(), staging->y.handle(), *args.weights, call);
    device_.keep_order(call);
    device_.copy_out(y, staging->y.handle(), p_.y_span * element, call);
    device_.wait(call);
    if (call.status) return report(call, error);  // what the stream may still use is not kept for others
    if (!dense)
        copy_strided({given_.given.batch, p_.out_length, p_.out_channels}, y, p_.y, static_cast<char*>(args.y),
                     given_.y);
    if (given_.given.stateful && args.state_out) keep_state(args);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(staging));
    return DWC_OK;
}

dwc_status activate_on_device(const ActivationRow& kernel, const float* parameters, float* values, int64_t count,
                              dwc_error* error) {
    Device& device = device_of(targets()[kernel.target].device);
    DeviceCall call({nullptr, nullptr});
    call.where.context = device.context_of(nullptr, call);
    if (!call.status) call.where.stream = device.own_stream(call.where.context, call);
    const int64_t block = std::min<int64_t>(count, int64_t{1} << 26);
    const DeviceMemory memory(device, block * element, call);
    for (int64_t i = 0; i < count && !call.status; i += block) {
        const int64_t n = std::min(block, count - i);
        device.copy_in(memory.handle(), values + i, n * element, call);
        run_activation(kernel, parameters, memory.handle(), n, 1, 0, call);
        device.copy_out(values + i, memory.handle(), n * element, call);
        device.wait(call);
    }
    return report(call, error);
}

}  // namespace dwc

extern "C" dwc_status dwc_device_forget(dwc_memory memory, void* context, dwc_error* error) {
    if (memory != DWC_MEMORY_CUDA && memory != DWC_MEMORY_OPENCL)
        return dwc::fail(error, DWC_ERROR_MEMORY, "memory=%d: must be that of a device", static_cast<int>(memory));
    if (!context) return dwc::fail(error, DWC_ERROR_NULL_POINTER, "context=NULL: must be a context of the device");
    dwc::Device& device = dwc::device_of(static_cast<dwc::DeviceKind>(memory));
    if (const char* why = device.unavailable())
        return dwc::fail(error, DWC_ERROR_NO_DEVICE, "memory=%d: %s", static_cast<int>(memory), why);
    device.forget(context);
    return DWC_OK;
}
