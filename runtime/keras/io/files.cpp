#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

std::string reason() { return std::strerror(errno); }

}  // namespace

ByteSource ByteSource::file(const std::string& path) {
    const std::string name = printable(path);
    // Looked at before it is opened: opening a pipe would wait for its other end.
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) fail_value(name + ": cannot be opened: " + reason());
    if (!S_ISREG(status.st_mode)) fail_value(name + ": is not a regular file");
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) fail_value(name + ": cannot be opened: " + reason());
    ByteSource source(name, 0);
    source.file_ = file;
    if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) fail_value(name + ": is not a regular file");
    source.size_ = static_cast<uint64_t>(status.st_size);
    return source;
}

ByteSource ByteSource::memory(const void* data, size_t size, const std::string& name) {
    ByteSource source(printable(name), size);
    source.memory_ = static_cast<const unsigned char*>(data);
    return source;
}

ByteSource ByteSource::owned(std::vector<unsigned char> data, const std::string& name) {
    ByteSource source(printable(name), data.size());
    source.owned_ = std::move(data);
    source.memory_ = source.owned_.data();
    return source;
}

ByteSource::ByteSource(ByteSource&& other) noexcept
    : name_(std::move(other.name_)),
      size_(other.size_),
      file_(std::exchange(other.file_, nullptr)),
      memory_(other.memory_),
      owned_(std::move(other.owned_)) {}

ByteSource::~ByteSource() {
    if (file_) std::fclose(file_);
}

void ByteSource::read(uint64_t offset, void* to, size_t count) const {
    if (offset > size_ || count > size_ - offset) fail_value(name_ + ": ends too early");
    if (count == 0) return;
    if (memory_) {
        std::memcpy(to, memory_ + offset, count);
        return;
    }
    if (fseeko(file_, static_cast<off_t>(offset), SEEK_SET) != 0 || std::fread(to, 1, count, file_) != count) {
        fail_value(name_ + ": cannot be read: " + (std::ferror(file_) ? reason() : "it ends too early"));
    }
}

std::string read_text(const std::string& path, uint64_t limit) {
    const ByteSource source = ByteSource::file(path);
    if (source.size() > limit) {
        fail_value(source.name() + ": holds " + std::to_string(source.size()) + " bytes, more than the " +
                   std::to_string(limit) + " that a text of this kind may have");
    }
    std::string text(static_cast<size_t>(source.size()), '\0');
    source.read(0, text.data(), text.size());
    return text;
}

AtomicFile::AtomicFile(const std::string& path) : target_(path), name_(printable(path)) {
    struct stat status {};
    if (stat(path.c_str(), &status) == 0) {
        if (!S_ISREG(status.st_mode)) fail_value(name_ + ": is not a regular file and will not be replaced");
        // Through a link, so that the link stays and its target is replaced.
        if (char* resolved = realpath(path.c_str(), nullptr)) {
            target_ = resolved;
            std::free(resolved);
        }
    }
    static std::atomic<unsigned> counter{0};
    temporary_ = target_ + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(counter++);
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
        temporary_.clear();
        fail_value(name_ + ": cannot be written: " + reason());
    }
}

AtomicFile::~AtomicFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) { fail_internal(name_ + ": " + what + ": " + reason()); }

void AtomicFile::write(const void* data, size_t count) {
    const char* bytes = static_cast<const char*>(data);
    while (count > 0) {
        const ssize_t written = ::write(descriptor_, bytes, count < SSIZE_MAX ? count : SSIZE_MAX);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail("cannot be written");
        bytes += written;
        count -= static_cast<size_t>(written);
    }
}

void AtomicFile::commit() {
    const int descriptor = std::exchange(descriptor_, -1);
    if (close(descriptor) != 0) fail("cannot be written");
    if (rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be put in its place");
    temporary_.clear();
}

}  // namespace dwconv::keras::detail
