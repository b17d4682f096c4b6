/* A libcuda.so.1 without a GPU, for tests of what the library asks of the driver: contexts, streams, modules, launches.
 * Device memory is memory of this process; kernels are not run. `fake_cuda` finds what was called. */
#include "cuda.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

static struct fake_cuda state;
API struct fake_cuda *fake_cuda(void) { return &state; }

/* The wanted failure of the named function, once it has been counted. */
static int called(const char *name, long *counter) {
    if (counter) ++*counter;
    return state.fail && strcmp(state.fail, name) == 0 ? state.code : 0;
}
#define CALLED(name, counter)                     \
    do {                                          \
        const int failed = called(name, counter); \
        if (failed) return failed;                \
    } while (0)

API int cuInit(unsigned flags) {
    (void)flags;
    return 0;
}
API int cuDeviceGetCount(int *count) { return *count = 1, 0; }
API int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
API int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    ++state.retained;
    return *context = FAKE_PRIMARY, 0;
}
API int cuCtxGetCurrent(void **context) {
    *context = state.depth ? state.stack[state.depth - 1] : NULL;
    return 0;
}
API int cuCtxPushCurrent_v2(void *context) {
    CALLED("cuCtxPushCurrent", NULL);
    if (context == FAKE_BROKEN || state.depth == 8) return 201;
    state.stack[state.depth++] = context;
    return 0;
}
API int cuCtxPopCurrent_v2(void **context) {
    if (!state.depth) return 201;
    return *context = state.stack[--state.depth], 0;
}
API int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
    (void)count, (void)options, (void)values;
    CALLED("cuModuleLoadDataEx", &state.modules);
    if (!strstr(image, ".version") || !strstr(image, ".visible .entry")) return 218; /* no PTX */
    return *module = (void *)image, 0;
}
API int cuModuleUnload(void *module) {
    (void)module;
    ++state.unloads;
    return 0;
}
API int cuModuleGetFunction(void **function, void *module, const char *name) {
    CALLED("cuModuleGetFunction", NULL);
    char entry[400] = ".entry ";
    if (!strstr(module, strncat(entry, name, 380))) return 500;
    return *function = module, 0;
}
API int cuMemAlloc_v2(unsigned long long *memory, size_t bytes) {
    CALLED("cuMemAlloc", &state.allocations);
    *memory = (unsigned long long)aligned_alloc(256, (bytes + 255) / 256 * 256);
    return *memory ? 0 : 2;
}
API int cuMemFree_v2(unsigned long long memory) {
    ++state.frees;
    free((void *)memory);
    return 0;
}
API int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream) {
    CALLED("cuMemcpyHtoDAsync", &state.copies);
    state.stream = stream;
    return memcpy((void *)to, from, bytes), 0;
}
API int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream) {
    CALLED("cuMemcpyDtoHAsync", &state.copies);
    state.stream = stream;
    return memcpy(to, (const void *)from, bytes), 0;
}
API int cuStreamSynchronize(void *stream) {
    (void)stream;
    CALLED("cuStreamSynchronize", &state.waits);
    return 0;
}
API int cuLaunchKernel(void *function, unsigned bx, unsigned by, unsigned bz, unsigned tx, unsigned ty, unsigned tz,
                       unsigned shared, void *stream, void **arguments, void **extra) {
    (void)function, (void)shared, (void)extra;
    CALLED("cuLaunchKernel", &state.launches);
    state.stream = stream;
    state.threads = (long long)bx * by * bz * tx * ty * tz;
    state.context = state.depth ? state.stack[state.depth - 1] : NULL;
    for (int i = 0; i < 4; ++i) state.first[i] = *(unsigned long long *)arguments[i];
    return 0;
}
API int cuGetErrorName(int code, const char **name) {
    *name = code == 2     ? "CUDA_ERROR_OUT_OF_MEMORY"
            : code == 201 ? "CUDA_ERROR_INVALID_CONTEXT"
            : code == 218 ? "CUDA_ERROR_INVALID_PTX"
                          : "CUDA_ERROR_OF_THE_TEST";
    return 0;
}
