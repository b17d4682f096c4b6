// dwconv for C++17: RAII and exceptions over dwconv.h, header only. dwconv.h is the contract (shapes, order of
// summation, statuses); this file adds ownership and turns failures into exceptions.
//
//   dwconv::problem p("f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu");
//   dwconv::plan plan(p);
//   dwconv::weights w = plan.pack(kernel.data(), bias.data());
//   plan.execute(x.data(), w, y.data());
#ifndef DWCONV_DWCONV_HPP
#define DWCONV_DWCONV_HPP

#include <dwconv/dwconv.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace dwconv {

// ------------------------------------------------------------------------------------------------------- failures

// What any call here throws on failure. what() is one sentence that names field, value and rule.
class error : public std::runtime_error {
   public:
    error(dwc_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    dwc_status status() const noexcept { return status_; }

   private:
    dwc_status status_;
};

// The description of the problem is at fault: what Keras calls ValueError.
class value_error : public error {
   public:
    using error::error;
};

namespace detail {
// Every status whose cause is a value that the caller wrote down, as opposed to this machine or this build.
inline bool is_value_status(dwc_status status) noexcept {
    return (status >= DWC_ERROR_DTYPE && status <= DWC_ERROR_OVERFLOW) || status == DWC_ERROR_THREADS ||
           status == DWC_ERROR_PARSE || status == DWC_ERROR_STORES || status == DWC_ERROR_STATE ||
           status == DWC_ERROR_PLAN_LEVEL;
}

[[noreturn]] inline void raise(dwc_status status, const std::string &message) {
    if (is_value_status(status)) throw value_error(status, message);
    throw error(status, message);
}

// Calls `call(dwc_error *)` and throws unless it returns DWC_OK.
template <class Call>
void check(Call &&call) {
    dwc_error failure{};
    const dwc_status status = call(&failure);
    if (status != DWC_OK) raise(status, failure.message);
}

inline std::string text(const char *string) { return string == nullptr ? std::string() : std::string(string); }
}  // namespace detail

// "0.1.0", of the library that is linked.
inline std::string version() { return dwc_version(); }

// -------------------------------------------------------------------------------------------------------- problem

// What to compute; a value. Setters chain and check nothing: validate(), or any use, checks everything.
//
//   auto p = dwconv::problem().shape(1, 384, 192).kernel_size(4).padding(3, 0).bias(true).activation("silu");
class problem {
   public:
    // f32, nlc, batch 1, length 0, channels 0, kernel_size 1, depth_multiplier 1, stride 1, dilation 1, no padding, no
    // bias, linear, dense.
    problem() noexcept { dwc_problem_init(&fields_); }
    // Any dwc_problem, for what has no setter here.
    explicit problem(const dwc_problem &fields) noexcept : fields_(fields) {}
    // From a canonical string. Throws value_error for what is no such string or no valid problem.
    explicit problem(const std::string &canonical) : problem() {
        if (canonical.find('\0') != std::string::npos) {
            throw value_error(DWC_ERROR_PARSE, "problem string: holds a NUL character");
        }
        detail::check([&](dwc_error *e) { return dwc_problem_parse(canonical.c_str(), &fields_, e); });
    }
    explicit problem(const char *canonical) : problem() {
        detail::check([&](dwc_error *e) { return dwc_problem_parse(canonical, &fields_, e); });
    }

    problem &layout(dwc_layout value) noexcept { return set(fields_.layout, value); }
    // One type for x, weights and y.
    problem &dtype(dwc_dtype value) noexcept { return dtypes(value, value, value); }
    problem &dtypes(dwc_dtype x, dwc_dtype w, dwc_dtype y) noexcept {
        fields_.x_dtype = x;
        fields_.w_dtype = w;
        fields_.y_dtype = y;
        return *this;
    }
    // Of x: batch entries, steps of time, channels, in whichever layout.
    problem &shape(int64_t batch, int64_t length, int64_t channels) noexcept {
        fields_.batch = batch;
        fields_.length = length;
        fields_.channels = channels;
        return *this;
    }
    problem &kernel_size(int64_t value) noexcept { return set(fields_.kernel_size, value); }
    problem &depth_multiplier(int64_t value) noexcept { return set(fields_.depth_multiplier, value); }
    problem &stride(int64_t value) noexcept { return set(fields_.stride, value); }
    problem &dilation(int64_t value) noexcept { return set(fields_.dilation, value); }
    // Zeros before and after every row, in elements of time.
    problem &padding(int64_t left, int64_t right) noexcept {
        fields_.pad_left = left;
        fields_.pad_right = right;
        return *this;
    }
    // Keras' padding="same" for the length, kernel_size, stride and dilation set so far. Throws value_error.
    problem &pad_same() {
        detail::check([&](dwc_error *e) { return dwc_problem_pad_same(&fields_, e); });
        return *this;
    }
    problem &bias(bool value) noexcept { return set(fields_.has_bias, value ? 1 : 0); }
    // With its default parameters, or with all of its parameters. Throws value_error for a wrong number of them.
    problem &activation(dwc_activation value, const std::vector<float> &params = {}) {
        const int count = dwc_activation_params(value, nullptr);
        if (!params.empty() && params.size() != static_cast<std::size_t>(count)) {
            throw value_error(DWC_ERROR_ACTIVATION, "activation " + detail::text(dwc_activation_name(value)) +
                                                        ": takes " + std::to_string(count) + " parameters, got " +
                                                        std::to_string(params.size()));
        }
        fields_.activation = value;
        for (std::size_t i = 0; i < DWC_MAX_ACTIVATION_PARAMS; ++i) {
            fields_.activation_params[i] =
                i < params.size() ? params[i] : std::numeric_limits<float>::quiet_NaN();  // NaN: the default
        }
        return *this;
    }
    // By name, as in Keras. Throws value_error for an unknown name.
    problem &activation(const std::string &name, const std::vector<float> &params = {}) {
        dwc_activation value = DWC_LINEAR;
        detail::check([&](dwc_error *e) { return dwc_activation_from_name(name.c_str(), &value, e); });
        return activation(value, params);
    }
    // Distances in elements between neighbours in batch, time and channel; all 0: dense.
    problem &x_strides(int64_t batch, int64_t time, int64_t channel) noexcept {
        return set_strides(fields_.x_strides, batch, time, channel);
    }
    problem &y_strides(int64_t batch, int64_t time, int64_t channel) noexcept {
        return set_strides(fields_.y_strides, batch, time, channel);
    }

    // Throws value_error naming the first field at fault, or error for what is valid but not available.
    void validate() const {
        detail::check([&](dwc_error *e) { return dwc_problem_validate(&fields_, e); });
    }
    // Steps of time of y. Validates.
    int64_t out_length() const {
        int64_t result = 0;
        detail::check([&](dwc_error *e) { return dwc_problem_out_length(&fields_, &result, e); });
        return result;
    }
    // channels * depth_multiplier.
    int64_t out_channels() const noexcept { return fields_.channels * fields_.depth_multiplier; }
    // The canonical string. Validates.
    std::string to_string() const {
        std::vector<char> buffer(1024);  // longer than any canonical string
        detail::check([&](dwc_error *e) { return dwc_problem_format(&fields_, buffer.data(), buffer.size(), e); });
        return buffer.data();
    }

    // The plain fields, to read and to write.
    dwc_problem &fields() noexcept { return fields_; }
    const dwc_problem &fields() const noexcept { return fields_; }

   private:
    template <class Field, class Value>
    problem &set(Field &field, Value value) noexcept {
        field = value;
        return *this;
    }
    problem &set_strides(int64_t (&strides)[3], int64_t batch, int64_t time, int64_t channel) noexcept {
        strides[0] = batch;
        strides[1] = time;
        strides[2] = channel;
        return *this;
    }

    dwc_problem fields_;
};

// ------------------------------------------------------------------------------------------ plan, weights, execution

struct options {
    int threads = 1;           // 0: as many as affinity mask and cgroup quota allow
    std::string force_kernel;  // empty: DWC_FORCE_KERNEL of the environment, if set
    std::string force_target;  // empty: DWC_FORCE_TARGET of the environment, if set
    bool allow_reference = false;
    dwc_parallel_for parallel_for = nullptr;  // null: the library's own pool
    void *parallel_for_user = nullptr;
    dwc_plan_level plan_level = DWC_PLAN_DEFAULT;
    int measure_ms = 50;  // DWC_PLAN_MEASURE: time it may take
    dwc_stores stores = DWC_STORES_AUTO;
    dwc_memory memory = DWC_MEMORY_HOST;  // whose pointers x and y are
    void *device_context = nullptr;       // CUcontext or cl_context; null: see dwc_options
};

namespace detail {
// Borrows the strings of `from`, which must outlive the result.
inline dwc_options to_c(const options &from) noexcept {
    dwc_options to;
    dwc_options_init(&to);
    to.threads = from.threads;
    to.parallel_for = from.parallel_for;
    to.parallel_for_user = from.parallel_for_user;
    to.force_kernel = from.force_kernel.empty() ? nullptr : from.force_kernel.c_str();
    to.force_target = from.force_target.empty() ? nullptr : from.force_target.c_str();
    to.allow_reference = from.allow_reference ? 1 : 0;
    to.plan_level = from.plan_level;
    to.stores = from.stores;
    to.measure_ms = from.measure_ms;
    to.memory = from.memory;
    to.device_context = from.device_context;
    return to;
}
}  // namespace detail

// Weights and bias in the order that a plan's kernels read; move-only. May outlive the plan that packed it and serves
// every plan whose describe().weights_layout is the same.
class weights {
   public:
    explicit weights(dwc_weights *owned) noexcept : handle_(owned) {}
    const dwc_weights *get() const noexcept { return handle_.get(); }

   private:
    struct destroy {
        void operator()(dwc_weights *handle) const noexcept { dwc_weights_destroy(handle); }
    };
    std::unique_ptr<dwc_weights, destroy> handle_;
};

struct plan_info {
    std::string problem;  // canonical string
    std::string kernel;   // of the main kernel; "reference": the plain loop; "none": an empty output
    std::string target;
    std::string reason;          // why this kernel
    std::string weights_layout;  // equal exactly where packed weights can be shared
    int64_t out_length = 0;
    int64_t flops = 0;           // useful: 2 * batch * out_length * channels * M * K
    int64_t bytes = 0;           // useful: x + y + weights + bias, each once
    int threads = 1;             // resolved
    int64_t state_elements = 0;  // of one sequence; 0 unless stateful
};

// A problem bound to kernels; move-only and immutable: many threads may execute one plan at once.
class plan {
   public:
    // Everything that can fail, allocate or be looked up happens here. Throws value_error for an invalid problem or
    // options, error where no kernel serves.
    explicit plan(const problem &what, const options &how = {}) {
        dwc_plan *created = nullptr;
        const dwc_options c_options = detail::to_c(how);
        detail::check([&](dwc_error *e) { return dwc_plan_create(&created, &what.fields(), &c_options, e); });
        handle_.reset(created);
    }

    // w: (K, C, M) in Keras order or (C*M, 1, K) in PyTorch order; bias: (C*M), nullptr exactly where the problem has
    // none; both of the problem's w_dtype. Copies. Throws value_error (bias), error.
    weights pack(const void *w, const void *bias = nullptr, dwc_weights_order order = DWC_WEIGHTS_KERAS) const {
        dwc_weights *packed = nullptr;
        detail::check([&](dwc_error *e) { return dwc_weights_pack(handle_.get(), w, bias, order, &packed, e); });
        return weights(packed);
    }

    // x: (batch, length, channels) or (batch, channels, length) as the layout says; y likewise with out_length() and
    // channels * depth_multiplier, apart from x. Allocates nothing where workspace_size() is 0, and one workspace
    // where it is not. Throws error; y may then be partly written.
    void execute(const void *x, const weights &w, void *y) const {
        const std::size_t bytes = workspace_size();
        if (bytes == 0) return execute(x, w, y, nullptr);
        const std::unique_ptr<void, workspace_free> workspace(::operator new(bytes, kWorkspaceAlignment));
        execute(x, w, y, workspace.get());
    }
    // As above on the caller's workspace: workspace_size() bytes, 64-byte aligned, one for each concurrent call.
    void execute(const void *x, const weights &w, void *y, void *workspace) const {
        dwc_args args;
        dwc_args_init(&args);
        args.x = x;
        args.weights = w.get();
        args.y = y;
        args.workspace = workspace;
        detail::check([&](dwc_error *e) { return dwc_plan_execute(handle_.get(), &args, e); });
    }

    // As the first one, for a stateful problem: state_in (batch, (kernel_size-1)*dilation, channels), oldest input
    // first, nullptr for zeros; state_out, which may be state_in, receives the last inputs, nullptr where they are not
    // kept. `sequence_index` and `slots`: see dwc_args.
    void execute(const void *x, const weights &w, void *y, const void *state_in, void *state_out,
                 const int32_t *sequence_index = nullptr, int64_t slots = 0) const {
        const std::size_t bytes = workspace_size();
        const std::unique_ptr<void, workspace_free> workspace(bytes ? ::operator new(bytes, kWorkspaceAlignment)
                                                                    : nullptr);
        dwc_args args;
        dwc_args_init(&args);
        args.x = x;
        args.weights = w.get();
        args.y = y;
        args.workspace = workspace.get();
        args.state_in = state_in;
        args.state_out = state_out;
        args.sequence_index = sequence_index;
        args.state_slots = slots;
        detail::check([&](dwc_error *e) { return dwc_plan_execute(handle_.get(), &args, e); });
    }

    // Enqueues on a stream of the device and returns: for options with the memory of one, x and y device pointers
    // (CUdeviceptr) or cl_mem handles, stream a CUstream or cl_command_queue.
    void enqueue(const void *x, const weights &w, void *y, void *stream) const {
        dwc_args args;
        dwc_args_init(&args);
        args.x = x;
        args.weights = w.get();
        args.y = y;
        args.stream = stream;
        detail::check([&](dwc_error *e) { return dwc_plan_execute(handle_.get(), &args, e); });
    }

    // Bytes of scratch memory that one execution needs; usually 0.
    std::size_t workspace_size() const noexcept { return dwc_plan_workspace_size(handle_.get()); }

    plan_info describe() const {
        dwc_plan_info info;
        dwc_plan_info_init(&info);
        detail::check([&](dwc_error *e) { return dwc_plan_describe(handle_.get(), &info, e); });
        return {detail::text(info.problem),
                detail::text(info.kernel),
                detail::text(info.target),
                detail::text(info.reason),
                detail::text(info.weights_layout),
                info.out_length,
                info.flops,
                info.bytes,
                info.threads,
                info.state_elements};
    }
    int64_t out_length() const { return describe().out_length; }

    const dwc_plan *get() const noexcept { return handle_.get(); }

   private:
    static constexpr std::align_val_t kWorkspaceAlignment{64};
    struct workspace_free {
        void operator()(void *memory) const noexcept { ::operator delete(memory, kWorkspaceAlignment); }
    };
    struct destroy {
        void operator()(dwc_plan *handle) const noexcept { dwc_plan_destroy(handle); }
    };
    std::unique_ptr<dwc_plan, destroy> handle_;
};

// The plain loop over the formula, for checking: arguments as in plan::pack and plan::execute. `fma` false: multiply,
// then add, as on targets without fused multiply-add. Throws value_error, error.
inline void reference(const problem &what, const void *x, const void *w, const void *bias, void *y,
                      dwc_weights_order order = DWC_WEIGHTS_KERAS, bool fma = true) {
    detail::check([&](dwc_error *e) { return dwc_reference(&what.fields(), x, w, bias, y, order, fma ? 1 : 0, e); });
}

// ----------------------------------------------------------------------------------------------- what is compiled

struct target_info {
    std::string name, parent;             // parent: the target it falls back to, or empty
    bool built = false;                   // the library holds kernels for it
    bool supported = false;               // this CPU runs it, or a driver with a device answers
    bool fma = false;                     // its kernels use fused multiply-add
    dwc_memory device = DWC_MEMORY_HOST;  // whose kernels these are
};

// Best first within an architecture.
inline std::vector<target_info> targets() {
    std::vector<target_info> result;
    const int32_t count = dwc_target_count();
    for (int32_t i = 0; i < count; ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        detail::check([&](dwc_error *e) { return dwc_target_at(i, &info, e); });
        result.push_back({detail::text(info.name), detail::text(info.parent), info.built != 0, info.supported != 0,
                          info.fma != 0, static_cast<dwc_memory>(info.device)});
    }
    return result;
}

struct kernel_info {
    std::string name, family, target, activation;
    dwc_dtype dtype = DWC_F32;
    int64_t kernel_size = 0, stride = 0, depth_multiplier = 0;  // 0: any, at run time
    int vector_width = 0, time_tile = 0;
    bool supported = false;  // this CPU runs its target
};

inline std::vector<kernel_info> kernels() {
    std::vector<kernel_info> result;
    const int32_t count = dwc_kernel_count();
    for (int32_t i = 0; i < count; ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        detail::check([&](dwc_error *e) { return dwc_kernel_at(i, &info, e); });
        result.push_back({detail::text(info.name), detail::text(info.family), detail::text(info.target),
                          detail::text(info.activation), info.dtype, info.kernel_size, info.stride,
                          info.depth_multiplier, info.vector_width, info.time_tile, info.supported != 0});
    }
    return result;
}

struct candidate {
    std::string kernel, target, reason;
    bool chosen = false;    // the one that a plan would run
    bool eligible = false;  // could compute the problem here
};

// One line per compiled convolution kernel, the chosen one first, each with the reason why it won or lost. Throws
// value_error, error.
inline std::vector<candidate> explain(const problem &what, const options &how = {}) {
    struct collector {
        std::vector<candidate> lines;
        std::exception_ptr failure;  // nothing may be thrown through the C frames between
    } collected;
    const auto collect = [](void *user, const dwc_candidate *line) {
        auto *into = static_cast<collector *>(user);
        try {
            into->lines.push_back({detail::text(line->kernel), detail::text(line->target), detail::text(line->reason),
                                   line->chosen != 0, line->eligible != 0});
        } catch (...) {
            into->failure = std::current_exception();
        }
    };
    const dwc_options c_options = detail::to_c(how);
    detail::check([&](dwc_error *e) { return dwc_explain(&what.fields(), &c_options, collect, &collected, e); });
    if (collected.failure) std::rethrow_exception(collected.failure);
    return std::move(collected.lines);
}

}  // namespace dwconv
#endif
