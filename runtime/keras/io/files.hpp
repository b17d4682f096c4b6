// Bytes in and out: files that are read at known size, and files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace dwconv::keras::detail {

// A run of bytes of known length: a regular file or memory.
class ByteSource {
   public:
    // Throws value_error where `path` is no readable regular file.
    static ByteSource file(const std::string& path);
    // `data` must outlive the source; `name` stands for the file in messages.
    static ByteSource memory(const void* data, size_t size, const std::string& name);
    // Keeps the bytes itself.
    static ByteSource owned(std::vector<unsigned char> data, const std::string& name);
    ByteSource(ByteSource&& other) noexcept;
    ByteSource& operator=(ByteSource&&) = delete;
    ~ByteSource();

    // For messages: the path, made printable.
    const std::string& name() const { return name_; }
    uint64_t size() const { return size_; }
    // Copies bytes [offset, offset + count), which must lie inside. Throws value_error where the file cannot be read.
    void read(uint64_t offset, void* to, size_t count) const;

   private:
    ByteSource(std::string name, uint64_t size) : name_(std::move(name)), size_(size) {}
    std::string name_;
    uint64_t size_;
    std::FILE* file_ = nullptr;
    const unsigned char* memory_ = nullptr;
    std::vector<unsigned char> owned_;
};

// The whole of a text file; value_error above `limit` bytes.
std::string read_text(const std::string& path, uint64_t limit);

// A file under construction: a temporary name next to `path` until commit() renames it; without commit() it vanishes.
class AtomicFile {
   public:
    // Throws value_error where the directory is missing or not writable, or where `path` is something that must not be
    // replaced (a directory, a device).
    explicit AtomicFile(const std::string& path);
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile();
    void write(const void* data, size_t count);
    void commit();

   private:
    [[noreturn]] void fail(const char* what);
    std::string target_, temporary_, name_;
    int descriptor_ = -1;
};

}  // namespace dwconv::keras::detail
