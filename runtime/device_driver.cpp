#include "device_driver.hpp"

#include <dlfcn.h>
#include <link.h>

namespace dwc {
namespace {

bool has_loader() {
    bool found = false;
    const auto first = [](dl_phdr_info* program, size_t, void* result) {
        for (int i = 0; i < program->dlpi_phnum; ++i)
            if (program->dlpi_phdr[i].p_type == PT_INTERP) *static_cast<bool*>(result) = true;
        return 1;
    };
    dl_iterate_phdr(first, &found);
    return found;
}

}  // namespace

void* open_driver(const char* name) { return has_loader() ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : nullptr; }

}  // namespace dwc
