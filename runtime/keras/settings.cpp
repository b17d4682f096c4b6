// keras.json: where it lies and what it says (keras/src/backend/config.py of Keras 3.15). Never written.
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <vector>

#include "dwconv/keras/layer.hpp"
#include "errors.hpp"
#include "io/files.hpp"
#include "names.hpp"
#include "rules.hpp"

namespace dwconv::keras {
namespace {

using detail::fail_value;
using detail::Json;

constexpr std::uint64_t kMaxFile = std::uint64_t{1} << 20;

// Python's os.path.expanduser("~") and ("~name"); nothing for a user that does not exist.
std::optional<std::string> home_of(const std::string& user) {
    if (user.empty()) {
        if (const char* home = std::getenv("HOME")) return home;
    }
    const passwd* entry = user.empty() ? getpwuid(getuid()) : getpwnam(user.c_str());
    if (entry == nullptr || entry->pw_dir == nullptr) return std::nullopt;
    return entry->pw_dir;
}

std::string expand_user(const std::string& path) {
    if (path.empty() || path[0] != '~') return path;
    const std::size_t end = std::min(path.find('/'), path.size());
    std::optional<std::string> home = home_of(path.substr(1, end - 1));
    if (!home) return path;
    while (!home->empty() && home->back() == '/') home->pop_back();
    const std::string expanded = *home + path.substr(end);
    return expanded.empty() ? "/" : expanded;
}

std::string join(const std::string& directory, const std::string& name) {
    return directory.empty() || directory.back() == '/' ? directory + name : directory + "/" + name;
}

// KERAS_HOME stands for the whole directory, even where it is empty.
std::string config_path() {
    if (const char* home = std::getenv("KERAS_HOME")) return join(expand_user(home), "keras.json");
    const std::string home = expand_user("~");
    return join(join(access(home.c_str(), W_OK) == 0 ? home : "/tmp", ".keras"), "keras.json");
}

std::string one_of(const char* key, const Json& value, const std::vector<std::string>& allowed) {
    const std::string word = value.is_string() ? value.get<std::string>() : "";
    if (value.is_string() && std::find(allowed.begin(), allowed.end(), word) != allowed.end()) return word;
    std::string list;
    for (const std::string& name : allowed) list += (list.empty() ? "'" : ", '") + name + "'";
    fail_value(std::string("Invalid `") + key + "` configuration. Expected one of {" + list + "}. Received: " + key +
               "=" + detail::python_str(value));
}

Settings parse(const std::string& text) {
    Settings settings;
    Json root;
    try {
        root = detail::parse_json(text, "keras.json");
    } catch (const value_error&) {
        return settings;  // as Keras: a file that is no JSON is as good as none
    }
    if (!root.is_object()) fail_value("must hold a JSON object. Received: " + detail::python_str(root));
    if (const Json* value = detail::find_member(root, "floatx")) {
        settings.floatx = one_of("floatx", *value, {"float16", "float32", "float64"});
    }
    if (const Json* value = detail::find_member(root, "epsilon")) {
        if (!value->is_number_float()) {
            fail_value("Invalid `epsilon` configuration. Expected a float. Received: epsilon=" +
                       detail::python_str(*value));
        }
        settings.epsilon = value->get<double>();
    }
    if (const Json* value = detail::find_member(root, "image_data_format")) {
        settings.image_data_format = one_of("image_data_format", *value, {"channels_last", "channels_first"});
    }
    return settings;
}

Settings read() {
    const std::string path = config_path();
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return {};
    const std::string text = detail::read_text(path, kMaxFile);
    try {
        return parse(text);
    } catch (const value_error& error) {
        throw value_error(error.status(), detail::printable(path) + ": " + error.what());
    }
}

struct State {
    std::mutex mutex;
    std::optional<Settings> file;
    std::optional<std::string> format;  // set_image_data_format()
};

State& state() {
    static State state;
    return state;
}

}  // namespace

Settings settings() {
    State& now = state();
    const std::lock_guard lock(now.mutex);
    if (!now.file) now.file = read();
    Settings settings = *now.file;
    if (now.format) settings.image_data_format = *now.format;
    return settings;
}

void set_image_data_format(const std::string& format) {
    std::string checked = detail::checked_data_format(format);
    const std::lock_guard lock(state().mutex);
    state().format = std::move(checked);
}

void reset_settings() {
    {
        const std::lock_guard lock(state().mutex);
        state().file.reset();
        state().format.reset();
    }
    detail::reset_automatic_names();
}

}  // namespace dwconv::keras
