// The category errors: what Keras refuses is refused here, in words that say the same.
#include <algorithm>
#include <cctype>

#include "check_calls.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
bool starts_with(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

// Keras' own sentence out of what its call wrapper adds: "Exception encountered when ...\n\n\x1b[1m<sentence>\x1b[0m".
std::string unwrapped(const std::string& message) {
    const size_t begin = message.find("\x1b[1m");
    const size_t end = message.find("\x1b[0m");
    return begin == std::string::npos || end == std::string::npos ? message
                                                                  : message.substr(begin + 4, end - begin - 4);
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

// Whether a message says which argument is at fault, by its name or by the name given for it, for rows where Keras' own
// wording is an accident of Python.
bool names_argument(const std::string& ours, const Json& arguments, const std::string& stage) {
    if (!arguments.contains("kernel_size")) return contains(ours, "kernel_size");
    for (const auto& [key, value] : arguments.items()) {
        if ((key != "kernel_size" || arguments.size() == 1) && contains(ours, key)) return true;
        const bool named = value.is_string() && value.get_ref<const std::string&>().size() >= 4;
        if (named && contains(lower(ours), lower(value.get<std::string>()))) return true;
    }
    // Nothing but the input can be at fault where the other arguments are these two.
    const bool about_input =
        stage != "constructor" && arguments.size() == (arguments.contains("data_format") ? 2u : 1u);
    return about_input && (contains(ours, "inputs") || contains(ours, "channel"));
}

// What a row's construction, calls and losses came to.
struct Outcome {
    std::optional<Refusal> refusal;
    bool constructed = false;
    size_t calls = 0;
};

Outcome outcome_of(const Json& row, const dwconv::options& how) {
    Outcome outcome;
    outcome.refusal = refusal_of([&] {
        Caller caller(row_config(row.at("kwargs")), how);
        outcome.constructed = true;
        for (const Json& input : row.at("inputs")) {
            caller.call(input_of(input));
            ++outcome.calls;
        }
        if (row.at("stage") == "losses") caller.layer().losses();
    });
    return outcome;
}

std::string check_error_row(const Json& row, const dwconv::options& how, std::string* decision) {
    const Json& arguments = row.at("kwargs");
    const std::string type = row.at("type"), stage = row.at("stage"), message = unwrapped(row.at("message"));
    const Outcome outcome = outcome_of(row, how);
    if (!outcome.refusal && has_numpy_integer(arguments)) {
        *decision = "an integer is one whatever its width; Keras: " + message;
        return "";
    }
    if (!outcome.refusal) return "was accepted; Keras: " + type + ": " + message;
    const Refusal& refusal = *outcome.refusal;
    if (outcome.calls < row.at("completed_calls").size()) {
        return "call " + std::to_string(outcome.calls + 1) + " was refused: " + refusal.message;
    }
    const bool names = names_argument(refusal.message, arguments, stage);
    if (type != "ValueError") return names ? "" : "the message names no argument: " + refusal.message;
    if (!refusal.value_error) return "is no value_error: " + refusal.message;
    // Keras' words for a dimension that is no integer are those of its shape class.
    if (starts_with(message, "Cannot convert '(") && names && !outcome.constructed) {
        *decision = "refused by the constructor, not first when it builds: " + refusal.message;
        return "";
    }
    const std::string word = missing_word(message, refusal.message);
    return word.empty() ? "" : "the message lacks \"" + word + "\" of \"" + message + "\": " + refusal.message;
}

}  // namespace

void check_errors(CheckReport& report) {
    for (const Json& row : report.rows("errors.jsonl")) {
        const Json& arguments = row.at("kwargs");
        const std::string foreign = without_counterpart(arguments);
        if (!foreign.empty()) {
            report.skip(row, "no C++ value is like " + foreign + " in " + row.at("kwargs_python").get<std::string>());
            continue;
        }
        std::string decision;
        const std::string fault = check_error_row(row, report.how(), &decision);
        report.judge(row, arguments, fault, decision);
    }
}

}  // namespace cli
