// `dwconv report`: records of one or many machines and of peers as one page, without a network.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "common.hpp"
#include "report_page.hpp"
#include "tuner/log.hpp"

namespace cli {
namespace {

struct ReportOptions {
    std::vector<std::string> files;
    std::string out;
};

// The whole page or nothing: under another name first.
void write_page(const std::string &path, const std::string &text) {
    const std::string unfinished = path + format(".%ld.new", static_cast<long>(getpid()));
    std::ofstream file(unfinished, std::ios::binary);
    file << text;
    file.close();
    std::error_code error;
    if (file) std::filesystem::rename(unfinished, path, error);
    if (file && !error) return;
    std::filesystem::remove(unfinished, error);
    throw Failure(kExitInvalid, shown(path) + ": the file cannot be written");
}

int write_report(const ReportOptions &options) {
    std::error_code error;
    for (const auto &file : options.files) {
        if (std::filesystem::equivalent(file, options.out, error))
            throw Failure(kExitInvalid, shown(options.out) + ": is a file that is read; give another one to write to");
    }
    try {
        const auto runs = report::read_runs(options.files);
        write_page(options.out, report::page(runs));
        size_t records = 0;
        for (const auto &run : runs) records += run.rows.size() + run.overheads.size();
        std::cout << options.out << ": " << records << (records == 1 ? " record of " : " records of ") << runs.size()
                  << (runs.size() == 1 ? " run" : " runs") << '\n';
    } catch (const dwc::tuner::InputError &failure) {
        throw Failure(kExitInvalid, shown(failure.what()));
    }
    return kExitOk;
}

constexpr const char *kFooter = R"(
Examples:
  dwconv bench --json > a.json
  dwconv report a.json -o report.html
  dwconv report before.json after.json other-machine.json peers.json -o report.html

FILE: what `dwconv bench --json`, `dwconv bench --overhead --json`, scripts/bench_peers.sh and the run.sh of a
dwconv-bench-kit wrote, one record a line. What a file says of one machine and program is one run. The page holds a
roofline of each run, bars a workload for every machine and peer, every pair of runs of one machine row by row with what
is more than noise, gaps of peers with their reason, and all records. What was taken under an emulator stands apart.)";

}  // namespace

void register_report(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("report", "Put records of machines and peers together as one page");
    command->footer(kFooter);
    auto options = std::make_shared<ReportOptions>();
    command->add_option("FILE", options->files, "Files of records")->required()->type_name("");
    command->add_option("-o,--out", options->out, "The page to write")->required()->type_name("PAGE");
    command->callback([options, &exit_code] { exit_code = write_report(*options); });
}

}  // namespace cli
