// A problem with data of its own, and a plan with packed weights on it.
#pragma once

#include <memory>
#include <string>

#include "dwconv/dwconv.h"
#include "guarded.hpp"

namespace dwc::tuner {

// Throws std::runtime_error with the library's sentence unless `status` is DWC_OK.
void check(dwc_status status, const dwc_error &error);

struct Data {
    // `guarded`: every tensor ends at a page without access, where a read too far crashes; otherwise x, w and y start
    // at different places of their pages, because with equal ones a load waits for an unrelated store.
    Data(const dwc_problem &problem, bool guarded);
    dwc_problem problem;
    int64_t out_length = 0;
    Guarded x, w, bias, y;  // x, w and bias hold numbers in [-1, 1), the same in every run
    const void *bias_or_null() const { return problem.has_bias ? bias.data() : nullptr; }
};

class Subject {
   public:
    // Plans with this kernel forced. Throws std::runtime_error.
    Subject(const Data &data, const std::string &kernel, int threads);
    // The status of the execution; `error` may not be null.
    dwc_status execute(const void *x, void *y, dwc_error *error) const;
    bool fma() const { return fma_; }
    bool serial() const { return serial_; }  // runs on the calling thread alone

   private:
    struct Destroy {
        void operator()(dwc_plan *plan) const { dwc_plan_destroy(plan); }
        void operator()(dwc_weights *weights) const { dwc_weights_destroy(weights); }
    };
    std::unique_ptr<dwc_plan, Destroy> plan_;
    std::unique_ptr<dwc_weights, Destroy> weights_;
    std::unique_ptr<char[]> scratch_;
    void *workspace_ = nullptr;
    bool fma_ = true, serial_ = true;
};

size_t dtype_size(dwc_dtype dtype);
double load(const void *data, dwc_dtype dtype, int64_t i);
// Numbers in [-1, 1), the same for one seed in every run.
void fill(const Guarded &buffer, dwc_dtype dtype, uint64_t seed);
double max_abs(const Guarded &buffer, dwc_dtype dtype);
bool target_has_fma(const char *name);

// How far an element may be from the reference's, whose largest magnitude is `max_y`. Without an activation the sum's
// bits are part of the contract: 0. Else rounding of K fused steps and the bias, which an activation scales by its
// slope (for those with a slope above one bounded by the result or a parameter), and a few roundings of its own; a
// 16-bit result may round to the neighbour.
double tolerance(const Data &data, double max_y);

}  // namespace dwc::tuner
