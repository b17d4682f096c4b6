// Short sentences with numbers in them, where allocation is allowed.
#pragma once

#include <cstdio>
#include <string>

namespace dwc {

// As printf would write it, cut at 299 characters.
template <typename... Args>
std::string text(const char* format, Args... args) {
    char buffer[300];
    std::snprintf(buffer, sizeof buffer, format, args...);
    return buffer;
}

}  // namespace dwc
