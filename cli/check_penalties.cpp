// The categories regularizers and constraints: values on the oracle's weights, and penalties of whole layers.
#include <algorithm>
#include <cmath>

#include "check_compare.hpp"
#include "check_report.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

constexpr double kRelative = 1e-6;

std::string check_number(double ours, double theirs, const std::string& what) {
    const double error = std::fabs(ours - theirs) / std::max(std::fabs(theirs), 1e-30);
    if (ours == theirs || error <= kRelative) return "";
    return what + format(": %.9g instead of %.9g", ours, theirs);
}

// By name where Keras had defaults, by its config otherwise.
template <class Function>
Function function_of(const Json& row) {
    const Json& params = row.at("params");
    if (params.empty()) return Function::by_name(row.at("identifier"));
    return *Function::from_json(Json{{"class_name", row.at("identifier")}, {"config", params}}.dump());
}

// get_config(), and that it brings the function back.
template <class Function>
std::string check_config(const Json& row, const Function& function) {
    const Json config = Json::parse(function.config);
    const std::string fault = json_difference(config, row.at("get_config"), "get_config");
    if (!fault.empty()) return fault;
    const auto again = Function::from_json(Json{{"class_name", function.class_name}, {"config", config}}.dump());
    return again && again->config == function.config ? "" : "its config does not bring it back";
}

// The refusal that the oracle tells of. Keras' ValueErrors are value_errors in its words; what the backend says of an
// axis that is not there is said here in words that name the axis.
std::string check_refusal(const Json& expected, const std::optional<Refusal>& refusal, const char* weight) {
    const std::string where = std::string(weight) + ": ";
    if (!refusal) return where + "was accepted; Keras: " + expected.at("message").get<std::string>();
    if (expected.at("error") == "ValueError") {
        const std::string word = missing_word(expected.at("message"), refusal->message);
        if (!refusal->value_error) return where + "is no value_error: " + refusal->message;
        return word.empty() ? "" : where + "the message lacks \"" + word + "\": " + refusal->message;
    }
    const bool names = refusal->message.find("axis") != std::string::npos;
    return names ? "" : where + "does not name the axis: " + refusal->message;
}

std::string check_regularizer(const Json& row, const keras::Tensor& weight, const char* name) {
    const Json& expected = row.at(name);
    double value = 0;
    const auto refusal = refusal_of([&] { value = function_of<keras::Regularizer>(row)(weight); });
    if (expected.is_object()) return check_refusal(expected, refusal, name);
    return refusal ? refusal->message : check_number(value, expected, name);
}

std::string check_constraint(const CheckReport& report, const Json& row, const keras::Tensor& weight,
                             const char* name) {
    const Json& expected = row.at(name);
    keras::Tensor value;
    const auto refusal = refusal_of([&] { value = function_of<keras::Constraint>(row)(weight); });
    if (expected.is_object()) return check_refusal(expected, refusal, name);
    if (refusal) return refusal->message;
    const Comparison comparison = compare(value, report.array(expected));
    return comparison.within(kRelative) ? "" : name + (": " + comparison.text()) + format(", limit %g", kRelative);
}

// A layer with the oracle's first taps and bias, called once.
std::string check_losses(const CheckReport& report, const Json& row, const Json& files) {
    keras::DepthwiseConv1D layer(keras::parse_layer_config(row.at("config").dump()));
    keras::Tensor kernel = report.array(files.at("kernel"));
    kernel.shape[0] = layer.config().kernel_size;  // "first 2 taps of kernel"
    kernel.data.resize(static_cast<size_t>(keras::element_count(kernel.shape)));
    std::optional<keras::Tensor> bias;
    if (layer.config().use_bias) bias = report.array(files.at("bias"));
    layer.set_weights(std::move(kernel), std::move(bias));
    const keras::Tensor y = layer(report.array(files.at("x")), report.how());
    if (y.shape != row.at("y_shape").get<keras::Shape>()) return "the output has shape " + keras::to_string(y.shape);
    double sum_abs = 0, sum_sq = 0;
    for (const double value : y.data) {
        sum_abs += std::fabs(value);
        sum_sq += value * value;
    }
    std::string fault = check_number(sum_abs, row.at("sum_abs_y"), "sum |y|");
    if (fault.empty()) fault = check_number(sum_sq, row.at("sum_sq_y"), "sum y^2");
    const std::vector<float> losses = layer.losses();
    const Json& expected = row.at("losses");
    if (fault.empty() && losses.size() != expected.size()) fault = format("has %zu losses", losses.size());
    for (size_t i = 0; fault.empty() && i < losses.size(); ++i) {
        fault = check_number(losses[i], expected[i], "loss " + std::to_string(i));
    }
    return fault;
}

}  // namespace

void check_regularizers(CheckReport& report) {
    const Json document = report.document("regularizers.json");
    const Json& files = document.at("files");
    const keras::Tensor kernel = report.array(files.at("kernel")), bias = report.array(files.at("bias"));
    for (const Json& row : document.at("regularizers")) {
        const Json given = {{"identifier", row.at("identifier")}, {"params", row.at("params")}};
        report.judge(row, given, fault_of([&] {
                         std::string fault = check_config(row, function_of<keras::Regularizer>(row));
                         if (fault.empty()) fault = check_regularizer(row, kernel, "kernel");
                         return fault.empty() ? check_regularizer(row, bias, "bias") : fault;
                     }));
    }
    for (const Json& row : document.at("layer_losses")) {
        report.judge(row, row.at("config"), fault_of([&] { return check_losses(report, row, files); }));
    }
}

void check_constraints(CheckReport& report) {
    const Json document = report.document("constraints.json");
    const Json& files = document.at("files");
    const keras::Tensor kernel = report.array(files.at("kernel")), bias = report.array(files.at("bias"));
    for (const Json& row : document.at("constraints")) {
        const Json given = {{"identifier", row.at("identifier")}, {"params", row.at("params")}};
        report.judge(row, given, fault_of([&] {
                         std::string fault = check_config(row, function_of<keras::Constraint>(row));
                         if (fault.empty()) fault = check_constraint(report, row, kernel, "kernel");
                         return fault.empty() ? check_constraint(report, row, bias, "bias") : fault;
                     }));
    }
}

}  // namespace cli
