// A depthwise step by the layer of that name, then the product over its channels.
#include <mutex>
#include <utility>

#include "config_json.hpp"
#include "dwconv/keras/sequential.hpp"
#include "errors.hpp"
#include "names.hpp"
#include "pointwise.hpp"
#include "rounding.hpp"
#include "separable_config.hpp"

namespace dwconv::keras {
namespace {

using detail::CheckedSeparable;
using detail::fail_value;

// What the caller left open is settled here, once: keras.json and the names that were given may change later.
CheckedSeparable resolved(CheckedSeparable arguments) {
    detail::CheckedArguments& common = arguments.common;
    if (!common.data_format) common.data_format = settings().image_data_format;
    if (!common.dtype) common.dtype = settings().floatx;
    if (!common.name) common.name = detail::automatic_name("separable_conv1d");
    return arguments;
}

// The first step; its kernel's penalty and projection are its own business.
LayerConfig depthwise_config(const CheckedSeparable& arguments) {
    const detail::CheckedArguments& common = arguments.common;
    LayerConfig config;
    config.kernel_size = common.kernel_size;
    config.strides = common.strides;
    config.padding = common.padding;
    config.depth_multiplier = common.depth_multiplier;
    config.data_format = common.data_format;
    config.dilation_rate = common.dilation_rate;
    config.use_bias = false;
    config.depthwise_initializer = common.depthwise_initializer;
    if (common.depthwise_regularizer) config.depthwise_regularizer = *common.depthwise_regularizer;
    if (common.depthwise_constraint) config.depthwise_constraint = *common.depthwise_constraint;
    config.name = common.name;
    config.dtype = common.dtype;
    config.trainable = common.trainable;
    config.allow_stride_with_dilation = common.allow_stride_with_dilation;
    return config;
}

void check_size(const char* name, const Tensor& value) {
    if (element_count(value.shape) != static_cast<std::int64_t>(value.data.size())) {
        fail_value(std::string(name) + " of shape " + to_string(value.shape) + " holds " +
                   std::to_string(value.data.size()) + " values");
    }
}

// `layer`: its name.
void check_value(const std::string& layer, const Tensor& value, const Shape& wanted) {
    if (value.shape != wanted) {
        fail_value("Layer " + detail::printable(layer) + " weight shape " + to_string(wanted) +
                   " is not compatible with provided weight shape " + to_string(value.shape) + ".");
    }
    check_size("a weight", value);
}

// 8 GiB of float32, as for a depthwise kernel. Arguments of a file must not make a program allocate all of its machine.
constexpr std::int64_t kMaxWeights = std::int64_t{1} << 31;

void check_weight_size(const char* name, const Shape& shape) {
    if (element_count(shape) > kMaxWeights) {
        fail_value(std::string(name) + " shape " + to_string(shape) + " has more than 2^31 elements");
    }
}

// What a policy keeps weights in; mixed ones compute with 16 bits of it.
std::string variable_dtype_of(const std::string& policy) { return policy.rfind("mixed_", 0) == 0 ? "float32" : policy; }

// Adds bias[f] along the filters' axis, 1 or 2.
void add_bias(Tensor* y, const std::vector<float>& bias, bool channels_first) {
    const size_t filters = bias.size();
    const size_t run = channels_first ? static_cast<size_t>(y->shape[2]) : 1;  // values that share an entry
    float* at = y->data.data();
    float* const end = at + y->data.size();
    while (at != end) {
        for (size_t f = 0; f < filters; ++f) {
            for (size_t i = 0; i < run; ++i) *at++ += bias[f];
        }
    }
}

}  // namespace

struct SeparableConv1D::Impl {
    explicit Impl(const SeparableConfig& config)
        : arguments(resolved(detail::check(config))),
          variable_dtype(variable_dtype_of(*arguments.common.dtype)),
          depthwise(depthwise_config(arguments)) {}

    CheckedSeparable arguments;
    std::string variable_dtype;
    DepthwiseConv1D depthwise;
    Tensor pointwise;  // (1, C*M, filters)
    std::optional<Tensor> bias;

    std::mutex building;
    std::mutex mutex;  // of what calls leave behind
    std::optional<float> activity_loss;

    bool channels_first() const { return depthwise.channels_first(); }
    size_t channels_axis() const { return channels_first() ? 1 : 2; }
    const std::string& name() const { return *arguments.common.name; }
    void need_build(const char* what) const {
        if (!depthwise.built()) {
            fail_value("layer '" + detail::printable(name()) + "' is not built: " + what + " needs its weights");
        }
    }
    void store(Tensor new_pointwise, std::optional<Tensor> new_bias) {
        pointwise = std::move(new_pointwise);
        bias = std::move(new_bias);
        detail::round_to(variable_dtype, &pointwise.data);
        if (bias) detail::round_to(variable_dtype, &bias->data);
    }
    void multiply(const Tensor& between, Tensor* y) const;
    void finish(Tensor* y);
};

SeparableConv1D::SeparableConv1D(const SeparableConfig& config) : impl_(std::make_unique<Impl>(config)) {}
SeparableConv1D::SeparableConv1D(SeparableConv1D&&) noexcept = default;
SeparableConv1D& SeparableConv1D::operator=(SeparableConv1D&&) noexcept = default;
SeparableConv1D::~SeparableConv1D() = default;

const std::string& SeparableConv1D::name() const { return impl_->name(); }
bool SeparableConv1D::trainable() const { return impl_->arguments.common.trainable; }
Shape SeparableConv1D::built_shape() const { return impl_->depthwise.built_shape(); }

void SeparableConv1D::build(const Shape& input) {
    const Shape between = impl_->depthwise.compute_output_shape(input);  // for its checks, too
    if (built()) return;
    const std::lock_guard lock(impl_->building);
    if (!built()) {
        const std::int64_t filters = impl_->arguments.filters;
        const Shape shape = {1, between[impl_->channels_axis()], filters};
        check_weight_size("pointwise_kernel", shape);
        Tensor pointwise = impl_->arguments.pointwise_initializer(shape);
        check_value(name(), pointwise, shape);
        std::optional<Tensor> bias;
        if (impl_->arguments.common.use_bias) {
            bias = impl_->arguments.common.bias_initializer(Shape{filters});
            check_value(name(), *bias, Shape{filters});
        }
        impl_->store(std::move(pointwise), std::move(bias));
    }
    // Last: the layer is built when its first step is. Says, too, what is wrong with an input that does not fit what
    // another thread has built meanwhile.
    impl_->depthwise.build(input);
}

Shape SeparableConv1D::compute_output_shape(const Shape& input) const {
    Shape output = impl_->depthwise.compute_output_shape(input);
    output[impl_->channels_axis()] = impl_->arguments.filters;
    return output;
}

void SeparableConv1D::Impl::multiply(const Tensor& between, Tensor* y) const {
    const size_t steps = channels_first() ? 2 : 1, channels = channels_axis();
    const detail::PointwiseShape shape = {between.shape[0], between.shape[steps], between.shape[channels],
                                          arguments.filters};
    y->shape = between.shape;
    y->shape[channels] = arguments.filters;
    y->data.resize(static_cast<size_t>(element_count(y->shape)));
    if (y->data.empty()) return;
    const std::string dtype = depthwise.compute_dtype();
    std::vector<float> rounded;
    if (detail::is_narrow(dtype)) {
        rounded = pointwise.data;
        detail::round_to(dtype, &rounded);
    }
    const float* weights = rounded.empty() ? pointwise.data.data() : rounded.data();
    const auto product = channels_first() ? detail::pointwise_channels_first : detail::pointwise_channels_last;
    product(shape, between.data.data(), weights, y->data.data());
    detail::round_to(dtype, &y->data);
}

// Bias, activation, penalty.
void SeparableConv1D::Impl::finish(Tensor* y) {
    const std::string dtype = depthwise.compute_dtype();
    if (bias && !y->data.empty()) {
        std::vector<float> values = bias->data;
        detail::round_to(dtype, &values);
        add_bias(y, values, channels_first());
        detail::round_to(dtype, &y->data);
    }
    const Activation& activation = arguments.common.activation;
    if (!activation.fused || activation.code != DWC_LINEAR) {
        *y = activation(std::move(*y));
        check_size("the activation's output", *y);
        detail::round_to(dtype, &y->data);
    }
    const std::optional<Regularizer>& regularizer = arguments.common.activity_regularizer;
    if (!regularizer) return;
    const float batch = y->shape.empty() ? 0 : static_cast<float>(y->shape[0]);
    const float loss = batch > 0 ? (*regularizer)(*y) / batch : 0;
    const std::lock_guard lock(mutex);
    activity_loss = loss;
}

void SeparableConv1D::call(const Tensor& x, Tensor* y, const options& how) {
    element_count(compute_output_shape(x.shape));  // says what is wrong with the shape before anything else
    check_size("x", x);
    build(x.shape);
    Tensor between;
    impl_->depthwise.call(x, &between, how);
    impl_->multiply(between, y);
    impl_->finish(y);
}

std::vector<Variable> SeparableConv1D::weights() const {
    std::vector<Variable> all = impl_->depthwise.weights();
    if (all.empty()) return all;
    const std::string layer = name() + "/";
    Variable& kernel = all.front();
    kernel.name = "depthwise_kernel";
    kernel.path = layer + kernel.name;
    const std::string dtype = impl_->variable_dtype;
    all.push_back({"pointwise_kernel", layer + "pointwise_kernel", dtype, trainable(), impl_->pointwise});
    if (impl_->bias) all.push_back({"bias", layer + "bias", dtype, trainable(), *impl_->bias});
    return all;
}

void SeparableConv1D::set_weights(std::vector<Tensor> values) {
    impl_->need_build("set_weights");
    const size_t expected = impl_->bias ? 3 : 2;
    if (values.size() != expected) {
        fail_value("You called `set_weights(weights)` on layer '" + detail::printable(name()) +
                   "' with a weight list of length " + std::to_string(values.size()) +
                   ", but the layer was expecting " + std::to_string(expected) + " weights.");
    }
    // Everything that may throw comes before the first change.
    check_value(name(), values[0], impl_->depthwise.kernel().shape);
    check_value(name(), values[1], impl_->pointwise.shape);
    if (impl_->bias) check_value(name(), values[2], impl_->bias->shape);
    std::optional<Tensor> bias;
    if (impl_->bias) bias = std::move(values[2]);
    impl_->depthwise.set_weights(std::move(values[0]), std::nullopt);
    impl_->store(std::move(values[1]), std::move(bias));
}

std::vector<float> SeparableConv1D::losses() const {
    std::vector<float> all;
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->activity_loss) all.push_back(*impl_->activity_loss);
    }
    const std::vector<float> kernel = impl_->depthwise.losses();
    all.insert(all.end(), kernel.begin(), kernel.end());
    if (!built() || !trainable()) return all;
    if (const auto& regularizer = impl_->arguments.pointwise_regularizer) {
        all.push_back((*regularizer)(impl_->pointwise));
    }
    if (const auto& regularizer = impl_->arguments.common.bias_regularizer; regularizer && impl_->bias) {
        all.push_back((*regularizer)(*impl_->bias));
    }
    return all;
}

void SeparableConv1D::apply_constraints() {
    impl_->need_build("apply_constraints");
    if (!trainable()) return;
    Tensor pointwise = impl_->pointwise;
    std::optional<Tensor> bias = impl_->bias;
    if (const auto& constraint = impl_->arguments.pointwise_constraint) pointwise = (*constraint)(pointwise);
    if (const auto& constraint = impl_->arguments.common.bias_constraint; constraint && bias) {
        bias = (*constraint)(*bias);
    }
    impl_->depthwise.apply_constraints();
    impl_->store(std::move(pointwise), std::move(bias));
}

std::string SeparableConv1D::get_config() const { return detail::dump(detail::config_json(impl_->arguments)); }

}  // namespace dwconv::keras
