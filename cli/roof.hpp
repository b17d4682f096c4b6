// The roof of a problem: the time below which no kernel can go on this machine, from figures measured in this run.
//
//   roof = max( useful bytes / copy bandwidth, useful flops / multiply-add peak + activation time )
//
// The copy bandwidth is that of the smallest cache level that holds x and y, and falls with size even within a level,
// so it is measured with a working set close to the problem's own: sizes form a ladder of four steps an octave, and
// the step used is the smallest that is >= the bytes of x and y (at most the level's size). Beyond the last level it
// is measured on four times that level's size. The multiply-add peak is that of the instructions of the plan's target.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common.hpp"
#include "roof_kernels.hpp"

namespace cli {

struct CacheLevel {
    std::string name;  // "L1"
    size_t bytes;
    bool shared;  // by several cores
};
std::vector<CacheLevel> cache_levels();  // of dwc_cache_levels

// What of a planned problem its roof depends on.
struct RoofRequest {
    std::string target;
    double bytes_xy = 0;      // x and y: they choose the level
    double bytes_useful = 0;  // x, y, weights, bias
    double flops = 0, outputs = 0;
    dwc_activation activation = DWC_LINEAR;
    std::vector<float> activation_params;
};

struct Roof {
    std::string level;
    double copy_gbs = 0;        // GB/s, read and written bytes
    double copy_set_bytes = 0;  // the working set it was measured on
    double fma_gflops = 0;
    double activation_ns = 0;  // per output
    double memory_us = 0, compute_us = 0, roof_us = 0;
};

class Roofs {
   public:
    explicit Roofs(int threads);
    ~Roofs();

    // Announces what sample() must know; call for every problem first.
    void prepare(const RoofRequest &request);
    // One sample of everything prepared. Called once a round, so that roofs and problems meet the same machine; the
    // medians count, for both.
    void sample();
    Roof of(const RoofRequest &request) const;

   private:
    struct Step {
        std::string level;
        size_t bytes;
    };
    struct Gauge {
        std::function<double()> sample;  // a rate per second, higher is better
        std::vector<double> rates;
    };
    struct Arena;

    Step ladder_step(double bytes_xy) const;
    void add_gauge(const std::string &key, std::function<double()> sample);
    double rate_of(const std::string &key) const;

    int threads_;
    std::vector<CacheLevel> levels_;
    std::map<std::string, Gauge> gauges_;
    std::unique_ptr<Arena> arena_;
};

}  // namespace cli
