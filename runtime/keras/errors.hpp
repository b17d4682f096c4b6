// How this library says that something is wrong: one sentence, with foreign text made printable.
#pragma once

#include <string>
#include <string_view>

#include "dwconv/dwconv.hpp"

namespace dwconv::keras::detail {

// What Keras calls ValueError, and every unusable file.
[[noreturn]] void fail_value(const std::string& sentence);
// Valid for Keras, beyond this version.
[[noreturn]] void fail_unsupported(const std::string& sentence);
// The machine's fault (a disk that is full).
[[noreturn]] void fail_internal(const std::string& sentence);

// Text of a file for a message: control characters as \xNN, cut after 200 bytes.
std::string printable(std::string_view text);

}  // namespace dwconv::keras::detail
