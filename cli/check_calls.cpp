// Categories that only ask whether a call is accepted, with which shapes, and how it is refused: errors, accepted.
#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "check_report.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
bool starts_with(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

// One input of a row: a shape (None as -1), [shape, dtype], or {"symbolic": shape}.
struct Input {
    keras::Shape shape;
    std::string dtype = "float32";
    bool symbolic = false;
};

Input input_of(const Json& value) {
    Input input;
    input.symbolic = value.is_object();
    const bool typed = value.is_array() && !value.empty() && value[0].is_array();
    if (typed) input.dtype = value.at(1).get<std::string>();
    for (const Json& dimension : input.symbolic ? value.at("symbolic") : (typed ? value[0] : value)) {
        input.shape.push_back(dimension.is_null() ? -1 : dimension.get<std::int64_t>());
    }
    return input;
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

// An array of zeros of that type, as a user would hand it over: through a .npy file's bytes. Throws as parse_npy.
keras::Tensor array_of(const Input& input) {
    const std::string descr = descr_of(input.dtype);
    std::string bytes("\x93NUMPY\x01\x00\x00\x00", 10);
    bytes += "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + keras::to_string(input.shape) + ", }\n";
    bytes[8] = static_cast<char>((bytes.size() - 10) & 255);
    bytes[9] = static_cast<char>((bytes.size() - 10) >> 8);
    bytes.append(static_cast<size_t>(keras::element_count(input.shape)) * static_cast<size_t>(descr[2] - '0'), '\0');
    return keras::parse_npy(bytes.data(), bytes.size(), "inputs of dtype " + input.dtype);
}

keras::Tensor ones(const keras::Shape& shape) {
    return {shape, std::vector<float>(static_cast<size_t>(keras::element_count(shape)), 1.0f)};
}

// A row's calls, one after the other, on one layer whose weights are made by the first.
class Caller {
   public:
    Caller(const keras::LayerConfig& config, const dwconv::options& how) : layer_(config), how_(how) {}

    // The output's shape. Throws dwconv::error where the call is refused.
    keras::Shape call(const Input& input) {
        const keras::Shape expected = layer_.compute_output_shape(input.shape);
        if (!built_) build(input.shape);
        if (input.symbolic) return expected;
        const keras::Tensor y = layer_(array_of(input), how_);
        return y.shape;
    }
    const keras::DepthwiseConv1D& layer() const { return layer_; }

   private:
    void build(const keras::Shape& input) {
        const keras::LayerConfig& config = layer_.config();
        const std::int64_t channels = input[config.data_format == keras::DataFormat::channels_first ? 1 : 2];
        std::optional<keras::Tensor> bias;
        if (config.use_bias) bias = ones({channels * config.depth_multiplier});
        layer_.set_weights(ones({config.kernel_size, channels, config.depth_multiplier}), std::move(bias));
        built_ = true;
    }

    keras::DepthwiseConv1D layer_;
    dwconv::options how_;
    bool built_ = false;
};

// Words of four letters and more, and numbers, of Keras' message. Left out: what stands in {} (the order of a Python
// set) and how Keras names a nameless input.
std::set<std::string> essential_words(const std::string& message) {
    std::set<std::string> words;
    std::string word;
    int braces = 0;
    for (const char c : message + " ") {
        if (c == '{') ++braces;
        if (c == '}') --braces;
        if (braces == 0 && (std::isalnum(static_cast<unsigned char>(c)) || c == '_')) {
            word += c;
            continue;
        }
        const bool number = !word.empty() && std::isdigit(static_cast<unsigned char>(word[0]));
        if ((number || word.size() >= 4) && word != "with" && word != "name" && word != "None") words.insert(word);
        word.clear();
    }
    return words;
}

std::string missing_word(const std::string& keras_message, const std::string& ours) {
    for (const std::string& word : essential_words(keras_message)) {
        if (!contains(ours, word)) return word;
    }
    return "";
}

// Keras' own sentence out of what its call wrapper adds: "Exception encountered when ...\n\n\x1b[1m<sentence>\x1b[0m".
std::string unwrapped(const std::string& message) {
    const size_t begin = message.find("\x1b[1m");
    const size_t end = message.find("\x1b[0m");
    return begin == std::string::npos || end == std::string::npos ? message
                                                                  : message.substr(begin + 4, end - begin - 4);
}

// Whether a message says which argument is at fault, for rows where Keras' own wording is an accident of Python.
bool names_argument(const std::string& ours, const Json& arguments, const std::string& stage) {
    if (!arguments.contains("kernel_size")) return contains(ours, "kernel_size");
    for (const auto& [key, value] : arguments.items()) {
        if ((key != "kernel_size" || arguments.size() == 1) && contains(ours, key)) return true;
    }
    // Nothing but the input can be at fault where the other arguments are these two.
    const bool about_input =
        stage != "constructor" && arguments.size() == (arguments.contains("data_format") ? 2u : 1u);
    return about_input && (contains(ours, "inputs") || contains(ours, "channel"));
}

bool python_only(const Json& arguments) {
    return std::any_of(arguments.begin(), arguments.end(), [](const Json& value) {
        return value.is_string() && starts_with(value.get_ref<const std::string&>(), "<python ");
    });
}

std::string check_error_row(const Json& row, const dwconv::options& how) {
    const Json& arguments = row.at("kwargs");
    const std::string type = row.at("type"), stage = row.at("stage"), message = unwrapped(row.at("message"));
    const size_t good_calls = row.at("completed_calls").size();
    size_t calls = 0;
    const auto refusal = refusal_of([&] {
        Caller caller(config_of(arguments), how);
        for (const Json& input : row.at("inputs")) {
            caller.call(input_of(input));
            ++calls;
        }
    });
    if (!refusal) return "was accepted; Keras: " + type + ": " + message;
    if (calls < good_calls) return "call " + std::to_string(calls + 1) + " was refused: " + refusal->message;
    // Keras' words for a dimension that is no integer are those of its shape class.
    if (type == "ValueError" && !starts_with(message, "Cannot convert '(")) {
        if (!refusal->value_error) return "is no value_error: " + refusal->message;
        const std::string word = missing_word(message, refusal->message);
        return word.empty() ? "" : "the message lacks \"" + word + "\": " + refusal->message;
    }
    return names_argument(refusal->message, arguments, stage) ? ""
                                                              : "the message names no argument: " + refusal->message;
}

// A row of accepted.jsonl: shapes of weights and results. Returns the fault, or "".
std::string check_accepted_row(const Json& row, const Json& extra, const dwconv::options& how, std::string* decision) {
    Caller caller(config_of(row.at("kwargs"), extra), how);
    const Json& inputs = row.at("inputs");
    for (size_t i = 0; i < inputs.size(); ++i) {
        const Json& result = row.at("results").at(i);
        const Input input = input_of(inputs[i]);
        // The formula's shape where Keras' TensorFlow backend got it wrong.
        const bool has_formula = result.contains("formula_shape") && !result.at("formula_shape").is_null();
        const keras::Shape expected = input_of(result.at(has_formula ? "formula_shape" : "shape")).shape;
        const bool formula_ok = !has_formula || result.at("formula_ok").get<bool>();
        const bool vanishes =
            !formula_ok && keras::element_count(expected) == 0 && keras::element_count(input.shape) > 0;
        keras::Shape shape;
        const auto refusal = refusal_of([&] { shape = caller.call(input); });
        if (vanishes) {
            if (!refusal || !refusal->value_error) return "a call without output was not refused";
            *decision = "a call without output is refused each time: " + refusal->message;
            continue;
        }
        if (refusal) return refusal->message;
        if (shape != expected)
            return "result shape " + keras::to_string(shape) + " instead of " + keras::to_string(expected);
    }
    const Json& weights = row.at("weights");
    if (weights.size() != (caller.layer().bias() ? 2u : 1u)) return "the number of weights differs";
    if (caller.layer().kernel().shape != input_of(weights[0].at("shape")).shape) return "the kernel's shape differs";
    if (weights.size() == 2 && caller.layer().bias()->shape != input_of(weights[1].at("shape")).shape) {
        return "the bias' shape differs";
    }
    const std::string dtype = caller.layer().config().compute_dtype();
    if (dtype != "float32") *decision = "dtype " + dtype + " is computed in float32";
    return "";
}

// Arguments that this version takes without looking into them.
bool beyond_this_version(const Json& arguments) {
    for (const auto& [key, value] : arguments.items()) {
        if (contains(key, "_initializer") || contains(key, "_regularizer") || contains(key, "_constraint")) return true;
    }
    return false;
}

bool strided_and_dilated(const Json& arguments) {
    const auto above_one = [&arguments](const char* key) {
        if (!arguments.contains(key)) return false;
        const Json& value = arguments.at(key);
        const Json& item = value.is_array() && value.size() == 1 ? value[0] : value;
        return item.is_number() && item.get<double>() > 1;
    };
    return above_one("strides") && above_one("dilation_rate");
}

// A list of one whole number written as a float, e.g. strides=[2.0].
bool float_in_list(const Json& arguments) {
    return std::any_of(arguments.begin(), arguments.end(), [](const Json& value) {
        return value.is_array() && value.size() == 1 && value[0].is_number_float();
    });
}

}  // namespace

void check_errors(CheckReport& report) {
    for (const Json& row : report.rows("errors.jsonl")) {
        const Json& arguments = row.at("kwargs");
        if (python_only(arguments)) {
            report.skip(row, "an argument that only Python has: " + row.at("kwargs_python").get<std::string>());
            continue;
        }
        const std::string fault = check_error_row(row, report.how());
        fault.empty() ? report.pass() : report.fail(row, arguments, fault);
    }
}

void check_accepted(CheckReport& report) {
    for (const Json& row : report.rows("accepted.jsonl")) {
        const Json& arguments = row.at("kwargs");
        if (beyond_this_version(arguments)) {
            report.fail(row, arguments, "initializers, regularizers and constraints are not supported in this version");
            continue;
        }
        std::string fault, decision;
        Json extra = Json::object();
        if (strided_and_dilated(arguments)) {
            fault = missing_stride_refusal(arguments);
            extra = {{"allow_stride_with_dilation", true}};
            decision = "strides and dilation together are refused without allow_stride_with_dilation";
        }
        const auto refusal = refusal_of([&] {
            if (fault.empty()) fault = check_accepted_row(row, extra, report.how(), &decision);
        });
        if (refusal && refusal->value_error && float_in_list(arguments)) {
            decision = "whole floats in lists are refused: " + refusal->message;
        } else if (refusal) {
            fault = refusal->message;
        }
        if (!fault.empty()) {
            report.fail(row, arguments, fault);
        } else if (!decision.empty()) {
            report.pass_by_decision(row, decision);
        } else {
            report.pass();
        }
    }
}

}  // namespace cli
