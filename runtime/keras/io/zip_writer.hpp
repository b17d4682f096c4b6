// Writing zip archives: members stored as they are, always the same bytes for the same members.
#pragma once

#include <string>
#include <vector>

namespace dwconv::keras::detail {

struct ZipMember {
    std::string name;
    std::vector<unsigned char> bytes;
};

// The archive's bytes. Throws error (DWC_ERROR_INTERNAL) where libzip fails.
std::vector<unsigned char> zip_stored(const std::vector<ZipMember>& members);

}  // namespace dwconv::keras::detail
