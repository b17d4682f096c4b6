// Reading members of a zip archive, with guards against what does not deserve memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct zip;

namespace dwconv::keras::detail {

class ZipArchive {
   public:
    // Throws value_error where `path` is no readable zip archive.
    explicit ZipArchive(const std::string& path);
    ZipArchive(const ZipArchive&) = delete;
    ZipArchive& operator=(const ZipArchive&) = delete;
    ~ZipArchive();

    bool has(const std::string& member) const;
    // The member's bytes, checksum verified. Throws value_error where it is missing or there twice, encrypted, packed
    // by another method than deflate, larger than `limit`, or would unpack to far more than the archive stores.
    std::vector<unsigned char> read(const std::string& member, uint64_t limit) const;

   private:
    std::string name_;
    uint64_t file_size_ = 0;
    struct zip* archive_ = nullptr;
};

}  // namespace dwconv::keras::detail
