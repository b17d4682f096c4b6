#include "zip_writer.hpp"

#include <zip.h>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

// A date must stand there: the format's first, so that equal contents make equal archives.
constexpr zip_uint16_t kFirstOfJanuary1980 = (1 << 5) | 1;
constexpr zip_uint32_t kOwnersFile = 0100600u
                                     << 16;  // as Keras writes them: a regular file, read and written by its owner

[[noreturn]] void fail(zip_error_t* error) {
    fail_internal(std::string("libzip cannot write the archive: ") + zip_error_strerror(error));
}

// An archive in a buffer that libzip lets grow. `members` must live until close().
class Archive {
   public:
    Archive() {
        zip_error_t error;
        zip_error_init(&error);
        buffer_ = zip_source_buffer_create(nullptr, 0, 0, &error);
        if (!buffer_) fail(&error);
        zip_source_keep(buffer_);  // the archive lets go of it when it closes
        archive_ = zip_open_from_source(buffer_, ZIP_CREATE | ZIP_TRUNCATE, &error);
        if (archive_) return;
        zip_source_free(buffer_);
        zip_source_free(buffer_);
        fail(&error);
    }
    Archive(const Archive&) = delete;
    Archive& operator=(const Archive&) = delete;
    ~Archive() {
        if (archive_) zip_discard(archive_);
        zip_source_free(buffer_);
    }

    void add(const ZipMember& member) {
        zip_source_t* source = zip_source_buffer(archive_, member.bytes.data(), member.bytes.size(), 0);
        if (!source) fail(zip_get_error(archive_));
        const zip_int64_t index = zip_file_add(archive_, member.name.c_str(), source, ZIP_FL_ENC_UTF_8);
        if (index < 0) {
            zip_source_free(source);
            fail(zip_get_error(archive_));
        }
        const auto at = static_cast<zip_uint64_t>(index);
        if (zip_set_file_compression(archive_, at, ZIP_CM_STORE, 0) != 0 ||
            zip_file_set_dostime(archive_, at, 0, kFirstOfJanuary1980, 0) != 0 ||
            zip_file_set_external_attributes(archive_, at, 0, ZIP_OPSYS_UNIX, kOwnersFile) != 0) {
            fail(zip_get_error(archive_));
        }
    }

    std::vector<unsigned char> close() {
        if (zip_close(archive_) != 0) fail(zip_get_error(archive_));
        archive_ = nullptr;
        zip_stat_t status;
        if (zip_source_stat(buffer_, &status) != 0 || !(status.valid & ZIP_STAT_SIZE) ||
            zip_source_open(buffer_) != 0) {
            fail(zip_source_error(buffer_));
        }
        std::vector<unsigned char> bytes(static_cast<size_t>(status.size));
        const zip_int64_t read = zip_source_read(buffer_, bytes.data(), bytes.size());
        zip_source_close(buffer_);
        if (read != static_cast<zip_int64_t>(bytes.size())) fail(zip_source_error(buffer_));
        return bytes;
    }

   private:
    zip_source_t* buffer_ = nullptr;
    zip_t* archive_ = nullptr;
};

}  // namespace

std::vector<unsigned char> zip_stored(const std::vector<ZipMember>& members) {
    Archive archive;
    for (const ZipMember& member : members) archive.add(member);
    return archive.close();
}

}  // namespace dwconv::keras::detail
