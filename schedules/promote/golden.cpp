#include "golden.hpp"

#include <deque>
#include <sstream>

#include "dwconv/dwconv.h"

namespace dwc::promote {
namespace {

// Kernels and records as C structs; the strings live in `texts`.
class Catalog {
   public:
    Catalog(const std::string &target, const std::vector<DefaultPoint> &points, const Database &database) {
        for (const DefaultPoint &row : points)
            if (row.target == target) add_kernel(row.point, row.dtype, target);
        catalog_.default_count = static_cast<int32_t>(kernels_.size());
        for (const auto &[key, evidence] : database.evidence) {
            if (key.target != target || evidence.chosen.empty()) continue;
            Point point;
            std::string dtype;
            if (parse_variant_name(evidence.chosen, &point, &dtype)) add_kernel(point, dtype, target);
            add_record(key, evidence);
        }
    }

    std::string choose(const GoldenLine &line, const std::string &cpu) {
        dwc_catalog c;
        dwc_catalog_init(&c);
        c.kernels = kernels_.data();
        c.kernel_count = static_cast<int32_t>(kernels_.size());
        c.default_count = catalog_.default_count;
        c.records = records_.data();
        c.record_count = static_cast<int32_t>(records_.size());
        c.cpu = cpu.c_str();
        dwc_problem problem;
        dwc_error error{};
        int32_t kernel = -1;
        if (dwc_problem_parse(line.problem.c_str(), &problem, &error) != DWC_OK ||
            dwc_catalog_select(&c, &problem, line.target.c_str(), 1, &kernel, &error) != DWC_OK)
            throw InputError(line.problem + " " + line.target + ": " + error.message);
        return kernel < 0 ? "none" : names_[static_cast<size_t>(kernel)];
    }

   private:
    const char *keep(const std::string &text) { return texts_.emplace_back(text).c_str(); }

    void add_kernel(const Point &p, const std::string &dtype, const std::string &target) {
        const std::string name = variant_name(p, dtype);
        for (const std::string &known : names_)
            if (known == name) return;
        dwc_kernel_row row;
        dwc_kernel_row_init(&row);
        row.name = keep(name + "@" + target);
        row.family = keep(p.family);
        row.target = keep(target);
        row.activation = keep(p.activation);
        row.dtype = dtype == "bf16" ? DWC_BF16 : DWC_F32;
        row.k = p.k, row.stride = p.stride, row.m = p.m, row.v = p.v, row.t = p.t, row.block = p.block;
        kernels_.push_back(row);
        names_.push_back(name);
    }

    void add_record(const Key &key, const Evidence &evidence) {
        const Entry *entry = evidence.entry(evidence.chosen);
        dwc_record record;
        dwc_record_init(&record);
        record.problem = keep(key.problem);
        record.target = keep(key.target);
        record.kernel = keep(evidence.chosen + "@" + key.target);
        record.incumbent = keep(evidence.incumbent);
        record.cpu = keep(key.cpu);
        record.date = keep(evidence.date);
        record.threads = key.threads;
        record.measured = key.source == Source::measured;
        record.us = entry ? entry->us : evidence.incumbent_us;
        record.ratio = entry ? entry->ratio : 1;
        records_.push_back(record);
    }

    dwc_catalog catalog_{};
    std::deque<std::string> texts_;
    std::vector<std::string> names_;
    std::vector<dwc_kernel_row> kernels_;
    std::vector<dwc_record> records_;
};

}  // namespace

std::vector<GoldenLine> parse_golden(const std::string &text) {
    std::vector<GoldenLine> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        std::istringstream words(line);
        GoldenLine golden;
        if (words >> golden.problem >> golden.target && golden.problem[0] != '#') lines.push_back(golden);
    }
    return lines;
}

std::vector<std::string> choices(const std::vector<GoldenLine> &lines, const std::vector<DefaultPoint> &points,
                                 const Database &database, const std::string &cpu) {
    std::map<std::string, Catalog> catalogs;
    std::vector<std::string> kernels;
    for (const GoldenLine &line : lines) {
        auto found = catalogs.find(line.target);
        if (found == catalogs.end())
            found = catalogs.emplace(line.target, Catalog(line.target, points, database)).first;
        kernels.push_back(found->second.choose(line, cpu));
    }
    return kernels;
}

std::vector<Change> changes(const std::vector<GoldenLine> &lines, const std::vector<DefaultPoint> &points,
                            const Database &before, const Database &after, const std::string &cpu) {
    const auto then = choices(lines, points, before, cpu), now = choices(lines, points, after, cpu);
    std::vector<Change> all;
    for (size_t i = 0; i < lines.size(); ++i)
        if (then[i] != now[i]) all.push_back({lines[i].problem, lines[i].target, then[i], now[i]});
    return all;
}

}  // namespace dwc::promote
