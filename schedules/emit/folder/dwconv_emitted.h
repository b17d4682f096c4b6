/* How emitted layers reach their kernels: views as Halide's kernels take them, copies of pieces of the input. Private
 * to the library beside it; nothing here has a symbol. C11.
 */
#ifndef DWCONV_EMITTED_H
#define DWCONV_EMITTED_H

#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define DWC_HIDDEN __attribute__((visibility("hidden")))
#else
#define DWC_HIDDEN
#endif

/* Copies use the widest vectors that every CPU of the target has. */
#if defined(DWC_COPY_AVX2) && defined(__GNUC__)
#define DWC_TARGET __attribute__((target("avx2")))
#else
#define DWC_TARGET
#endif

/* halide_dimension_t and halide_buffer_t of HalideRuntime.h. */
struct dwc_axis {
    int32_t min, extent, stride;
    uint32_t flags;
};
struct dwc_buffer {
    uint64_t device;
    const void *interface;
    void *host;
    uint64_t flags;
    uint8_t code, bits;
    uint16_t lanes;
    int32_t dimensions;
    const struct dwc_axis *axes;
    void *padding;
};
_Static_assert(sizeof(struct dwc_buffer) == 56, "a 64-bit processor");

typedef int dwc_kernel(struct dwc_buffer *x, struct dwc_buffer *w, struct dwc_buffer *b, struct dwc_buffer *taps,
                       int32_t max_tap, int32_t step, float p0, float p1, float p2, struct dwc_buffer *y);

/* Extents and strides of one kernel call. */
struct dwc_call {
    struct dwc_axis x[3], w[3], b[2], y[4], taps_axis[1];
    const int32_t *taps;
    int32_t max_tap, step;
};

static inline struct dwc_buffer dwc_floats(const float *data, int32_t dimensions, const struct dwc_axis *axes) {
    const struct dwc_buffer buffer = {0, 0, (void *)data, 0, 2, 32, 1, dimensions, axes, 0};
    return buffer;
}

/* `parameters`: three, of the activation. */
static inline void dwc_conv(dwc_kernel *kernel, const struct dwc_call *call, const float *parameters, const float *x,
                            const float *w, const float *b, float *y) {
    struct dwc_buffer xs = dwc_floats(x, 3, call->x), ws = dwc_floats(w, 3, call->w), bs = dwc_floats(b, 2, call->b);
    struct dwc_buffer ys = dwc_floats(y, 4, call->y);
    struct dwc_buffer taps = {0, 0, (void *)call->taps, 0, 0, 32, 1, 1, call->taps_axis, 0};
    kernel(&xs, &ws, &bs, &taps, call->max_tap, call->step, parameters[0], parameters[1], parameters[2], &ys);
}

/* For every row and plane, `steps` steps of `group` elements, dense in that order: time first + residue + k*stride of a
 * row whose steps lie source_step apart, zeros outside [0, length). */
struct dwc_piece {
    int64_t steps, stride, planes, length, source_step, group, rows, source_row;
    const int64_t *residues;
};

/* Rows are mostly short: calls would cost more than the copies. */
static inline DWC_TARGET void dwc_some(float *restrict to, const float *restrict from, int64_t count) {
    if (count >= 256)
        memcpy(to, from, (size_t)count * sizeof *to);
    else
        for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

static inline DWC_TARGET void dwc_zeros(float *to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = 0;
}

static inline DWC_TARGET void dwc_plane(float *restrict to, const float *restrict from, const struct dwc_piece *p,
                                        int64_t begin, int64_t end) {
    const int64_t step = p->stride * p->source_step, count = end - begin, group = p->group;
    float *const out = to + begin * group;
    dwc_zeros(to, begin * group);
    if (step == group) {
        dwc_some(out, from, count * group);
    } else if (group == 1 && step == 2) { /* a constant lets the compiler shuffle whole vectors */
        for (int64_t i = 0; i < count; ++i) out[i] = from[2 * i];
    } else if (group == 1) {
        for (int64_t i = 0; i < count; ++i) out[i] = from[step * i];
    } else {
        for (int64_t i = 0; i < count; ++i) dwc_some(out + i * group, from + i * step, group);
    }
    dwc_zeros(to + end * group, (p->steps - end) * group);
}

static DWC_TARGET inline void dwc_stage(const struct dwc_piece *p, float *to, const float *from, int64_t first) {
    for (int64_t r = 0; r < p->planes; ++r) {
        const int64_t time = first + p->residues[r], s = p->stride;
        int64_t begin = time >= 0 ? 0 : (-time + s - 1) / s, end = 0;
        if (begin > p->steps) begin = p->steps;
        if (p->length > time) end = (p->length - time + s - 1) / s;
        if (end > p->steps) end = p->steps;
        if (end < begin) end = begin;
        const float *const in = end > begin ? from + (time + begin * s) * p->source_step : from;
        for (int64_t i = 0; i < p->rows; ++i)
            dwc_plane(to + (i * p->planes + r) * p->steps * p->group, in + i * p->source_row, p, begin, end);
    }
}

/* y(m, i, j, n) = planes(i, j, n, m). */
static DWC_TARGET inline void dwc_spread(const struct dwc_axis *y, const float *restrict planes, float *restrict to) {
    const int64_t plane = (int64_t)y[1].extent * y[2].extent * y[3].extent;
    for (int64_t n = 0; n < y[3].extent; ++n)
        for (int64_t j = 0; j < y[2].extent; ++j, planes += y[1].extent)
            for (int64_t i = 0; i < y[1].extent; ++i)
                for (int64_t m = 0; m < y[0].extent; ++m)
                    to[m * y[0].stride + i * y[1].stride + j * (int64_t)y[2].stride + n * (int64_t)y[3].stride] =
                        planes[m * plane + i];
}

static inline int dwc_finite(const float *values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        if ((bits & 0x7f800000u) == 0x7f800000u) return 0;
    }
    return 1;
}

/* Weights from Keras' order (taps, channels, multiples) into the kernels'. */
struct dwc_packing {
    int64_t taps, channels, multiples, positions;
    int64_t w[3]; /* elements between multiples, positions, taps */
    int64_t b[2]; /* between multiples, positions */
    int64_t bias; /* where the bias begins */
};

static inline void dwc_pack(const struct dwc_packing *p, const float *kernel, const float *bias, float *packed) {
    for (int64_t m = 0; m < p->multiples; ++m)
        for (int64_t q = 0; q < p->positions; ++q) {
            const int64_t channel = q % p->channels;
            for (int64_t j = 0; j < p->taps; ++j)
                packed[m * p->w[0] + q * p->w[1] + j * p->w[2]] =
                    kernel[(j * p->channels + channel) * p->multiples + m];
            packed[p->bias + m * p->b[0] + q * p->b[1]] = bias ? bias[channel * p->multiples + m] : 0;
        }
}

#endif
