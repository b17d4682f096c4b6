// Automatic names.
#pragma once

#include <string>

namespace dwconv::keras::detail {

// base, base_1, base_2, ...: counted for each base, for the whole process. Thread-safe.
std::string automatic_name(const std::string& base);
void reset_automatic_names();

}  // namespace dwconv::keras::detail
