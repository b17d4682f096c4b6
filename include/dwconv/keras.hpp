// The layer of Keras 3 and R keras3, `DepthwiseConv1D` / `layer_depthwise_conv_1d()`, on compiled kernels: its
// configuration, its weights from a Keras model file, and its forward pass. Library `dwconv_keras`.
//
// Semantics: https://keras.io/api/layers/convolution_layers/depthwise_convolution1d/ (Keras 3.15). Where Keras raises
// ValueError, the functions here throw dwconv::value_error with Keras' wording; a file that cannot be used is a
// value_error too (one sentence: file, what is wrong). What Keras can do and this version cannot is a dwconv::error
// with status DWC_ERROR_UNSUPPORTED.
#ifndef DWCONV_KERAS_HPP
#define DWCONV_KERAS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dwconv/dwconv.hpp"

#if defined(_WIN32)
#define DWC_KERAS_API
#else
#define DWC_KERAS_API __attribute__((visibility("default")))
#endif

namespace dwconv {
namespace keras {

using Shape = std::vector<std::int64_t>;

/// "(4, 10, 12)", "(3,)", "()"; a negative dimension prints as None.
DWC_KERAS_API std::string to_string(const Shape& shape);
/// Product of the dimensions; value_error where one is negative or the product does not fit 62 bits.
DWC_KERAS_API std::int64_t element_count(const Shape& shape);

/// A dense float32 array, last axis fastest: data.size() == element_count(shape).
struct Tensor {
    Shape shape;
    std::vector<float> data;
};

// ------------------------------------------------------------------------------------------------------- .npy files

/// How an array was stored in its file.
struct DWC_KERAS_API NpyInfo {
    std::string dtype;  ///< NumPy's name: "float32", "float64", "float16"
    bool big_endian = false;
    bool fortran_order = false;
    /// "float64, Fortran order"
    std::string describe() const;
    /// False for little-endian float32 in C order, which is read as it lies.
    bool converted() const { return dtype != "float32" || big_endian || fortran_order; }
};

/// Reads an array (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1 to 3). float64,
/// float16, big-endian and Fortran-order data are converted to float32 in C order (`info` tells). Throws value_error
/// for other types, for a file that is not an array, and where header and file size do not fit; nothing is allocated
/// for an array that the file does not hold.
DWC_KERAS_API Tensor read_npy(const std::string& path, NpyInfo* info = nullptr);
/// The same from memory; `name` stands for the file in messages.
DWC_KERAS_API Tensor parse_npy(const void* bytes, std::size_t size, const std::string& name, NpyInfo* info = nullptr);
/// Writes little-endian float32 in C order, version 1.0, under a temporary name in the same directory which is then
/// renamed: there is never half a file under `path`. Throws value_error for a path that cannot be written to, error
/// (DWC_ERROR_INTERNAL) where writing fails.
DWC_KERAS_API void write_npy(const std::string& path, const Tensor& tensor);

// ---------------------------------------------------------------------------------------------------- configuration

enum class Padding { valid, same };
enum class DataFormat { channels_last, channels_first };
DWC_KERAS_API const char* to_string(Padding padding);
DWC_KERAS_API const char* to_string(DataFormat format);

/// The activation of a layer: one of Keras' 31 names, or a function with parameters.
struct DWC_KERAS_API Activation {
    std::string name = "linear";  ///< canonical Keras name ("swish" becomes "silu")
    /// The last-axis functions softmax, log_softmax, sparsemax and glu have no compiled kernel in this version; `code`
    /// then means nothing.
    bool last_axis = false;
    dwc_activation code = DWC_LINEAR;
    std::array<float, DWC_MAX_ACTIVATION_PARAMS> params{};

    /// By name as Keras' `activations.get` takes it: case-sensitive. Throws value_error.
    static Activation by_name(std::string_view name);
    /// From a config's JSON value: null, a name, Keras' serialized function or layer object (ReLU, LeakyReLU, ELU,
    /// Softmax, Activation), or {"class_name": <function name>, "config": {<parameters>}}. Throws value_error.
    static Activation from_json(const std::string& json);
};

/// The constructor arguments that inference depends on. Initializers, regularizers and constraints are accepted in a
/// config and have no effect on the forward pass; this version does not look into them.
struct DWC_KERAS_API LayerConfig {
    std::string name = "depthwise_conv1d";
    bool trainable = true;
    std::string dtype_policy = "float32";  ///< float16, bfloat16, float32, float64, mixed_float16, mixed_bfloat16
    std::int64_t kernel_size = 1;
    std::int64_t strides = 1;
    std::int64_t dilation_rate = 1;
    std::int64_t depth_multiplier = 1;
    Padding padding = Padding::valid;
    DataFormat data_format = DataFormat::channels_last;
    Activation activation;
    bool use_bias = true;
    /// strides > 1 together with dilation_rate > 1 is refused, as the R documentation and Keras <= 3.14 do, unless this
    /// says otherwise; the result is then the formula's.
    bool allow_stride_with_dilation = false;

    /// "float16", "bfloat16", "float32" or "float64": the type Keras would compute in.
    std::string compute_dtype() const;
    /// Throws value_error where the fields contradict the layer's rules; the message is Keras' where Keras has one.
    void validate() const;
};

/// Where a config comes from: `arguments` are what a user would pass to the constructor, `saved` is what get_config()
/// or a model file holds. Only the latter may carry Keras 2's `groups` (1) and `batch_input_shape`.
enum class ConfigSource { arguments, saved };

/// Reads a bare config object or Keras' envelope {"class_name": "DepthwiseConv1D", "config": {...}}. Unknown keys,
/// wrong types and wrong values throw value_error with Keras' message; keys are checked in the order Keras checks them.
/// data_format null means channels_last.
DWC_KERAS_API LayerConfig parse_layer_config(const std::string& json, ConfigSource source = ConfigSource::saved);
/// parse_layer_config on a file's content.
DWC_KERAS_API LayerConfig read_layer_config(const std::string& path, ConfigSource source = ConfigSource::saved);

// -------------------------------------------------------------------------------------------------------- the layer

/// A layer with weights. Immutable once the weights are set; const functions may run on many threads at once.
class DWC_KERAS_API DepthwiseConv1D {
   public:
    /// Throws value_error as LayerConfig::validate.
    explicit DepthwiseConv1D(LayerConfig config);

    const LayerConfig& config() const { return config_; }
    const Tensor& kernel() const { return kernel_; }
    const std::optional<Tensor>& bias() const { return bias_; }

    /// kernel (kernel_size, C, depth_multiplier) for both data formats, bias (C*depth_multiplier,) exactly where
    /// use_bias. Throws value_error for other shapes. C >= 1 is thereby fixed.
    void set_weights(Tensor kernel, std::optional<Tensor> bias);

    /// Output shape for an input shape, in which a negative dimension is unknown (Keras' None; not allowed for the
    /// channels). Throws value_error for a rank other than 3, a wrong channel count, and where padding="valid" leaves
    /// no output.
    Shape compute_output_shape(const Shape& input) const;

    /// The problem that the layer poses for an input shape: checked as above, and every dimension known. Throws error
    /// (DWC_ERROR_UNSUPPORTED) for a last-axis activation.
    dwconv::problem problem(const Shape& input) const;

    /// y for x; both (batch, steps, channels), or (batch, channels, steps) for channels_first. `how` as for a plan.
    /// Throws as problem() and plan do.
    Tensor operator()(const Tensor& x, const options& how = {}) const;

   private:
    LayerConfig config_;
    std::int64_t channels_ = 0;  // 0: not built
    Tensor kernel_;
    std::optional<Tensor> bias_;
};

// ------------------------------------------------------------------------------------------------------ model files

/// The weights of one layer, widened to float32.
struct LayerWeights {
    Tensor kernel;
    std::optional<Tensor> bias;
    std::string dtype;                  ///< in the file: "float32", "float16", "bfloat16", "float64"
    std::vector<std::string> h5_paths;  ///< where the values lie inside model.weights.h5: kernel, bias
};

/// A `.keras` archive, opened for reading: every DepthwiseConv1D layer in it, those of nested models included, in the
/// order of the model's config. A layer called several times is there once. Throws value_error for a file that is not
/// such an archive or lacks what it must hold, and refuses archives that would unpack to far more than they store.
/// A Model may be used by one thread at a time.
class DWC_KERAS_API Model {
   public:
    static Model open(const std::string& path);
    Model(Model&&) noexcept;
    Model& operator=(Model&&) noexcept;
    ~Model();

    std::size_t size() const;
    /// The layer's own name; two nested models may each have a layer of one name.
    const std::string& name(std::size_t index) const;
    /// Names of the enclosing models below the root and the layer's own, with slashes: "pub_inner/depthwise_conv1d".
    const std::string& path(std::size_t index) const;
    /// Index of the layer with this name or path; throws value_error that lists the layers where there is none or more
    /// than one.
    std::size_t find(const std::string& name) const;

    /// Each throws value_error where this layer's config or weights are at fault.
    LayerConfig config(std::size_t index) const;
    LayerWeights weights(std::size_t index) const;
    DepthwiseConv1D layer(std::size_t index) const;

   private:
    struct Impl;
    explicit Model(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace keras
}  // namespace dwconv

#endif
