// The category keras_json: which data_format a layer gets from keras.json and the environment.
#include "check_settings.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "check_report.hpp"

namespace cli {

namespace fs = std::filesystem;
namespace keras = dwconv::keras;

KerasWorld::KerasWorld() {
    const char* base = std::getenv("TMPDIR");
    std::string name = std::string(base && *base ? base : "/tmp") + "/dwconv_check_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw Failure(kExitFailure, name + ": cannot be made");
    std::error_code ignored;
    folder_ = fs::absolute(name, ignored).string();
    for (const char* inner : {"home", "cwd"}) fs::create_directory(fs::path(folder_) / inner, ignored);
    set("HOME", folder_ + "/home");
    variables_["KERAS_HOME"] =
        std::getenv("KERAS_HOME") ? std::optional<std::string>(std::getenv("KERAS_HOME")) : std::nullopt;
    unsetenv("KERAS_HOME");
    keras::reset_settings();
}

KerasWorld::~KerasWorld() {
    std::error_code ignored;
    if (!working_directory_.empty()) fs::current_path(working_directory_, ignored);
    for (const auto& [variable, value] : variables_) {
        value ? setenv(variable.c_str(), value->c_str(), 1) : unsetenv(variable.c_str());
    }
    fs::remove_all(folder_, ignored);
    keras::reset_settings();
}

void KerasWorld::enter() {
    std::error_code error;
    working_directory_ = fs::current_path(error).string();
    if (!error) fs::current_path(fs::path(folder_) / "cwd", error);
    if (error) throw Failure(kExitFailure, folder_ + "/cwd: cannot become the working directory");
}

void KerasWorld::set(const std::string& variable, const std::string& value) {
    const char* old = std::getenv(variable.c_str());
    variables_.try_emplace(variable, old ? std::optional<std::string>(old) : std::nullopt);
    setenv(variable.c_str(), value.c_str(), 1);
}

void KerasWorld::put(const std::string& relative, const std::string& bytes) {
    const fs::path path = fs::path(folder_) / relative;
    std::error_code ignored;
    fs::create_directories(path.parent_path(), ignored);
    std::ofstream file(path, std::ios::binary);
    file << bytes;
    file.close();
    if (!file) throw Failure(kExitFailure, path.string() + ": cannot be written");
}

std::map<std::string, std::string> KerasWorld::files() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
        if (!entry.is_regular_file()) continue;
        std::ostringstream bytes;
        bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
        found[entry.path().string()] = bytes.str();
    }
    return found;
}

namespace {

// "ValueError: Invalid ..." without the type.
std::string message_of(const std::string& error) {
    const size_t colon = error.find(": ");
    return colon == std::string::npos ? error : error.substr(colon + 2);
}

std::string check_row(const Json& row, KerasWorld& world) {
    keras::reset_settings();
    const auto before = world.files();
    Json arguments = {{"kernel_size", 3}};
    if (row.contains("data_format")) arguments["data_format"] = row.at("data_format");
    std::string format;
    const auto refusal = refusal_of([&] {
        const keras::DepthwiseConv1D layer(config_of(arguments));
        format = layer.config().data_format.value_or("none");
        if (layer.channels_first() != (format == "channels_first")) format = "neither";
    });
    if (world.files() != before) return "files were written";
    if (row.at("error").is_null()) {
        if (refusal) return refusal->message;
        return row.at("result") == format ? "" : "data_format is " + format;
    }
    const std::string error = row.at("error");
    if (!refusal) return "was accepted; Keras: " + error;
    if (!refusal->value_error) return "is no value_error: " + refusal->message;
    if (refusal->message.find("keras.json") == std::string::npos) return "does not name the file: " + refusal->message;
    const std::string word = missing_word(message_of(error), refusal->message);
    return word.empty() ? "" : "the message lacks \"" + word + "\": " + refusal->message;
}

}  // namespace

void check_keras_json(CheckReport& report) {
    for (const Json& row : report.rows("keras_json.jsonl")) {
        std::string fault, decision;
        {
            KerasWorld world;
            if (row.contains("files")) {
                for (const auto& [path, bytes] : row.at("files").items()) world.put(path, bytes.get<std::string>());
            }
            if (row.contains("env")) {
                for (const auto& [variable, value] : row.at("env").items()) {
                    std::string text = value.get<std::string>();
                    if (text.rfind("TMP", 0) == 0) text = world.folder() + text.substr(3);
                    world.set(variable, text);
                }
            }
            world.enter();
            fault = check_row(row, world);
        }
        if (!row.at("files_after").empty())
            decision = "keras.json is read and never written; Keras writes its defaults";
        Json given = Json::object();
        for (const char* key : {"files", "env", "data_format"}) {
            if (row.contains(key)) given[key] = row.at(key);
        }
        report.judge(row, given, fault, decision);
    }
}

}  // namespace cli
