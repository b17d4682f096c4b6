#include "kernels.hpp"

#include <elf.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "../tuner/process.hpp"

namespace dwc::emit {
namespace {

namespace fs = std::filesystem;

constexpr double compile_seconds = 120;

// Bytes of instructions and of constants in a 64-bit ELF object; -1 where it is none.
int64_t code_bytes(const fs::path &path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
    Elf64_Ehdr header;
    if (bytes.size() < sizeof header) return -1;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64) return -1;
    int64_t sum = 0;
    for (int i = 0; i < header.e_shnum; ++i) {
        const size_t at = header.e_shoff + static_cast<size_t>(i) * sizeof(Elf64_Shdr);
        Elf64_Shdr section;
        if (at + sizeof section > bytes.size()) return -1;
        std::memcpy(&section, bytes.data() + at, sizeof section);
        const bool loaded = section.sh_flags & SHF_ALLOC, writable = section.sh_flags & SHF_WRITE;
        if (loaded && !writable && section.sh_type == SHT_PROGBITS) sum += static_cast<int64_t>(section.sh_size);
    }
    return sum;
}

std::vector<std::string> words_of(const std::string &generator, const std::string &folder, const Job &job) {
    const Point &p = job.kernel.point;
    std::vector<std::string> words = {
        generator, "-g", "dwconv", "-f", job.symbol, "-n", job.symbol, "-o", folder, "-e", "static_library,object"};
    // What a kernel would check is fixed here; without checks it needs nothing of a runtime.
    words.push_back(std::string("target=") + job.target->halide + "-no_runtime-no_bounds_query-no_asserts");
    words.push_back("family=" + p.family);
    words.push_back("activation=" + p.activation);
    const auto number = [&words](const char *name, int value) {
        words.push_back(std::string(name) + "=" + std::to_string(value));
    };
    number("k", p.k), number("stride", p.stride), number("m", p.m);
    number("v", p.v), number("t", p.t), number("block", p.block), number("apart", job.kernel.apart);
    number("ahead", job.kernel.ahead ? 2 : 0);
    for (const char *buffer : {"x", "w", "b", "y"}) words.push_back(std::string(buffer) + ".type=float32");
    return words;
}

void compile_one(const std::string &generator, const std::string &root, Job *job, const std::atomic<bool> &stop) {
    const fs::path folder = fs::path(root) / job->target->name, object = folder / (job->symbol + ".o");
    fs::create_directories(folder);
    const tuner::Ended ended = tuner::run_process(words_of(generator, folder, *job), compile_seconds, stop);
    if (stop) throw std::runtime_error("stopped");
    job->code_bytes = ended.ok() ? code_bytes(object) : -1;
    if (job->code_bytes < 0)
        throw std::runtime_error(generator + " made no kernel " + job->kernel.name() + "@" + job->target->name + ": " +
                                 tuner::last_words(ended.output));
    fs::remove(object);
    fs::rename(folder / (job->symbol + ".a"), folder / ("lib" + job->symbol + ".a"));
}

}  // namespace

void compile(const std::string &generator, const std::string &folder, std::vector<Job> *jobs,
             const std::atomic<bool> &stop) {
    std::atomic<size_t> next{0};
    std::mutex mutex;
    std::string failure;
    const auto work = [&] {
        for (size_t i; (i = next++) < jobs->size();) try {
                compile_one(generator, folder, &(*jobs)[i], stop);
            } catch (const std::exception &error) {
                const std::lock_guard lock(mutex);
                if (failure.empty()) failure = error.what();
                next = jobs->size();
            }
    };
    std::vector<std::thread> threads;
    const size_t wanted = std::min<size_t>(std::max(std::thread::hardware_concurrency(), 1u), jobs->size());
    for (size_t i = 0; i < wanted; ++i) threads.emplace_back(work);
    for (std::thread &thread : threads) thread.join();
    if (!failure.empty()) throw std::runtime_error(failure);
}

}  // namespace dwc::emit
