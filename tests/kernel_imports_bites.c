// Not a kernel: it allocates through the Halide runtime, which the check of kernel imports must refuse.
#include <stddef.h>

extern void *halide_malloc(void *user_context, size_t size);
void *dwc_test_allocates(void);
void *dwc_test_allocates(void) { return halide_malloc(NULL, 64); }
