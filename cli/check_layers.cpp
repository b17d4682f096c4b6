// Categories that run the layer and compare numbers: cases, activations, models.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>

#include "check_compare.hpp"
#include "check_report.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

// Runs the layer and compares; the text of what is wrong, or "".
std::string run_and_compare(const CheckReport& report, const keras::DepthwiseConv1D& layer, const keras::Tensor& x,
                            const keras::Tensor& expected, double tolerance) {
    std::string fault;
    const auto refusal = refusal_of([&] {
        const Comparison comparison = compare(layer(x, report.how()), expected);
        if (!comparison.within(tolerance)) fault = comparison.text() + format(", limit %g", tolerance);
    });
    return refusal ? refusal->message : fault;
}

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

double model_tolerance(const std::string& compute_dtype) {
    if (compute_dtype == "float16") return 2e-3;
    if (compute_dtype == "bfloat16") return 2e-2;
    return kTolerance;
}

bool same_bits(const keras::Tensor& a, const keras::Tensor& b) {
    return a.shape == b.shape && a.data.size() == b.data.size() &&
           (a.data.empty() || std::memcmp(a.data.data(), b.data.data(), a.data.size() * sizeof(float)) == 0);
}

// What differs between a row's config and the one found in the file, or "".
std::string config_difference(const keras::LayerConfig& found, const keras::LayerConfig& row) {
    const auto differs = [](const char* what) { return std::string("the config found in the file differs: ") + what; };
    if (found.kernel_size != row.kernel_size) return differs("kernel_size");
    if (found.strides != row.strides) return differs("strides");
    if (found.dilation_rate != row.dilation_rate) return differs("dilation_rate");
    if (found.depth_multiplier != row.depth_multiplier) return differs("depth_multiplier");
    if (found.padding != row.padding) return differs("padding");
    if (found.data_format != row.data_format) return differs("data_format");
    if (found.use_bias != row.use_bias) return differs("use_bias");
    if (found.trainable != row.trainable) return differs("trainable");
    if (found.dtype_policy != row.dtype_policy) return differs("dtype");
    if (found.activation.name != row.activation.name || found.activation.params != row.activation.params) {
        return differs("activation");
    }
    return "";
}

std::string weight_difference(const CheckReport& report, const keras::LayerWeights& found, const Json& weights) {
    if (weights.size() != (found.bias ? 2u : 1u)) return "the number of weights differs";
    for (size_t i = 0; i < weights.size(); ++i) {
        const Json& weight = weights[i];
        const std::string name = weight.at("name").get<std::string>();
        if (!same_bits(i == 0 ? found.kernel : *found.bias, report.array(weight.at("file")))) return name + " differs";
        if (weight.at("dtype") != found.dtype) return name + " is stored as " + found.dtype;
        const Json& paths = weight.at("h5_paths");
        if (std::find(paths.begin(), paths.end(), found.h5_paths[i]) == paths.end()) {
            return name + " was read from " + found.h5_paths[i];
        }
    }
    return "";
}

std::string check_model_row(const CheckReport& report, const keras::Model& model, const Json& row) {
    const size_t index = model.find(row.at("layer"));
    const keras::DepthwiseConv1D layer = model.layer(index);
    std::string fault = config_difference(layer.config(), keras::parse_layer_config(row.at("config").dump()));
    if (fault.empty()) fault = weight_difference(report, model.weights(index), row.at("weights"));
    if (!fault.empty()) return fault;
    return run_and_compare(report, layer, report.array(row.at("x")), report.array(row.at("y")),
                           model_tolerance(row.at("compute_dtype")));
}

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

void check_cases(CheckReport& report) {
    for (const Json& row : report.rows("cases.jsonl")) {
        const Json& config = row.at("config");
        const Json& files = row.at("files");
        const keras::Tensor x = report.array(files.at("x")), expected = report.array(files.at("y64"));
        keras::Tensor kernel = report.array(files.at("kernel"));
        std::optional<keras::Tensor> bias;
        if (!files.at("bias").is_null()) bias = report.array(files.at("bias"));

        const bool flagged = row.at("strided_and_dilated").get<bool>();
        std::string fault = flagged ? missing_stride_refusal(config) : "";
        const auto refusal = refusal_of([&] {
            const Json extra = flagged ? Json{{"allow_stride_with_dilation", true}} : Json::object();
            keras::DepthwiseConv1D layer(config_of(config, extra));
            layer.set_weights(std::move(kernel), std::move(bias));
            if (fault.empty()) fault = run_and_compare(report, layer, x, expected, kTolerance);
        });
        if (refusal) fault = refusal->message;
        fault.empty() ? report.pass() : report.fail(row, config, fault);
    }
}

void check_activations(CheckReport& report) {
    const Json document = report.document("activations.json");
    for (const Json& row : document.at("activations")) {
        const Json& params = row.at("params");
        Json activation = row.at("name");
        if (!params.empty()) activation = {{"class_name", row.at("name")}, {"config", params}};
        std::string fault;
        const auto refusal = refusal_of([&] {
            const keras::Tensor x = tensor_of(document.at(row.at("input").get<std::string>()));
            fault =
                run_and_compare(report, identity_layer(activation, x.shape[2]), x, tensor_of(row.at("y")), kTolerance);
        });
        if (refusal) fault = refusal->message;
        fault.empty() ? report.pass() : report.fail(row, activation, fault);
    }
}

void check_models(CheckReport& report) {
    std::map<std::string, keras::Model> models;
    for (const Json& row : report.rows("models.jsonl")) {
        const std::string file = row.at("file");
        if (!ends_with(file, ".keras")) {
            report.fail(row, row.at("config"), "model files other than .keras are not supported in this version");
            continue;
        }
        if (!std::ifstream(report.path(file))) throw Failure(kExitInvalid, report.path(file) + ": cannot be read");
        std::string fault;
        const auto refusal = refusal_of([&] {
            auto model = models.find(file);
            if (model == models.end()) model = models.emplace(file, keras::Model::open(report.path(file))).first;
            fault = check_model_row(report, model->second, row);
        });
        if (refusal) fault = refusal->message;
        fault.empty() ? report.pass() : report.fail(row, row.at("config"), fault);
    }
}

}  // namespace cli
