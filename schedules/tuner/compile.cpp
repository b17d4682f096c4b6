#include "compile.hpp"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "process.hpp"

namespace dwc::tuner {
namespace {

namespace fs = std::filesystem;

// The slowest point of a sweep took 6 s on a busy machine.
constexpr double kCompileSeconds = 120;

bool is_program(const fs::path &path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

std::string identifier(std::string text) {
    for (char &c : text)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return text;
}

const char *halide_type(dwc_dtype dtype) { return dtype == DWC_BF16 ? "bfloat16" : "float32"; }

std::string describe(const Ended &ended) {
    std::string how;
    switch (ended.how) {
        case Ended::How::exited:
            how = "exit status " + std::to_string(ended.code);
            break;
        case Ended::How::signalled:
            how = "signal " + std::to_string(ended.code);
            break;
        case Ended::How::timed_out:
            how = "no end after " + std::to_string(static_cast<int>(kCompileSeconds)) + " s";
            break;
        case Ended::How::stopped:
            how = "stopped";
            break;
        case Ended::How::not_started:
            how = std::string("cannot be started: ") + std::strerror(ended.code);
            break;
    }
    const std::string words = last_words(ended.output);
    return words.empty() ? how : how + ": " + words;
}

}  // namespace

std::string this_program() {
    std::error_code error;
    const fs::path path = fs::read_symlink("/proc/self/exe", error);
    return error ? std::string() : path.string();
}

std::string find_generator(const std::string &program) {
    if (const char *given = std::getenv("DWC_GENERATOR"); given && *given) {
        if (is_program(given)) return given;
        throw InputError("DWC_GENERATOR=" + std::string(given) + ": must be the generator program");
    }
    const fs::path up = fs::path(program).parent_path().parent_path();
    for (const fs::path &path : {up / "libexec/dwconv/dwconv-gen", up / "generators/dwc_generator"})
        if (is_program(path)) return path.string();
    throw InputError("the generator program is not installed (" + (up / "libexec/dwconv/dwconv-gen").string() +
                     ") and DWC_GENERATOR does not name it; only `dwconv tune --rank-only` needs none");
}

std::string symbol_of(const std::string &kernel, const std::string &target) {
    return "dwc_k_" + identifier(kernel) + "_" + identifier(target);
}

Compiler::Compiler(std::string generator, std::string c_compiler, std::string folder, const std::atomic<bool> &stop)
    : generator_(std::move(generator)), c_compiler_(std::move(c_compiler)), folder_(std::move(folder)), stop_(stop) {}

Compiler::Made Compiler::made(const std::vector<std::string> &words, const std::string &path) const {
    const Ended ended = run_process(words, kCompileSeconds, stop_);
    std::error_code missing;
    const auto bytes = static_cast<int64_t>(fs::file_size(path, missing));
    if (ended.ok() && !missing) return {Outcome::ok, path, {}, bytes};
    const std::string message = ended.ok() ? words[0] + " wrote no " + path : describe(ended);
    // The generator's own word for a point that space.hpp refuses.
    const bool illegal = ended.output.find("illegal point") != std::string::npos;
    const Outcome outcome = ended.how == Ended::How::timed_out ? Outcome::timeout
                            : illegal                          ? Outcome::constraints
                                                               : Outcome::compile;
    return {outcome, {}, message, 0};
}

Compiler::Made Compiler::object(const Candidate &candidate, const TunerTarget &target, const std::string &emit) const {
    const Point &p = candidate.point;
    const std::string symbol = symbol_of(candidate.name, target.name), type = halide_type(candidate.dtype);
    std::vector<std::string> words = {generator_, "-g", "dwconv", "-f", symbol, "-n",
                                      symbol,     "-o", folder_,  "-e", emit};
    words.push_back(std::string("target=") + target.halide + "-user_context-no_runtime-no_bounds_query");
    words.push_back("family=" + p.family);
    words.push_back("activation=" + p.activation);
    const auto number = [&words](const char *name, int value) {
        words.push_back(std::string(name) + "=" + std::to_string(value));
    };
    number("k", p.k), number("stride", p.stride), number("m", p.m);
    number("v", p.v), number("t", p.t), number("block", p.block);
    for (const char *buffer : {"x", "w", "b", "y"}) words.push_back(std::string(buffer) + ".type=" + type);
    return made(words, folder_ + "/" + symbol + (emit == "assembly" ? ".s" : ".o"));
}

std::string Compiler::runtime_object(const TunerTarget &target) const {
    // The plainest target of the processor: "x86-64-linux", "arm-64-linux".
    const std::string halide = target.halide;
    const std::string base = halide.substr(0, halide.find("-linux")) + "-linux-user_context";
    const Made runtime = made({generator_, "-r", "dwc_tuner_runtime", "-o", folder_, "-e", "object", "target=" + base},
                              folder_ + "/dwc_tuner_runtime.o");
    if (runtime.outcome != Outcome::ok) throw std::runtime_error(generator_ + ": " + runtime.message);
    return runtime.path;
}

std::string Compiler::runtime_library(const TunerTarget &target) const {
    const std::string object = runtime_object(target), name = "libdwc_tuner_runtime.so";
    const Made library = made({c_compiler_, "-shared", "-Wl,-Bsymbolic", "-Wl,-soname," + name, "-o",
                               folder_ + "/" + name, object, "-ldl", "-lpthread", "-lm"},
                              folder_ + "/" + name);
    if (library.outcome != Outcome::ok) throw std::runtime_error(c_compiler_ + ": " + library.message);
    return library.path;
}

Compiler::Made Compiler::shared(const Candidate &candidate, const TunerTarget &target,
                                const std::string &runtime) const {
    const Made object = this->object(candidate, target);
    if (object.outcome != Outcome::ok) return object;
    const std::string path = folder_ + "/" + symbol_of(candidate.name, target.name) + ".so";
    Made library =
        made({c_compiler_, "-shared", "-Wl,-Bsymbolic", "-Wl,-rpath,$ORIGIN", "-o", path, object.path, runtime, "-lm"},
             path);
    library.bytes = object.bytes;
    std::error_code ignored;
    fs::remove(object.path, ignored);
    return library;
}

TemporaryFolder::TemporaryFolder() {
    std::error_code error;
    std::string name = (fs::temp_directory_path(error) / "dwconv-tune-XXXXXX").string();
    if (error || !mkdtemp(name.data())) throw std::runtime_error(name + ": the folder cannot be made");
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

}  // namespace dwc::tuner
