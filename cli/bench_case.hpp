// One problem under measurement: plan, packed weights, seeded data, verified result, and timed executions.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common.hpp"
#include "roof.hpp"
#include "tuner/subject.hpp"

namespace cli {

// Memory that the cold executions of all problems share. Inputs are only read, so they stay random numbers in
// [-1, 1] of their type whatever ran before.
class ColdPool {
   public:
    // Bytes that a rotation must pass over so that nothing of it is left in any cache: twice the last level.
    explicit ColdPool(size_t rotation_bytes) : rotation_bytes_(rotation_bytes) {}
    size_t rotation_bytes() const { return rotation_bytes_; }
    const char *inputs(dwc_dtype dtype, size_t bytes);
    char *outputs(size_t bytes);

   private:
    size_t rotation_bytes_;
    std::map<dwc_dtype, std::unique_ptr<dwc::tuner::Guarded>> inputs_;
    std::unique_ptr<dwc::tuner::Guarded> outputs_;
};

class BenchCase {
   public:
    // Plans, packs and fills the buffers. Throws Failure with one sentence that begins with the problem.
    BenchCase(const std::string &problem, const PlanOptions &options);

    // Runs once and compares with dwc_reference; throws Failure (exit code 1) where the result is not within
    // tolerance(). To be called before anything is timed.
    void verify();
    double max_error() const { return max_error_; }
    double tolerance() const { return tolerance_; }

    void execute_once() { execute(data_->x.data(), data_->y.data(), state_ ? state_->data() : nullptr); }
    // Seconds of one execution, on the average over a sample of at least `seconds` on the same buffers, warmed before.
    double time_hot(double seconds);
    // The same over sets of buffers that no cache holds, each used once.
    double time_cold(ColdPool &pool);

    const dwc_plan_info &info() const { return info_; }
    const dwc_problem &problem() const { return problem_; }
    double plan_us() const { return plan_us_; }
    RoofRequest roof_request() const;

   private:
    struct PlanDeleter {
        void operator()(dwc_plan *plan) const { dwc_plan_destroy(plan); }
    };
    struct WeightsDeleter {
        void operator()(dwc_weights *weights) const { dwc_weights_destroy(weights); }
    };

    void make_plan(const PlanOptions &options);
    void make_data();
    // `state`: carried in place, NULL: zeros before x and nothing kept.
    void execute(const void *x, void *y, void *state) const;
    size_t state_bytes() const;

    dwc_problem problem_;
    dwc_plan_info info_;
    double plan_us_ = 0, max_error_ = 0, tolerance_ = 0;
    std::unique_ptr<dwc_plan, PlanDeleter> plan_;
    std::unique_ptr<dwc_weights, WeightsDeleter> packed_;
    std::unique_ptr<dwc::tuner::Data> data_;
    std::unique_ptr<dwc::tuner::Guarded> state_, workspace_;
};

}  // namespace cli
