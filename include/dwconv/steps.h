/* dwconv: what a plan does, as data (C11, also valid C++17).
 *
 * For programs that write programs (`dwconv emit`): a problem of fixed shape on a given kernel is a short list of
 * steps, kernel calls on views and copies of pieces of the input into scratch memory. They are the steps that an
 * execution of the library takes on one thread, recorded instead of done, so a kernel need not exist and its target
 * need not be this CPU's. The rules of dwconv.h hold.
 */
#ifndef DWCONV_STEPS_H
#define DWCONV_STEPS_H

#include "dwconv/dwconv.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum dwc_step_kind {
    DWC_STEP_STAGE = 0,  /* copies a piece of the input, zero-extended and sorted by phases: `stage` */
    DWC_STEP_CONV = 1,   /* calls the kernel: `conv` */
    DWC_STEP_SPREAD = 2, /* y(m, i, j, n) = planes(i, j, n, m): `spread` */
    DWC_STEP_COPY = 3    /* `count` elements from one place to another: `copy` */
} dwc_step_kind;

/* What a place lies in. W and B are the packed weights and bias, see dwc_steps_info. */
typedef enum dwc_step_memory {
    DWC_IN_X = 0,
    DWC_IN_W = 1,
    DWC_IN_B = 2,
    DWC_IN_Y = 3,
    DWC_IN_SCRATCH = 4
} dwc_step_memory;

typedef struct dwc_step_place {
    dwc_step_memory memory;
    int64_t offset; /* elements */
} dwc_step_place;

/* A strided view, index order and axes as in generators/algorithm.hpp: x (i, j, n), w (m, q, k), b (m, q),
 * y (m, i, j, n). Elements. */
typedef struct dwc_step_view {
    dwc_step_place at;
    int64_t extent[4], stride[4];
} dwc_step_view;

/* Pointers are valid during the callback. */
typedef struct dwc_step {
    dwc_step_kind kind;
    union {
        struct {
            dwc_step_view x, w, b, y;
            const int32_t *taps;        /* offsets of the taps along i, `tap_count` of them */
            int32_t tap_count, max_tap; /* the largest of them */
            int32_t step;               /* the kernel's argument of that name */
            int32_t x_first[2];         /* the kernel's x.min along i and j: it reads zeros outside x along time */
        } conv;
        /* For every row i < rows and plane p < planes, steps k < steps of `group` elements, dense in that order at
         * `to`: time first + residues[p] + k*stride of a row that begins at from + i*source_row and whose neighbours in
         * time lie source_step apart; zeros where the time is outside [0, length). */
        struct {
            dwc_step_place to, from;
            int64_t first, steps, stride, planes, length, source_step, group, rows, source_row;
            const int64_t *residues;
        } stage;
        /* planes: m (slowest), n, j, i, dense. */
        struct {
            dwc_step_place from;
            dwc_step_view y;
        } spread;
        struct {
            dwc_step_place to, from;
            int64_t count;
        } copy;
    } as;
} dwc_step;

/* What the steps rest on, all in elements. Steps are those of batch 0; those of batch n lie x_batch and y_batch further
 * in x and y, each. Weight (tap j, channel c, multiple m) of Keras goes to every position q < positions with
 * q mod channels = c, at m*w_stride[0] + q*w_stride[1] + j*w_stride[2] of `w_elements`; its bias to m*b_stride[0] +
 * q*b_stride[1] of `b_elements`, 0 where the problem has none. `function` of generators/activation.hpp with
 * `parameters` is the problem's activation. */
typedef struct dwc_steps_info {
    size_t struct_size;
    int64_t scratch_bytes; /* to be aligned to 64 */
    int64_t x_batch, y_batch;
    int64_t positions, w_stride[3], b_stride[2], w_elements, b_elements;
    const char *function; /* static */
    float parameters[DWC_MAX_ACTIVATION_PARAMS];
} dwc_steps_info;
DWC_API void dwc_steps_info_init(dwc_steps_info *info);

/* Non-zero ends the listing. */
typedef int (*dwc_step_callback)(void *user, const dwc_step *step);

/* Calls back once a step, in order. The kernel is taken to compute the problem's activation itself, whichever its row
 * names. `row` as in dwc_kernel_cost; `info` may be NULL and is filled before the first callback.
 * `finite`: all weights are finite, so that taps which read only zeros may be left out (a sum that is a negative zero
 * may then stay one). DWC_ERROR_UNSUPPORTED, and why, where the kernel cannot compute the problem, for a stateful one,
 * whose steps depend on the state, and for a kernel of nlc on a problem in ncl, whose turned tiles are not listed. */
DWC_API dwc_status dwc_kernel_steps(const dwc_problem *problem, const dwc_kernel_row *row, int32_t finite,
                                    dwc_steps_info *info, dwc_step_callback callback, void *user, dwc_error *error);

#ifdef __cplusplus
}
#endif
#endif
