// A layer's configuration: Keras' argument rules in Keras' order and words (keras/src/layers/convolutional/
// base_depthwise_conv.py and keras/src/utils/argument_validation.py of Keras 3.15).
#include <algorithm>
#include <cctype>
#include <limits>
#include <string>

#include "activation.hpp"
#include "dwconv/keras.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "json.hpp"

namespace dwconv::keras {
namespace {

using detail::fail_unsupported;
using detail::fail_value;
using detail::Json;
using detail::python_repr;
using detail::python_str;
using detail::python_type;

// Every constructor argument of the layer, and what Keras' own get_config() adds.
constexpr std::string_view kArguments[] = {
    "name",
    "trainable",
    "dtype",
    "autocast",
    "input_shape",
    "input_dim",
    "kernel_size",
    "strides",
    "padding",
    "depth_multiplier",
    "data_format",
    "dilation_rate",
    "activation",
    "use_bias",
    "depthwise_initializer",
    "bias_initializer",
    "depthwise_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "depthwise_constraint",
    "bias_constraint",
    "allow_stride_with_dilation",  // ours
};

constexpr std::string_view kPolicies[] = {"float16", "bfloat16",      "float32",
                                          "float64", "mixed_float16", "mixed_bfloat16"};

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

// The argument, or null where it is absent; tells the two apart through `present`.
const Json* find(const Json& config, const char* key) {
    const auto found = config.find(key);
    return found == config.end() ? nullptr : &*found;
}

std::string tuple_rule(const std::string& argument, const std::string& received) {
    return "The `" + argument + "` argument must be a tuple of 1 integers. Received " + argument + "=" + received;
}

std::string not_positive(const std::string& argument, const std::string& received, const std::string& item) {
    return tuple_rule(argument, received) + ", including values {" + item + "} that do not satisfy `value > 0`";
}

std::string not_positive_multiplier(const std::string& received) {
    return "Invalid value for argument `depth_multiplier`. Expected a strictly positive value. Received "
           "depth_multiplier=" +
           received + ".";
}

// A JSON integer or boolean; false for anything else and for numbers above int64.
bool as_integer(const Json& value, int64_t* integer) {
    if (value.is_boolean()) {
        *integer = value.get<bool>() ? 1 : 0;
    } else if (value.is_number_unsigned()) {
        const auto given = value.get<uint64_t>();
        if (given > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return false;
        *integer = static_cast<int64_t>(given);
    } else if (value.is_number_integer()) {
        *integer = value.get<int64_t>();
    } else {
        return false;
    }
    return true;
}

// Keras' standardize_tuple for n = 1: an integer, or a list of one.
int64_t one_integer(const std::string& argument, const Json& value) {
    const std::string rule = tuple_rule(argument, python_str(value));
    Json item = value;
    if (value.is_string()) {  // Python iterates over its characters
        if (value.get_ref<const std::string&>().size() != 1) fail_value(rule);
    } else if (value.is_array()) {
        if (value.size() != 1) fail_value(rule);
        item = value[0];
        if (item.is_null() || item.is_structured()) {
            fail_value(rule + "including element " + python_str(item) + " of type <class '" + python_type(item) + "'>");
        }
    } else if (value.is_object() || value.is_null() || value.is_number_float()) {
        fail_value(rule);
    }
    if (item.is_string()) {
        const std::string& text = item.get_ref<const std::string&>();
        const bool digits =
            !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
        if (!digits) fail_value(rule + "including element " + python_str(item) + " of type <class 'str'>");
        fail_value(rule + ", a string: write the number without quotes");
    }
    if (item.is_number_float()) fail_value(rule + ", a float: write it as an integer");
    int64_t integer = 0;
    if (!as_integer(item, &integer)) fail_value(rule + ", which does not fit 64 bits");
    if (integer <= 0) fail_value(not_positive(argument, python_str(value), python_repr(item)));
    return integer;
}

int64_t parse_depth_multiplier(const Json& value) {
    const std::string rule =
        "Invalid value for argument `depth_multiplier`. Expected an integer. Received "
        "depth_multiplier=" +
        python_str(value) + ".";
    if (value.is_number_float() && value.get<double>() <= 0) fail_value(not_positive_multiplier(python_str(value)));
    int64_t integer = 0;
    if (!as_integer(value, &integer)) fail_value(rule);
    if (integer <= 0) fail_value(not_positive_multiplier(python_str(value)));
    return integer;
}

Padding parse_padding(const Json& value) {
    if (value.is_array()) {
        fail_value("`padding` must be either `'valid'` or `'same'`. Received " + python_repr(value) + ".");
    }
    const std::string padding = value.is_string() ? lower(value.get<std::string>()) : "";
    if (padding == "valid") return Padding::valid;
    if (padding == "same") return Padding::same;
    fail_value("The `padding` argument must be a list/tuple or one of {'same', 'valid'}. Received: " +
               (value.is_string() ? detail::printable(padding) : python_str(value)));
}

DataFormat parse_data_format(const Json& value) {
    if (value.is_null()) return DataFormat::channels_last;
    const std::string format = lower(value.is_string() ? value.get<std::string>() : python_str(value));
    if (format == "channels_last") return DataFormat::channels_last;
    if (format == "channels_first") return DataFormat::channels_first;
    fail_value("The `data_format` argument must be one of {'channels_first', 'channels_last'}. Received: data_format=" +
               detail::printable(format));
}

std::string parse_dtype(const Json& value) {
    if (value.is_null()) return "float32";
    std::string name = value.is_string() ? value.get<std::string>() : "";
    if (value.is_object()) {
        const std::string class_name = detail::string_member(value, "class_name");
        const Json* config = find(value, "config");
        if (config) name = detail::string_member(*config, "name");
        if (class_name != "DTypePolicy" && class_name != "FloatDTypePolicy" && class_name != "Policy") {
            fail_unsupported("dtype policy " + detail::printable(class_name) + " is not supported");
        }
    }
    if (std::find(std::begin(kPolicies), std::end(kPolicies), name) == std::end(kPolicies)) {
        fail_value("Cannot convert '" + (value.is_object() ? detail::printable(name) : python_str(value)) +
                   "' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', 'mixed_bfloat16', and "
                   "the name of any float dtype such as 'float32'. Received: dtype=" +
                   python_str(value));
    }
    return name;
}

void check_name(const Json& value) {
    if (value.is_null()) return;
    if (!value.is_string() || value.get_ref<const std::string&>().find('/') != std::string::npos) {
        fail_value("Argument `name` must be a string and cannot contain character `/`. Received: name=" +
                   python_str(value) + " (of type <class '" + python_type(value) + "'>)");
    }
}

void check_known(const Json& config, ConfigSource source) {
    Json unknown = Json::object();
    for (const auto& [key, value] : config.items()) {
        if (std::find(std::begin(kArguments), std::end(kArguments), key) != std::end(kArguments)) continue;
        if (source == ConfigSource::saved && key == "groups" && value == 1) continue;
        if (source == ConfigSource::saved && key == "batch_input_shape") continue;
        unknown[key] = value;
    }
    if (!unknown.empty()) {
        fail_value("Unrecognized keyword arguments passed to DepthwiseConv1D: " + python_repr(unknown));
    }
}

bool parse_boolean(const char* argument, const Json& value) {
    if (value.is_boolean()) return value.get<bool>();
    fail_value(std::string("Expected `") + argument + "` to be a boolean. Received: " + argument + "=" +
               python_str(value) + " (of type <class '" + python_type(value) + "'>)");
}

// The config object itself: bare, or out of Keras' envelope.
const Json& unwrap(const Json& value) {
    if (!value.is_object()) fail_value("a layer config must be a JSON object. Received: " + python_repr(value));
    const Json* config = find(value, "config");
    if (!config || !value.contains("class_name")) return value;
    const std::string class_name = detail::string_member(value, "class_name");
    if (class_name != "DepthwiseConv1D") {
        fail_value("class_name=" + detail::printable(python_repr(value["class_name"])) +
                   ": the config is not that of a DepthwiseConv1D");
    }
    if (!config->is_object()) fail_value("a layer's `config` must be a JSON object. Received: " + python_repr(*config));
    return *config;
}

}  // namespace

const char* to_string(Padding padding) { return padding == Padding::same ? "same" : "valid"; }
const char* to_string(DataFormat format) {
    return format == DataFormat::channels_first ? "channels_first" : "channels_last";
}

std::string LayerConfig::compute_dtype() const {
    const std::string prefix = "mixed_";
    return dtype_policy.compare(0, prefix.size(), prefix) == 0 ? dtype_policy.substr(prefix.size()) : dtype_policy;
}

void LayerConfig::validate() const {
    const auto positive = [](const char* argument, int64_t value) {
        if (value <= 0) fail_value(not_positive(argument, std::to_string(value), std::to_string(value)));
    };
    positive("kernel_size", kernel_size);
    positive("strides", strides);
    positive("dilation_rate", dilation_rate);
    if (depth_multiplier <= 0) fail_value(not_positive_multiplier(std::to_string(depth_multiplier)));
    if (strides > 1 && dilation_rate > 1 && !allow_stride_with_dilation) {
        fail_value("`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides=(" +
                   std::to_string(strides) + ",) and dilation_rate=(" + std::to_string(dilation_rate) +
                   ",) (\"allow_stride_with_dilation\": true in the config computes it)");
    }
}

LayerConfig parse_layer_config(const std::string& json, ConfigSource source) {
    const Json whole = detail::parse_json(json, "layer config");
    const Json& config = unwrap(whole);
    LayerConfig layer;
    const Json* kernel_size = find(config, "kernel_size");
    if (!kernel_size) fail_value("DepthwiseConv1D() missing 1 required argument: 'kernel_size'");

    if (const Json* name = find(config, "name")) {
        check_name(*name);
        if (name->is_string()) layer.name = name->get<std::string>();
    }
    check_known(config, source);
    if (const Json* dtype = find(config, "dtype")) layer.dtype_policy = parse_dtype(*dtype);
    if (const Json* trainable = find(config, "trainable")) layer.trainable = parse_boolean("trainable", *trainable);
    layer.kernel_size = one_integer("kernel_size", *kernel_size);
    if (const Json* strides = find(config, "strides")) layer.strides = one_integer("strides", *strides);
    if (const Json* rate = find(config, "dilation_rate")) layer.dilation_rate = one_integer("dilation_rate", *rate);
    if (const Json* padding = find(config, "padding")) layer.padding = parse_padding(*padding);
    if (const Json* format = find(config, "data_format")) layer.data_format = parse_data_format(*format);
    if (const Json* activation = find(config, "activation")) {
        layer.activation = detail::activation_from_json(*activation);
    }
    if (const Json* use_bias = find(config, "use_bias")) layer.use_bias = detail::truthy(*use_bias);
    if (const Json* multiplier = find(config, "depth_multiplier")) {
        layer.depth_multiplier = parse_depth_multiplier(*multiplier);
    }
    if (const Json* allow = find(config, "allow_stride_with_dilation")) {
        layer.allow_stride_with_dilation = parse_boolean("allow_stride_with_dilation", *allow);
    }
    layer.validate();
    return layer;
}

LayerConfig read_layer_config(const std::string& path, ConfigSource source) {
    const std::string text = detail::read_text(path, uint64_t{16} << 20);
    try {
        return parse_layer_config(text, source);
    } catch (const value_error& error) {
        throw value_error(error.status(), detail::printable(path) + ": " + error.what());
    }
}

}  // namespace dwconv::keras
