// The category accepted: what Keras takes is taken here, with the same shapes, weights and config.
#include <algorithm>

#include "check_calls.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

// Reasons for which a row passes although something is not Keras'.
class Decisions {
   public:
    void add(const std::string& reason) { text_ += (text_.empty() ? "" : "; ") + reason; }
    const std::string& text() const { return text_; }

   private:
    std::string text_;
};

bool has_zero(const keras::Shape& shape) { return std::find(shape.begin(), shape.end(), 0) != shape.end(); }

// One call of a row.
std::string check_call(Caller& caller, const Json& given, const Json& result, Decisions* decisions) {
    const CallInput input = input_of(given);
    // The formula's shape where Keras' TensorFlow backend got it wrong.
    const bool has_formula = result.contains("formula_shape") && !result.at("formula_shape").is_null();
    const keras::Shape expected = input_of(result.at(has_formula ? "formula_shape" : "shape")).shape;
    const bool keras_is_right = !has_formula || result.at("formula_ok").get<bool>();
    const bool vanishes = !keras_is_right && has_zero(expected) && !has_zero(input.shape);
    keras::Shape shape;
    const auto refusal = refusal_of([&] { shape = caller.call(input); });
    if (vanishes) {
        if (!refusal || !refusal->value_error) return "a call without output was not refused";
        decisions->add("a call without output is refused each time: " + refusal->message);
        return "";
    }
    if (refusal) return refusal->message;
    if (shape != expected) {
        return "result shape " + keras::to_string(shape) + " instead of " + keras::to_string(expected);
    }
    if (!keras_is_right) {
        decisions->add("the formula's shape " + keras::to_string(expected) + ", where Keras gives " +
                       keras::to_string(input_of(result.at("shape")).shape));
    }
    if (result.at("dtype") != caller.layer().compute_dtype()) {
        return "the result's dtype is " + caller.layer().compute_dtype();
    }
    return "";
}

bool all_zero(const keras::Tensor& tensor) {
    return std::all_of(tensor.data.begin(), tensor.data.end(), [](float value) { return value == 0; });
}

std::string check_weights(const Json& row, const keras::DepthwiseConv1D& layer, Decisions* decisions) {
    const std::vector<keras::Variable> weights = layer.weights();
    const Json& expected = row.at("weights");
    if (weights.size() != expected.size()) return "the number of weights differs";
    for (size_t i = 0; i < weights.size(); ++i) {
        const keras::Variable& ours = weights[i];
        const Json& theirs = expected[i];
        if (ours.value.shape != input_of(theirs.at("shape")).shape) {
            return ours.name + " has shape " + keras::to_string(ours.value.shape);
        }
        if (theirs.at("dtype") != ours.dtype) return ours.name + " has dtype " + ours.dtype;
        if (theirs.at("trainable") != ours.trainable) return ours.name + ": trainable differs";
        if (theirs.at("all_zero") == all_zero(ours.value)) continue;
        const Json& arguments = row.at("kwargs");
        const bool null_initializer = arguments.contains("bias_initializer") && arguments["bias_initializer"].is_null();
        if (i == 0 || !null_initializer || !all_zero(ours.value)) return ours.name + ": being all zeros differs";
        decisions->add("bias_initializer None means zeros, as the R documentation says; Keras takes glorot_uniform");
    }
    return "";
}

std::string check_losses(const Json& row, const keras::DepthwiseConv1D& layer) {
    const std::vector<float> ours = layer.losses();
    const Json& theirs = row.at("losses");
    if (ours.size() != theirs.size()) return "has " + std::to_string(ours.size()) + " losses";
    for (size_t i = 0; i < ours.size(); ++i) {  // of random weights: only whether there is a penalty
        if ((ours[i] == 0) != (theirs[i].get<double>() == 0)) return format("loss %zu is %g", i, ours[i]);
    }
    return "";
}

// The keys of the config that the oracle recorded; `given` values that Python wrote otherwise count as ours.
std::string check_config(const Json& row, const keras::DepthwiseConv1D& layer, Decisions* decisions) {
    if (!row.contains("config")) return "";
    const Json& arguments = row.at("kwargs");
    const bool array = arguments.dump().find("<python ") != std::string::npos;
    const bool null_initializer = arguments.contains("bias_initializer") && arguments["bias_initializer"].is_null();
    if (array) {
        const auto refusal = refusal_of([&] { layer.get_config(); });
        if (!refusal || !refusal->value_error) return "a config with an array was saved";
        decisions->add("an array as initializer is not saved: " + refusal->message);
        return "";
    }
    const Json ours = Json::parse(layer.get_config());
    for (const auto& [key, value] : row.at("config").items()) {
        if (!ours.contains(key)) return "the config lacks " + key;
        if (key == "bias_initializer" && null_initializer) continue;
        // use_bias stays what it was in Python; only its truth matters.
        if (key == "use_bias" && !value.is_boolean()) continue;
        const std::string fault = json_difference(ours.at(key), value, "config." + key);
        if (!fault.empty()) return fault;
    }
    return "";
}

std::string check_row(const Json& row, const Json& extra, const dwconv::options& how, Decisions* decisions) {
    Caller caller(row_config(row.at("kwargs"), extra), how);
    const Json& inputs = row.at("inputs");
    for (size_t i = 0; i < inputs.size(); ++i) {
        const std::string fault = check_call(caller, inputs[i], row.at("results").at(i), decisions);
        if (!fault.empty()) return fault;
    }
    std::string fault = check_weights(row, caller.layer(), decisions);
    if (fault.empty()) fault = check_losses(row, caller.layer());
    if (fault.empty()) fault = check_config(row, caller.layer(), decisions);
    const std::string dtype = caller.layer().compute_dtype();
    if (dtype == "float64") decisions->add("dtype float64 is computed in float32");
    return fault;
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

void check_accepted(CheckReport& report) {
    for (const Json& row : report.rows("accepted.jsonl")) {
        const Json& arguments = row.at("kwargs");
        const std::string foreign = without_counterpart(arguments);
        if (!foreign.empty()) {
            report.skip(row, "no C++ value is like " + foreign + " in " + row.at("kwargs_python").get<std::string>());
            continue;
        }
        std::string fault;
        Decisions decisions;
        Json extra = Json::object();
        if (strided_and_dilated(arguments)) {
            fault = missing_stride_refusal(arguments);
            extra = {{"allow_stride_with_dilation", true}};
            decisions.add("strides and dilation together are refused without allow_stride_with_dilation");
        }
        const auto refusal = refusal_of([&] {
            if (fault.empty()) fault = check_row(row, extra, report.how(), &decisions);
        });
        if (refusal && refusal->value_error && float_in_list(arguments)) {
            decisions.add("whole floats in lists are refused: " + refusal->message);
        } else if (refusal) {
            fault = refusal->message;
        }
        report.judge(row, arguments, fault, decisions.text());
    }
}

}  // namespace cli
