// DepthwiseConv1D: how it is made, built and called.
#include "config_json.hpp"
#include "errors.hpp"
#include "layer_impl.hpp"
#include "names.hpp"
#include "rounding.hpp"

namespace dwconv::keras {
namespace {

using detail::check_size;
using detail::CheckedArguments;
using detail::fail_value;
using detail::PreparedCall;

CheckedArguments complete(CheckedArguments arguments) {
    if (!arguments.data_format) arguments.data_format = settings().image_data_format;
    if (!arguments.dtype) arguments.dtype = settings().floatx;
    if (!arguments.name) arguments.name = detail::automatic_name("depthwise_conv1d");
    return arguments;
}

LayerConfig config_of(const CheckedArguments& arguments) {
    LayerConfig config;
    config.kernel_size = arguments.kernel_size;
    config.strides = arguments.strides;
    config.padding = arguments.padding;
    config.depth_multiplier = arguments.depth_multiplier;
    config.data_format = arguments.data_format;
    config.dilation_rate = arguments.dilation_rate;
    config.activation = arguments.activation;
    config.use_bias = arguments.use_bias;
    config.depthwise_initializer = arguments.depthwise_initializer;
    config.bias_initializer = arguments.bias_initializer;
    if (arguments.depthwise_regularizer) config.depthwise_regularizer = *arguments.depthwise_regularizer;
    if (arguments.bias_regularizer) config.bias_regularizer = *arguments.bias_regularizer;
    if (arguments.activity_regularizer) config.activity_regularizer = *arguments.activity_regularizer;
    if (arguments.depthwise_constraint) config.depthwise_constraint = *arguments.depthwise_constraint;
    if (arguments.bias_constraint) config.bias_constraint = *arguments.bias_constraint;
    config.name = arguments.name;
    config.dtype = arguments.dtype;
    config.trainable = arguments.trainable;
    config.allow_stride_with_dilation = arguments.allow_stride_with_dilation;
    return config;
}

// The values of a mixed policy's weights are kept in float32 and computed with in 16 bits.
struct Dtypes {
    std::string variable, compute;
};
Dtypes dtypes_of(const std::string& policy) {
    const std::string prefix = "mixed_";
    if (policy.compare(0, prefix.size(), prefix) == 0) return {"float32", policy.substr(prefix.size())};
    return {policy, policy};
}

}  // namespace

DepthwiseConv1D::Impl::Impl(CheckedArguments given) : arguments(complete(std::move(given))) {
    config = config_of(arguments);
    rule = {*arguments.name,
            arguments.kernel_size,
            arguments.strides,
            arguments.dilation_rate,
            arguments.depth_multiplier,
            arguments.padding == "same",
            *arguments.data_format == "channels_first"};
    const Dtypes dtypes = dtypes_of(*arguments.dtype);
    variable_dtype = dtypes.variable;
    compute_dtype = dtypes.compute;
    narrow = detail::is_narrow(compute_dtype);
    needs_finish = narrow || !arguments.activation.fused || arguments.activity_regularizer;
}

Shape DepthwiseConv1D::Impl::output_shape(const Shape& input) const {
    return detail::output_shape(rule, input, channels.load(std::memory_order_acquire));
}

dwconv::problem DepthwiseConv1D::Impl::problem(const Shape& input) const {
    output_shape(input);  // for its checks, in Keras' words
    if (input[0] < 0 || input[rule.steps_axis()] < 0) {
        fail_value("input shape " + to_string(input) + " has unknown dimensions");
    }
    dwconv::problem problem;
    dwc_problem& fields = problem.fields();
    fields.layout = rule.channels_first ? DWC_NCL : DWC_NLC;
    problem.shape(input[0], input[rule.steps_axis()], input[rule.channels_axis()]);
    problem.kernel_size(rule.kernel_size).depth_multiplier(rule.depth_multiplier);
    problem.stride(rule.strides).dilation(rule.dilation_rate).bias(arguments.use_bias);
    if (arguments.activation.fused) {
        fields.activation = arguments.activation.code;
        for (std::size_t i = 0; i < arguments.activation.params.size(); ++i) {
            fields.activation_params[i] = arguments.activation.params[i];
        }
    }
    if (rule.same) problem.pad_same();
    problem.validate();
    return problem;
}

std::shared_ptr<const dwconv::weights> DepthwiseConv1D::Impl::pack(const dwconv::plan& plan) const {
    const float* bias_data = bias ? bias->data.data() : nullptr;
    if (!narrow) return std::make_shared<const dwconv::weights>(plan.pack(kernel.data.data(), bias_data));
    std::vector<float> rounded_kernel = kernel.data, rounded_bias = bias ? bias->data : std::vector<float>();
    detail::round_to(compute_dtype, &rounded_kernel);
    detail::round_to(compute_dtype, &rounded_bias);
    return std::make_shared<const dwconv::weights>(
        plan.pack(rounded_kernel.data(), bias ? rounded_bias.data() : nullptr));
}

Shape DepthwiseConv1D::Impl::with_past(const Shape& chunk) const {
    if (rule.same) fail_value("padding=\"same\": a layer that is fed in chunks sees the past only: must be \"valid\"");
    Shape whole = chunk;
    if (whole.size() == 3) whole[rule.steps_axis()] += (rule.kernel_size - 1) * rule.dilation_rate;
    output_shape(whole);  // for its checks
    return whole;
}

Shape DepthwiseConv1D::Impl::state_shape(const Shape& chunk) const {
    return {chunk[0], (rule.kernel_size - 1) * rule.dilation_rate, chunk[rule.channels_axis()]};
}

std::shared_ptr<const PreparedCall> DepthwiseConv1D::Impl::prepare(const Shape& input, bool chunk, const options& how,
                                                                   std::shared_ptr<const PreparedCall> found) {
    auto call = found ? std::make_shared<PreparedCall>(*found) : std::make_shared<PreparedCall>();
    if (!found) {
        call->input = input;
        call->how = how;
        const Shape whole = chunk ? with_past(input) : input;
        dwconv::problem posed = problem(whole);
        call->output = output_shape(whole);
        if (chunk) {
            call->state = state_shape(input);
            dwc_problem& fields = posed.fields();
            fields.length = input[rule.steps_axis()];
            fields.pad_left = call->state[1];
            fields.stateful = 1;
        }
        call->x_count = static_cast<std::size_t>(element_count(input));
        call->y_count = static_cast<std::size_t>(element_count(call->output));
        call->plan = std::make_shared<const dwconv::plan>(posed, how);
        call->weights_layout = call->plan->describe().weights_layout;
    }
    // Two threads may pack the same weights at once: each uses its own, the later one stays.
    call->weights = calls.find_weights(call->weights_layout);
    if (!call->weights) call->weights = pack(*call->plan);
    calls.insert(call);
    return call;
}

void DepthwiseConv1D::Impl::finish(Tensor* y, std::int64_t batch) {
    if (!arguments.activation.fused) {
        *y = arguments.activation.function(std::move(*y));
        check_size("the activation's output", *y);
    }
    if (narrow) detail::round_to(compute_dtype, &y->data);
    if (arguments.activity_regularizer) {
        const float penalty = (*arguments.activity_regularizer)(*y);
        activity_loss = batch == 0 ? 0 : penalty / static_cast<float>(batch);
        called = true;
    }
}

DepthwiseConv1D::DepthwiseConv1D(const LayerConfig& config)
    : impl_(std::make_unique<Impl>(detail::check(detail::arguments_of(config)))) {}
DepthwiseConv1D::DepthwiseConv1D(DepthwiseConv1D&&) noexcept = default;
DepthwiseConv1D& DepthwiseConv1D::operator=(DepthwiseConv1D&&) noexcept = default;
DepthwiseConv1D::~DepthwiseConv1D() = default;

const LayerConfig& DepthwiseConv1D::config() const { return impl_->config; }
const Activation& DepthwiseConv1D::activation() const { return impl_->arguments.activation; }
bool DepthwiseConv1D::channels_first() const { return impl_->rule.channels_first; }
std::string DepthwiseConv1D::compute_dtype() const { return impl_->compute_dtype; }
const std::string& DepthwiseConv1D::name() const { return *impl_->arguments.name; }
bool DepthwiseConv1D::trainable() const { return impl_->arguments.trainable; }
Shape DepthwiseConv1D::built_shape() const { return impl_->built() ? impl_->built_shape : Shape(); }
Shape DepthwiseConv1D::compute_output_shape(const Shape& input) const { return impl_->output_shape(input); }
dwconv::problem DepthwiseConv1D::problem(const Shape& input) const { return impl_->problem(input); }
std::string DepthwiseConv1D::get_config() const { return detail::dump(detail::serialized(impl_->arguments)); }

void DepthwiseConv1D::build(const Shape& input) {
    impl_->output_shape(input);  // for its checks
    if (impl_->built()) return;
    const std::lock_guard lock(impl_->building);
    if (impl_->built()) {
        impl_->output_shape(input);  // another thread has built it, perhaps for other channels
        return;
    }
    const std::int64_t channels = input[impl_->rule.channels_axis()];
    Tensor kernel = impl_->arguments.depthwise_initializer(impl_->kernel_shape(channels));
    std::optional<Tensor> bias;
    if (impl_->arguments.use_bias) bias = impl_->arguments.bias_initializer(impl_->bias_shape(channels));
    impl_->check_weights(kernel, bias);
    impl_->store(std::move(kernel), std::move(bias), input);
}

void DepthwiseConv1D::call(const Tensor& x, Tensor* y, const options& how) {
    if (y == &x) fail_value("y is x: the output needs a tensor of its own");
    std::shared_ptr<const PreparedCall> call = impl_->calls.find(x.shape, false, how);
    if (!call || !call->weights) {
        impl_->output_shape(x.shape);  // says what is wrong with the shape before anything else
        check_size("x", x);
        build(x.shape);
        call = impl_->prepare(x.shape, false, how, std::move(call));
    }
    if (x.data.size() != call->x_count) check_size("x", x);
    if (y->shape != call->output) y->shape = call->output;
    y->data.resize(call->y_count);
    if (call->y_count > 0) {
        if (impl_->narrow) {
            std::vector<float> rounded = x.data;
            detail::round_to(impl_->compute_dtype, &rounded);
            call->plan->execute(rounded.data(), *call->weights, y->data.data());
        } else {
            call->plan->execute(x.data.data(), *call->weights, y->data.data());
        }
    }
    if (impl_->needs_finish) impl_->finish(y, call->output[0]);
}

void DepthwiseConv1D::stream(const Tensor& x, Tensor* state, Tensor* y, const options& how) {
    if (y == &x || state == &x || state == y) fail_value("x, state and y: each needs a tensor of its own");
    std::shared_ptr<const PreparedCall> call = impl_->calls.find(x.shape, true, how);
    if (!call || !call->weights) {
        const Shape whole = impl_->with_past(x.shape);
        check_size("x", x);
        build(whole);
        call = impl_->prepare(x.shape, true, how, std::move(call));
    }
    if (x.data.size() != call->x_count) check_size("x", x);
    const auto state_count = static_cast<std::size_t>(element_count(call->state));
    const bool first = state->shape.empty();
    if (!first && state->shape != call->state) {
        fail_value("state has shape " + to_string(state->shape) + ": must be " + to_string(call->state) +
                   " or, for zeros, none");
    }
    if (!first) check_size("state", *state);
    if (y->shape != call->output) y->shape = call->output;
    y->data.resize(call->y_count);
    state->data.resize(state_count);
    std::vector<float> rounded;
    if (impl_->narrow) {
        rounded = x.data;
        detail::round_to(impl_->compute_dtype, &rounded);
    }
    call->plan->execute(impl_->narrow ? rounded.data() : x.data.data(), *call->weights, y->data.data(),
                        first ? nullptr : state->data.data(), state->data.data());
    state->shape = call->state;
    if (impl_->needs_finish) impl_->finish(y, call->output[0]);
}

}  // namespace dwconv::keras
