// `dwconv tune-worker`: what `dwconv tune` starts for every candidate. It loads the kernel, verifies it, times it in
// turns with the incumbent and answers one line of the log on file descriptor 3. Whatever the candidate does, it does
// it here, and the parent sees how this process ended.
#include <dlfcn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "common.hpp"
#include "tuner/candidates.hpp"
#include "tuner/measure.hpp"

namespace cli {
namespace {

namespace tuner = dwc::tuner;

struct WorkerOptions {
    std::string problem, kernel, incumbent, object, symbol;
    int threads = 1;
    tuner::TimingOptions timing;
};

void ignore_message(void *, const char *) {}

// Halide's default handler prints and aborts; with this one a kernel that refuses its buffers returns a code.
void quieten(void *library) {
    using Handler = void (*)(void *, const char *);
    using Setter = Handler (*)(Handler);
    for (const char *name : {"halide_set_error_handler", "halide_set_custom_print"}) {
        if (void *setter = dlsym(library, name)) reinterpret_cast<Setter>(setter)(ignore_message);
    }
}

// "name@target" as a row of the library, with the function of the shared object.
void add_candidate(const WorkerOptions &options) {
    const size_t at = options.kernel.find('@');
    const std::string target = at == std::string::npos ? "" : options.kernel.substr(at + 1);
    tuner::Candidate candidate;
    std::string dtype;
    if (!dwc::parse_variant_name(options.kernel.substr(0, at), &candidate.point, &dtype))
        throw Failure(kExitInvalid, "--kernel " + options.kernel + ": is no variant's name");
    candidate.dtype = dtype == "bf16" ? DWC_BF16 : DWC_F32;
    void *library = dlopen(options.object.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) throw Failure(kExitFailure, dlerror());
    quieten(library);
    void *function = dlsym(library, options.symbol.c_str());
    if (!function) throw Failure(kExitFailure, options.object + ": has no function " + options.symbol);
    const dwc_kernel_row row = row_of(candidate, target, nullptr, reinterpret_cast<void (*)()>(function));
    dwc_error error{};
    check(dwc_kernel_add(&row, &error), error);
}

tuner::Result measure(const WorkerOptions &options) {
    tuner::Result result;
    result.run = "-";  // the parent knows
    result.problem = options.problem;
    result.kernel = options.kernel;
    result.target = "-";
    try {
        result.message = tuner::verify(options.problem, options.kernel, options.threads);
        if (!result.message.empty()) {
            result.outcome = tuner::Outcome::wrong;
            return result;
        }
        const tuner::Timing timing = tuner::time_interleaved(options.problem, options.kernel, options.incumbent,
                                                             options.threads, options.timing);
        tuner::summarise(timing, &result);
    } catch (const std::exception &error) {
        result.outcome = tuner::Outcome::refused;
        result.message = error.what();
    }
    return result;
}

int work(const WorkerOptions &options) {
    // No orphans that hang, and no core files of candidates that crash.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (options.threads == 1) tuner::pin_to_current_cpu();
    if (!options.object.empty()) add_candidate(options);
    const std::string line = line_of(measure(options));
    const ssize_t written = write(3, line.data(), line.size());
    if (written != static_cast<ssize_t>(line.size())) throw Failure(kExitFailure, "nobody reads file descriptor 3");
    std::fflush(nullptr);
    _exit(kExitOk);  // destructors of what the candidate brought along are nobody's business
}

}  // namespace

void register_tune_worker(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("tune-worker", "Verify and time one candidate for `dwconv tune`");
    command->group("");  // not in the help: only `dwconv tune` starts it
    auto options = std::make_shared<WorkerOptions>();
    command->add_option("--problem", options->problem)->required();
    command->add_option("--kernel", options->kernel)->required();
    command->add_option("--incumbent", options->incumbent);
    command->add_option("--object", options->object);
    command->add_option("--symbol", options->symbol);
    command->add_option("--threads", options->threads);
    command->add_option("--rounds", options->timing.rounds);
    command->add_option("--sample-ms", options->timing.sample_ms);
    command->callback([options, &exit_code] { exit_code = work(*options); });
}

}  // namespace cli
