#include "worker.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

namespace peers {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

struct Free {
    void operator()(void* pointer) const { free(pointer); }
};
using Floats = std::unique_ptr<float, Free>;
Floats aligned_floats(int64_t count) {
    const size_t bytes = (static_cast<size_t>(count) * sizeof(float) + 4096 + 63) / 64 * 64;
    Floats floats(static_cast<float*>(aligned_alloc(64, bytes)));
    if (!floats) throw std::runtime_error("out of memory");
    std::memset(floats.get(), 0, bytes);
    return floats;
}

// x and y come from the same allocator, as a caller's would: how they lie to each other modulo 4 KiB changes times.
Floats floats_of(const std::string& path) {
    struct Close {
        void operator()(FILE* file) const { fclose(file); }
    };
    const std::unique_ptr<FILE, Close> file(std::fopen(path.c_str(), "rb"));
    const long bytes = file && std::fseek(file.get(), 0, SEEK_END) == 0 ? std::ftell(file.get()) : -1;
    if (bytes < 0) throw std::runtime_error(path + ": cannot be read");
    std::rewind(file.get());
    const size_t count = static_cast<size_t>(bytes) / sizeof(float);
    Floats floats = aligned_floats(static_cast<int64_t>(count));
    if (std::fread(floats.get(), sizeof(float), count, file.get()) != count)
        throw std::runtime_error(path + ": cannot be read");
    return floats;
}

struct Prepared {
    Floats x, w, b, y;
    std::unique_ptr<Case> given;  // forms refer to it
    std::vector<Form> forms;
};

// Reads and writes more than the last cache holds.
void evict() {
    static std::vector<char> memory(size_t{96} << 20);
    for (size_t i = 0; i < memory.size(); i += 64) ++memory[i];
}

Prepared prepare(const json& request) {
    Prepared p;
    p.given = std::make_unique<Case>();
    dwc_error error{};
    const std::string text = request.at("problem");
    if (dwc_problem_parse(text.c_str(), &p.given->problem, &error) ||
        dwc_problem_out_length(&p.given->problem, &p.given->out, &error))
        throw std::runtime_error(error.message);
    const std::string folder = request.at("folder");
    p.x = floats_of(folder + "/x");
    p.w = floats_of(folder + "/w");
    if (p.given->problem.has_bias) p.b = floats_of(folder + "/b");
    p.given->x = p.x.get(), p.given->w = p.w.get(), p.given->b = p.b.get();
    p.given->threads = request.at("threads");
    p.y = aligned_floats(p.given->y_elements());
    p.forms = peer().forms(*p.given);
    return p;
}

json names_of(const std::vector<Form>& forms) {
    json list = json::array();
    for (const Form& f : forms) list.push_back({{"form", f.name}, {"refused", f.refusal}});
    return {{"forms", list}};
}

// Computes into `file`; NaN where nothing was written.
json compute(const Prepared& p, const Form& f, const std::string& file) {
    const auto count = static_cast<size_t>(p.given->y_elements());
    std::fill_n(p.y.get(), count, __builtin_nanf(""));
    f.run(p.y.get());
    FILE* out = std::fopen(file.c_str(), "wb");
    const bool ok = out && std::fwrite(p.y.get(), sizeof(float), count, out) == count;
    if ((out && std::fclose(out) != 0) || !ok) throw std::runtime_error(file + ": cannot be written");
    return json::object();
}

// `samples` times in us: of `calls` calls in a row, as a mean; or, cold, of one call after the caches were emptied.
json measure(const Prepared& p, const Form& f, const json& request) {
    const int samples = request.at("samples"), calls = request.at("calls");
    const bool cold = request.at("cold");
    json us = json::array();
    // The peer before had the caches, and a last level that keeps what others evict takes many passes to fill.
    const auto warm_since = Clock::now();
    do {
        if (!cold) f.run(p.y.get());
    } while (!cold && Clock::now() - warm_since < std::chrono::milliseconds(10));
    for (int s = 0; s < samples; ++s) {
        if (cold) evict();
        const auto start = Clock::now();
        for (int i = 0; i < calls; ++i) f.run(p.y.get());
        us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count() / calls);
    }
    return {{"us", us}};
}

json answer(const json& request, Prepared* p) {
    const std::string what = request.at("do");
    if (what == "hello") return {{"peer", peer().name}, {"version", peer().version}};
    if (what == "prepare") {
        *p = Prepared();
        *p = prepare(request);
        return names_of(p->forms);
    }
    if (what == "release") {
        *p = Prepared();
        return json::object();
    }
    const Form& f = p->forms.at(request.at("form").get<size_t>());
    if (what == "compute") return compute(*p, f, request.at("file"));
    if (what == "time") return measure(*p, f, request);
    throw std::runtime_error("do=" + what + ": must be hello, prepare, compute, time or release");
}

}  // namespace

std::vector<float> Case::weights_by_channel() const {
    const int64_t K = problem.kernel_size, Q = channels_out();
    std::vector<float> by_channel(static_cast<size_t>(K * Q));
    for (int64_t k = 0; k < K; ++k)
        for (int64_t q = 0; q < Q; ++q) by_channel[static_cast<size_t>(q * K + k)] = w[k * Q + q];
    return by_channel;
}

Form form(const std::string& name, const std::function<std::function<void(float*)>()>& make) {
    try {
        return {name, make(), ""};
    } catch (const std::exception& failure) {
        return {name, nullptr, failure.what()};
    }
}

}  // namespace peers

// Requests are lines of JSON on stdin, each answered by one on what was stdout; libraries that print go to stderr.
int main() {
    const int answers = dup(STDOUT_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    peers::Prepared prepared;
    for (std::string line; std::getline(std::cin, line);) {
        nlohmann::json reply;
        try {
            reply = peers::answer(nlohmann::json::parse(line), &prepared);
        } catch (const std::exception& failure) {
            reply = {{"error", failure.what()}};
        }
        const std::string text = reply.dump() + "\n";
        if (write(answers, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return 1;
    }
    return 0;
}
