/* A kernel of family channels in plain C, as the generator's are called, and what can be wrong with one. Compiled with
 * -DDWC_BROKEN=0 (right), 1 (off by one: the last output along time is not computed), 2 (hangs) or 3 (crashes). */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* Of HalideRuntime.h, which a test need not find. */
struct dimension {
    int32_t min, extent, stride;
    uint32_t flags;
};
struct buffer {
    uint64_t device;
    const void *device_interface;
    float *host;
    uint64_t flags;
    uint32_t type;
    int32_t dimensions;
    struct dimension *dim;
    void *padding;
};

static float *at(const struct buffer *b, int64_t i0, int64_t i1, int64_t i2, int64_t i3) {
    const int64_t index[4] = {i0, i1, i2, i3};
    int64_t offset = 0;
    for (int d = 0; d < b->dimensions; ++d) offset += index[d] * b->dim[d].stride;
    return b->host + offset;
}

int dwc_test_kernel(const void *context, struct buffer *x, struct buffer *w, struct buffer *b, struct buffer *taps,
                    int32_t max_tap, int32_t step, float p0, float p1, float p2, struct buffer *y) {
    (void)context, (void)taps, (void)max_tap, (void)p0, (void)p1, (void)p2;
#if DWC_BROKEN == 2
    for (volatile int forever = 1; forever;) {
    }
#elif DWC_BROKEN == 3
    *(volatile int *)(uintptr_t)8 = 1;
#endif
    const int32_t rows = y->dim[2].extent - (DWC_BROKEN == 1);
    for (int64_t n = 0; n < y->dim[3].extent; ++n)
        for (int64_t j = 0; j < rows; ++j)
            for (int64_t i = 0; i < y->dim[1].extent; ++i)
                for (int64_t m = 0; m < y->dim[0].extent; ++m) {
                    float sum = *at(b, m, i, 0, 0);
                    for (int64_t k = 0; k < w->dim[2].extent; ++k)
                        sum = fmaf(*at(x, i, j * step + k, n, 0), *at(w, m, i, k, 0), sum);
                    *at(y, m, i, j, n) = sum;
                }
    return 0;
}
