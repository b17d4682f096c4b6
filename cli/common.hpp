// What every subcommand shares: errors that carry an exit code, problem and plan options, tables and JSON lines.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "dwconv/dwconv.h"

namespace cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;  // the machine, the library or a checked result
inline constexpr int kExitInvalid = 2;  // the user's words or files

// Ends a subcommand: one sentence for stderr and the process' exit code.
class Failure : public std::runtime_error {
   public:
    Failure(int exit_code, const std::string &sentence) : std::runtime_error(sentence), exit_code_(exit_code) {}
    int exit_code() const { return exit_code_; }

   private:
    int exit_code_;
};

// kExitInvalid where the status speaks of something the user gave, else kExitFailure.
int exit_code_of(dwc_status status);
// Throws Failure with the library's sentence unless `status` is DWC_OK.
void check(dwc_status status, const dwc_error &error);

// Runs `body` and maps every exception to an exit code and one sentence on stderr.
int guarded(const std::function<int()> &body);

// The problem of a canonical string; throws Failure.
dwc_problem parse_problem(const std::string &text);

// --threads, --force-kernel, --force-target and --plan-level, as every planning subcommand takes them.
struct PlanOptions {
    int threads = 1;
    std::string force_kernel, force_target, plan_level = "default";
    dwc_stores stores = DWC_STORES_AUTO;

    void add_to(CLI::App &app);
    // Pointers into *this: keep it alive as long as the result.
    dwc_options to_c() const;
    // Throws Failure (invalid) on a negative number of threads and where the library lists no kernel or target of a
    // forced name: typing errors, unlike a kernel that exists and cannot compute one problem.
    void check_values() const;
};

std::vector<dwc_target_info> all_targets();
// The best target of this CPU, "" where it runs none. Asks no driver of a device, as all_targets() does.
std::string best_cpu_target();
std::vector<dwc_kernel_info> all_kernels();
const char *dtype_name(dwc_dtype dtype);

// One JSON object on one line, keys in the order they were added.
class JsonObject {
   public:
    JsonObject &add(std::string_view key, std::string_view value);
    JsonObject &add(std::string_view key, const char *value);  // null where `value` is NULL
    JsonObject &add(std::string_view key, double value);       // null where not finite
    JsonObject &add(std::string_view key, int64_t value);
    JsonObject &add(std::string_view key, int value) { return add(key, static_cast<int64_t>(value)); }
    JsonObject &add(std::string_view key, bool value);
    JsonObject &add(std::string_view key, const JsonObject &value);
    JsonObject &add(std::string_view key, const std::vector<double> &values);
    JsonObject &add_json(std::string_view key, const std::string &json) { return raw(key, json); }
    std::string str() const { return "{" + body_ + "}"; }

   private:
    JsonObject &raw(std::string_view key, const std::string &value);
    std::string body_;
};

// Columns as wide as their widest cell; cells that start with a digit, '-' or '.' are set flush right.
class Table {
   public:
    explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    std::string str() const;

   private:
    std::vector<std::vector<std::string>> rows_;
};

// A path in a message stays on its line.
std::string shown(std::string path);

std::string format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

// One function a subcommand file: adds the subcommand and its options to `app`. When the command line names it, its
// callback runs and leaves the process' exit code in `exit_code`.
void register_run(CLI::App &app, int &exit_code);
void register_init(CLI::App &app, int &exit_code);
void register_inspect(CLI::App &app, int &exit_code);
void register_convert(CLI::App &app, int &exit_code);
void register_check(CLI::App &app, int &exit_code);
void register_list(CLI::App &app, int &exit_code);
void register_explain(CLI::App &app, int &exit_code);
void register_bench(CLI::App &app, int &exit_code);
void register_tune(CLI::App &app, int &exit_code);
void register_tune_worker(CLI::App &app, int &exit_code);
void register_report(CLI::App &app, int &exit_code);
void register_promote(CLI::App &app, int &exit_code);
void register_emit(CLI::App &app, int &exit_code);

}  // namespace cli
