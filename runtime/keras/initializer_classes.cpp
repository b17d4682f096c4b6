// Classes, defaults and messages as in https://keras.io/api/layers/initializers/ (Keras 3.15).
#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <string_view>

#include "errors.hpp"
#include "initializer.hpp"
#include "objects.hpp"
#include "orthogonal.hpp"
#include "random.hpp"
#include "stft.hpp"

namespace dwconv::keras {
namespace detail {
namespace {

Tensor allocate(const Shape& shape) { return {shape, std::vector<float>(static_cast<size_t>(element_count(shape)))}; }

Tensor filled(const Shape& shape, float value) {
    Tensor tensor = allocate(shape);
    std::fill(tensor.data.begin(), tensor.data.end(), value);
    return tensor;
}

// A seed as configs hold it: null, an integer, or Keras' serialized SeedGenerator, of which the seed is taken.
Initializer::Seed seed_of(const Json& seed) {
    if (seed.is_null()) return std::nullopt;
    if (string_member(seed, "class_name") == "SeedGenerator" && seed.contains("config") && seed["config"].is_object() &&
        seed["config"].contains("seed")) {
        return seed_of(seed["config"]["seed"]);
    }
    const bool fits = !seed.is_number_unsigned() ||
                      seed.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    if (!seed.is_number_integer() || !fits) {
        fail_value(
            "`seed` argument should be an instance of `keras.random.SeedGenerator()` or an integer. Received: seed=" +
            python_str(seed));
    }
    return seed.get<std::int64_t>();
}

// ------------------------------------------------------------------------------------------------- nothing is drawn

Initializer zeros(const std::string& name, Keywords& arguments) {
    arguments.finish();
    return fixed_initializer(name, Json::object(), [](const Shape& shape) { return filled(shape, 0); });
}

Initializer ones(const std::string& name, Keywords& arguments) {
    arguments.finish();
    return fixed_initializer(name, Json::object(), [](const Shape& shape) { return filled(shape, 1); });
}

Initializer constant(const std::string& name, Keywords& arguments) {
    const Json value = arguments.number("value", 0.0);
    arguments.finish();
    return fixed_initializer(name, {{"value", value}},
                             [v = value.get<float>()](const Shape& shape) { return filled(shape, v); });
}

Initializer identity(const std::string& name, Keywords& arguments) {
    const float gain = arguments.number("gain", 1.0).get<float>();
    arguments.finish();
    // Keras' config of it is empty, whatever its gain.
    return fixed_initializer(name, Json::object(), [gain](const Shape& shape) {
        if (shape.size() != 2) {
            fail_value("Identity matrix initializer can only be used for 2D matrices. Received: shape=" +
                       to_string(shape) + " of rank " + std::to_string(shape.size()) + ".");
        }
        Tensor matrix = allocate(shape);
        for (std::int64_t i = 0; i < std::min(shape[0], shape[1]); ++i) matrix.data[i * shape[1] + i] = gain;
        return matrix;
    });
}

Initializer base_class(const std::string& name, Keywords& arguments) {
    arguments.finish();
    return fixed_initializer(name, Json::object(), [](const Shape&) -> Tensor {
        fail_value("Initializer subclasses must implement the `__call__()` method.");
    });
}

Initializer stft(const std::string& name, Keywords& arguments) {
    const Json side = arguments.value("side", "real"), window = arguments.value("window", "hann");
    const Json periodic = arguments.value("periodic", false), scaling = arguments.value("scaling", "density");
    arguments.finish();
    Stft stft;
    if (side != "real" && side != "imag") fail_value("side should be 'real' or 'imag', not " + python_str(side));
    stft.imaginary = side == "imag";
    stft.window.reset();
    if (window.is_string()) {
        stft.window = window.get<std::string>();
        check_window(*stft.window);
    } else if (window.is_array() && std::all_of(window.begin(), window.end(), [](const Json& value) {
                   return value.is_number() && std::isfinite(value.get<double>());
               })) {
        stft.values = window.get<std::vector<double>>();
    } else if (!window.is_null()) {
        fail_value("STFT: window must be a name, a list of numbers or None. Received: window=" + python_str(window));
    }
    if (!scaling.is_null() && scaling != "density" && scaling != "spectrum") {
        fail_value("Scaling is invalid, it must be `None`, 'density' or 'spectrum'. Received scaling=" +
                   python_str(scaling));
    }
    stft.scaling = scaling.is_null() ? "" : scaling.get<std::string>();
    stft.periodic = truthy(periodic);
    return fixed_initializer(name, {{"side", side}, {"window", window}, {"periodic", periodic}, {"scaling", scaling}},
                             [stft](const Shape& shape) { return stft_kernel(stft, shape); });
}

// --------------------------------------------------------------------------------------------------------- drawn

using NormalDraw = void (*)(std::int64_t, double, double, float*, std::size_t);

template <NormalDraw draw>
Initializer normal(const std::string& name, Keywords& arguments) {
    const Json seed = arguments.value("seed", nullptr);
    const Json mean = arguments.number("mean", 0.0), stddev = arguments.number("stddev", 0.05);
    arguments.finish();
    return seeded_initializer(name, {{"seed", seed}, {"mean", mean}, {"stddev", stddev}}, seed_of(seed),
                              [m = mean.get<double>(), s = stddev.get<double>()](const Shape& shape, std::int64_t key) {
                                  Tensor tensor = allocate(shape);
                                  draw(key, m, s, tensor.data.data(), tensor.data.size());
                                  return tensor;
                              });
}

Initializer uniform(const std::string& name, Keywords& arguments) {
    const Json seed = arguments.value("seed", nullptr);
    const Json minval = arguments.number("minval", -0.05), maxval = arguments.number("maxval", 0.05);
    arguments.finish();
    const float low = minval.get<float>(), high = maxval.get<float>();
    if (low > high || !std::isfinite(low) || !std::isfinite(high)) {
        fail_value(name + ": minval must be finite and not above maxval. Received: minval=" + python_str(minval) +
                   ", maxval=" + python_str(maxval));
    }
    return seeded_initializer(name, {{"seed", seed}, {"minval", minval}, {"maxval", maxval}}, seed_of(seed),
                              [low, high](const Shape& shape, std::int64_t key) {
                                  Tensor tensor = allocate(shape);
                                  draw_uniform(key, low, high, tensor.data.data(), tensor.data.size());
                                  return tensor;
                              });
}

Initializer orthogonal(const std::string& name, Keywords& arguments) {
    const Json seed = arguments.value("seed", nullptr), gain = arguments.number("gain", 1.0);
    arguments.finish();
    const auto draw = [gain = gain.get<double>()](const Shape& shape, std::int64_t key) {
        if (shape.size() < 2) {
            fail_value("The tensor to initialize must be at least two-dimensional. Received: shape=" +
                       to_string(shape) + " of rank " + std::to_string(shape.size()) + ".");
        }
        Tensor tensor = allocate(shape);
        if (tensor.data.empty()) return tensor;
        const std::int64_t columns = shape.back();
        const auto rows = static_cast<std::int64_t>(tensor.data.size()) / columns;
        const std::int64_t tall = std::max(rows, columns), narrow = std::min(rows, columns);
        draw_normal(key, 0, 1, tensor.data.data(), tensor.data.size());
        const std::vector<double> q = orthonormal_columns({tensor.data.begin(), tensor.data.end()}, tall, narrow);
        for (std::int64_t i = 0; i < rows; ++i) {
            for (std::int64_t j = 0; j < columns; ++j) {
                const std::int64_t at = rows >= columns ? j * rows + i : i * columns + j;
                tensor.data[i * columns + j] = static_cast<float>(gain * q[at]);
            }
        }
        return tensor;
    };
    return seeded_initializer(name, {{"seed", seed}, {"gain", gain}}, seed_of(seed), draw);
}

// What Keras' classes of the family fix, and what their configs show.
struct Scaling {
    double scale = 1;
    std::string mode = "fan_in", distribution = "truncated_normal";
    Json input_axes, output_axes;
};

Tensor draw_scaled(const Scaling& scaling, const Shape& shape, std::int64_t key) {
    const Fans fans = compute_fans(shape, scaling.input_axes, scaling.output_axes);
    const double fan = scaling.mode == "fan_in"    ? fans.in
                       : scaling.mode == "fan_out" ? fans.out
                                                   : (fans.in + fans.out) / 2;
    const double variance = scaling.scale / std::max(1.0, fan);
    // The standard deviation of a normal distribution cut off at two standard deviations.
    constexpr double kCut = 0.87962566103423978;
    Tensor tensor = allocate(shape);
    float* out = tensor.data.data();
    if (scaling.distribution == "uniform") {
        const auto limit = static_cast<float>(std::sqrt(3 * variance));
        draw_uniform(key, -limit, limit, out, tensor.data.size());
    } else if (scaling.distribution == "truncated_normal") {
        draw_truncated_normal(key, 0, std::sqrt(variance) / kCut, out, tensor.data.size());
    } else {
        draw_normal(key, 0, std::sqrt(variance), out, tensor.data.size());
    }
    return tensor;
}

Json axes_of(Keywords& arguments, const std::string& owner, const char* key) {
    Json axes = arguments.value(key, nullptr);
    const auto integer = [](const Json& axis) { return axis.is_number_integer(); };
    if (!axes.is_null() && !(axes.is_array() && std::all_of(axes.begin(), axes.end(), integer))) {
        fail_value(owner + ": " + key + " must be a list of integers or None. Received: " + python_str(axes));
    }
    return axes;
}

Initializer scaled(const std::string& name, const Json& seed, const Scaling& scaling, Json config) {
    config["input_axes"] = scaling.input_axes;
    config["output_axes"] = scaling.output_axes;
    return seeded_initializer(name, config, seed_of(seed), [scaling](const Shape& shape, std::int64_t key) {
        return draw_scaled(scaling, shape, key);
    });
}

Initializer variance_scaling(const std::string& name, Keywords& arguments) {
    const Json seed = arguments.value("seed", nullptr), scale = arguments.number("scale", 1.0);
    const Json mode = arguments.value("mode", "fan_in");
    const Json distribution = arguments.value("distribution", "truncated_normal");
    Scaling scaling{scale.get<double>(), "", "", axes_of(arguments, name, "input_axes"),
                    axes_of(arguments, name, "output_axes")};
    arguments.finish();
    if (scaling.scale <= 0) fail_value("Argument `scale` must be positive float. Received: scale=" + python_str(scale));
    if (mode != "fan_in" && mode != "fan_out" && mode != "fan_avg") {
        fail_value("Invalid `mode` argument: " + python_str(mode) +
                   ". Please use one of {'fan_in', 'fan_out', 'fan_avg'}");
    }
    std::string lower = distribution.is_string() ? distribution.get<std::string>() : "";
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower == "normal") lower = "truncated_normal";
    if (lower != "uniform" && lower != "truncated_normal" && lower != "untruncated_normal") {
        fail_value("Invalid `distribution` argument: " + python_str(distribution) +
                   ".Please use one of {'uniform', 'truncated_normal', 'untruncated_normal'}");
    }
    scaling.mode = mode.get<std::string>();
    scaling.distribution = lower;
    return scaled(name, seed, scaling, {{"seed", seed}, {"scale", scale}, {"mode", mode}, {"distribution", lower}});
}

Initializer named_scaling(const std::string& name, Keywords& arguments) {
    const Json seed = arguments.value("seed", nullptr);
    Scaling scaling;
    scaling.input_axes = axes_of(arguments, name, "input_axes");
    scaling.output_axes = axes_of(arguments, name, "output_axes");
    arguments.finish();
    if (name.starts_with("Glorot")) scaling.mode = "fan_avg";
    if (name.starts_with("He")) scaling.scale = 2;
    if (name.ends_with("Uniform")) scaling.distribution = "uniform";
    return scaled(name, seed, scaling, {{"seed", seed}});
}

// ------------------------------------------------------------------------------------------------------------ names

struct Class {
    const char* name;
    Initializer (*make)(const std::string& name, Keywords& arguments);
    std::initializer_list<std::string_view> aliases;  // beside the name itself
};
const Class kClasses[] = {
    {"Zeros", zeros, {"zeros", "zero"}},
    {"Ones", ones, {"ones", "one"}},
    {"Constant", constant, {"constant"}},
    {"Identity", identity, {"identity", "IdentityInitializer"}},
    {"Initializer", base_class, {"initializer"}},
    {"STFT", stft, {"stft", "STFTInitializer"}},
    {"RandomNormal", normal<draw_normal>, {"random_normal", "normal"}},
    {"TruncatedNormal", normal<draw_truncated_normal>, {"truncated_normal"}},
    {"RandomUniform", uniform, {"random_uniform", "uniform"}},
    {"VarianceScaling", variance_scaling, {"variance_scaling"}},
    {"GlorotUniform", named_scaling, {"glorot_uniform"}},
    {"GlorotNormal", named_scaling, {"glorot_normal"}},
    {"HeUniform", named_scaling, {"he_uniform"}},
    {"HeNormal", named_scaling, {"he_normal"}},
    {"LecunUniform", named_scaling, {"lecun_uniform"}},
    {"LecunNormal", named_scaling, {"lecun_normal"}},
    {"Orthogonal", orthogonal, {"orthogonal", "OrthogonalInitializer"}},
};

const Class* find_class(std::string_view name) {
    for (const Class& known : kClasses) {
        const auto& aliases = known.aliases;
        if (known.name == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end()) return &known;
    }
    return nullptr;
}

std::int64_t product(const Shape& shape, const Json& axes) {
    std::int64_t result = 1;
    const auto rank = static_cast<std::int64_t>(shape.size());
    for (const Json& item : axes) {
        const double axis = item.get<double>();
        if (axis < -rank || axis >= rank) {
            fail_value("initializer: axis " + python_str(item) + " is out of range for shape " + to_string(shape));
        }
        const auto at = static_cast<std::int64_t>(axis);
        result *= shape[at < 0 ? at + rank : at];
    }
    return result;
}

}  // namespace

Fans compute_fans(const Shape& shape, const Json& input_axes, const Json& output_axes) {
    if (!input_axes.is_null() && !output_axes.is_null()) {
        return {static_cast<double>(product(shape, input_axes)), static_cast<double>(product(shape, output_axes))};
    }
    if (shape.empty()) return {};
    const auto last = static_cast<double>(shape.back());
    if (shape.size() == 1) return {last, last};
    double receptive = 1;
    for (size_t i = 0; i + 2 < shape.size(); ++i) receptive *= static_cast<double>(shape[i]);
    return {receptive * static_cast<double>(shape[shape.size() - 2]), receptive * last};
}

Initializer initializer_of_class(const std::string& class_name, const Json& config) {
    const Class* known = find_class(class_name);
    if (!known) not_understood("initializer", {{"class_name", class_name}, {"config", config}});
    Keywords arguments(known->name, config);
    return known->make(known->name, arguments);
}

}  // namespace detail

Initializer Initializer::by_name(const std::string& name) {
    const detail::Class* known = detail::find_class(name);
    if (!known) detail::not_understood("initializer", name);
    if (known->name == std::string_view("Constant")) {
        detail::fail_value("initializer '" + name +
                           "': Constant needs its argument 'value', which a name alone does "
                           "not give");
    }
    return detail::initializer_of_class(known->name, detail::Json::object());
}

std::optional<Initializer> Initializer::from_json(const std::string& json) {
    const detail::Json value = detail::parse_json(json, "initializer");
    if (value.is_null()) return std::nullopt;
    if (value.is_string()) return by_name(value.get_ref<const std::string&>());
    const detail::SerializedObject object = detail::serialized_object("initializer", value);
    if (!detail::find_class(object.class_name)) detail::not_understood("initializer", value);
    return detail::initializer_of_class(object.class_name, object.config);
}

}  // namespace dwconv::keras
