// DepthwiseConv1D's weights: what they may be, and what is said of them.
#include "errors.hpp"
#include "layer_impl.hpp"
#include "rounding.hpp"

namespace dwconv::keras {

void detail::check_size(const char* what, const Tensor& tensor) {
    if (element_count(tensor.shape) != static_cast<std::int64_t>(tensor.data.size())) {
        fail_value(std::string(what) + " of shape " + to_string(tensor.shape) + " holds " +
                   std::to_string(tensor.data.size()) + " values");
    }
}

namespace {

using detail::check_size;
using detail::fail_value;

// 8 GiB of float32. Arguments of a file must not make a program allocate all of its machine.
constexpr std::int64_t kMaxWeights = std::int64_t{1} << 31;

}  // namespace

Shape DepthwiseConv1D::Impl::kernel_shape(std::int64_t of_channels) const {
    Shape shape = {arguments.kernel_size, of_channels, arguments.depth_multiplier};
    if (element_count(shape) > kMaxWeights) {
        fail_value("kernel shape " + to_string(shape) +
                   " (kernel_size, channels, depth_multiplier) has more than 2^31 elements");
    }
    return shape;
}

Shape DepthwiseConv1D::Impl::bias_shape(std::int64_t of_channels) const {
    return {of_channels * arguments.depth_multiplier};  // fits: the kernel does
}

void DepthwiseConv1D::Impl::check_weights(const Tensor& new_kernel, const std::optional<Tensor>& new_bias) const {
    const Shape& shape = new_kernel.shape;
    if (shape.size() != 3 || shape[0] != arguments.kernel_size || shape[1] < 1 ||
        shape[2] != arguments.depth_multiplier) {
        fail_value("kernel shape " + to_string(shape) + " does not fit the config: (" +
                   std::to_string(arguments.kernel_size) + ", channels, " + std::to_string(arguments.depth_multiplier) +
                   ") is needed, which is (kernel_size, channels, depth_multiplier)");
    }
    if (built() && shape != kernel.shape) {
        fail_value("Layer " + detail::printable(*arguments.name) + " weight shape " + to_string(kernel.shape) +
                   " is not compatible with provided weight shape " + to_string(shape) + ".");
    }
    if (new_bias.has_value() != arguments.use_bias) {
        fail_value(arguments.use_bias ? "use_bias is true in the config, and no bias is given"
                                      : "a bias is given, and use_bias is false in the config");
    }
    check_size("kernel", new_kernel);
    if (!new_bias) return;
    const Shape needed = bias_shape(shape[1]);
    if (new_bias->shape != needed) {
        fail_value("bias shape " + to_string(new_bias->shape) + " does not fit the kernel's " + to_string(shape) +
                   ": " + to_string(needed) + " is needed, one value an output channel");
    }
    check_size("bias", *new_bias);
}

void DepthwiseConv1D::Impl::store(Tensor new_kernel, std::optional<Tensor> new_bias, Shape input) {
    kernel = std::move(new_kernel);
    bias = std::move(new_bias);
    detail::round_to(variable_dtype, &kernel.data);
    if (bias) detail::round_to(variable_dtype, &bias->data);
    built_shape = std::move(input);
    for (std::int64_t& dimension : built_shape) dimension = dimension < 0 ? -1 : dimension;
    calls.forget_weights();
    channels.store(kernel.shape[1], std::memory_order_release);
}

void DepthwiseConv1D::Impl::require_built(const char* what) const {
    if (built()) return;
    fail_value(std::string(what) + ": layer '" + detail::printable(*arguments.name) +
               "' isn't built, it has no weights yet; `build(input_shape)` or a first call makes them");
}

const Tensor& DepthwiseConv1D::kernel() const {
    impl_->require_built("kernel");
    return impl_->kernel;
}

const std::optional<Tensor>& DepthwiseConv1D::bias() const {
    impl_->require_built("bias");
    return impl_->bias;
}

void DepthwiseConv1D::set_weights(Tensor kernel, std::optional<Tensor> bias) {
    const std::lock_guard lock(impl_->building);
    impl_->check_weights(kernel, bias);
    Shape input = impl_->built_shape;
    if (input.empty()) {
        input = {-1, -1, -1};
        input[impl_->rule.channels_axis()] = kernel.shape[1];
    }
    impl_->store(std::move(kernel), std::move(bias), std::move(input));
}

void DepthwiseConv1D::set_weights(std::vector<Tensor> values) {
    impl_->require_built("set_weights");
    const std::size_t expected = impl_->bias ? 2 : 1;
    const std::string& name = *impl_->arguments.name;
    if (values.size() != expected) {
        fail_value("You called `set_weights(weights)` on layer '" + detail::printable(name) +
                   "' with a weight list of length " + std::to_string(values.size()) +
                   ", but the layer was expecting " + std::to_string(expected) + " weights.");
    }
    const Tensor* mine[] = {&impl_->kernel, impl_->bias ? &*impl_->bias : nullptr};
    for (std::size_t i = 0; i < expected; ++i) {
        if (values[i].shape == mine[i]->shape) continue;
        fail_value("Layer " + detail::printable(name) + " weight shape " + to_string(mine[i]->shape) +
                   " is not compatible with provided weight shape " + to_string(values[i].shape) + ".");
    }
    std::optional<Tensor> bias;
    if (expected == 2) bias = std::move(values[1]);
    set_weights(std::move(values[0]), std::move(bias));
}

std::vector<Variable> DepthwiseConv1D::weights() const {
    if (!impl_->built()) return {};
    const std::string prefix = name() + "/";
    std::vector<Variable> variables = {
        {"kernel", prefix + "kernel", impl_->variable_dtype, trainable(), impl_->kernel}};
    if (impl_->bias) variables.push_back({"bias", prefix + "bias", impl_->variable_dtype, trainable(), *impl_->bias});
    return variables;
}

std::vector<float> DepthwiseConv1D::losses() const {
    const detail::CheckedArguments& arguments = impl_->arguments;
    std::vector<float> losses;
    if (impl_->called) losses.push_back(impl_->activity_loss);
    if (!impl_->built() || !arguments.trainable) return losses;
    if (arguments.depthwise_regularizer) losses.push_back((*arguments.depthwise_regularizer)(impl_->kernel));
    if (arguments.bias_regularizer && impl_->bias) losses.push_back((*arguments.bias_regularizer)(*impl_->bias));
    return losses;
}

void DepthwiseConv1D::apply_constraints() {
    const detail::CheckedArguments& arguments = impl_->arguments;
    impl_->require_built("apply_constraints");
    if (!arguments.trainable || !(arguments.depthwise_constraint || arguments.bias_constraint)) return;
    std::optional<Tensor> bias = impl_->bias;
    if (bias && arguments.bias_constraint) bias = (*arguments.bias_constraint)(*bias);
    Tensor kernel = arguments.depthwise_constraint ? (*arguments.depthwise_constraint)(impl_->kernel) : impl_->kernel;
    set_weights(std::move(kernel), std::move(bias));
}

}  // namespace dwconv::keras
