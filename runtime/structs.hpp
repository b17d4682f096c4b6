// Structs of callers that were compiled against an older header: fields are only ever appended, so an older struct is a
// beginning of today's.
#pragma once

#include <cstddef>
#include <cstring>

#include "error.hpp"

namespace dwc {

// The size that a struct had when it ended before the field at `offset`.
template <typename T>
constexpr size_t size_before(size_t offset) {
    return (offset + alignof(T) - 1) / alignof(T) * alignof(T);
}

// Reads or writes of `given` go through today's struct. `first`: the offset of the first field that version 0.1 did not
// have, 0 where it had all.
template <typename T>
dwc_status check_size(const char* name, const T& given, size_t first, dwc_error* error) {
    const size_t size = given.struct_size;
    if (size == sizeof(T) || (first && size == size_before<T>(first))) return DWC_OK;
    return fail(error, DWC_ERROR_STRUCT_SIZE, "%s.struct_size=%zu: must be %zu; call its init function", name, size,
                sizeof(T));
}

// What `given` holds, and `defaults` in the fields that it does not know.
template <typename T>
T widened(const T& given, const T& defaults, size_t first) {
    if (given.struct_size == sizeof(T)) return given;
    T full = defaults;
    std::memcpy(&full, &given, first);
    full.struct_size = sizeof(T);
    return full;
}

// Fills as much of `*info` as its caller knows.
template <typename T>
void narrow(const T& full, size_t first, T* info) {
    const size_t size = info->struct_size;
    std::memcpy(static_cast<void*>(info), &full, size == sizeof(T) ? sizeof(T) : first);
    info->struct_size = size;
}

}  // namespace dwc
