#include "static_cost.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <stdexcept>

#include "log.hpp"
#include "process.hpp"

namespace dwc::tuner {
namespace {

namespace fs = std::filesystem;
using Region = std::vector<std::string>;

constexpr int kShort = 20, kLong = 80;  // repetitions; their difference leaves out filling and draining the pipeline
constexpr double kSeconds = 600;        // llvm-mca takes about 0.1 s a candidate
constexpr int kTraceTaps = 64;          // longer kernels are extrapolated from two numbers of taps

class Folder {
   public:
    Folder() : path_((fs::temp_directory_path() / "dwconv-mca-XXXXXX").string()) {
        if (!mkdtemp(path_.data())) throw std::runtime_error(path_ + ": could not be created");
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    std::string operator/(const char *name) const { return path_ + "/" + name; }

   private:
    std::string path_;
};

std::string contents(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<double> total_cycles(const Folder &folder, size_t regions, int repetitions, const StaticCpu &cpu) {
    const char *triple = cpu.processor == Processor::aarch64 ? "aarch64-linux" : "x86_64-linux";
    const std::string out = folder / "out.json";
    const std::atomic<bool> never{false};
    const Ended ended =
        run_process({cpu.program, std::string("-mtriple=") + triple, "-mcpu=" + cpu.name,
                     "-iterations=" + std::to_string(repetitions), "--json", "-o", out, folder / "regions.s"},
                    kSeconds, never);
    if (ended.output.find("not a recognized processor") != std::string::npos ||
        ended.output.find("unable to find instruction-level scheduling information") != std::string::npos)
        throw InputError("--cpu " + cpu.name + ": llvm-mca knows no such processor; `llc -mtriple=" + triple +
                         " -mcpu=help` lists them");
    if (!ended.ok()) throw std::runtime_error(cpu.program + " failed: " + last_words(ended.output));
    std::vector<double> cycles(regions);
    try {
        const nlohmann::json report = nlohmann::json::parse(contents(out));
        for (const auto &region : report.at("CodeRegions"))
            cycles.at(std::stoul(region.at("Name").get<std::string>())) =
                region.at("SummaryView").at("TotalCycles").get<double>();
    } catch (const std::exception &error) {
        throw std::runtime_error(cpu.program + ": unexpected output: " + error.what());
    }
    return cycles;
}

// Cycles of one repetition of each region in the steady state.
std::vector<double> cycles_of(const std::vector<Region> &regions, const StaticCpu &cpu) {
    const Folder folder;
    std::ofstream file(folder / "regions.s");
    for (size_t i = 0; i < regions.size(); ++i) {
        file << "# LLVM-MCA-BEGIN " << i << "\n";
        for (const std::string &line : regions[i]) file << line << "\n";
        file << "# LLVM-MCA-END " << i << "\n";
    }
    file.close();
    if (!file) throw std::runtime_error("the folder for temporary files cannot be written");
    const std::vector<double> few = total_cycles(folder, regions.size(), kShort, cpu);
    std::vector<double> cycles = total_cycles(folder, regions.size(), kLong, cpu);
    for (size_t i = 0; i < cycles.size(); ++i) cycles[i] = (cycles[i] - few[i]) / (kLong - kShort);
    return cycles;
}

// Independent multiply-adds in the target's widest vectors, in every form that a kernel may use.
std::vector<Region> multiply_add_bounds(const StaticCpu &cpu) {
    std::vector<std::string> forms;
    if (cpu.processor == Processor::aarch64) {
        forms = {"fmla v@.4s, v24.4s, v25.4s", "fmla v@.4s, v24.4s, v25.s[1]"};
    } else if (!cpu.fma) {
        forms = {"mulps %xmm14, %xmm15\naddps %xmm15, %xmm@"};
    } else {
        const std::string r = cpu.lanes == 16 ? "%zmm" : cpu.lanes == 8 ? "%ymm" : "%xmm";
        forms = {"vfmadd231ps " + r + "14, " + r + "15, " + r + "@"};
    }
    std::vector<Region> regions;
    for (const std::string &form : forms) {
        Region &region = regions.emplace_back();
        for (int i = 0; i < 12; ++i) {
            std::string line = form;
            region.push_back(line.replace(line.find('@'), 1, std::to_string(i)));
        }
    }
    return regions;
}

}  // namespace

std::string find_llvm_mca() {
    if (const char *given = std::getenv("DWC_LLVM_MCA"); given && *given) {
        if (access(given, X_OK) == 0) return given;
        throw InputError(std::string("DWC_LLVM_MCA=") + given + ": is no program that can be run");
    }
    const char *path = std::getenv("PATH");
    for (const char *name : {"llvm-mca-19", "llvm-mca-20", "llvm-mca-21", "llvm-mca-22", "llvm-mca"}) {
        std::istringstream folders(path ? path : "");
        for (std::string folder; std::getline(folders, folder, ':');)
            if (const std::string file = folder + "/" + name; access(file.c_str(), X_OK) == 0) return file;
    }
    throw InputError("--cost static needs llvm-mca (Debian: package llvm-19), which is not in PATH");
}

double tiles_of(const dwc_problem &p, const Point &point) {
    int64_t rows = 0;
    dwc_error error;
    if (dwc_problem_out_length(&p, &rows, &error) != DWC_OK) throw InputError(error.message);
    const auto parts = [](int64_t n, int64_t part) { return static_cast<double>((n + part - 1) / part); };
    const auto batch = static_cast<double>(p.batch), channels = static_cast<double>(p.channels);
    const auto m = static_cast<double>(p.depth_multiplier);
    if (point.family == "channels") {
        const int64_t phases = std::max<int64_t>(std::min(p.dilation, rows), 1);
        const double tiles = static_cast<double>(phases) * parts((rows + phases - 1) / phases, point.t);
        return batch * tiles * parts(p.channels, point.v) * (point.m == 0 ? m : 1);
    }
    if (point.family == "width") return batch * channels * m * parts(rows, int64_t{point.v} * point.t);
    const int64_t period = std::lcm(std::max<int64_t>(p.channels, 1), int64_t{point.v});
    return batch * parts(rows * p.channels, period * point.t) * static_cast<double>(period / point.v);
}

std::vector<StaticEstimate> static_cost(const dwc_problem &problem, const std::vector<StaticCandidate> &candidates,
                                        const StaticCpu &cpu) {
    const auto taps = static_cast<int>(std::min<int64_t>(problem.kernel_size, kTraceTaps));
    const bool longer = problem.kernel_size > kTraceTaps;
    const bool fused = std::any_of(candidates.begin(), candidates.end(),
                                   [](const StaticCandidate &c) { return c.point.activation != "linear"; });
    std::vector<Region> regions = multiply_add_bounds(cpu);
    const size_t bounds = regions.size();
    std::vector<StaticEstimate> estimates(candidates.size());
    std::vector<size_t> first(candidates.size());
    for (size_t i = 0; i < candidates.size(); ++i) {
        const Point &point = candidates[i].point;
        if (fused && point.activation == "linear") {
            estimates[i].refused = "a pass of its own over the outputs is no part of the static cost";
            continue;
        }
        try {
            const Listing listing(candidates[i].assembly, candidates[i].function, cpu.processor);
            const int block = point.k > 0 ? 0 : point.block;
            first[i] = regions.size();
            regions.push_back(listing.tile(taps, block));
            if (longer) regions.push_back(listing.tile(taps / 2, block));
        } catch (const std::runtime_error &error) {
            if (first[i]) regions.resize(first[i]);
            estimates[i].refused = error.what();
        }
    }
    const std::vector<double> cycles = cycles_of(regions, cpu);
    // Lanes a cycle, by the form of multiply-adds that a candidate uses.
    const auto bound = [&](const Region &region) {
        const bool by_lane = std::any_of(region.begin(), region.end(), [](const std::string &line) {
            return line.compare(0, 4, "fmla") == 0 && line.find('[') != std::string::npos;
        });
        const size_t form = by_lane ? bounds - 1 : 0;
        const double lanes = cpu.processor == Processor::aarch64 ? 4 : cpu.lanes;
        return lanes * static_cast<double>(regions[form].size()) / cycles[form];
    };
    for (size_t i = 0; i < candidates.size(); ++i) {
        if (!estimates[i].refused.empty()) continue;
        const Point &point = candidates[i].point;
        double tile = cycles[first[i]];
        if (longer) {
            const double per_tap = (tile - cycles[first[i] + 1]) / (taps - taps / 2);
            tile += per_tap * static_cast<double>(problem.kernel_size - taps);
        }
        const double outputs = static_cast<double>(point.v) * point.t * std::max(point.m, 1);
        estimates[i].tile_cycles = tile;
        estimates[i].share = outputs * static_cast<double>(problem.kernel_size) / (tile * bound(regions[first[i]]));
        estimates[i].us = tiles_of(problem, point) * tile / (cpu.ghz * 1e3);
    }
    return estimates;
}

}  // namespace dwc::tuner
