// What a benchmark run found, as a table with a summary or as JSON lines.
#pragma once

#include <string>
#include <vector>

#include "common.hpp"
#include "roof.hpp"

namespace cli {

struct BenchRecord {
    std::string problem, variant, target;
    dwc_layout layout = DWC_NLC;
    int threads = 1;
    double us_min = 0, us_median = 0, us_cold = 0, plan_us = 0;
    double flops = 0, bytes = 0;
    double max_error = 0, tolerance = 0;
    Roof roof;

    double gflops() const { return flops / us_median * 1e-3; }
    double gbs() const { return bytes / us_median * 1e-3; }
    double pct_roof() const { return 100 * roof.roof_us / us_median; }
};

// Where, when and how figures were taken; every record carries it.
struct Provenance {
    std::string cpu, date, version, command;
    int pinned_cpu = -1;  // -1: not pinned
    int repeats = 0;
};

JsonObject json_of(const Provenance &provenance);
// "AMD EPYC, 1 thread pinned to CPU 1, 31 interleaved repeats, dwconv 0.1.0, 2026-01-31T12:00:00Z", as a line.
std::string origin_line(const Provenance &provenance, int threads);
std::string json_line(const BenchRecord &record, const Provenance &provenance);
std::string text_report(const std::vector<BenchRecord> &records, const Provenance &provenance);
// The processor's name as the system tells it, or "unknown".
std::string cpu_model();
// Now, in UTC, as 2026-01-31T12:00:00Z.
std::string utc_date();

}  // namespace cli
