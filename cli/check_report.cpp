#include "check_report.hpp"

#include <cctype>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

namespace cli {
namespace {

std::string file_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file) text << file.rdbuf();
    if (!file || !text) throw Failure(kExitInvalid, path + ": cannot be read");
    return text.str();
}

Json parsed(const std::string& text, const std::string& where) {
    try {
        return Json::parse(text);
    } catch (const Json::exception&) {
        throw Failure(kExitInvalid, where + ": is not valid JSON");
    }
}

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

bool is_numeric(const Json& value) { return value.is_number() || value.is_boolean(); }
double number_of(const Json& value) { return value.is_boolean() ? (value.get<bool>() ? 1 : 0) : value.get<double>(); }

}  // namespace

void CheckReport::begin(const std::string& category) {
    category_ = category;
    passed_ = failed_ = skipped_ = 0;
}

void CheckReport::end() {
    std::cout << category_ << ": " << passed_ << " passed, " << failed_ << " failed, " << skipped_ << " skipped\n";
    total_passed_ += passed_;
    total_failed_ += failed_;
    total_skipped_ += skipped_;
}

std::string CheckReport::totals() const {
    return format("%d passed, %d failed, %d skipped", total_passed_, total_failed_, total_skipped_);
}

// "cases 7": by id, or by what else names the row, or by position.
std::string CheckReport::label(const Json& row) const {
    if (row.contains("id")) return category_ + " " + row["id"].dump();
    if (row.contains("file") && row.contains("layer")) {
        const int call = row.value("call_index", 0);
        return category_ + " " + row["file"].get<std::string>() + " " + row["layer"].get<std::string>() +
               (call > 0 ? " call " + std::to_string(call) : "");
    }
    return category_ + " row " + std::to_string(passed_ + failed_ + skipped_);
}

void CheckReport::pass_by_decision(const Json& row, const std::string& decision) {
    std::cout << "note " << label(row) << ": " << decision << '\n';
    pass();
}

void CheckReport::fail(const Json& row, const Json& config, const std::string& what) {
    std::cout << "FAIL " << label(row) << ": " << config.dump() << ": " << what << '\n';
    ++failed_;
}

void CheckReport::skip(const Json& row, const std::string& why) {
    std::cout << "skip " << label(row) << ": " << Json(why).dump() << '\n';  // quoted: some hold line breaks
    ++skipped_;
}

void CheckReport::judge(const Json& row, const Json& config, const std::string& fault, const std::string& decision) {
    if (!fault.empty()) {
        fail(row, config, fault);
    } else if (!decision.empty()) {
        pass_by_decision(row, decision);
    } else {
        pass();
    }
}

dwconv::keras::Tensor CheckReport::array(const std::string& relative) const {
    try {
        return dwconv::keras::read_npy(path(relative));
    } catch (const dwconv::value_error& error) {
        throw Failure(kExitInvalid, error.what());
    }
}

std::vector<Json> CheckReport::rows(const std::string& file) const {
    std::vector<Json> rows;
    std::istringstream lines(file_text(path(file)));
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        const std::string where = path(file) + ":" + std::to_string(number);
        rows.push_back(parsed(line, where));
        if (!rows.back().is_object()) throw Failure(kExitInvalid, where + ": is not a JSON object");
    }
    return rows;
}

Json CheckReport::document(const std::string& file) const { return parsed(file_text(path(file)), path(file)); }

dwconv::keras::LayerConfig config_of(const Json& arguments, const Json& extra) {
    Json merged = arguments;
    merged.update(extra);
    return dwconv::keras::parse_layer_config(merged.dump(), dwconv::keras::ConfigSource::arguments);
}

std::optional<Refusal> refusal_of(const std::function<void()>& body) {
    try {
        body();
        return std::nullopt;
    } catch (const dwconv::value_error& error) {
        return Refusal{true, error.what()};
    } catch (const dwconv::error& error) {
        return Refusal{false, error.what()};
    }
}

std::string fault_of(const std::function<std::string()>& body) {
    std::string fault;
    const auto refusal = refusal_of([&] { fault = body(); });
    return refusal ? refusal->message : fault;
}

std::string missing_stride_refusal(const Json& arguments) {
    const auto refusal = refusal_of([&] { dwconv::keras::DepthwiseConv1D layer(config_of(arguments)); });
    if (!refusal) return "strides > 1 with dilation_rate > 1 was not refused";
    const auto number = [&arguments](const char* key) {
        const Json& value = arguments.at(key);
        return (value.is_array() ? value.at(0) : value).dump();
    };
    const bool names_both = refusal->message.find("strides=(" + number("strides") + ",)") != std::string::npos &&
                            refusal->message.find("dilation_rate=(" + number("dilation_rate")) != std::string::npos;
    return refusal->value_error && names_both ? ""
                                              : "refused, but not for its strides and dilation: " + refusal->message;
}

std::string missing_word(const std::string& keras_message, const std::string& ours) {
    for (const std::string& word : essential_words(keras_message)) {
        if (ours.find(word) == std::string::npos) return word;
    }
    return "";
}

std::string json_difference(const Json& ours, const Json& keras, const std::string& where) {
    if (is_numeric(ours) && is_numeric(keras)) {
        return number_of(ours) == number_of(keras) ? "" : where + " is " + ours.dump() + " instead of " + keras.dump();
    }
    if (ours.type() != keras.type()) return where + " is " + ours.dump() + " instead of " + keras.dump();
    if (ours.is_array()) {
        if (ours.size() != keras.size()) return where + " is " + ours.dump() + " instead of " + keras.dump();
        for (size_t i = 0; i < ours.size(); ++i) {
            const std::string fault = json_difference(ours[i], keras[i], where + "[" + std::to_string(i) + "]");
            if (!fault.empty()) return fault;
        }
        return "";
    }
    if (!ours.is_object()) return ours == keras ? "" : where + " is " + ours.dump() + " instead of " + keras.dump();
    for (const auto& [key, value] : ours.items()) {
        if (!keras.contains(key)) return where + " has the further key " + key;
    }
    for (const auto& [key, value] : keras.items()) {
        if (!ours.contains(key)) {
            if (value.is_null()) continue;
            return where + " lacks " + key;
        }
        const std::string fault = json_difference(ours.at(key), value, where + "." + key);
        if (!fault.empty()) return fault;
    }
    return "";
}

}  // namespace cli
