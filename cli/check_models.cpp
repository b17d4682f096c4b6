// The category models: layers out of files that Keras wrote, their configs, weights and outputs.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "check_compare.hpp"
#include "check_report.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

std::string distance(const keras::Tensor& got, const keras::Tensor& expected, double tolerance, const char* what) {
    const Comparison comparison = compare(got, expected);
    return comparison.within(tolerance) ? "" : what + comparison.text() + format(", limit %g", tolerance);
}

bool same_bits(const keras::Tensor& a, const keras::Tensor& b) {
    return a.shape == b.shape && a.data.size() == b.data.size() &&
           (a.data.empty() || std::memcmp(a.data.data(), b.data.data(), a.data.size() * sizeof(float)) == 0);
}

std::string weight_difference(const CheckReport& report, const keras::LayerWeights& found, const Json& weights) {
    if (weights.size() != (found.bias ? 2u : 1u) || found.stored.size() != weights.size()) {
        return "the number of weights differs";
    }
    for (size_t i = 0; i < weights.size(); ++i) {
        const Json& weight = weights[i];
        const keras::StoredWeight& stored = found.stored[i];
        if (stored.name != weight.at("name")) return "weight " + std::to_string(i) + " is called " + stored.name;
        const keras::Tensor& value = i == 0 ? found.kernel : *found.bias;
        if (!same_bits(value, report.array(weight.at("file")))) return stored.name + " differs";
        if (stored.shape != value.shape) return stored.name + ": the stored shape is " + keras::to_string(stored.shape);
        if (weight.at("dtype") != stored.dtype) return stored.name + " is stored as " + stored.dtype;
        const Json& paths = weight.at("h5_paths");
        if (!paths.empty() && std::find(paths.begin(), paths.end(), stored.path) == paths.end()) {
            return stored.name + " was read from " + stored.path;
        }
    }
    return "";
}

// The layer of a row. A file of weights alone need not know its name; it then shows from where its kernel lies.
size_t index_of(const keras::Model& model, const Json& row) {
    const Json& paths = row.at("weights").at(0).at("h5_paths");
    if (model.has_configs() || paths.empty()) return model.find(row.at("layer"));
    for (size_t i = 0; i < model.size(); ++i) {
        const auto stored = model.stored(i);
        if (!stored.empty() && std::find(paths.begin(), paths.end(), stored[0].path) != paths.end()) return i;
    }
    return model.find(row.at("layer"));
}

bool is_keras_2(const Json& config) { return config.contains("groups"); }

// The config through get_config(): in Keras 3's words where the file speaks Keras 2's.
std::string config_difference(const keras::DepthwiseConv1D& layer, const Json& row_config) {
    const Json ours = Json::parse(layer.get_config());
    const Json keras3 =
        is_keras_2(row_config)
            ? Json::parse(keras::DepthwiseConv1D(keras::parse_layer_config(row_config.dump())).get_config())
            : row_config;
    const std::string fault = json_difference(ours, keras3);
    if (!fault.empty() || is_keras_2(row_config)) return fault;
    auto other = keras3.begin();
    for (const auto& [key, value] : ours.items()) {
        if (other.key() != key) return "config: " + key + " stands where Keras has " + other.key();
        ++other;
    }
    return "";
}

std::string check_row(const CheckReport& report, const keras::Model& model, const Json& row, int calls) {
    const size_t index = index_of(model, row);
    const keras::LayerConfig given = keras::parse_layer_config(row.at("config").dump());
    keras::DepthwiseConv1D layer = model.has_configs() ? model.layer(index) : model.layer(index, given);
    std::string fault = config_difference(layer, row.at("config"));
    if (fault.empty()) fault = weight_difference(report, model.weights(index), row.at("weights"));
    if (!fault.empty()) return fault;
    const auto fitting = model.fitting(given);
    if (std::find(fitting.begin(), fitting.end(), index) == fitting.end()) return "its own config does not fit it";
    if (model.calls(index) != calls && (model.has_configs() || model.calls(index) != 0)) {
        return "is called " + std::to_string(model.calls(index)) + " times, not " + std::to_string(calls);
    }
    if (layer.compute_dtype() != row.at("compute_dtype")) return "computes in " + layer.compute_dtype();
    return distance(layer(report.array(row.at("x")), report.how()), report.array(row.at("y")),
                    tolerance_of(row.at("compute_dtype")), "");
}

// The whole model, where it is a chain that can be run here.
std::string check_whole(const CheckReport& report, const keras::Model& model, const Json& row) {
    std::optional<keras::Sequential> chain;
    if (!model.has_configs() || refusal_of([&] { chain = model.sequential(); })) return "";
    return distance((*chain)(report.array(row.at("model_input")), report.how()), report.array(row.at("model_output")),
                    tolerance_of(row.at("compute_dtype")), "the whole model: ");
}

}  // namespace

void check_models(CheckReport& report) {
    const std::vector<Json> rows = report.rows("models.jsonl");
    std::map<std::pair<std::string, std::string>, int> calls;
    for (const Json& row : rows) ++calls[{row.at("file"), row.at("layer")}];
    std::map<std::string, keras::Model> models;
    for (const Json& row : rows) {
        const std::string file = row.at("file");
        if (!std::ifstream(report.path(file))) throw Failure(kExitInvalid, report.path(file) + ": cannot be read");
        const std::string fault = fault_of([&] {
            auto model = models.find(file);
            const bool first = model == models.end();
            if (first) model = models.emplace(file, keras::Model::open(report.path(file))).first;
            const std::string whole = first ? check_whole(report, model->second, row) : "";
            return whole.empty() ? check_row(report, model->second, row, calls.at({file, row.at("layer")})) : whole;
        });
        report.judge(row, row.at("config"), fault);
    }
}

}  // namespace cli
