// `dwconv check`: rows of an oracle folder in, verdicts out.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common.hpp"
#include "dwconv/keras.hpp"

namespace cli {

using Json = nlohmann::ordered_json;

// What every category gets: the folder, how to run a layer, and where its verdicts go.
class CheckReport {
   public:
    CheckReport(std::string folder, dwconv::options how) : folder_(std::move(folder)), how_(std::move(how)) {}

    // Counts from here on belong to this category.
    void begin(const std::string& category);
    void end();  // prints the category's counts

    void pass() { ++passed_; }
    // As pass, for a row where the library departs from Keras on purpose; printed.
    void pass_by_decision(const Json& row, const std::string& decision);
    // Printed: the row's number, `config` as it was given, and what is wrong (the largest error where there is one).
    void fail(const Json& row, const Json& config, const std::string& what);
    void skip(const Json& row, const std::string& why);
    // One of the above: a fault fails, a decision without a fault passes by it.
    void judge(const Json& row, const Json& config, const std::string& fault, const std::string& decision = "");

    int failed() const { return total_failed_; }
    std::string totals() const;

    const dwconv::options& how() const { return how_; }
    std::string path(const std::string& relative) const { return folder_ + "/" + relative; }
    // An array of the folder. Throws Failure (invalid), as for every file of the oracle itself.
    dwconv::keras::Tensor array(const std::string& relative) const;
    // The rows of a .jsonl file, or the value of a .json file. Throws Failure (invalid) for a missing or broken file
    // and for a row that is no object.
    std::vector<Json> rows(const std::string& file) const;
    Json document(const std::string& file) const;

   private:
    std::string label(const Json& row) const;
    std::string folder_;
    dwconv::options how_;
    std::string category_;
    int passed_ = 0, failed_ = 0, skipped_ = 0;
    int total_passed_ = 0, total_failed_ = 0, total_skipped_ = 0;
};

// A constructor's arguments as the oracle gives them, `extra` merged in. Throws as parse_layer_config.
dwconv::keras::LayerConfig config_of(const Json& arguments, const Json& extra = Json::object());

// What happened to a call that may be refused.
struct Refusal {
    bool value_error = false;
    std::string message;
};
// Nothing if `body` returned, else the dwconv::error it threw.
std::optional<Refusal> refusal_of(const std::function<void()>& body);
// `body` returns what is wrong, or ""; where it throws dwconv::error, that error's message is what is wrong.
std::string fault_of(const std::function<std::string()>& body);
// "" where strides and dilation of this config are refused together, naming both, unless the flag is set.
std::string missing_stride_refusal(const Json& arguments);

// A word of Keras' message that `ours` lacks, or "". Words are those of four letters and more, and numbers. Left out:
// what stands in {} (the order of a Python set) and how Keras names a nameless input.
std::string missing_word(const std::string& keras_message, const std::string& ours);

// "" where both hold the same, else the place of the first difference: numbers may be integer or float or boolean, and
// keys may be absent from `ours` only where `keras` has null. `ours` may not have further keys.
std::string json_difference(const Json& ours, const Json& keras, const std::string& where = "config");

void check_cases(CheckReport& report);
void check_activations(CheckReport& report);
void check_models(CheckReport& report);
void check_errors(CheckReport& report);
void check_accepted(CheckReport& report);
void check_initializers(CheckReport& report);
void check_regularizers(CheckReport& report);
void check_constraints(CheckReport& report);
void check_keras_json(CheckReport& report);

}  // namespace cli
