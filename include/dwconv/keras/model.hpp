// Model files: layers and weights out of them, and into them.
#ifndef DWCONV_KERAS_MODEL_HPP
#define DWCONV_KERAS_MODEL_HPP

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dwconv/keras/sequential.hpp"

namespace dwconv {
namespace keras {

/// A weight in a file.
struct StoredWeight {
    std::string name;   ///< "kernel", "bias"; for a separable layer "depthwise_kernel", "pointwise_kernel", "bias"
    std::string dtype;  ///< in the file: "float32", "float16", "bfloat16", "float64"
    std::string path;   ///< inside the HDF5 or safetensors file (of a shard, where there are several)
    Shape shape;
};

/// The weights of one DepthwiseConv1D layer, widened to float32.
struct LayerWeights {
    Tensor kernel;
    std::optional<Tensor> bias;
    std::vector<StoredWeight> stored;  ///< of kernel and bias
};

enum class FileKind { keras, h5, weights_h5, shards, safetensors };
DWC_KERAS_API const char* to_string(FileKind kind);

/// A model file, opened for reading; what it is shows from its content. Every DepthwiseConv1D layer in it, those of
/// nested models included, in the order of the model's config (of the file, where there is none). A layer called several
/// times is there once. Kinds: `.keras` archives; HDF5 files of whole models (`.h5`, Keras 2 and 3); HDF5 files of
/// weights alone (`.weights.h5`, Keras 2's `.h5`); sharded weights (`.weights.json` beside its shards); `.safetensors`.
/// Throws value_error for a file that is no such thing or lacks what it must hold, and refuses links, foreign storage
/// and what would unpack to far more than it stores. A Model may be used by one thread at a time.
class DWC_KERAS_API Model {
   public:
    static Model open(const std::string& path);
    Model(Model&&) noexcept;
    Model& operator=(Model&&) noexcept;
    ~Model();

    FileKind kind() const;
    /// False for weights alone: a layer's config must then come from elsewhere.
    bool has_configs() const;

    std::size_t size() const;
    /// The layer's own name; two nested models may each have a layer of one name. In weights alone that do not name
    /// their layers: the group's.
    const std::string& name(std::size_t index) const;
    /// Names of the enclosing models below the root and the layer's own, with slashes: "pub_inner/depthwise_conv1d".
    const std::string& path(std::size_t index) const;
    /// Index of the layer with this name or path; throws value_error that lists the layers where there is none or more
    /// than one.
    std::size_t find(const std::string& name) const;
    /// Indices of the layers whose weights have the shapes that this config asks for.
    std::vector<std::size_t> fitting(const LayerConfig& config) const;
    /// How often the model calls the layer: 1, more for a shared one, 0 where the file does not tell.
    int calls(std::size_t index) const;

    /// Each throws value_error where this layer's config or weights are at fault; config() also without has_configs().
    LayerConfig config(std::size_t index) const;
    /// What the file stores for it, without reading the values.
    std::vector<StoredWeight> stored(std::size_t index) const;
    LayerWeights weights(std::size_t index) const;
    DepthwiseConv1D layer(std::size_t index) const;
    /// With this config in place of the file's.
    DepthwiseConv1D layer(std::size_t index, const LayerConfig& config) const;

    /// The whole model, where it is a chain of DepthwiseConv1D and SeparableConv1D layers; value_error where it is not,
    /// or the file holds no configs.
    Sequential sequential() const;

   private:
    struct Impl;
    explicit Model(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Writes a built model with its configs so that Keras 3 loads it: `.keras`, or the legacy `.h5`, by the path's ending.
/// Under a temporary name which is then renamed. Throws value_error for another ending, a model that is not built, or
/// an argument that cannot be saved (a callable; an activation with parameters that Keras has no object for); error
/// (DWC_ERROR_INTERNAL) where writing fails.
DWC_KERAS_API void save_model(const std::string& path, const Sequential& model);
/// Writes the weights: `.weights.h5`, which Keras 3 loads into a model of these layers, or `.safetensors`, whose
/// tensors are named "<layer>/<weight>" and whose metadata "layers" is a JSON array of the layers' envelopes, in order.
/// Throws as save_model; .weights.h5 holds no configs, and any built model can be saved so.
///
/// Both: variables are stored in the type that Keras keeps them in, rounded to nearest; `.h5`, which cannot tell
/// bfloat16, has these as float32. The same model makes the same bytes, but for the date in a `.keras` archive.
DWC_KERAS_API void save_weights(const std::string& path, const Sequential& model);

}  // namespace keras
}  // namespace dwconv

#endif
