// Memory for measurements: aligned, touched, and placed within its page on purpose.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace cli {

// `bytes` of zeroed memory that starts `page_offset` (a multiple of 64) bytes into a page. Zeroed by writing, so no
// page is mapped for the first time under a timer. Throws std::bad_alloc.
class Buffer {
   public:
    Buffer(size_t bytes, size_t page_offset) : bytes_(bytes) {
        constexpr size_t kPage = 4096;
        const size_t total = (bytes + page_offset + kPage) / kPage * kPage;
        base_.reset(static_cast<char *>(std::aligned_alloc(kPage, total)));
        if (!base_) throw std::bad_alloc();
        std::memset(base_.get(), 0, total);
        data_ = base_.get() + page_offset;
    }

    void *data() const { return data_; }
    size_t size() const { return bytes_; }
    template <typename T>
    T *as() const {
        return static_cast<T *>(data());
    }

   private:
    struct Free {
        void operator()(char *p) const { std::free(p); }
    };
    std::unique_ptr<char, Free> base_;
    char *data_ = nullptr;
    size_t bytes_;
};

}  // namespace cli
