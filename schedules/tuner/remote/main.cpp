// The program that `dwconv tune --emit-remote` writes: candidates, verification and timing on a device without Halide,
// linked with the tables of remote.cpp. Prints the log on standard output.
//
//   ./tuner [--rounds N] [--min-time MS] [--timeout S] [--threads N] [--emulated]
//
// Exit status: 0; 2 wrong usage, or a device that cannot run the target; 1 anything else.
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "dwconv/dwconv.h"
#include "space.hpp"
#include "tuner/library.hpp"
#include "tuner/log.hpp"
#include "tuner/machine.hpp"
#include "tuner/measure.hpp"

// The tables, written as C.
extern "C" {
extern const char *const dwc_remote_target, *const dwc_remote_command, *const dwc_remote_halide;
extern const int dwc_remote_threads, dwc_remote_rounds, dwc_remote_kernel_count, dwc_remote_problem_count;
extern const double dwc_remote_sample_ms, dwc_remote_timeout_s;
extern const char *const dwc_remote_names[], *const dwc_remote_failures[];  // a failure: why there is no function
extern void (*const dwc_remote_functions[])(void);
extern const long long dwc_remote_bytes[];
extern const char *const dwc_remote_problems[];
extern const int dwc_remote_starts[], dwc_remote_asks[];  // asks of problem i: starts[i] to starts[i + 1]
extern const double dwc_remote_costs[];                   // one an ask

// Of the runtime that the candidates share; the library has one of its own.
using Handler = void (*)(void *, const char *);
Handler halide_set_error_handler(Handler);
Handler halide_set_custom_print(Handler);
}

namespace {

using namespace dwc::tuner;
using Clock = std::chrono::steady_clock;

struct Options {
    int threads = dwc_remote_threads, rounds = dwc_remote_rounds;
    double sample_ms = dwc_remote_sample_ms, timeout_s = dwc_remote_timeout_s;
    bool emulated = false;
};

void ignore_message(void *, const char *) {}

std::string target_name(const std::string &kernel) { return kernel + "@" + dwc_remote_target; }

double number(const char *option, const char *text, double least, double most) {
    char *end = nullptr;
    const double value = text ? std::strtod(text, &end) : 0;
    if (text && end != text && *end == 0 && value >= least && value <= most) return value;
    throw InputError(std::string(option) + " " + (text ? text : "") + ": must be a number from " +
                     std::to_string(least) + " to " + std::to_string(most));
}

Options parse(char **words) {
    Options options;
    for (; *words; ++words) {
        const std::string word = *words;
        if (word == "--emulated") {
            options.emulated = true;
            continue;
        }
        const char *value = words[1];
        if (word == "--rounds") {
            options.rounds = static_cast<int>(number("--rounds", value, 1, 10000));
        } else if (word == "--min-time") {
            options.sample_ms = number("--min-time", value, 0.001, 60000);
        } else if (word == "--timeout") {
            options.timeout_s = number("--timeout", value, 0.1, 86400);
        } else if (word == "--threads") {
            options.threads = static_cast<int>(number("--threads", value, 1, 4096));
        } else {
            throw InputError("unknown option " + word +
                             "; there are --rounds, --min-time, --timeout, --threads and --emulated");
        }
        ++words;
    }
    options.emulated = options.emulated || under_emulator();
    return options;
}

void check_target() {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) != DWC_OK || std::strcmp(info.name, dwc_remote_target) != 0) continue;
        if (info.supported) return;
    }
    throw InputError(std::string("target=") + dwc_remote_target + ": this CPU does not support it");
}

void add_candidates() {
    halide_set_error_handler(ignore_message);
    halide_set_custom_print(ignore_message);
    const std::set<std::string> known = kernel_names();
    for (int i = 0; i < dwc_remote_kernel_count; ++i) {
        if (!dwc_remote_functions[i] || known.count(target_name(dwc_remote_names[i]))) continue;
        dwc::Point p;
        std::string dtype;
        if (!dwc::parse_variant_name(dwc_remote_names[i], &p, &dtype))
            throw InputError(std::string(dwc_remote_names[i]) + ": is no variant's name");
        dwc_kernel_row row;
        dwc_kernel_row_init(&row);
        row.family = p.family.c_str();
        row.target = dwc_remote_target;
        row.activation = p.activation.c_str();
        row.dtype = dtype == "bf16" ? DWC_BF16 : DWC_F32;
        row.k = p.k, row.stride = p.stride, row.m = p.m;
        row.v = p.v, row.t = p.t, row.block = p.block;
        row.function = dwc_remote_functions[i];
        dwc_error error{};
        if (dwc_kernel_add(&row, &error) != DWC_OK) throw std::runtime_error(error.message);
    }
}

// In the child.
void measure(const Options &options, Result *result) {
    try {
        const std::string kernel = target_name(result->kernel);
        result->message = verify(result->problem, kernel, options.threads);
        if (!result->message.empty()) {
            result->outcome = Outcome::wrong;
            return;
        }
        const TimingOptions timing{options.rounds, options.sample_ms};
        summarise(time_interleaved(result->problem, kernel, result->incumbent, options.threads, timing), result);
    } catch (const std::exception &error) {
        result->outcome = Outcome::refused;
        result->message = error.what();
    }
}

// Reads until the end or the deadline; false where that passed.
bool read_all(int fd, double seconds, std::string *text) {
    const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
    for (;;) {
        const double left = std::chrono::duration<double>(deadline - Clock::now()).count();
        if (left <= 0) return false;
        pollfd stream{fd, POLLIN, 0};
        if (poll(&stream, 1, static_cast<int>(left * 1e3) + 1) <= 0) continue;
        char buffer[4096];
        const ssize_t count = read(fd, buffer, sizeof buffer);
        if (count == 0) return true;
        if (count > 0) text->append(buffer, static_cast<size_t>(count));
    }
}

// One candidate in a child: whatever it does, this process sees how it ended.
void measure_apart(const Options &options, Result *result) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe could be made");
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("no process could be made");
    if (child == 0) {
        close(ends[0]);
        const rlimit none{0, 0};
        setrlimit(RLIMIT_CORE, &none);
        if (options.threads == 1) pin_to_current_cpu();
        measure(options, result);
        const std::string line = line_of(*result);
        _exit(write(ends[1], line.data(), line.size()) == static_cast<ssize_t>(line.size()) ? 0 : 1);
    }
    close(ends[1]);
    std::string text;
    const bool in_time = read_all(ends[0], options.timeout_s, &text);
    close(ends[0]);
    if (!in_time) kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!in_time) {
        result->outcome = Outcome::timeout;
        result->message = "no answer in time";
    } else if (WIFSIGNALED(status)) {
        result->outcome = Outcome::crash;
        result->message = strsignal(WTERMSIG(status));
    } else {
        const Log answer = parse_log(text, "answer");
        if (answer.results.size() == 1) {
            *result = answer.results[0];
        } else {
            result->outcome = Outcome::crash;
            result->message = "exit status " + std::to_string(WEXITSTATUS(status));
        }
    }
}

void print(const std::string &line) {
    if (std::fputs(line.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
        throw std::runtime_error("the standard output could not be written");
}

void tune(const Options &options) {
    check_target();
    std::vector<std::string> incumbents;
    for (int i = 0; i < dwc_remote_problem_count; ++i)
        incumbents.push_back(default_kernel(parsed(dwc_remote_problems[i]), nullptr, options.threads).value_or(""));
    add_candidates();
    const Run run{new_run_id(), dwc_remote_target, dwc_cpu_name(),    machine_json(),
                  now_utc(),    dwc_version(),     dwc_remote_halide, dwc_remote_command};
    print(line_of(run));
    for (int i = 0; i < dwc_remote_problem_count; ++i) {
        for (int ask = dwc_remote_starts[i]; ask < dwc_remote_starts[i + 1]; ++ask) {
            const int kernel = dwc_remote_asks[ask];
            Result result;
            result.run = run.id;
            result.problem = dwc_remote_problems[i];
            result.kernel = dwc_remote_names[kernel];
            result.target = dwc_remote_target;
            result.threads = options.threads;
            result.source = options.emulated ? Source::emulated : Source::measured;
            result.incumbent = incumbents[static_cast<size_t>(i)];
            result.cost = dwc_remote_costs[ask];
            result.object_bytes = dwc_remote_bytes[kernel];
            if (dwc_remote_failures[kernel]) {
                result.outcome = Outcome::compile;
                result.message = dwc_remote_failures[kernel];
            } else {
                measure_apart(options, &result);
            }
            print(line_of(result));
            std::fprintf(stderr, "[%d/%d] %d of %d: %s: %s\n", i + 1, dwc_remote_problem_count,
                         ask - dwc_remote_starts[i] + 1, dwc_remote_starts[i + 1] - dwc_remote_starts[i],
                         result.kernel.c_str(), outcome_name(result.outcome));
        }
    }
}

}  // namespace

int main(int, char **argv) {
    // The default is what everybody gets, not what this environment forces.
    for (const char *name : {"DWC_FORCE_KERNEL", "DWC_FORCE_TARGET", "DWC_TUNED_FILE", "DWC_VERBOSE"}) unsetenv(name);
    signal(SIGPIPE, SIG_IGN);
    try {
        tune(parse(argv + 1));
        return 0;
    } catch (const InputError &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
