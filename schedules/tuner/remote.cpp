#include "remote.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "compile.hpp"
#include "library.hpp"
#include "process.hpp"
#include "search.hpp"

namespace dwc::tuner {
namespace {

namespace fs = std::filesystem;

constexpr double kLinkSeconds = 600, kRemoteSeconds = 7 * 86400;

// What the program holds: every kernel once, and which of them each problem asks for.
struct Program {
    struct Ask {
        size_t kernel;
        double cost;
    };
    std::vector<Candidate> kernels;
    std::vector<Compiler::Made> made;
    std::vector<std::pair<std::string, std::vector<Ask>>> problems;
};

Program collect(const RemoteRequest &request) {
    Program program;
    std::map<std::string, size_t> numbers;
    for (const std::string &name : request.problems) {
        const dwc_problem problem = parsed(name);
        std::vector<Candidate> candidates = candidates_of(problem, request.target, request.families);
        const size_t allowance = request.allowance.value_or(default_allowance(candidates.size()));
        if (allowance > 0 && candidates.size() > allowance) candidates.resize(allowance);
        auto &asks = program.problems.emplace_back(name, std::vector<Program::Ask>{}).second;
        for (const Candidate &candidate : candidates) {
            const auto [found, added] = numbers.try_emplace(candidate.name, program.kernels.size());
            if (added) program.kernels.push_back(candidate);
            asks.push_back({found->second, candidate.cost});
        }
    }
    if (program.kernels.empty()) throw InputError("no kernel of " + request.target + " computes any of the problems");
    return program;
}

void compile(const RemoteRequest &request, const Compiler &compiler, const std::atomic<bool> &stop, Program *program) {
    const TunerTarget &target = *tuner_target(request.target);
    program->made.resize(program->kernels.size());
    std::atomic<size_t> next{0};
    const auto work = [&] {
        for (size_t i; !stop && (i = next++) < program->kernels.size();)
            program->made[i] = compiler.object(program->kernels[i], target);
    };
    std::vector<std::thread> threads;
    for (int i = 1; i < request.jobs; ++i) threads.emplace_back(work);
    work();
    for (std::thread &thread : threads) thread.join();
    if (stop) throw std::runtime_error("stopped");
}

std::string quoted(const std::string &text) {
    std::string out = "\"";
    for (const unsigned char c : text) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\%03o", c);
        out +=
            c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '?' ? std::string(1, static_cast<char>(c)) : escape;
    }
    return out + "\"";
}

std::string exact(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    return text;
}

// The tables of remote/main.cpp.
std::string tables(const RemoteRequest &request, const Program &program) {
    std::ostringstream c, functions, names, failures, bytes, problems, starts, asks, costs;
    for (size_t i = 0; i < program.kernels.size(); ++i) {
        const bool ok = program.made[i].outcome == Outcome::ok;
        const std::string symbol = symbol_of(program.kernels[i].name, request.target);
        if (ok) c << "extern void " << symbol << "(void);\n";
        functions << (ok ? symbol : "0") << ",\n";
        names << quoted(program.kernels[i].name) << ",\n";
        failures << (ok ? "0" : quoted(program.made[i].message)) << ",\n";
        bytes << program.made[i].bytes << ",\n";
    }
    size_t start = 0;
    for (const auto &[name, of] : program.problems) {
        problems << quoted(name) << ",\n";
        starts << start << ",\n";
        start += of.size();
        for (const Program::Ask &ask : of) asks << ask.kernel << ",\n", costs << exact(ask.cost) << ",\n";
    }
    const auto text = [&c](const char *name, const std::string &value) {
        c << "const char *const dwc_remote_" << name << " = " << quoted(value) << ";\n";
    };
    const auto value = [&c](const std::string &declaration, const std::string &value) {
        c << "const " << declaration << " = " << value << ";\n";
    };
    const auto list = [&c](const std::string &declaration, const std::ostringstream &values, const char *last) {
        c << "const " << declaration << "[] = {\n" << values.str() << last << "};\n";
    };
    text("target", request.target);
    text("command", request.command);
    text("halide", halide_version());
    value("int dwc_remote_threads", std::to_string(request.threads));
    value("int dwc_remote_rounds", std::to_string(request.rounds));
    value("int dwc_remote_kernel_count", std::to_string(program.kernels.size()));
    value("int dwc_remote_problem_count", std::to_string(program.problems.size()));
    value("double dwc_remote_sample_ms", exact(request.sample_ms));
    value("double dwc_remote_timeout_s", exact(request.timeout_s));
    list("char *const dwc_remote_names", names, "0");
    list("char *const dwc_remote_failures", failures, "0");
    c << "void (*const dwc_remote_functions[])(void) = {\n" << functions.str() << "0};\n";
    list("long long dwc_remote_bytes", bytes, "0");
    list("char *const dwc_remote_problems", problems, "0");
    list("int dwc_remote_starts", starts, (std::to_string(start)).c_str());
    list("int dwc_remote_asks", asks, "0");
    list("double dwc_remote_costs", costs, "0");
    return c.str();
}

void write_file(const std::string &path, const std::string &text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (!file) throw std::runtime_error(path + ": the file cannot be written");
}

bool is_kit(const fs::path &folder) {
    std::error_code ignored;
    return fs::is_regular_file(folder / "libdwconv.a", ignored) &&
           fs::is_regular_file(folder / "libdwc_tuner_remote.a", ignored);
}

std::string shell_quoted(const std::string &text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string contents(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

std::string find_remote_kit(const std::string &program, const std::string &processor) {
    if (const char *given = std::getenv("DWC_REMOTE_KIT"); given && *given) {
        if (is_kit(given)) return given;
        throw InputError("DWC_REMOTE_KIT=" + std::string(given) +
                         ": must be a folder with libdwconv.a and libdwc_tuner_remote.a");
    }
    const fs::path up = fs::path(program).parent_path().parent_path();
    std::vector<fs::path> folders = {up / "libexec/dwconv/remote" / processor, up / "remote" / processor};
    // A cross build lies inside the build tree, in a folder called after the processor's first target.
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) == DWC_OK) folders.push_back(up / info.name / "remote" / processor);
    }
    for (const fs::path &folder : folders)
        if (is_kit(folder)) return folder.string();
    throw InputError("no kit for programs on " + processor + " is installed (" + folders[0].string() +
                     ") and DWC_REMOTE_KIT does not name one");
}

std::string remote_compiler(const std::string &processor) {
    if (const char *given = std::getenv("CXX"); given && *given) return given;
#if defined(__x86_64__)
    const char *here = "x86_64";
#elif defined(__aarch64__)
    const char *here = "aarch64";
#else
    const char *here = "";
#endif
    return processor == here ? "c++" : processor + "-linux-gnu-g++";
}

Emitted emit_remote(const RemoteRequest &request, const std::string &path, const std::atomic<bool> &stop) {
    const TunerTarget *target = tuner_target(request.target);
    if (!target) throw InputError("target=" + request.target + ": no such target; `dwconv list` names the targets");
    std::error_code error;
    const fs::path parent = fs::path(path).parent_path();
    if (fs::is_directory(path, error) || (!parent.empty() && !fs::is_directory(parent, error)))
        throw InputError(path + ": must be a file in a folder that exists");
    const std::string kit = find_remote_kit(request.program, target->processor);
    const std::string compiler_name = remote_compiler(target->processor);
    Program program = collect(request);
    const TemporaryFolder folder;
    const Compiler compiler(request.generator, compiler_name, folder.path(), stop);
    compile(request, compiler, stop, &program);

    const std::string table = folder.path() + "/dwc_tuner_tables.c", made = path + ".new";
    write_file(table, tables(request, program));
    std::vector<std::string> words = {compiler_name, "-O1", "-static", "-o", made, "-x", "c", table, "-x", "none"};
    for (const Compiler::Made &object : program.made)
        if (object.outcome == Outcome::ok) words.push_back(object.path);
    words.push_back(compiler.runtime_object(*target));
    words.insert(words.end(), {kit + "/libdwc_tuner_remote.a", kit + "/libdwconv.a", "-lpthread", "-ldl", "-lm"});
    const Ended ended = run_process(words, kLinkSeconds, stop);
    if (ended.how == Ended::How::not_started)
        throw InputError(compiler_name + ": cannot be started; it links programs for " + target->processor +
                         " (or set CXX)");
    if (!ended.ok()) {
        unlink(made.c_str());
        throw std::runtime_error(compiler_name + ": " + last_words(ended.output));
    }
    fs::rename(made, path, error);
    if (error) throw InputError(path + ": the file cannot be written");
    Emitted emitted;
    for (const Compiler::Made &object : program.made) emitted.kernels += object.outcome == Outcome::ok;
    emitted.problems = program.problems.size();
    emitted.bytes = static_cast<int64_t>(fs::file_size(path, error));
    return emitted;
}

RemoteRun run_remote(const RemoteRequest &request, const std::string &command, const std::string &log_path,
                     const std::atomic<bool> &stop) {
    LogWriter log(log_path);  // before the work, so that a path that cannot be written is said at once
    const TemporaryFolder folder;
    const std::string program = folder.path() + "/tuner", output = folder.path() + "/log.jsonl";
    emit_remote(request, program, stop);
    const std::string script = "f=$(mktemp) && cat >\"$f\" && chmod 700 \"$f\" && \"$f\"; s=$?; rm -f \"$f\"; exit $s";
    const Ended ended =
        run_process({"/bin/sh", "-c",
                     command + " " + shell_quoted(script) + " <" + shell_quoted(program) + " >" + shell_quoted(output)},
                    kRemoteSeconds, stop);
    // A line that the connection cut off is left out.
    const Log answer = parse_log(contents(output), "what " + command + " printed");
    for (const Run &run : answer.runs) log.append(run);
    for (const Result &result : answer.results) log.append(result);
    if (ended.how == Ended::How::stopped) throw std::runtime_error("stopped; what came so far is in " + log_path);
    if (!ended.ok())
        throw std::runtime_error(command + ": ended with status " + std::to_string(ended.code) + " after " +
                                 std::to_string(answer.results.size()) + " results: " + last_words(ended.output));
    return {answer.results.size()};
}

}  // namespace dwc::tuner
