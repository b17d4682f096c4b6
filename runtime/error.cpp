#include "error.hpp"

#include <cstdarg>
#include <cstdio>

namespace dwc {
namespace {

// The table is a switch without default, so a constant added to the enum and forgotten here does not compile.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wswitch"
constexpr const char* status_name(dwc_status status) {
#define DWC_STATUS_ROW(name) \
    case name:               \
        return #name;
    switch (status) {
        DWC_STATUS_ROW(DWC_OK)
        DWC_STATUS_ROW(DWC_ERROR_NULL_POINTER)
        DWC_STATUS_ROW(DWC_ERROR_STRUCT_SIZE)
        DWC_STATUS_ROW(DWC_ERROR_PARSE)
        DWC_STATUS_ROW(DWC_ERROR_BUFFER_SIZE)
        DWC_STATUS_ROW(DWC_ERROR_DTYPE)
        DWC_STATUS_ROW(DWC_ERROR_LAYOUT)
        DWC_STATUS_ROW(DWC_ERROR_BATCH)
        DWC_STATUS_ROW(DWC_ERROR_LENGTH)
        DWC_STATUS_ROW(DWC_ERROR_CHANNELS)
        DWC_STATUS_ROW(DWC_ERROR_KERNEL_SIZE)
        DWC_STATUS_ROW(DWC_ERROR_DEPTH_MULTIPLIER)
        DWC_STATUS_ROW(DWC_ERROR_STRIDE)
        DWC_STATUS_ROW(DWC_ERROR_DILATION)
        DWC_STATUS_ROW(DWC_ERROR_PADDING)
        DWC_STATUS_ROW(DWC_ERROR_OUT_LENGTH)
        DWC_STATUS_ROW(DWC_ERROR_ACTIVATION)
        DWC_STATUS_ROW(DWC_ERROR_BIAS)
        DWC_STATUS_ROW(DWC_ERROR_STRIDES)
        DWC_STATUS_ROW(DWC_ERROR_OVERFLOW)
        DWC_STATUS_ROW(DWC_ERROR_THREADS)
        DWC_STATUS_ROW(DWC_ERROR_UNSUPPORTED)
        DWC_STATUS_ROW(DWC_ERROR_FORCED_KERNEL)
        DWC_STATUS_ROW(DWC_ERROR_FORCED_TARGET)
        DWC_STATUS_ROW(DWC_ERROR_WORKSPACE)
        DWC_STATUS_ROW(DWC_ERROR_WEIGHTS)
        DWC_STATUS_ROW(DWC_ERROR_ALIAS)
        DWC_STATUS_ROW(DWC_ERROR_OUT_OF_MEMORY)
        DWC_STATUS_ROW(DWC_ERROR_KERNEL)
        DWC_STATUS_ROW(DWC_ERROR_INTERNAL)
        DWC_STATUS_ROW(DWC_ERROR_KERNEL_ROW)
        DWC_STATUS_ROW(DWC_ERROR_PLAN_LEVEL)
        DWC_STATUS_ROW(DWC_ERROR_TUNED)
        DWC_STATUS_ROW(DWC_ERROR_STORES)
        DWC_STATUS_ROW(DWC_ERROR_STATE)
        DWC_STATUS_ROW(DWC_ERROR_MEMORY)
        DWC_STATUS_ROW(DWC_ERROR_NO_DEVICE)
        DWC_STATUS_ROW(DWC_ERROR_DEVICE_CONTEXT)
        DWC_STATUS_ROW(DWC_ERROR_DEVICE_MODULE)
        DWC_STATUS_ROW(DWC_ERROR_DEVICE_STREAM)
        DWC_STATUS_ROW(DWC_ERROR_ALIGNMENT)
    }
#undef DWC_STATUS_ROW
    return "DWC_ERROR_UNKNOWN";
}
#pragma GCC diagnostic pop

#define DWC_TEXT_OF(value) #value
#define DWC_TEXT(value) DWC_TEXT_OF(value)
constexpr char kVersion[] = DWC_TEXT(DWC_VERSION_MAJOR) "." DWC_TEXT(DWC_VERSION_MINOR) "." DWC_TEXT(DWC_VERSION_PATCH);
#undef DWC_TEXT
#undef DWC_TEXT_OF

}  // namespace

dwc_status fail(dwc_error* error, dwc_status status, const char* format, ...) {
    if (error != nullptr) {
        error->status = status;
        va_list arguments;
        va_start(arguments, format);
        const int length = std::vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        if (length < 0) std::snprintf(error->message, sizeof error->message, "%s", status_name(status));
        // Values quoted from the caller may hold anything; the message stays one printable line.
        for (char* p = error->message; *p != '\0'; ++p) {
            const auto byte = static_cast<unsigned char>(*p);
            if (byte < 0x20 || byte == 0x7f) *p = '?';
        }
    }
    return status;
}

}  // namespace dwc

extern "C" const char* dwc_status_string(dwc_status status) { return dwc::status_name(status); }

extern "C" const char* dwc_version(void) { return dwc::kVersion; }
