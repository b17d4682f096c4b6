// The functions that a layer takes as arguments: activations, initializers, regularizers and constraints. Each may be
// given by name, as Keras' serialized object, as an object of the types here, or as a callable of one's own.
#ifndef DWCONV_KERAS_FUNCTIONS_HPP
#define DWCONV_KERAS_FUNCTIONS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dwconv/keras/tensor.hpp"

namespace dwconv {
namespace keras {

/// What Keras calls an identifier: None, a name, a serialized object, or the object itself. Nothing is looked up until
/// get(), so that a layer can check all its arguments in Keras' order.
template <class Object>
class Identifier {
   public:
    /// None: the argument's default.
    Identifier() = default;
    Identifier(std::nullptr_t) {}
    /// A name, as Keras' get() takes it.
    Identifier(const char* name) : name_(name) {}
    Identifier(std::string name) : name_(std::move(name)) {}
    Identifier(Object object) : object_(std::move(object)) {}
    /// A callable of the user's, as the type's constructor takes it.
    template <class Function, class = std::enable_if_t<std::is_constructible_v<typename Object::Function, Function> &&
                                                       !std::is_convertible_v<Function, std::string> &&
                                                       !std::is_same_v<std::decay_t<Function>, std::nullptr_t> &&
                                                       !std::is_same_v<std::decay_t<Function>, Identifier> &&
                                                       !std::is_same_v<std::decay_t<Function>, Object>>>
    Identifier(Function&& function) : object_(Object(typename Object::Function(std::forward<Function>(function)))) {}
    /// The value of a config, JSON: null, a name, or an object.
    static Identifier from_json(std::string json) {
        Identifier identifier;
        identifier.json_ = std::move(json);
        return identifier;
    }

    /// The object; nothing for None. Throws value_error where the name or JSON means none ("Could not interpret ...").
    std::optional<Object> get() const {
        if (object_) return object_;
        if (name_) return Object::by_name(*name_);
        return json_ ? Object::from_json(*json_) : std::nullopt;
    }

   private:
    std::optional<Object> object_;
    std::optional<std::string> name_, json_;
};

// ------------------------------------------------------------------------------------------------------- activations

/// An activation: one of Keras' 31 names, a function with parameters, or a callable of the user's.
/// Formulas and defaults: https://keras.io/api/layers/activations/ (Keras 3.15).
struct DWC_KERAS_API Activation {
    /// From the convolution's output to the layer's; it may change the shape (glu halves the last axis).
    using Function = std::function<Tensor(Tensor)>;

    Activation() = default;  ///< linear
    /// A callable of the user's, run over the layer's whole output. Cannot be saved.
    explicit Activation(Function function);

    /// By name as Keras' `activations.get` takes it: case-sensitive. Throws value_error.
    static Activation by_name(const std::string& name);
    /// From a config's JSON value: null, a name, Keras' serialized function or layer object (ReLU, LeakyReLU, ELU,
    /// Softmax, Activation), or {"class_name": <function name>, "config": {<parameters>}}. Throws value_error.
    static std::optional<Activation> from_json(const std::string& json);

    static Activation relu(float negative_slope = 0, std::optional<float> max_value = std::nullopt,
                           float threshold = 0);
    static Activation leaky_relu(float negative_slope = 0.2f);
    static Activation elu(float alpha = 1);
    static Activation celu(float alpha = 1);
    static Activation gelu(bool approximate = false);
    static Activation soft_shrink(float threshold = 0.5f);
    static Activation hard_shrink(float threshold = 0.5f);
    static Activation squareplus(float b = 4);
    static Activation threshold(float threshold, float default_value);
    /// The functions below run over an axis of the output (batch, steps, channels) or (batch, channels, steps); -1 is
    /// the last, which is the steps for channels_first. Throws value_error for an axis outside -3..2.
    static Activation softmax(int axis = -1);
    static Activation log_softmax(int axis = -1);
    /// As Keras computes it: tau comes from the sum of the cumulative sums over the support, so that a row need not sum
    /// to 1 ([.1, .5, -.2, .9] gives [0, 0, 0, .25]). This is what the name "sparsemax" means.
    static Activation sparsemax(int axis = -1);
    /// As published (Martins and Astudillo, 2016): the projection onto the simplex, [0, .3, 0, .7] for the same row.
    static Activation published_sparsemax(int axis = -1);
    /// First half times sigmoid of the second half; value_error for an axis of odd size.
    static Activation glu(int axis = -1);

    /// The function alone, on any tensor, in float32. Throws as it does.
    Tensor operator()(Tensor x) const;

    std::string name = "linear";  ///< canonical Keras name ("swish" becomes "silu"); "" for a callable
    /// The convolution's kernels compute it on the fly, by `code` and `params`. Otherwise `function` runs afterwards.
    bool fused = true;
    dwc_activation code = DWC_LINEAR;
    std::array<float, DWC_MAX_ACTIVATION_PARAMS> params{};
    Function function;
    /// As a config holds it: the name; Keras' layer object for relu, leaky_relu, elu and softmax with parameters; and
    /// for the others with parameters, for which Keras has no object, {"class_name": "celu", "config": {"alpha": 2.0}},
    /// which from_json() reads and Keras does not. "" where it cannot be saved.
    std::string json = "\"linear\"";
};

// ------------------------------------------------------------------------------------------------------ initializers

/// Makes a weight's first values. Draws come from Philox4x32-10 (Salmon et al., 2011) keyed by the seed and are the
/// same on every platform; they are not Keras' numbers, which differ from backend to backend. An object gives the same
/// values every time it is called, as Keras' do.
/// https://keras.io/api/layers/initializers/ (Keras 3.15).
struct DWC_KERAS_API Initializer {
    using Function = std::function<Tensor(const Shape&)>;

    /// A callable of the user's; its result must have the shape asked for. Cannot be saved.
    explicit Initializer(Function function);
    /// The values themselves; the weight must have their shape. Cannot be saved.
    explicit Initializer(Tensor values);

    /// Class name or snake-case name or alias, with default parameters and a seed of its own. Throws value_error, also
    /// for "constant", as Keras does: a name gives no value.
    static Initializer by_name(const std::string& name);
    /// null, a name, or {"class_name": ..., "config": {...}}, in which input_axes and output_axes may stand. Classes
    /// without a factory here: Identity (gain), and STFT (side, window, scaling, periodic), which makes kernels of one
    /// channel. Throws value_error.
    static std::optional<Initializer> from_json(const std::string& json);

    using Seed = std::optional<std::int64_t>;  ///< none: one is drawn when the object is made
    static Initializer zeros();
    static Initializer ones();
    static Initializer constant(float value);
    static Initializer random_normal(float mean = 0, float stddev = 0.05f, Seed seed = std::nullopt);
    static Initializer truncated_normal(float mean = 0, float stddev = 0.05f, Seed seed = std::nullopt);
    static Initializer random_uniform(float minval = -0.05f, float maxval = 0.05f, Seed seed = std::nullopt);
    /// mode: fan_in, fan_out, fan_avg; distribution: truncated_normal, untruncated_normal, uniform. For a kernel
    /// (K, C, M) Keras' fans are K*C and K*M.
    static Initializer variance_scaling(float scale = 1, const std::string& mode = "fan_in",
                                        const std::string& distribution = "truncated_normal", Seed seed = std::nullopt);
    static Initializer glorot_uniform(Seed seed = std::nullopt);
    static Initializer glorot_normal(Seed seed = std::nullopt);
    static Initializer he_uniform(Seed seed = std::nullopt);
    static Initializer he_normal(Seed seed = std::nullopt);
    static Initializer lecun_uniform(Seed seed = std::nullopt);
    static Initializer lecun_normal(Seed seed = std::nullopt);
    static Initializer orthogonal(float gain = 1, Seed seed = std::nullopt);

    /// Throws value_error where the initializer cannot make this shape (identity, orthogonal of rank 1), or where a
    /// callable returned another one.
    Tensor operator()(const Shape& shape) const;
    /// The same object with its seed replaced; unchanged where it draws nothing.
    Initializer with_seed(std::int64_t seed) const;

    std::string class_name;  ///< "GlorotUniform"; "" for a callable
    std::string config;      ///< JSON of get_config(); "" where it cannot be saved
    Function function;
    std::function<Initializer(std::int64_t)> reseeded;  ///< empty where nothing is drawn
};

// ---------------------------------------------------------------------------------------------------- regularizers

/// A penalty on a weight or on the output. https://keras.io/api/layers/regularizers/ (Keras 3.15).
struct DWC_KERAS_API Regularizer {
    using Function = std::function<float(const Tensor&)>;

    /// A callable of the user's. Cannot be saved.
    explicit Regularizer(Function function);
    /// "l1", "L1", "l2", "L2", "l1l2", "L1L2", "orthogonal_regularizer", "OrthogonalRegularizer". Throws value_error.
    static Regularizer by_name(const std::string& name);
    static std::optional<Regularizer> from_json(const std::string& json);

    static Regularizer l1(float l1 = 0.01f);
    static Regularizer l2(double l2 = 0.01);
    static Regularizer l1_l2(double l1 = 0, double l2 = 0);
    /// mode: rows or columns. For matrices only: value_error when it is called on anything else.
    static Regularizer orthogonal(float factor = 0.01f, const std::string& mode = "rows");

    float operator()(const Tensor& x) const { return function(x); }

    std::string class_name;  ///< "L2"; "" for a callable
    std::string config;      ///< JSON of get_config(); "" where it cannot be saved
    Function function;
};

// ------------------------------------------------------------------------------------------------------ constraints

/// A projection of a weight, applied after an update, never at the start.
/// https://keras.io/api/layers/constraints/ (Keras 3.15); epsilon is 1e-7, or what keras.json says.
struct DWC_KERAS_API Constraint {
    using Function = std::function<Tensor(const Tensor&)>;
    using Axes = std::vector<int>;  ///< over which norms are taken; negative ones count from the end

    /// A callable of the user's; its result must have the shape of its argument. Cannot be saved.
    explicit Constraint(Function function);
    /// "max_norm", "MaxNorm", "non_neg", "NonNeg", "unit_norm", "UnitNorm", "min_max_norm", "MinMaxNorm". Throws
    /// value_error.
    static Constraint by_name(const std::string& name);
    static std::optional<Constraint> from_json(const std::string& json);

    static Constraint max_norm(float max_value = 2, Axes axis = {0});
    static Constraint non_neg();
    static Constraint unit_norm(Axes axis = {0});
    static Constraint min_max_norm(float min_value = 0, float max_value = 1, float rate = 1, Axes axis = {0});

    /// Throws value_error for an axis that w does not have, and where a callable returned another shape.
    Tensor operator()(const Tensor& w) const;

    std::string class_name;  ///< "MaxNorm"; "" for a callable
    std::string config;      ///< JSON of get_config(); "" where it cannot be saved
    Function function;
};

}  // namespace keras
}  // namespace dwconv

#endif
