#include "records.hpp"

#include "registry.hpp"

namespace dwc {
namespace {

enum TargetIndex : int {
#define DWC_TARGET(id, ...) id,
#include "targets.inc"
#undef DWC_TARGET
};

// The last row closes a table that may be empty.
constexpr Record record_table[] = {
#define DWC_RECORD(target, measured, problem, threads, kernel, incumbent, us, ratio, cpu, date) \
    {target, measured != 0, problem, threads, kernel, incumbent, us, ratio, cpu, date},
#include "records.inc"
#undef DWC_RECORD
    {-1, false, "", 0, "", "", 0, 0, "", ""},
};

}  // namespace

std::span<const Record> compiled_records() { return std::span(record_table).first(std::size(record_table) - 1); }

std::vector<Evidence> evidence_of(std::span<const Record> records) {
    std::vector<Evidence> all;
    for (const Record& record : records) {
        dwc_problem given;
        Evidence e{record, {}, {}};
        if (dwc_problem_parse(record.problem, &given, nullptr) || resolve(&given, &e.problem, nullptr)) continue;
        e.key = class_of(e.problem, record.threads);
        all.push_back(std::move(e));
    }
    return all;
}

std::span<const Evidence> compiled_evidence() {
    // Other processors' targets are compiled in nowhere, so nearly all of it is of use here.
    static const std::vector<Evidence>* const all = new std::vector<Evidence>(evidence_of(compiled_records()));
    return *all;
}

}  // namespace dwc
