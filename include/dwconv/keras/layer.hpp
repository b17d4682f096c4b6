// The layer DepthwiseConv1D: arguments, weights, forward pass.
#ifndef DWCONV_KERAS_LAYER_HPP
#define DWCONV_KERAS_LAYER_HPP

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dwconv/keras/functions.hpp"

namespace dwconv {
namespace keras {

// -------------------------------------------------------------------------------------------------------- settings

/// keras.json, as Keras reads it: $KERAS_HOME/keras.json, or ~/.keras/keras.json where KERAS_HOME is not set. Read when
/// first needed, never written. value_error naming the file where its root is no object, a value is not allowed, or it
/// is a directory; malformed JSON means defaults.
struct Settings {
    std::string floatx = "float32";
    double epsilon = 1e-7;
    std::string image_data_format = "channels_last";
};
DWC_KERAS_API Settings settings();
/// The data_format of layers made from now on without one; any letter case. Throws value_error.
DWC_KERAS_API void set_image_data_format(const std::string& format);
/// Forgets set_image_data_format(), keras.json and the counters of automatic names.
DWC_KERAS_API void reset_settings();

// ------------------------------------------------------------------------------------------------------- arguments

/// An integer argument that Keras takes as n or as a list of one, [n].
class Integer {
   public:
    Integer(std::int64_t value) : given_{value} {}
    Integer(std::initializer_list<std::int64_t> list) : given_(list), list_(true) {}
    Integer(std::vector<std::int64_t> list) : given_(std::move(list)), list_(true) {}
    /// The first value; 0 for an empty list. A layer checks that there is exactly one.
    operator std::int64_t() const { return given_.empty() ? 0 : given_[0]; }
    const std::vector<std::int64_t>& given() const { return given_; }
    bool is_list() const { return list_; }

   private:
    std::vector<std::int64_t> given_;
    bool list_ = false;
};

/// The constructor arguments of the layer by name, with Keras' defaults:
///
///   dwconv::keras::DepthwiseConv1D layer({.kernel_size = 3, .padding = "same", .activation = "relu"});
///
/// kernel_size has no default: 0 means that it is missing.
struct DWC_KERAS_API LayerConfig {
    Integer kernel_size = 0;
    Integer strides = 1;
    std::string padding = "valid";  ///< or "same", in any letter case
    std::int64_t depth_multiplier = 1;
    std::optional<std::string> data_format{};  ///< "channels_last", "channels_first"; none: settings()
    Integer dilation_rate = 1;
    Identifier<Activation> activation{};
    bool use_bias = true;
    Identifier<Initializer> depthwise_initializer{};  ///< none: glorot_uniform
    Identifier<Initializer> bias_initializer{};       ///< none: zeros
    Identifier<Regularizer> depthwise_regularizer{};
    Identifier<Regularizer> bias_regularizer{};
    Identifier<Regularizer> activity_regularizer{};
    Identifier<Constraint> depthwise_constraint{};
    Identifier<Constraint> bias_constraint{};
    std::optional<std::string> name{};  ///< none: depthwise_conv1d, depthwise_conv1d_1, ...
    /// float16, bfloat16, float32, float64, mixed_float16, mixed_bfloat16; none: settings(). Everything is computed in
    /// float32; for 16 bits x, weights and y are rounded to that type.
    std::optional<std::string> dtype{};
    bool trainable = true;
    /// strides > 1 together with dilation_rate > 1 is refused, as the R documentation and Keras <= 3.14 do, unless this
    /// says otherwise; the result is then the formula's.
    bool allow_stride_with_dilation = false;
};

/// Where a config comes from: `arguments` are what a user would pass to the constructor, `saved` is what get_config()
/// or a model file holds. Only the latter may carry Keras 2's `groups` (1) and `batch_input_shape`.
enum class ConfigSource { arguments, saved };

/// Reads a bare config object or Keras' envelope {"class_name": "DepthwiseConv1D", "config": {...}}. Unknown keys,
/// wrong types and wrong values throw value_error with Keras' message; keys are checked in the order Keras checks them.
DWC_KERAS_API LayerConfig parse_layer_config(const std::string& json, ConfigSource source = ConfigSource::saved);
/// parse_layer_config on a file's content.
DWC_KERAS_API LayerConfig read_layer_config(const std::string& path, ConfigSource source = ConfigSource::saved);

// ----------------------------------------------------------------------------------------------------------- layers

/// A weight of a layer.
struct Variable {
    std::string name;   ///< "kernel"
    std::string path;   ///< "depthwise_conv1d/kernel"
    std::string dtype;  ///< Keras would keep it in; the values here are float32
    bool trainable = true;
    Tensor value;
};

/// What the layers here have in common. A built layer may be called by many threads at once; changing its weights while
/// it is called is the caller's to prevent.
class DWC_KERAS_API Layer {
   public:
    Layer() = default;
    Layer(Layer&&) noexcept = default;
    Layer& operator=(Layer&&) noexcept = default;
    virtual ~Layer();

    virtual const char* class_name() const = 0;
    virtual const std::string& name() const = 0;
    virtual bool trainable() const = 0;

    /// Makes the weights for inputs of this shape (a negative dimension is unknown, Keras' None; the channels must be
    /// known). Does nothing to a built layer but check the shape. Throws value_error.
    virtual void build(const Shape& input) = 0;
    /// Of the first build; empty before.
    virtual Shape built_shape() const = 0;
    bool built() const { return !built_shape().empty(); }

    /// Output shape for an input shape, in which a negative dimension is unknown. Throws value_error for a rank other
    /// than 3, an unknown or wrong channel count, and where padding="valid" leaves no output. As in Keras, the
    /// activation is not asked: glu's output has half the channels.
    virtual Shape compute_output_shape(const Shape& input) const = 0;

    /// The layer's output for x; the first call builds. Throws as build(), compute_output_shape() and plan do.
    Tensor operator()(const Tensor& x, const options& how = {});
    /// The same into y, whose memory is used again where it suffices.
    virtual void call(const Tensor& x, Tensor* y, const options& how = {}) = 0;

    /// Kernel before bias; empty before build().
    virtual std::vector<Variable> weights() const = 0;
    std::vector<Tensor> get_weights() const;
    /// All weights, in the order of weights(). Throws value_error for another number or other shapes, and for a layer
    /// that is not built.
    virtual void set_weights(std::vector<Tensor> values) = 0;
    std::int64_t count_params() const;

    /// Penalties: the activity's of the last call, then each trainable weight's, in the order of weights().
    virtual std::vector<float> losses() const = 0;
    /// Projects each weight of a trainable layer that has a constraint: to be called after an update. Throws
    /// value_error, also where the layer is not built.
    virtual void apply_constraints() = 0;

    /// JSON of the arguments in the order in which Keras writes them. Throws value_error where an argument is a
    /// callable of the user's.
    virtual std::string get_config() const = 0;
    /// Keras' envelope around get_config(), with build_config where the layer is built.
    std::string to_json() const;
    /// A table: name, class, output shape, parameters.
    std::string summary() const;
};

/// tf.keras.layers.DepthwiseConv1D, R's layer_depthwise_conv_1d(): y = activation(conv(x) + bias), each channel with
/// depth_multiplier kernels of its own. Move-only.
class DWC_KERAS_API DepthwiseConv1D : public Layer {
   public:
    /// Throws value_error where Keras raises ValueError, in Keras' words.
    explicit DepthwiseConv1D(const LayerConfig& config);
    DepthwiseConv1D(DepthwiseConv1D&&) noexcept;
    DepthwiseConv1D& operator=(DepthwiseConv1D&&) noexcept;
    ~DepthwiseConv1D() override;

    /// The arguments as resolved by the constructor: padding in lower case; data_format, name and dtype set; functions
    /// looked up.
    const LayerConfig& config() const;
    const Activation& activation() const;
    bool channels_first() const;
    /// "float16", "bfloat16", "float32" or "float64": the type Keras would compute in.
    std::string compute_dtype() const;

    const char* class_name() const override { return "DepthwiseConv1D"; }
    const std::string& name() const override;
    bool trainable() const override;
    void build(const Shape& input) override;
    Shape built_shape() const override;
    Shape compute_output_shape(const Shape& input) const override;
    void call(const Tensor& x, Tensor* y, const options& how = {}) override;
    std::vector<Variable> weights() const override;
    void set_weights(std::vector<Tensor> values) override;
    std::vector<float> losses() const override;
    void apply_constraints() override;
    std::string get_config() const override;

    /// The layer fed a sequence in chunks, as a causal layer: `y` is what the layer would give for x with the
    /// S = (kernel_size-1) * dilation_rate steps of `state` before it, ceil(steps / strides) steps. `state` is
    /// (batch, S, C) in both data formats, oldest step first; one without a shape stands for zeros. Afterwards it holds
    /// the last S steps of what it held and x. Chunks give the bits of the whole where strides divides the length of
    /// every chunk but the last. No equivalent in Keras: ZeroPadding1D((S, 0)) and this layer on the whole sequence.
    /// Throws value_error for padding other than "valid", a chunk without steps, a state of another shape, and as
    /// call() does.
    void stream(const Tensor& x, Tensor* state, Tensor* y, const options& how = {});

    /// Builds, where necessary, and sets: kernel (kernel_size, C, depth_multiplier) for both data formats, bias
    /// (C*depth_multiplier,) exactly where use_bias. Throws value_error for other shapes.
    void set_weights(Tensor kernel, std::optional<Tensor> bias);
    /// Both throw value_error before build(); bias() is none without use_bias.
    const Tensor& kernel() const;
    const std::optional<Tensor>& bias() const;

    /// The problem that the layer poses for an input shape: checked as above, and every dimension known. An activation
    /// that is not fused is linear in it.
    dwconv::problem problem(const Shape& input) const;

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace keras
}  // namespace dwconv

#endif
