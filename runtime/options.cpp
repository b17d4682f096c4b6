#include "options.hpp"

#include <cinttypes>
#include <cstddef>

#include "error.hpp"
#include "structs.hpp"

namespace dwc {
namespace {

constexpr int most_threads = 1024;
constexpr int longest_measurement_ms = 60000;

constexpr size_t end_of_first = offsetof(dwc_options, plan_level);

}  // namespace

dwc_status options_of(const dwc_options* given, dwc_options* options, dwc_error* error) {
    dwc_options o;
    dwc_options_init(&o);
    if (given) {
        if (const dwc_status status = check_size("options", *given, end_of_first, error)) return status;
        o = widened(*given, o, end_of_first);
    }
    if (o.threads < 0 || o.threads > most_threads)
        return fail(error, DWC_ERROR_THREADS, "threads=%" PRId32 ": must be from 0 (as many as usable) to %d",
                    o.threads, most_threads);
    if (o.plan_level < DWC_PLAN_DEFAULT || o.plan_level > DWC_PLAN_ESTIMATE)
        return fail(error, DWC_ERROR_PLAN_LEVEL, "plan_level=%" PRId32 ": must be a dwc_plan_level constant",
                    o.plan_level);
    if (o.plan_level == DWC_PLAN_MEASURE && (o.measure_ms < 1 || o.measure_ms > longest_measurement_ms))
        return fail(error, DWC_ERROR_PLAN_LEVEL, "measure_ms=%" PRId32 ": must be from 1 to %d", o.measure_ms,
                    longest_measurement_ms);
    if (o.stores != DWC_STORES_AUTO && o.stores != DWC_STORES_CACHED && o.stores != DWC_STORES_STREAMED)
        return fail(error, DWC_ERROR_STORES, "stores=%d: must be a dwc_stores constant", static_cast<int>(o.stores));
    if (o.memory != DWC_MEMORY_HOST && o.memory != DWC_MEMORY_CUDA && o.memory != DWC_MEMORY_OPENCL)
        return fail(error, DWC_ERROR_MEMORY, "memory=%d: must be a dwc_memory constant", static_cast<int>(o.memory));
    if (o.memory != DWC_MEMORY_HOST && o.plan_level == DWC_PLAN_MEASURE)
        return fail(error, DWC_ERROR_MEMORY,
                    "memory=%d with plan_level measure: measurements run in memory of the host",
                    static_cast<int>(o.memory));
    *options = o;
    return DWC_OK;
}

}  // namespace dwc

extern "C" void dwc_options_init(dwc_options* options) {
    if (!options) return;
    *options = {};
    options->struct_size = sizeof *options;
    options->threads = 1;
    options->measure_ms = 50;
}
