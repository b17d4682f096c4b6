// A temporary folder in which `dwconv check` is at home: no keras.json of the user's decides what a row gives.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace cli {

// Makes the folder, sets HOME to home/ in it and unsets KERAS_HOME; puts everything back, the settings of Keras too,
// and removes the folder. May stand inside another one.
class KerasWorld {
   public:
    KerasWorld();
    ~KerasWorld();
    KerasWorld(const KerasWorld&) = delete;
    KerasWorld& operator=(const KerasWorld&) = delete;

    const std::string& folder() const { return folder_; }
    // Also the working directory, cwd/ in it, which the destructor leaves again.
    void enter();
    void set(const std::string& variable, const std::string& value);
    void put(const std::string& relative, const std::string& bytes);
    // Path and bytes of every file in the folder.
    std::map<std::string, std::string> files() const;

   private:
    std::string folder_, working_directory_;
    std::map<std::string, std::optional<std::string>> variables_;  // as they were
};

}  // namespace cli
