// Categories that run the layer with given weights and compare numbers: cases, activations.
#include "check_compare.hpp"
#include "check_report.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

// A (possibly nested) list of numbers as a tensor with a leading batch axis of 1; strings are not expected here.
keras::Tensor tensor_of(const Json& values) {
    keras::Tensor tensor;
    const bool matrix = values.at(0).is_array();
    const auto columns = static_cast<std::int64_t>(matrix ? values.at(0).size() : 1);
    tensor.shape = {1, static_cast<std::int64_t>(values.size()), columns};
    for (const Json& row : values) {
        if (!matrix) tensor.data.push_back(row.get<float>());
        for (const Json& value : matrix ? row : Json::array()) tensor.data.push_back(value.get<float>());
    }
    return tensor;
}

// The activation alone: one tap of weight 1.
keras::DepthwiseConv1D identity_layer(const Json& activation, std::int64_t channels) {
    keras::DepthwiseConv1D layer(config_of({{"kernel_size", 1}, {"use_bias", false}, {"activation", activation}}));
    layer.set_weights({{1, channels, 1}, std::vector<float>(static_cast<size_t>(channels), 1.0f)}, std::nullopt);
    return layer;
}

std::string distance(const keras::Tensor& got, const keras::Tensor& expected, const char* what) {
    const Comparison comparison = compare(got, expected);
    return comparison.within(kTolerance) ? "" : what + comparison.text() + format(", limit %g", kTolerance);
}

// By a layer, by the function alone, and by the canonical name.
std::string check_activation(const CheckReport& report, const Json& row, const Json& activation,
                             const keras::Tensor& x) {
    const keras::Tensor y = tensor_of(row.at("y"));
    std::string fault = distance(identity_layer(activation, x.shape[2])(x, report.how()), y, "as a layer's: ");
    if (!fault.empty()) return fault;
    const auto function = keras::Activation::from_json(activation.dump());
    if (!function) return "the activation was taken for None";
    fault = distance((*function)(x), y, "by itself: ");
    if (!fault.empty()) return fault;
    if (function->name != row.at("canonical")) return "its name is \"" + function->name + "\"";
    if (row.contains("y_true_sparsemax")) {
        fault = distance(keras::Activation::published_sparsemax()(x), tensor_of(row.at("y_true_sparsemax")),
                         "published_sparsemax: ");
    }
    return fault;
}

std::string check_case(const CheckReport& report, const Json& row) {
    const Json& config = row.at("config");
    const Json& files = row.at("files");
    const bool flagged = row.at("strided_and_dilated").get<bool>();
    if (flagged) {
        const std::string fault = missing_stride_refusal(config);
        if (!fault.empty()) return fault;
    }
    keras::DepthwiseConv1D layer(
        config_of(config, flagged ? Json{{"allow_stride_with_dilation", true}} : Json::object()));
    std::optional<keras::Tensor> bias;
    if (!files.at("bias").is_null()) bias = report.array(files.at("bias"));
    layer.set_weights(report.array(files.at("kernel")), std::move(bias));
    return distance(layer(report.array(files.at("x")), report.how()), report.array(files.at("y64")), "");
}

}  // namespace

void check_cases(CheckReport& report) {
    for (const Json& row : report.rows("cases.jsonl")) {
        report.judge(row, row.at("config"), fault_of([&] { return check_case(report, row); }));
    }
}

void check_activations(CheckReport& report) {
    const Json document = report.document("activations.json");
    for (const Json& row : document.at("activations")) {
        const Json& params = row.at("params");
        Json activation = row.at("name");
        if (!params.empty()) activation = {{"class_name", row.at("name")}, {"config", params}};
        const keras::Tensor x = tensor_of(document.at(row.at("input").get<std::string>()));
        report.judge(row, activation, fault_of([&] { return check_activation(report, row, activation, x); }));
    }
}

}  // namespace cli
