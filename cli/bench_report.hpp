// What a benchmark run found, as a table with a summary or as JSON lines.
#pragma once

#include <string>
#include <vector>

#include "common.hpp"
#include "provenance.hpp"
#include "roof.hpp"

namespace cli {

struct BenchRecord {
    std::string problem, variant, target;
    dwc_layout layout = DWC_NLC;
    int threads = 1;
    double us_min = 0, us_median = 0, us_q25 = 0, us_q75 = 0, us_cold = 0, plan_us = 0;
    std::vector<double> samples_us;  // hot, one a round; the rounds of all records of a run are the same
    double flops = 0, bytes = 0;
    double max_error = 0, tolerance = 0;
    Roof roof;

    double gflops() const { return flops / us_median * 1e-3; }
    double gbs() const { return bytes / us_median * 1e-3; }
    double pct_roof() const { return 100 * roof.roof_us / us_median; }
};

std::string json_line(const BenchRecord &record, const Provenance &provenance);
std::string text_report(const std::vector<BenchRecord> &records, const Provenance &provenance);

}  // namespace cli
