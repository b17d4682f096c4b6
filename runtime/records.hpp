// Measurements that the library was compiled with: schedules/db through the generated records.inc.
#pragma once

#include <span>
#include <vector>

#include "class_key.hpp"

namespace dwc {

struct Record {
    int target;  // index into targets()
    bool measured;
    const char *problem;
    int threads;
    const char *kernel, *incumbent;  // "...@target"; equal where nothing beat the incumbent
    double us, ratio;                // time, and as a share of the incumbent's
    const char *cpu, *date;
};

// A record with what selection needs of its problem.
struct Evidence {
    Record record;
    Problem problem;
    ClassKey key;
};

std::span<const Record> compiled_records();
// Of every record whose problem can be read; the others are left out.
std::vector<Evidence> evidence_of(std::span<const Record> records);
// Of the compiled records, worked out once.
std::span<const Evidence> compiled_evidence();

}  // namespace dwc
