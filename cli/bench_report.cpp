#include "bench_report.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace cli {
namespace {

// "nlc  geometric mean 81.2 % of the roof; >= 75 %: 8 of 11, >= 55 %: 11 of 11, >= 45 %: 11 of 11"
std::string layout_summary(const std::vector<BenchRecord> &records, dwc_layout layout) {
    double log_sum = 0;
    size_t count = 0, reached[3] = {};
    constexpr int kShares[3] = {75, 55, 45};
    for (const auto &record : records) {
        if (record.layout != layout) continue;
        ++count;
        log_sum += std::log(record.pct_roof());
        for (int i = 0; i < 3; ++i) reached[i] += record.pct_roof() >= kShares[i];
    }
    if (count == 0) return "";
    std::string line = format("%s: geometric mean %.1f %% of the roof;", layout == DWC_NLC ? "nlc" : "ncl",
                              std::exp(log_sum / static_cast<double>(count)));
    for (int i = 0; i < 3; ++i) {
        line += format("%s >= %d %%: %zu of %zu", i ? "," : "", kShares[i], reached[i], count);
    }
    return line + "\n";
}

std::string roofs_summary(const std::vector<BenchRecord> &records) {
    std::set<std::string> lines;
    for (const auto &record : records) {
        lines.insert(format("roof: multiply-add %.1f GF/s (%s)", record.roof.fma_gflops, record.target.c_str()));
    }
    std::set<std::pair<double, std::string>> steps;
    for (const auto &record : records) {
        steps.insert({record.roof.copy_set_bytes, format("%s %.0f KiB %.1f", record.roof.level.c_str(),
                                                         record.roof.copy_set_bytes / 1024, record.roof.copy_gbs)});
    }
    std::string out;
    for (const auto &line : lines) out += line + "\n";
    out += "roof: copy, GB/s read and written, by working set: ";
    bool first = true;
    for (const auto &[bytes, text] : steps) {
        out += (first ? "" : ", ") + text;
        first = false;
    }
    return out + "\n";
}

}  // namespace

std::string json_line(const BenchRecord &record, const Provenance &provenance) {
    JsonObject line;
    line.add("problem", record.problem).add("variant", record.variant).add("target", record.target);
    line.add("threads", record.threads).add("us_min", record.us_min).add("us_median", record.us_median);
    line.add("us_q25", record.us_q25).add("us_q75", record.us_q75).add("samples_us", record.samples_us);
    line.add("us_cold", record.us_cold).add("plan_us", record.plan_us);
    line.add("gflops", record.gflops()).add("gbs", record.gbs()).add("level", record.roof.level);
    line.add("roof_us", record.roof.roof_us).add("pct_roof", record.pct_roof());
    line.add("roof_memory_us", record.roof.memory_us).add("roof_compute_us", record.roof.compute_us);
    line.add("roof_copy_gbs", record.roof.copy_gbs).add("roof_copy_set_bytes", record.roof.copy_set_bytes);
    line.add("roof_fma_gflops", record.roof.fma_gflops).add("roof_activation_ns", record.roof.activation_ns);
    line.add("flops", record.flops).add("bytes", record.bytes);
    line.add("max_error", record.max_error).add("tolerance", record.tolerance);
    line.add("provenance", json_of(provenance));
    return line.str();
}

std::string text_report(const std::vector<BenchRecord> &records, const Provenance &provenance) {
    if (records.empty()) return "";
    Table table({"problem", "us_min", "us_median", "us_cold", "GF/s", "GB/s", "level", "roof_us", "pct_roof",
                 "max_error", "variant"});
    size_t swung = 0;
    for (const auto &r : records) {
        table.add({r.problem, format("%.2f", r.us_min), format("%.2f", r.us_median), format("%.2f", r.us_cold),
                   format("%.1f", r.gflops()), format("%.1f", r.gbs()), r.roof.level, format("%.2f", r.roof.roof_us),
                   format("%.1f", r.pct_roof()), format("%.2g", r.max_error), r.variant});
        swung += r.us_median > 1.3 * r.us_min;
    }
    std::string out = table.str() + "\n";
    out += roofs_summary(records);
    for (const dwc_layout layout : {DWC_NLC, DWC_NCL}) out += layout_summary(records, layout);
    if (swung > 0) {
        out += format("note: on %zu of %zu rows the median is over 1.3 times the minimum: the machine was busy\n",
                      swung, records.size());
    }
    return out + origin_line(provenance, records[0].threads);
}

}  // namespace cli
