#include "report_data.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "dwconv/dwconv.h"
#include "tuner/log.hpp"
#include "tuner/measure.hpp"

namespace cli::report {
namespace {

using dwc::tuner::InputError;
using dwc::tuner::quantile;
using Json = nlohmann::json;

// One record and where it stands, for messages.
struct Line {
    const Json &json;
    std::string where;

    [[noreturn]] void refuse(const std::string &what) const { throw InputError(where + ": " + what); }
    // nullptr where there is no such key or null.
    const Json *find(const char *key) const {
        const auto found = json.find(key);
        return found == json.end() || found->is_null() ? nullptr : &*found;
    }
    std::string text(const char *key, const std::string &otherwise = "") const {
        const Json *value = find(key);
        if (!value) return otherwise;
        if (!value->is_string()) refuse(std::string(key) + " must be a string");
        return value->get<std::string>();
    }
    // Not negative; 0 where absent.
    double number(const char *key) const {
        const Json *value = find(key);
        if (!value) return 0;
        if (!value->is_number() || !std::isfinite(value->get<double>()) || value->get<double>() < 0)
            refuse(std::string(key) + " must be a number that is not negative");
        return value->get<double>();
    }
    double positive(const char *key) const {
        const double value = number(key);
        if (!(value > 0)) refuse(std::string(key) + " must be there and positive");
        return value;
    }
    Line object(const char *key) const {
        const Json *value = find(key);
        if (!value || !value->is_object()) refuse(std::string(key) + " must be there and an object");
        return {*value, where + ": " + key};
    }
};

// A value as a person reads it.
std::string plain(const Json &value) {
    if (value.is_null()) return "not known";
    if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_object()) return value.dump();
    std::string all;
    for (const auto &[key, part] : value.items()) all += (all.empty() ? "" : ", ") + key + " " + plain(part);
    return all;
}

void read_problem(const Line &line, Row *row) {
    row->problem = line.text("problem");
    dwc_problem p;
    dwc_problem_init(&p);
    dwc_error error{};
    if (dwc_problem_parse(row->problem.c_str(), &p, &error) != DWC_OK) line.refuse(error.message);
    row->layout = p.layout == DWC_NLC ? "nlc" : "ncl";
    const auto size = [](dwc_dtype dtype) { return dtype == DWC_BF16 ? 2.0 : 4.0; };
    const auto n = static_cast<double>(p.batch), c = static_cast<double>(p.channels);
    const auto k = static_cast<double>(p.kernel_size), q = c * static_cast<double>(p.depth_multiplier);
    const auto length = static_cast<double>(p.length);
    const double span =
        length + static_cast<double>(p.pad_left + p.pad_right) - static_cast<double>(p.dilation) * (k - 1) - 1;
    const double outputs = std::max(0.0, std::floor(span / static_cast<double>(p.stride)) + 1);
    row->flops = 2 * n * outputs * q * k;
    row->bytes = n * length * c * size(p.x_dtype) + n * outputs * q * size(p.y_dtype) +
                 (k + (p.has_bias ? 1 : 0)) * q * size(p.w_dtype);
    if (p.stateful) row->bytes += 2 * n * (k - 1) * static_cast<double>(p.dilation) * c * size(p.x_dtype);
}

void read_times(const Line &line, Row *row) {
    row->us_median = line.positive("us_median");
    row->us_min = line.positive("us_min");
    row->us_q25 = row->us_q75 = row->us_median;
    if (const Json *samples = line.find("samples_us")) {
        const auto good = [](const Json &v) {
            return v.is_number() && std::isfinite(v.get<double>()) && v.get<double>() > 0;
        };
        if (!samples->is_array() || !std::all_of(samples->begin(), samples->end(), good))
            line.refuse("samples_us must be a list of positive numbers");
        row->samples_us = samples->get<std::vector<double>>();
    }
    if (!row->samples_us.empty()) {
        row->us_q25 = quantile(row->samples_us, 0.25);
        row->us_q75 = quantile(row->samples_us, 0.75);
    }
    row->roof_us = line.number("roof_us");
    if (line.find("max_error")) row->max_error = line.number("max_error");
}

Row row_of(const Line &line) {
    Row row;
    read_problem(line, &row);
    const double threads = line.number("threads");
    if (threads < 1 || threads > 1e6 || threads != std::floor(threads))
        line.refuse("threads must be a positive integer");
    row.threads = static_cast<int>(threads);
    if (!line.find("peer")) {
        row.detail = line.text("variant");
        row.level = line.text("level");
        row.copy_gbs = line.number("roof_copy_gbs");
        row.fma_gflops = line.number("roof_fma_gflops");
        read_times(line, &row);
        return row;
    }
    const std::string peer = line.text("peer"), version = line.text("version");
    row.ours = peer == "dwconv";
    row.who = row.ours || version.empty() ? peer : peer + " " + version;
    row.detail = line.text("form");
    row.cache = line.text("cache", "hot");
    const std::string status = line.text("status", "ok");
    if (status == "ok")
        read_times(line, &row);
    else
        row.fault = status.empty() ? "no reason given" : status;
    return row;
}

// "x86-64-avx2" of "... --force-target x86-64-avx2 ...".
std::string forced_target(const std::string &command) {
    std::istringstream words(command);
    for (std::string word; words >> word;)
        if (word == "--force-target" && words >> word) return word;
    return "";
}

// A run without rows, of the object that tells where a record was taken.
Run run_of(const Line &origin, const std::string &file, bool of_peers) {
    Run run;
    run.file = file;
    run.of_peers = of_peers;
    run.cpu = origin.text("cpu", "unknown CPU");
    run.date = origin.text("date");
    run.command = origin.text("command");
    run.target = origin.text("isa");
    if (run.target == "best") run.target.clear();  // bench/peers: whatever each library finds
    if (const std::string forced = forced_target(run.command); !forced.empty()) run.target = forced;
    const Json *emulated = origin.find("emulated");
    if (emulated && !emulated->is_boolean()) origin.refuse("emulated must be true or false");
    run.emulated = emulated && emulated->get<bool>();
    for (const auto &[key, value] : origin.json.items()) {
        if (key == "cpu" || key == "date" || key == "command" || key == "isa" || key == "emulated") continue;
        if (value.is_object())
            for (const auto &[inner, part] : value.items()) run.facts.emplace_back(inner, plain(part));
        else
            run.facts.emplace_back(key, plain(value));
    }
    return run;
}

// What tells one machine or program from another.
std::string identity_of(Json origin) {
    for (const char *key : {"date", "command", "repeats", "pinned_cpu"}) origin.erase(key);
    return origin.dump();
}

class Reader {
   public:
    void read(const std::string &file) {
        std::ifstream in(file, std::ios::binary);
        std::error_code ignored;
        if (!in || std::filesystem::is_directory(file, ignored)) throw InputError(file + ": the file cannot be read");
        by_identity_.clear();
        const size_t before = runs_.size();
        std::string line;
        for (int number = 1; std::getline(in, line); ++number) {
            if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
            const std::string where = file + ":" + std::to_string(number);
            const Json json = Json::parse(line, nullptr, false);
            if (!json.is_object()) throw InputError(where + ": must be one JSON object a line");
            add(Line{json, where}, file);
        }
        if (runs_.size() == before) throw InputError(file + ": holds no record");
    }

    std::vector<Run> take() {
        for (size_t i = 0; i < runs_.size(); ++i) {
            runs_[i].name = i < 26 ? std::string(1, static_cast<char>('A' + i)) : "R" + std::to_string(i + 1);
        }
        return std::move(runs_);
    }

   private:
    void add(const Line &line, const std::string &file) {
        const bool of_peers = line.find("peer") != nullptr;
        if (line.find("against"))
            line.refuse("is of `dwconv bench --against`, which compares kernels and is its own report");
        if (!of_peers && !(line.find("variant") && (line.find("us_min") || line.find("execute_ns"))))
            line.refuse("is a record neither of `dwconv bench --json` nor of bench/peers");
        const Line origin = line.object(of_peers ? "machine" : "provenance");
        const std::string from = origin.json.dump();
        if (line.find("execute_ns")) {
            Row row;
            read_problem(line, &row);
            const OverheadRow overhead{row.problem, line.number("plan_us"), line.number("execute_ns"),
                                       line.number("kernel_calls")};
            run_for(origin, from, "overhead\n" + row.problem, file, of_peers).overheads.push_back(overhead);
        } else {
            const Row row = row_of(line);
            run_for(origin, from, row.key(), file, of_peers).rows.push_back(row);
        }
    }

    // The run that a record belongs to. Several commands of one file that ran on one machine with one program are one
    // run, as long as they measured different things.
    Run &run_for(const Line &origin, const std::string &from, const std::string &key, const std::string &file,
                 bool of_peers) {
        Run begun = run_of(origin, file, of_peers);
        const std::string identity = begun.machine() + (begun.emulated ? "\n1" : "\n0") + identity_of(origin.json);
        const auto [found, first] = by_identity_.try_emplace(identity, runs_.size());
        const bool measured_before = !first && held_[found->second].count(key) && held_[found->second][key] != from;
        if (first || measured_before) {
            found->second = runs_.size();
            runs_.push_back(std::move(begun));
            held_.emplace_back();
        } else if (runs_[found->second].command.find(begun.command) == std::string::npos) {
            runs_[found->second].command += "\n" + begun.command;
        }
        held_[found->second][key] = from;
        return runs_[found->second];
    }

    std::vector<Run> runs_;
    std::vector<std::map<std::string, std::string>> held_;  // of each run: what was measured, and where it is from
    std::map<std::string, size_t> by_identity_;             // of this file: the latest run
};

}  // namespace

std::string Row::key() const {
    return who + "\n" + problem + "\n" + std::to_string(threads) + "\n" + cache + (ours ? "" : "\n" + detail);
}

std::vector<Run> read_runs(const std::vector<std::string> &files) {
    Reader reader;
    for (const std::string &file : files) reader.read(file);
    return reader.take();
}

}  // namespace cli::report
