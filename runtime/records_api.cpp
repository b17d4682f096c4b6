// The part of the C interface that speaks of classes and records.
#include <cstdio>
#include <deque>
#include <exception>
#include <string>

#include "added_kernels.hpp"
#include "error.hpp"
#include "select.hpp"
#include "space.hpp"

using dwc::fail;

namespace {

template <typename Struct>
dwc_status check_size(const Struct* given, const char* name, dwc_error* error) {
    if (!given) return fail(error, DWC_ERROR_NULL_POINTER, "%s=NULL: must be given", name);
    if (given->struct_size != sizeof *given)
        return fail(error, DWC_ERROR_STRUCT_SIZE, "%s.struct_size=%zu: must be %zu; call the init function", name,
                    given->struct_size, sizeof *given);
    return DWC_OK;
}

template <typename Struct>
void init(Struct* given) {
    if (!given) return;
    *given = {};
    given->struct_size = sizeof *given;
}

// A catalogue's kernels and records as the selection takes them.
struct Catalog {
    std::deque<std::string> names;
    std::deque<dwc::ConvKernel> kernels;
    std::vector<dwc::Record> records;

    dwc_status take_kernel(const dwc_kernel_row& row, bool recorded, dwc_error* error) {
        dwc::ConvKernel kernel;
        if (const dwc_status status = check_size(&row, "kernels[]", error)) return status;
        if (const dwc_status status = dwc::kernel_of_row(row, &kernel, error)) return status;
        if (!kernel.name) {
            const dwc::Point point{row.family, row.activation, row.k, row.stride, row.m, row.v, row.t, row.block};
            names.push_back(dwc::variant_name(point, row.dtype == DWC_BF16 ? "bf16" : "f32") + "@" + row.target);
            kernel.name = names.back().c_str();
        }
        kernel.recorded = recorded;
        kernels.push_back(kernel);
        return DWC_OK;
    }
    dwc_status take_record(const dwc_record& r, dwc_error* error) {
        if (const dwc_status status = check_size(&r, "records[]", error)) return status;
        if (!r.problem || !r.target || !r.kernel || !r.incumbent)
            return fail(error, DWC_ERROR_NULL_POINTER,
                        "records[]: problem, target, kernel and incumbent must be given");
        const int target = dwc::find_target(r.target);
        if (target < 0) return fail(error, DWC_ERROR_FORCED_TARGET, "records[].target=%s: no such target", r.target);
        records.push_back({target, r.measured != 0, r.problem, r.threads, r.kernel, r.incumbent, r.us, r.ratio,
                           r.cpu ? r.cpu : "", r.date ? r.date : ""});
        return DWC_OK;
    }
};

dwc_status select_from(const dwc_catalog& from, const dwc_problem* problem, const char* target, int threads,
                       int32_t* kernel, dwc_error* error) {
    dwc::Problem p;
    if (const dwc_status status = dwc::resolve(problem, &p, error)) return status;
    Catalog catalog;
    for (int32_t i = 0; i < from.kernel_count; ++i)
        if (const dwc_status status = catalog.take_kernel(from.kernels[i], i >= from.default_count, error))
            return status;
    for (int32_t i = 0; i < from.record_count; ++i)
        if (const dwc_status status = catalog.take_record(from.records[i], error)) return status;
    const std::vector<dwc::Evidence> evidence = dwc::evidence_of(catalog.records);
    dwc::Knowledge knowledge;
    knowledge.records = evidence;
    knowledge.cpu = from.cpu ? from.cpu : "";
    knowledge.this_machine = false;
    for (const dwc::ConvKernel& k : catalog.kernels) knowledge.kernels.push_back(&k);
    dwc::Selection s;
    if (const dwc_status status = dwc::select(p, {"", target, std::max(threads, 1)}, knowledge, &s, error))
        return status;
    *kernel = -1;
    for (size_t i = 0; i < knowledge.kernels.size(); ++i)
        if (knowledge.kernels[i] == s.chosen) *kernel = static_cast<int32_t>(i);
    return DWC_OK;
}

template <typename Body>
dwc_status guarded(dwc_error* error, Body body) {
    try {
        return body();
    } catch (const std::exception&) {
        return fail(error, DWC_ERROR_OUT_OF_MEMORY, "out of memory");
    }
}

}  // namespace

extern "C" {

void dwc_record_init(dwc_record* record) { init(record); }
void dwc_catalog_init(dwc_catalog* catalog) { init(catalog); }

dwc_status dwc_problem_class(const dwc_problem* problem, int32_t threads, char* buffer, size_t size, dwc_error* error) {
    return guarded(error, [&] {
        dwc::Problem p;
        if (const dwc_status status = dwc::resolve(problem, &p, error)) return status;
        if (threads < 1)
            return fail(error, DWC_ERROR_THREADS, "threads=%d: must be at least 1", static_cast<int>(threads));
        const std::string text = dwc::class_of(p, threads).text();
        if (!buffer)
            return fail(error, DWC_ERROR_NULL_POINTER, "buffer=NULL: must point to %zu bytes", text.size() + 1);
        if (size <= text.size())
            return fail(error, DWC_ERROR_BUFFER_SIZE, "size=%zu: must be at least %zu", size, text.size() + 1);
        std::snprintf(buffer, size, "%s", text.c_str());
        return DWC_OK;
    });
}

int32_t dwc_record_count(void) { return static_cast<int32_t>(dwc::compiled_records().size()); }

dwc_status dwc_record_at(int32_t index, dwc_record* record, dwc_error* error) {
    if (const dwc_status status = check_size(record, "record", error)) return status;
    if (index < 0 || index >= dwc_record_count())
        return fail(error, DWC_ERROR_BUFFER_SIZE, "index=%d: must be from 0 to %d", static_cast<int>(index),
                    static_cast<int>(dwc_record_count()) - 1);
    const dwc::Record& r = dwc::compiled_records()[static_cast<size_t>(index)];
    *record = {sizeof *record, r.problem,   dwc::targets()[r.target].name,
               r.kernel,       r.incumbent, r.cpu,
               r.date,         r.threads,   r.measured,
               r.us,           r.ratio};
    return DWC_OK;
}

dwc_status dwc_catalog_select(const dwc_catalog* catalog, const dwc_problem* problem, const char* target,
                              int32_t threads, int32_t* kernel, dwc_error* error) {
    if (const dwc_status status = check_size(catalog, "catalog", error)) return status;
    if (!target) return fail(error, DWC_ERROR_NULL_POINTER, "target=NULL: must be a target's name");
    if (!kernel) return fail(error, DWC_ERROR_NULL_POINTER, "kernel=NULL: must point to the result");
    if ((catalog->kernel_count > 0 && !catalog->kernels) || (catalog->record_count > 0 && !catalog->records))
        return fail(error, DWC_ERROR_NULL_POINTER, "catalog: kernels or records are NULL where their count is not 0");
    return guarded(error, [&] { return select_from(*catalog, problem, target, threads, kernel, error); });
}

}  // extern "C"
