#include "errors.hpp"

#include <cstdio>

namespace dwconv::keras::detail {

void fail_value(const std::string& sentence) { throw value_error(DWC_ERROR_PARSE, sentence); }
void fail_unsupported(const std::string& sentence) { throw error(DWC_ERROR_UNSUPPORTED, sentence); }
void fail_internal(const std::string& sentence) { throw error(DWC_ERROR_INTERNAL, sentence); }

std::string printable(std::string_view text) {
    constexpr size_t kMax = 200;
    std::string out;
    for (const char c : text.substr(0, kMax)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
            out += escaped;
        } else {
            out += c;
        }
    }
    return text.size() > kMax ? out + "..." : out;
}

}  // namespace dwconv::keras::detail
