// Logs of tuning runs, made up line by line.
#pragma once

#include <string>

#include "../schedules/tuner/log.hpp"

namespace dwc_test {

struct Row {
    std::string problem, kernel;
    double ratio;
    double ratio_q75 = 0;  // 0: one percent above the ratio
    dwc::tuner::Outcome outcome = dwc::tuner::Outcome::ok;
    dwc::tuner::Source source = dwc::tuner::Source::measured;
    std::string target = "x86-64-avx512", incumbent = "channels_f32_k4_m1_s1_linear_v16_t4@x86-64-avx512";
    int64_t samples = 31;
    int threads = 1;
};

// A run of one machine as the text of a log.
class LogText {
   public:
    explicit LogText(const std::string& cpu = "CPU A", const std::string& date = "2026-11-22T10:00:00Z") {
        dwc::tuner::Run run;
        run.id = date + "-" + cpu;
        run.target = "x86-64-avx512";
        run.cpu = cpu;
        run.date = date;
        run.dwconv = "0.1.0";
        run.halide = "21.0.0";
        id_ = run.id;
        text_ = dwc::tuner::line_of(run);
    }
    LogText& add(const Row& row) {
        dwc::tuner::Result r;
        r.run = id_;
        r.problem = row.problem;
        r.threads = row.threads;
        r.kernel = row.kernel;
        r.target = row.target;
        r.outcome = row.outcome;
        r.source = row.source;
        if (row.outcome == dwc::tuner::Outcome::ok) {
            r.us_median = 20 * row.ratio;
            r.samples = row.samples;
            r.incumbent = row.incumbent;
            r.incumbent_us_median = 20;
            r.ratio_median = row.ratio;
            r.ratio_q25 = row.ratio * 0.99;
            r.ratio_q75 = row.ratio_q75 > 0 ? row.ratio_q75 : row.ratio * 1.01;
        }
        text_ += dwc::tuner::line_of(r);
        return *this;
    }
    const std::string& str() const { return text_; }
    dwc::tuner::Log log() const { return dwc::tuner::parse_log(text_, "log"); }

   private:
    std::string id_, text_;
};

inline std::string channels(int t, int k = 4) {
    return "channels_f32_k" + std::to_string(k) + "_m1_s1_linear_v16_t" + std::to_string(t);
}
inline std::string problem_of(int channels, int length = 384) {
    return "f32_nlc_n1_l" + std::to_string(length) + "_c" + std::to_string(channels) +
           "_k4_m1_s1_d1_pl3_pr0_bias_linear";
}

}  // namespace dwc_test
