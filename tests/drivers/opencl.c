/* A libOpenCL.so.1 that counts calls and passes them on to the real one (DWC_REAL_OPENCL). */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define API __attribute__((visibility("default")))
typedef void *handle;

static long copies, waits, buffers, contexts, launches, builds, queues, barriers, released;

API long counted_opencl(const char *what) {
    if (!strcmp(what, "copies")) return copies;
    if (!strcmp(what, "waits")) return waits;
    if (!strcmp(what, "buffers")) return buffers;
    if (!strcmp(what, "contexts")) return contexts;
    if (!strcmp(what, "launches")) return launches;
    if (!strcmp(what, "builds")) return builds;
    if (!strcmp(what, "barriers")) return barriers;
    if (!strcmp(what, "released queues")) return released;
    return strcmp(what, "queues") ? -1 : queues;
}

static void *real(const char *name) {
    static void *library;
    if (!library) library = dlopen(DWC_REAL_OPENCL, RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}

/* name, result where there is no real one, counter, parameters, arguments */
#define FORWARD(result, name, nothing, counter, parameters, arguments) \
    API result name parameters {                                       \
        static result(*function) parameters;                           \
        if (!function) function = (result(*) parameters)real(#name);   \
        counter;                                                       \
        return function ? function arguments : nothing;                \
    }

FORWARD(int, clGetPlatformIDs, -1001, (void)0, (unsigned n, handle *p, unsigned *c), (n, p, c))
FORWARD(int, clGetDeviceIDs, -1, (void)0, (handle p, uint64_t t, unsigned n, handle *d, unsigned *c), (p, t, n, d, c))
FORWARD(handle, clCreateContext, NULL, ++contexts,
        (const intptr_t *p, unsigned n, const handle *d, void *f, void *u, int *e), (p, n, d, f, u, e))
FORWARD(int, clGetContextInfo, -1, (void)0, (handle c, unsigned w, size_t s, void *v, size_t *r), (c, w, s, v, r))
FORWARD(int, clReleaseContext, -1, (void)0, (handle c), (c))
FORWARD(handle, clCreateCommandQueue, NULL, ++queues, (handle c, handle d, uint64_t p, int *e), (c, d, p, e))
FORWARD(int, clReleaseCommandQueue, -1, ++released, (handle q), (q))
FORWARD(handle, clCreateProgramWithSource, NULL, (void)0,
        (handle c, unsigned n, const char **s, const size_t *l, int *e), (c, n, s, l, e))
FORWARD(int, clBuildProgram, -1, ++builds, (handle p, unsigned n, const handle *d, const char *o, void *f, void *u),
        (p, n, d, o, f, u))
FORWARD(int, clGetProgramBuildInfo, -1, (void)0, (handle p, handle d, unsigned w, size_t s, void *v, size_t *r),
        (p, d, w, s, v, r))
FORWARD(int, clReleaseProgram, -1, (void)0, (handle p), (p))
FORWARD(handle, clCreateKernel, NULL, (void)0, (handle p, const char *n, int *e), (p, n, e))
FORWARD(int, clSetKernelArg, -1, (void)0, (handle k, unsigned i, size_t s, const void *v), (k, i, s, v))
FORWARD(int, clReleaseKernel, -1, (void)0, (handle k), (k))
FORWARD(int, clEnqueueNDRangeKernel, -1, ++launches,
        (handle q, handle k, unsigned n, const size_t *o, const size_t *g, const size_t *l, unsigned c, const void *w,
         void *e),
        (q, k, n, o, g, l, c, w, e))
FORWARD(int, clEnqueueBarrierWithWaitList, -1, ++barriers, (handle q, unsigned n, const void *w, void *e), (q, n, w, e))
FORWARD(handle, clCreateBuffer, NULL, ++buffers, (handle c, uint64_t f, size_t s, void *h, int *e), (c, f, s, h, e))
FORWARD(int, clReleaseMemObject, -1, (void)0, (handle m), (m))
FORWARD(int, clEnqueueWriteBuffer, -1, ++copies,
        (handle q, handle m, unsigned b, size_t o, size_t s, const void *h, unsigned n, const void *w, void *e),
        (q, m, b, o, s, h, n, w, e))
FORWARD(int, clEnqueueReadBuffer, -1, ++copies,
        (handle q, handle m, unsigned b, size_t o, size_t s, void *h, unsigned n, const void *w, void *e),
        (q, m, b, o, s, h, n, w, e))
FORWARD(int, clFinish, -1, ++waits, (handle q), (q))
