#include "emit.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "kernels.hpp"
#include "sources.hpp"

namespace dwc::emit {
namespace {

namespace fs = std::filesystem;

// On the stack of the thread that computes; threads of musl have 128 KiB.
constexpr int64_t most_scratch = 96 * 1024;

constexpr const char *mark = "dwconv_emitted.h";  // a folder of ours has it

std::string problem_text(const dwc_problem &problem) {
    char text[300] = "";
    dwc_problem_format(&problem, text, sizeof text, nullptr);
    return text;
}

void check_problem(const Layer &layer) {
    const dwc_problem &p = layer.problem;
    const std::string problem = problem_text(p) + ": ";
    dwc_error error{};
    if (dwc_problem_validate(&p, &error) != DWC_OK) throw InputError(error.message);
    if (p.x_dtype != DWC_F32 || p.w_dtype != DWC_F32 || p.y_dtype != DWC_F32)
        throw InputError(problem + "emitted layers compute in float32; bfloat16 is the library's");
    if (p.stateful)
        throw InputError(problem + "emitted layers keep no state; use the library for chunks of a sequence");
    for (int i = 0; i < 3; ++i)
        if (p.x_strides[i] || p.y_strides[i]) throw InputError(problem + "emitted layers take dense x and y only");
    int64_t out = 0;
    dwc_problem_out_length(&p, &out, nullptr);
    if (p.batch == 0 || p.channels == 0 || out == 0) throw InputError(problem + "its output is empty");
}

bool is_device(const std::string &target) {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) == DWC_OK && target == info.name) return info.device != DWC_MEMORY_HOST;
    }
    return false;
}

std::vector<const tuner::TunerTarget *> targets_of(const Request &request) {
    std::vector<const tuner::TunerTarget *> all;
    for (std::string name : request.targets) {
        constexpr const char *system = "-linux";
        if (!tuner::tuner_target(name) && name.size() > std::strlen(system) &&
            name.compare(name.size() - std::strlen(system), std::string::npos, system) == 0)
            name.erase(name.size() - std::strlen(system));
        const tuner::TunerTarget *target = tuner::tuner_target(name);
        if (!target) throw InputError("target " + name + ": no such target; `dwconv list` shows them");
        if (is_device(name)) throw InputError("target " + name + ": layers are emitted for CPUs only");
        if (std::count(all.begin(), all.end(), target) == 0) all.push_back(target);
    }
    // Best first, as the library has them.
    std::vector<std::string> order;
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        if (dwc_target_at(i, &info, nullptr) == DWC_OK) order.push_back(info.name);
    }
    std::stable_sort(all.begin(), all.end(), [&](const auto *a, const auto *b) {
        return std::find(order.begin(), order.end(), a->name) < std::find(order.begin(), order.end(), b->name);
    });
    return all;
}

Unit unit_of(const Layer &layer, const tuner::TunerTarget *target, const Request &request) {
    Unit unit{&layer, target, choose(layer.problem, *target), {}, {}};
    // Weights that are passed in later are taken to be finite, which packing checks.
    const bool finite = std::all_of(layer.kernel.begin(), layer.kernel.end(), [](float w) { return std::isfinite(w); });
    unit.program = record(layer.problem, unit.kernel, *target, finite || !request.embed_weights);
    unit.kernel.point.activation = unit.program.info.function;
    const int64_t bytes = unit.program.scratch_elements * static_cast<int64_t>(sizeof(float));
    if (bytes > most_scratch)
        throw InputError(problem_text(layer.problem) + ": needs " + std::to_string(bytes) +
                         " bytes of scratch memory, more than a stack has room for; use the library");
    unit.symbol = request.name + "_" + identifier(unit.kernel.name()) + "_" + identifier(target->name);
    return unit;
}

void write(const fs::path &path, const std::string &text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (!file) throw std::runtime_error(path.string() + ": cannot be written");
}

// A new folder beside the wanted one, which takes its place in the end.
class NewFolder {
   public:
    NewFolder(const std::string &folder, bool force) : wanted_(fs::absolute(folder).lexically_normal()) {
        if (!wanted_.has_filename()) wanted_ = wanted_.parent_path();
        std::error_code error;
        const bool exists = fs::exists(fs::symlink_status(wanted_, error));
        if (exists && !fs::is_directory(wanted_, error)) throw InputError(folder + ": is there and is no folder");
        if (exists && !fs::is_empty(wanted_, error)) {
            if (!force) throw InputError(folder + ": the folder is not empty; --force replaces what emit wrote before");
            if (!fs::exists(wanted_ / mark, error))
                throw InputError(folder + ": --force replaces only a folder that emit wrote, and this one holds no " +
                                 mark);
        }
        if (!fs::is_directory(wanted_.parent_path(), error))
            throw InputError(folder + ": the folder above it does not exist");
        std::string name = wanted_.string() + ".XXXXXX";
        if (!mkdtemp(name.data())) throw InputError(folder + ": cannot be made: " + std::strerror(errno));
        made_ = name;
        fs::permissions(made_, fs::perms(0755), error);
    }
    ~NewFolder() {
        std::error_code ignored;
        if (!made_.empty()) fs::remove_all(made_, ignored);
    }
    NewFolder(const NewFolder &) = delete;
    const fs::path &path() const { return made_; }
    void keep() {
        std::error_code ignored;
        const fs::path old = made_.string() + ".old";
        if (fs::exists(wanted_, ignored)) fs::rename(wanted_, old);
        fs::rename(made_, wanted_);
        made_.clear();
        fs::remove_all(old, ignored);
    }

   private:
    fs::path wanted_, made_;
};

void write_sources(const Folder &folder, const fs::path &path) {
    const std::string &name = folder.request->name;
    write(path / mark, runtime_header());
    write(path / (name + ".h"), header(folder));
    write(path / (name + ".c"), dispatch_source(folder));
    for (const tuner::TunerTarget *target : folder.targets)
        write(path / (name + "_" + identifier(target->name) + ".c"), target_source(folder, target));
    write(path / "CMakeLists.txt", cmake_lists(folder));
    write(path / "README.md", readme(folder));
    write(path / "example.c", example(folder));
    write(path / "example_data.h", example_data(folder));
}

}  // namespace

std::vector<Emitted> emit(const Request &request, const std::atomic<bool> &stop) {
    Folder folder{&request, targets_of(request), {}};
    for (const Layer &layer : request.layers) check_problem(layer);
    for (const tuner::TunerTarget *target : folder.targets)
        for (const Layer &layer : request.layers) folder.units.push_back(unit_of(layer, target, request));
    NewFolder made(request.folder, request.force);

    std::vector<Job> jobs;
    for (const Unit &unit : folder.units)
        if (std::none_of(jobs.begin(), jobs.end(), [&](const Job &job) { return job.symbol == unit.symbol; }))
            jobs.push_back({unit.kernel, unit.target, unit.symbol});
    compile(request.generator, (made.path() / "lib").string(), &jobs, stop);
    for (Unit &unit : folder.units)
        for (const Job &job : jobs)
            if (job.symbol == unit.symbol) unit.code_bytes = job.code_bytes;
    write_sources(folder, made.path());
    made.keep();

    std::vector<Emitted> result;
    for (const Unit &unit : folder.units)
        result.push_back({unit.layer->name, problem_text(unit.layer->problem), unit.target->name, unit.kernel.name(),
                          unit.code_bytes});
    return result;
}

}  // namespace dwc::emit
