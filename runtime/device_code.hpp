// What was compiled for which context, of all kernels of one driver.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace dwc {

// Entry: what the driver made of a kernel's code; holds `void* context` and `const void* state`. Entries stay where
// they are until they are taken out.
template <typename Entry>
class CompiledCode {
   public:
    // The entry of a kernel for a context, made by `make` (nullptr: it failed) where there is none. Others wait while
    // one compiles.
    template <typename Make>
    Entry* find(void* context, const void* state, Make make) {
        const std::lock_guard lock(mutex_);
        for (const auto& entry : entries_)
            if (entry->state == state && entry->context == context) return entry.get();
        auto made = make();
        if (!made) return nullptr;
        made->context = context;
        made->state = state;
        entries_.push_back(std::move(made));
        return entries_.back().get();
    }

    // Takes out all entries of a context.
    std::vector<std::unique_ptr<Entry>> take(void* context) {
        const std::lock_guard lock(mutex_);
        std::vector<std::unique_ptr<Entry>> taken, kept;
        for (auto& entry : entries_) (entry->context == context ? taken : kept).push_back(std::move(entry));
        entries_ = std::move(kept);
        return taken;
    }

   private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace dwc
