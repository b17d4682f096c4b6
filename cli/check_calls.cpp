#include "check_calls.hpp"

#include <map>
#include <regex>

namespace cli {
namespace {

namespace keras = dwconv::keras;

constexpr const char* kArray = "<python ndarray: array(";
constexpr const char* kInteger = "<python int64: np.int64(";

bool starts_with(const Json& value, const char* start) {
    return value.is_string() && value.get_ref<const std::string&>().rfind(start, 0) == 0;
}

// NumPy's type string; the item size follows from it.
std::string descr_of(const std::string& dtype) {
    static const std::map<std::string, std::string> known = {
        {"float16", "<f2"}, {"float32", "<f4"}, {"float64", "<f8"}, {"int32", "<i4"},
        {"int64", "<i8"},   {"uint8", "|u1"},   {"bool", "|b1"},    {"complex64", "<c8"}};
    const auto found = known.find(dtype);
    if (found == known.end()) throw Failure(kExitInvalid, "the oracle speaks of dtype " + dtype);
    return found->second;
}

// An array of that type as a user would hand it over: through a .npy file's bytes. float32 is all ones, as the oracle's
// are; the others are zeros. Throws as parse_npy.
keras::Tensor array_of(const CallInput& input) {
    if (input.dtype == "float32") {
        return {input.shape, std::vector<float>(static_cast<size_t>(keras::element_count(input.shape)), 1.0f)};
    }
    const std::string descr = descr_of(input.dtype);
    std::string bytes("\x93NUMPY\x01\x00\x00\x00", 10);
    bytes += "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + keras::to_string(input.shape) + ", }\n";
    bytes[8] = static_cast<char>((bytes.size() - 10) & 255);
    bytes[9] = static_cast<char>((bytes.size() - 10) >> 8);
    bytes.append(static_cast<size_t>(keras::element_count(input.shape)) * static_cast<size_t>(descr[2] - '0'), '\0');
    return keras::parse_npy(bytes.data(), bytes.size(), "inputs of dtype " + input.dtype);
}

void flatten(const Json& list, size_t depth, keras::Tensor* tensor) {
    if (!list.is_array()) {
        tensor->data.push_back(list.get<float>());
        return;
    }
    if (depth == tensor->shape.size()) tensor->shape.push_back(static_cast<std::int64_t>(list.size()));
    for (const Json& item : list) flatten(item, depth + 1, tensor);
}

// "<python ndarray: array([[1., 2.]], dtype=float32)>"
keras::Tensor tensor_of_repr(const std::string& text) {
    const size_t begin = std::string(kArray).size();
    const std::string list =
        std::regex_replace(text.substr(begin, text.rfind(']') + 1 - begin), std::regex(R"((\d)\.(?!\d))"), "$1.0");
    keras::Tensor tensor;
    flatten(Json::parse(list), 0, &tensor);
    if (static_cast<size_t>(keras::element_count(tensor.shape)) != tensor.data.size()) {
        throw Failure(kExitInvalid, "the oracle holds a ragged array");
    }
    return tensor;
}

}  // namespace

CallInput input_of(const Json& value) {
    CallInput input;
    input.symbolic = value.is_object();
    const bool typed = value.is_array() && !value.empty() && value[0].is_array();
    if (typed) input.dtype = value.at(1).get<std::string>();
    for (const Json& dimension : input.symbolic ? value.at("symbolic") : (typed ? value[0] : value)) {
        input.shape.push_back(dimension.is_null() ? -1 : dimension.get<std::int64_t>());
    }
    return input;
}

bool has_numpy_integer(const Json& arguments) {
    for (const Json& value : arguments) {
        if (starts_with(value, kInteger)) return true;
    }
    return false;
}

std::string without_counterpart(const Json& arguments) {
    for (const auto& [key, value] : arguments.items()) {
        const bool array = starts_with(value, kArray) && (key == "depthwise_initializer" || key == "bias_initializer");
        if (starts_with(value, "<python ") && !array && !starts_with(value, kInteger)) return key;
    }
    return "";
}

keras::LayerConfig row_config(const Json& arguments, const Json& extra) {
    keras::reset_settings();
    Json plain = Json::object();
    for (const auto& [key, value] : arguments.items()) {
        if (starts_with(value, kInteger)) {
            plain[key] = std::stoll(value.get<std::string>().substr(std::string(kInteger).size()));
        } else if (!starts_with(value, kArray)) {
            plain[key] = value;
        }
    }
    keras::LayerConfig config = config_of(plain, extra);
    for (const auto& [key, value] : arguments.items()) {
        if (!starts_with(value, kArray)) continue;
        auto& initializer = key == "bias_initializer" ? config.bias_initializer : config.depthwise_initializer;
        initializer = keras::Initializer(tensor_of_repr(value.get<std::string>()));
    }
    return config;
}

keras::Shape Caller::call(const CallInput& input) {
    if (input.symbolic) {
        layer_.build(input.shape);
        return layer_.compute_output_shape(input.shape);
    }
    return layer_(array_of(input), how_).shape;
}

}  // namespace cli
