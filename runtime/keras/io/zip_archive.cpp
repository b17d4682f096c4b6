#include "zip_archive.hpp"

#include <zip.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "errors.hpp"
#include "files.hpp"

namespace dwconv::keras::detail {
namespace {

// Below this a member may unpack to any multiple of its stored size; above, to kMaxRatio times.
constexpr uint64_t kSmall = uint64_t{64} << 20;
constexpr uint64_t kMaxRatio = 100;

std::string zip_message(int code) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    return text;
}

// What the file is instead of a zip archive, for the message.
std::string instead(const ByteSource& source) {
    unsigned char start[8] = {};
    source.read(0, start, static_cast<size_t>(std::min<uint64_t>(source.size(), sizeof start)));
    if (source.size() == 0) return "the file is empty";
    if (std::memcmp(start, "PK\x03\x04", 4) == 0) return "its end is missing or damaged";
    return "it does not start like one";
}

}  // namespace

ZipArchive::ZipArchive(const std::string& path) {
    const ByteSource source = ByteSource::file(path);
    name_ = source.name();
    file_size_ = source.size();
    int code = 0;
    archive_ = zip_open(path.c_str(), ZIP_RDONLY, &code);
    if (!archive_ && (code == ZIP_ER_NOZIP || code == ZIP_ER_INCONS)) {
        fail_value(name_ + ": is not a .keras archive (a zip file): " + instead(source));
    }
    if (!archive_) fail_value(name_ + ": cannot be opened as a .keras archive: " + zip_message(code));
}

ZipArchive::~ZipArchive() {
    if (archive_) zip_discard(archive_);
}

bool ZipArchive::has(const std::string& member) const { return zip_name_locate(archive_, member.c_str(), 0) >= 0; }

std::vector<unsigned char> ZipArchive::read(const std::string& member, uint64_t limit) const {
    const std::string which = name_ + ": member " + member;
    int64_t index = -1;
    const int64_t entries = zip_get_num_entries(archive_, 0);
    for (int64_t i = 0; i < entries; ++i) {
        const char* entry = zip_get_name(archive_, static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
        if (!entry || member != entry) continue;
        if (index >= 0) fail_value(which + " is there twice");
        index = i;
    }
    if (index < 0) fail_value(name_ + ": has no member " + member + ", which a .keras archive must hold");

    zip_stat_t stat;
    zip_stat_init(&stat);
    constexpr zip_uint64_t kNeeded =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(archive_, static_cast<zip_uint64_t>(index), 0, &stat) != 0 ||
        (stat.valid & kNeeded) != kNeeded) {
        fail_value(which + " has a damaged entry");
    }
    if (stat.encryption_method != ZIP_EM_NONE) fail_value(which + " is encrypted");
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
        fail_value(which + " is neither stored nor deflated");
    }
    if (stat.comp_size > file_size_ || (stat.comp_method == ZIP_CM_STORE && stat.size != stat.comp_size)) {
        fail_value(which + " claims more bytes than the archive has");
    }
    if (stat.size > limit) fail_value(which + " is " + std::to_string(stat.size) + " bytes long, which is too much");
    if (stat.size > kSmall && stat.size / kMaxRatio > stat.comp_size) {
        fail_value(which + " would unpack from " + std::to_string(stat.comp_size) + " to " + std::to_string(stat.size) +
                   " bytes; refused");
    }

    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
        zip_fopen_index(archive_, static_cast<zip_uint64_t>(index), 0), zip_fclose);
    if (!file) fail_value(which + " cannot be opened: " + zip_strerror(archive_));
    std::vector<unsigned char> bytes(static_cast<size_t>(stat.size));
    size_t done = 0;
    // Reading goes on to the end of the member because that is where its checksum is compared.
    for (;;) {
        unsigned char beyond;
        const bool full = done == bytes.size();
        const zip_int64_t now =
            full ? zip_fread(file.get(), &beyond, 1) : zip_fread(file.get(), bytes.data() + done, bytes.size() - done);
        if (now < 0) fail_value(which + " is damaged: " + zip_file_strerror(file.get()));
        if (now == 0 && !full) fail_value(which + " ends too early");
        if (now == 0) return bytes;
        if (full) fail_value(which + " is longer than its entry says");
        done += static_cast<size_t>(now);
    }
}

}  // namespace dwconv::keras::detail
