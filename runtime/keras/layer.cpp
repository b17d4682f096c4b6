#include "dwconv/keras.hpp"
#include "errors.hpp"

namespace dwconv::keras {
namespace {

using detail::fail_value;

// Where steps and channels lie in an input or output shape.
struct Axes {
    size_t steps, channels;
};
Axes axes_of(DataFormat format) { return format == DataFormat::channels_first ? Axes{2, 1} : Axes{1, 2}; }

std::string incompatible(const LayerConfig& config) {
    return "Input 0 of layer '" + detail::printable(config.name) + "' is incompatible with the layer: ";
}

void check_rank(const LayerConfig& config, const Shape& input) {
    if (input.size() < 3) {
        fail_value(incompatible(config) + "expected min_ndim=3, found ndim=" + std::to_string(input.size()) +
                   ". Full shape received: " + to_string(input));
    }
    if (input.size() > 3) {
        const Shape kernel = {config.kernel_size, 1, config.depth_multiplier};
        fail_value("Kernel shape must have the same length as input, but received kernel of shape " +
                   to_string(kernel) + " and input of shape " + to_string(input) + ".");
    }
}

// `built` is the layer's channel count, 0 before it has weights.
int64_t checked_channels(const LayerConfig& config, const Shape& input, int64_t built) {
    const size_t axis = axes_of(config.data_format).channels;
    const int64_t channels = input[axis];
    if (built > 0 && channels != built) {
        fail_value(incompatible(config) + "expected axis " + (axis == 2 ? "-1" : "1") +
                   " of input shape to have value " + std::to_string(built) + ", but received input with shape " +
                   to_string(input));
    }
    if (channels < 0) {
        fail_value(
            "The channel dimension of the inputs to `DepthwiseConv1D` should be defined. The input_shape "
            "received is " +
            to_string(input) + ", where axis " + (axis == 2 ? "-1" : "1") +
            " is the channel dimension, which found to be None.");
    }
    if (channels == 0) {
        fail_value("The channel dimension of the inputs to `DepthwiseConv1D` must not be 0. Received inputs shape=" +
                   to_string(input));
    }
    return channels;
}

// Steps of the output for `length` >= 0 steps of input.
int64_t checked_out_length(const LayerConfig& config, const Shape& input, int64_t channels, int64_t length) {
    if (config.padding == Padding::same) return length == 0 ? 0 : (length - 1) / config.strides + 1;
    // 128 bits: the effective kernel of absurd arguments does not fit 64.
    const __int128 effective = static_cast<__int128>(config.kernel_size - 1) * config.dilation_rate + 1;
    if (effective > length) {
        const __int128 out_channels = static_cast<__int128>(channels) * config.depth_multiplier;
        const int64_t shown = static_cast<int64_t>(out_channels);
        fail_value("Computed output size would be zero or negative. Received `inputs shape=" + to_string(input) +
                   "`, `kernel shape=" + to_string(Shape{config.kernel_size, channels, shown}) + "`, `dilation_rate=[" +
                   std::to_string(config.dilation_rate) + "]`, `strides=(" + std::to_string(config.strides) +
                   ",)`, `padding=" + to_string(config.padding) + "`.");
    }
    return static_cast<int64_t>((length - effective) / config.strides) + 1;
}

}  // namespace

DepthwiseConv1D::DepthwiseConv1D(LayerConfig config) : config_(std::move(config)) { config_.validate(); }

void DepthwiseConv1D::set_weights(Tensor kernel, std::optional<Tensor> bias) {
    const int64_t taps = config_.kernel_size, multiplier = config_.depth_multiplier;
    if (kernel.shape.size() != 3 || kernel.shape[0] != taps || kernel.shape[1] < 1 || kernel.shape[2] != multiplier) {
        fail_value("kernel shape " + to_string(kernel.shape) + " does not fit the config: (" + std::to_string(taps) +
                   ", channels, " + std::to_string(multiplier) + ") is needed, which is (kernel_size, channels, " +
                   "depth_multiplier)");
    }
    if (bias.has_value() != config_.use_bias) {
        fail_value(config_.use_bias ? "use_bias is true in the config, and no bias is given"
                                    : "a bias is given, and use_bias is false in the config");
    }
    const auto check_size = [](const char* what, const Tensor& tensor) {
        if (element_count(tensor.shape) != static_cast<int64_t>(tensor.data.size())) {
            fail_value(std::string(what) + " of shape " + to_string(tensor.shape) + " holds " +
                       std::to_string(tensor.data.size()) + " values");
        }
    };
    check_size("kernel", kernel);
    const Shape bias_shape = {kernel.shape[1] * multiplier};  // fits: the kernel exists
    if (bias && bias->shape != bias_shape) {
        fail_value("bias shape " + to_string(bias->shape) + " does not fit the kernel's " + to_string(kernel.shape) +
                   ": " + to_string(bias_shape) + " is needed, one value an output channel");
    }
    if (bias) check_size("bias", *bias);
    channels_ = kernel.shape[1];
    kernel_ = std::move(kernel);
    bias_ = std::move(bias);
}

Shape DepthwiseConv1D::compute_output_shape(const Shape& input) const {
    check_rank(config_, input);
    const Axes axes = axes_of(config_.data_format);
    const int64_t channels = checked_channels(config_, input, channels_);
    Shape output = input;
    for (int64_t& dimension : output) dimension = dimension < 0 ? -1 : dimension;
    if (__builtin_mul_overflow(channels, config_.depth_multiplier, &output[axes.channels])) {
        fail_value("channels * depth_multiplier = " + std::to_string(channels) + " * " +
                   std::to_string(config_.depth_multiplier) + " does not fit 64 bits");
    }
    if (input[axes.steps] >= 0) {
        output[axes.steps] = checked_out_length(config_, input, channels, input[axes.steps]);
    }
    return output;
}

dwconv::problem DepthwiseConv1D::problem(const Shape& input) const {
    compute_output_shape(input);  // for its checks, in Keras' words
    const Axes axes = axes_of(config_.data_format);
    if (input[0] < 0 || input[axes.steps] < 0)
        fail_value("input shape " + to_string(input) + " has unknown dimensions");
    if (config_.activation.last_axis) {
        detail::fail_unsupported("activation=" + config_.activation.name +
                                 ": functions over the last axis (softmax, log_softmax, sparsemax, glu) are not "
                                 "supported in this version");
    }
    dwconv::problem problem;
    dwc_problem& fields = problem.fields();
    fields.layout = config_.data_format == DataFormat::channels_first ? DWC_NCL : DWC_NLC;
    problem.shape(input[0], input[axes.steps], input[axes.channels]);
    problem.kernel_size(config_.kernel_size).depth_multiplier(config_.depth_multiplier);
    problem.stride(config_.strides).dilation(config_.dilation_rate).bias(config_.use_bias);
    fields.activation = config_.activation.code;
    for (size_t i = 0; i < config_.activation.params.size(); ++i) {
        fields.activation_params[i] = config_.activation.params[i];
    }
    if (config_.padding == Padding::same) problem.pad_same();
    problem.validate();
    return problem;
}

Tensor DepthwiseConv1D::operator()(const Tensor& x, const options& how) const {
    if (channels_ == 0) fail_value("layer '" + detail::printable(config_.name) + "' has no weights yet");
    if (element_count(x.shape) != static_cast<int64_t>(x.data.size())) {
        fail_value("x of shape " + to_string(x.shape) + " holds " + std::to_string(x.data.size()) + " values");
    }
    const dwconv::problem what = problem(x.shape);
    const plan plan(what, how);
    Tensor y;
    y.shape = compute_output_shape(x.shape);
    y.data.resize(static_cast<size_t>(element_count(y.shape)));
    if (!y.data.empty()) {
        plan.execute(x.data.data(), plan.pack(kernel_.data.data(), bias_ ? bias_->data.data() : nullptr),
                     y.data.data());
    }
    return y;
}

}  // namespace dwconv::keras
