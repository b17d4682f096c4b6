// Memory whose first byte past the end cannot be touched, or that starts at a known place of its page.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <new>

namespace dwc::tuner {

// `bytes` of memory with at least 64 bytes of a pattern before them and a page without access behind them. Throws
// std::bad_alloc.
class Guarded {
   public:
    static constexpr size_t kAtEnd = ~size_t{0};  // the last byte is the last of its page

    // Or the first byte is number `page_offset` of its page, a multiple of 64.
    explicit Guarded(size_t bytes, size_t page_offset = kAtEnd) : bytes_(bytes) {
        const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        const auto pages_of = [page](size_t n) { return (n + page - 1) / page * page; };
        front_ = page_offset == kAtEnd ? pages_of(bytes + kFence) : page + pages_of(bytes + page_offset);
        start_ = page_offset == kAtEnd ? front_ - bytes : page + page_offset;
        size_ = front_ + page;
        void *memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        base_ = static_cast<unsigned char *>(memory);
        if (mprotect(base_ + front_, page, PROT_NONE) != 0) {
            munmap(base_, size_);
            throw std::bad_alloc();
        }
        std::memset(base_, kPattern, front_);
    }
    ~Guarded() { munmap(base_, size_); }
    Guarded(const Guarded &) = delete;
    Guarded &operator=(const Guarded &) = delete;

    void *data() const { return base_ + start_; }
    size_t size() const { return bytes_; }
    bool fence_intact() const {
        for (const unsigned char *p = base_; p < base_ + start_; ++p)
            if (*p != kPattern) return false;
        return true;
    }

    static constexpr unsigned char kPattern = 0xff;  // a NaN in every dtype

   private:
    static constexpr size_t kFence = 64;
    size_t bytes_, start_ = 0, front_ = 0, size_ = 0;
    unsigned char *base_ = nullptr;
};

}  // namespace dwc::tuner
