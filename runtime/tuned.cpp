#include "tuned.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

#include "cpu_name.hpp"
#include "error.hpp"
#include "plan.hpp"

namespace dwc {
namespace {

struct Store {
    std::mutex mutex;
    std::shared_ptr<const TunedTable> table = std::make_shared<TunedTable>();
    std::mutex file_mutex;
    std::string file;  // of the environment, as last read
};

// Never destroyed: a thread of the user may make plans while the process ends.
Store& store() {
    static Store* const the = new Store;
    return *the;
}

constexpr off_t largest_file = 16 << 20;

class File {
   public:
    explicit File(const char* path, int flags, mode_t mode = 0) : fd_(open(path, flags | O_CLOEXEC, mode)) {}
    ~File() {
        if (fd_ >= 0) close(fd_);
    }
    File(const File&) = delete;
    int fd() const { return fd_; }

   private:
    int fd_;
};

// The file's bytes, or why they cannot be had.
std::string read_file(const std::string& path, std::string* bytes) {
    // Without waiting for whoever may write into a pipe of that name.
    const File file(path.c_str(), O_RDONLY | O_NONBLOCK);
    struct stat about;
    if (file.fd() < 0 || fstat(file.fd(), &about) != 0) return std::string("it cannot be opened: ") + strerror(errno);
    if (!S_ISREG(about.st_mode)) return "it is no plain file";
    if (about.st_size > largest_file) return "it is longer than 16 MB";
    char buffer[1 << 16];
    for (;;) {
        const ssize_t count = read(file.fd(), buffer, sizeof buffer);
        if (count < 0) return std::string("it cannot be read: ") + strerror(errno);
        if (count == 0) return {};
        bytes->append(buffer, static_cast<size_t>(count));
        if (bytes->size() > static_cast<size_t>(largest_file)) return "it is longer than 16 MB";
    }
}

bool write_all(int fd, const std::string& text) {
    for (size_t at = 0; at < text.size();) {
        const ssize_t count = write(fd, text.data() + at, text.size() - at);
        if (count <= 0) return false;
        at += static_cast<size_t>(count);
    }
    return fsync(fd) == 0;
}

// Empty, or why the file could not be written.
std::string write_file(const std::string& path, const std::string& text) {
    const std::string temporary = path + "." + std::to_string(getpid()) + ".new";
    {
        const File file(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (file.fd() >= 0 && write_all(file.fd(), text) && std::rename(temporary.c_str(), path.c_str()) == 0)
            return {};
    }
    const std::string why = strerror(errno);
    unlink(temporary.c_str());
    return why;
}

}  // namespace

std::shared_ptr<const TunedTable> tuned_table() {
    const std::lock_guard lock(store().mutex);
    return store().table;
}

void tuned_add(std::vector<TunedEntry> entries) {
    const std::lock_guard lock(store().mutex);
    TunedTable all = *store().table;
    for (TunedEntry& entry : entries) all.push_back(std::move(entry));
    // The latest of each stays, in the order they came.
    std::set<std::pair<std::string, int>> seen;
    auto table = std::make_shared<TunedTable>();
    for (auto e = all.rbegin(); e != all.rend(); ++e)
        if (seen.insert({e->problem, e->threads}).second) table->push_back(std::move(*e));
    std::reverse(table->begin(), table->end());
    store().table = std::move(table);
}

size_t tuned_load(const std::string& path) {
    std::string bytes;
    TunedText text;
    text.miss = read_file(path, &bytes);
    if (text.miss.empty()) text = parse_tuned(bytes, dwc_version(), cpu_name());
    for (const std::string& line : text.skipped) log_line("dwconv: tuned file " + path + ": " + line);
    const size_t count = text.entries.size();
    if (text.miss.empty())
        tuned_add(std::move(text.entries));
    else
        log_line("dwconv: tuned file " + path + " is not used: " + text.miss);
    return count;
}

void tuned_load_from_environment() {
    const char* path = std::getenv("DWC_TUNED_FILE");
    if (!path || !*path) return;
    const std::lock_guard lock(store().file_mutex);
    if (store().file == path) return;
    store().file = path;
    tuned_load(path);
}

}  // namespace dwc

using dwc::fail;

template <typename Body>
static dwc_status guarded(dwc_error* error, Body body) {
    try {
        return body();
    } catch (...) {
        return fail(error, DWC_ERROR_OUT_OF_MEMORY, "out of memory");
    }
}

extern "C" {

const char* dwc_cpu_name(void) { return dwc::cpu_name().c_str(); }

dwc_status dwc_tuned_add(const dwc_problem* problem, int32_t threads, const char* kernel, double us, dwc_error* error) {
    if (!problem) return fail(error, DWC_ERROR_NULL_POINTER, "problem=NULL: must point to the problem");
    if (!kernel) return fail(error, DWC_ERROR_NULL_POINTER, "kernel=NULL: must be a kernel's name");
    return guarded(error, [&] {
        if (const dwc_status status = dwc_problem_validate(problem, error)) return status;
        std::string why;
        auto entry = dwc::make_tuned(*problem, threads, kernel, us, &why);
        if (!entry) return fail(error, DWC_ERROR_TUNED, "%s", why.c_str());
        dwc::tuned_add({std::move(*entry)});
        return DWC_OK;
    });
}

void dwc_tuned_clear(void) {
    const std::lock_guard lock(dwc::store().mutex);
    dwc::store().table = std::make_shared<dwc::TunedTable>();
}

dwc_status dwc_tuned_save(const char* path, dwc_error* error) {
    if (!path) return fail(error, DWC_ERROR_NULL_POINTER, "path=NULL: must be a file's name");
    return guarded(error, [&] {
        const auto table = dwc::tuned_table();
        const std::string why = dwc::write_file(path, dwc::format_tuned(*table, dwc_version(), dwc::cpu_name()));
        if (!why.empty()) return fail(error, DWC_ERROR_TUNED, "path=%s: cannot be written: %s", path, why.c_str());
        return DWC_OK;
    });
}

dwc_status dwc_tuned_load(const char* path, int32_t* entries, dwc_error* error) {
    if (!path) return fail(error, DWC_ERROR_NULL_POINTER, "path=NULL: must be a file's name");
    return guarded(error, [&] {
        const size_t count = dwc::tuned_load(path);
        if (entries) *entries = static_cast<int32_t>(count);
        return DWC_OK;
    });
}

}  // extern "C"
