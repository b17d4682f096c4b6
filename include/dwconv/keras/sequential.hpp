// Layers after each other, and the layer whose first step a depthwise convolution is.
#ifndef DWCONV_KERAS_SEQUENTIAL_HPP
#define DWCONV_KERAS_SEQUENTIAL_HPP

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dwconv/keras/layer.hpp"

namespace dwconv {
namespace keras {

/// Arguments of SeparableConv1D, Keras' names and defaults (the order, too, is Keras').
struct DWC_KERAS_API SeparableConfig {
    std::int64_t filters = 0;  ///< must be given
    Integer kernel_size = 0;   ///< must be given
    Integer strides = 1;
    std::string padding = "valid";
    std::optional<std::string> data_format{};
    Integer dilation_rate = 1;
    std::int64_t depth_multiplier = 1;
    Identifier<Activation> activation{};
    bool use_bias = true;
    Identifier<Initializer> depthwise_initializer{}, pointwise_initializer{};  ///< none: glorot_uniform
    Identifier<Initializer> bias_initializer{};                                ///< none: zeros
    Identifier<Regularizer> depthwise_regularizer{}, pointwise_regularizer{}, bias_regularizer{},
        activity_regularizer{};
    Identifier<Constraint> depthwise_constraint{}, pointwise_constraint{}, bias_constraint{};
    std::optional<std::string> name{}, dtype{};
    bool trainable = true;
    bool allow_stride_with_dilation = false;
};

/// As parse_layer_config, for a SeparableConv1D.
DWC_KERAS_API SeparableConfig parse_separable_config(const std::string& json,
                                                     ConfigSource source = ConfigSource::saved);

/// tf.keras.layers.SeparableConv1D: a DepthwiseConv1D without bias and activation, then a product over the channels,
/// (C*depth_multiplier) x filters, by BLAS, then bias and activation. Weights: depthwise_kernel (K, C, M),
/// pointwise_kernel (1, C*M, filters), bias (filters,). Move-only.
/// https://keras.io/api/layers/convolution_layers/separable_convolution1d/ (Keras 3.15).
///
/// `options` are for the first step. The product runs on as many threads as the BLAS in use takes, with OpenBLAS all
/// processors unless OPENBLAS_NUM_THREADS says otherwise. Nothing is set here: that is the host program's.
class DWC_KERAS_API SeparableConv1D : public Layer {
   public:
    /// Throws value_error where Keras raises ValueError, in Keras' words.
    explicit SeparableConv1D(const SeparableConfig& config);
    SeparableConv1D(SeparableConv1D&&) noexcept;
    SeparableConv1D& operator=(SeparableConv1D&&) noexcept;
    ~SeparableConv1D() override;

    const char* class_name() const override { return "SeparableConv1D"; }
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

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// A chain of layers; shapes propagate. Layers may be shared between chains, as in Keras.
class DWC_KERAS_API Sequential {
   public:
    /// `name` none: sequential, sequential_1, ...
    explicit Sequential(std::optional<std::string> name = std::nullopt);

    /// Appends, and builds the layer where the chain's input shape is known. Returns the chain. Throws value_error for
    /// a second layer of one name, and as build() does.
    Sequential& add(std::shared_ptr<Layer> layer);
    template <class L, class = std::enable_if_t<std::is_base_of_v<Layer, std::decay_t<L>>>>
    Sequential& add(L&& layer) {
        return add(std::static_pointer_cast<Layer>(std::make_shared<std::decay_t<L>>(std::forward<L>(layer))));
    }

    const std::string& name() const { return name_; }
    const std::vector<std::shared_ptr<Layer>>& layers() const { return layers_; }
    /// Of the first build or call; empty before.
    const Shape& built_shape() const { return built_shape_; }

    void build(const Shape& input);
    Shape compute_output_shape(const Shape& input) const;
    Tensor operator()(const Tensor& x, const options& how = {});
    std::vector<Variable> weights() const;
    std::int64_t count_params() const;
    std::vector<float> losses() const;
    void apply_constraints();
    std::string summary() const;

   private:
    std::string name_;
    std::vector<std::shared_ptr<Layer>> layers_;
    Shape built_shape_;
};

}  // namespace keras
}  // namespace dwconv

#endif
