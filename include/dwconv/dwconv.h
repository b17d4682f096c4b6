/* dwconv: depthwise 1-D convolution. The whole C interface (C11, also valid C++17).
 *
 *   y[n, t, c*M + m] = act( b[c*M + m] + sum_{j<K} x[n, t*stride + j*dilation - pad_left, c] * w[j, c, m] )
 *
 * with x = 0 outside 0 <= time < length. Cross-correlation: the kernel is not flipped. The sum starts at the bias
 * and adds taps in ascending j, one fused multiply-add each (one multiply and one add on targets without FMA), so
 * every kernel, thread count and blocking of one target gives the same bits.
 *
 * Rules that hold for every function here
 *  - A function that can fail returns a dwc_status and takes a trailing `dwc_error *`, which may be NULL; on failure
 *    it is filled with the status and one sentence naming field, value and rule. Out-parameters are left untouched.
 *  - The library never aborts, prints or throws across this boundary.
 *  - Structs that the caller fills start with `struct_size`, set by their dwc_*_init function. Later versions only
 *    append fields; a caller compiled against an older header keeps working.
 */
#ifndef DWCONV_DWCONV_H
#define DWCONV_DWCONV_H

#include <stddef.h>
#include <stdint.h>

#define DWC_VERSION_MAJOR 0
#define DWC_VERSION_MINOR 1
#define DWC_VERSION_PATCH 0

#if defined(_WIN32)
#define DWC_API
#else
#define DWC_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------- status and log */

/* What went wrong, by field. dwc_status_string gives the constant's name. */
typedef enum dwc_status {
    DWC_OK = 0,
    DWC_ERROR_NULL_POINTER = 1,      /* a required pointer is NULL */
    DWC_ERROR_STRUCT_SIZE = 2,       /* struct_size is not that of any version of the struct */
    DWC_ERROR_PARSE = 3,             /* a problem string or a name could not be read */
    DWC_ERROR_BUFFER_SIZE = 4,       /* the caller's character buffer is too small */
    DWC_ERROR_DTYPE = 5,             /* x_dtype, w_dtype, y_dtype */
    DWC_ERROR_LAYOUT = 6,            /* layout */
    DWC_ERROR_BATCH = 7,             /* batch < 0 */
    DWC_ERROR_LENGTH = 8,            /* length < 0 */
    DWC_ERROR_CHANNELS = 9,          /* channels < 0 */
    DWC_ERROR_KERNEL_SIZE = 10,      /* kernel_size < 1 */
    DWC_ERROR_DEPTH_MULTIPLIER = 11, /* depth_multiplier < 1 */
    DWC_ERROR_STRIDE = 12,           /* stride < 1 */
    DWC_ERROR_DILATION = 13,         /* dilation < 1 */
    DWC_ERROR_PADDING = 14,          /* pad_left or pad_right < 0 */
    DWC_ERROR_OUT_LENGTH = 15,       /* the output length would be zero or negative although length > 0 */
    DWC_ERROR_ACTIVATION = 16,       /* activation is no dwc_activation, or a parameter is out of its range */
    DWC_ERROR_BIAS = 17,             /* bias given where the problem has none, or the other way round */
    DWC_ERROR_STRIDES = 18,          /* x_strides or y_strides */
    DWC_ERROR_OVERFLOW = 19,         /* a size does not fit 63 bits of bytes */
    DWC_ERROR_THREADS = 20,          /* threads < 0 or absurd */
    DWC_ERROR_UNSUPPORTED = 21,      /* valid, but no compiled kernel computes it */
    DWC_ERROR_FORCED_KERNEL = 22,    /* the forced kernel does not exist or cannot compute this problem */
    DWC_ERROR_FORCED_TARGET = 23,    /* the forced target is not built or not supported by this CPU */
    DWC_ERROR_WORKSPACE = 24,        /* workspace is NULL or smaller than dwc_plan_workspace_size says */
    DWC_ERROR_WEIGHTS = 25,          /* weights were packed for another weights_layout, or without the bias */
    DWC_ERROR_ALIAS = 26,            /* y overlaps x */
    DWC_ERROR_OUT_OF_MEMORY = 27,
    DWC_ERROR_KERNEL = 28, /* a compiled kernel refused its buffers; a bug, please report */
    DWC_ERROR_INTERNAL = 29,
    DWC_ERROR_KERNEL_ROW = 30,     /* dwc_kernel_row: a field is illegal, or a kernel has that name already */
    DWC_ERROR_PLAN_LEVEL = 31,     /* plan_level or measure_ms */
    DWC_ERROR_TUNED = 32,          /* tuned kernels could not be taken or written */
    DWC_ERROR_STORES = 33,         /* stores */
    DWC_ERROR_STATE = 34,          /* stateful, state_in, state_out, state_slots or sequence_index */
    DWC_ERROR_MEMORY = 35,         /* memory, or a wish that does not go with it */
    DWC_ERROR_NO_DEVICE = 36,      /* no driver with a device answers for the target or memory asked for */
    DWC_ERROR_DEVICE_CONTEXT = 37, /* device_context is missing or its driver refuses it */
    DWC_ERROR_DEVICE_MODULE = 38,  /* the device's compiler refused a kernel */
    DWC_ERROR_DEVICE_STREAM = 39,  /* stream is missing, or a launch, a copy or waiting failed */
    DWC_ERROR_ALIGNMENT = 40       /* a device pointer is not aligned as the plan's kernel needs it */
} dwc_status;

/* Name of a status constant ("DWC_ERROR_STRIDE"), or "DWC_ERROR_UNKNOWN". Never NULL. */
DWC_API const char *dwc_status_string(dwc_status status);

typedef struct dwc_error {
    dwc_status status;
    char message[500]; /* one sentence, NUL-terminated */
} dwc_error;

/* "0.1.0". */
DWC_API const char *dwc_version(void);

/* Receives one line per event (no newline): a slow choice said once, and every plan and its kernels where
 * DWC_VERBOSE=1 is in the environment. Called from any thread, one call at a time. NULL (the default): silence,
 * but for DWC_VERBOSE=1 without a callback, which writes to stderr because the user asked for it. */
typedef void (*dwc_log_callback)(void *user, const char *line);
DWC_API void dwc_set_log_callback(dwc_log_callback callback, void *user);

/* -------------------------------------------------------------------------------------------------- the problem */

typedef enum dwc_dtype { DWC_F32 = 0, DWC_BF16 = 1 } dwc_dtype;

typedef enum dwc_layout {
    DWC_NLC = 0, /* x (batch, length, channels), y (batch, out_length, channels*M): Keras channels_last */
    DWC_NCL = 1  /* x (batch, channels, length), y (batch, channels*M, out_length): PyTorch, channels_first */
} dwc_layout;

/* Elementwise activations, formulas as in Keras 3. Parameters in order, with defaults, after the colon. */
typedef enum dwc_activation {
    DWC_LINEAR = 0,
    DWC_RELU, /* : negative_slope 0, max_value +inf, threshold 0 */
    DWC_RELU6,
    DWC_LEAKY_RELU, /* : negative_slope 0.2 */
    DWC_ELU,        /* : alpha 1 */
    DWC_CELU,       /* : alpha 1 (not 0) */
    DWC_SELU,
    DWC_GELU,      /* exact: v * Phi(v) */
    DWC_GELU_TANH, /* Keras gelu(approximate=True) */
    DWC_SILU,
    DWC_HARD_SILU,
    DWC_SIGMOID,
    DWC_HARD_SIGMOID,
    DWC_SPARSE_SIGMOID,
    DWC_LOG_SIGMOID,
    DWC_TANH,
    DWC_HARD_TANH,
    DWC_TANH_SHRINK,
    DWC_SOFTPLUS,
    DWC_SOFTSIGN,
    DWC_SOFT_SHRINK, /* : threshold 0.5 */
    DWC_HARD_SHRINK, /* : threshold 0.5 */
    DWC_SQUAREPLUS,  /* : b 4 */
    DWC_SPARSE_PLUS,
    DWC_MISH,
    DWC_EXPONENTIAL,
    DWC_THRESHOLD, /* : threshold, value (both required) */
    DWC_ACTIVATION_COUNT
} dwc_activation;

#define DWC_MAX_ACTIVATION_PARAMS 3

/* Name as in problem strings and Keras ("leaky_relu"; DWC_GELU_TANH is "gelu_tanh"); NULL if out of range. */
DWC_API const char *dwc_activation_name(dwc_activation activation);
/* Number of parameters (0..3); the defaults go to `defaults` (DWC_MAX_ACTIVATION_PARAMS floats) where not NULL. */
DWC_API int dwc_activation_params(dwc_activation activation, float *defaults);
/* By name, case-sensitive, with the aliases "swish" and "hard_swish". */
DWC_API dwc_status dwc_activation_from_name(const char *name, dwc_activation *activation, dwc_error *error);

typedef struct dwc_problem {
    size_t struct_size;
    dwc_dtype x_dtype, w_dtype, y_dtype; /* the bias has the type of the weights; sums are f32 */
    dwc_layout layout;
    int64_t batch, length, channels;
    int64_t kernel_size, depth_multiplier, stride, dilation;
    int64_t pad_left, pad_right; /* zeros before and after every row, in elements of time */
    int32_t has_bias;
    dwc_activation activation;
    float activation_params[DWC_MAX_ACTIVATION_PARAMS]; /* NaN, as dwc_problem_init sets: the activation's default */
    /* Distances in elements between neighbours in (batch, time, channel). All zero: dense in `layout`. Otherwise the
     * layout's innermost stride (channel for nlc, time for ncl) must be 1 and elements may not overlap in y. */
    int64_t x_strides[3], y_strides[3];
    /* Non-zero: a causal layer that is fed in chunks. pad_left must be (kernel_size-1)*dilation and pad_right 0; the
     * inputs before x come from dwc_args.state_in instead of being zeros. Chunks give the bits of the whole where the
     * stride is 1 or divides every chunk's length but the last one's. */
    int32_t stateful;
} dwc_problem;

/* Fills `problem` with: f32, nlc, batch 1, length 0, channels 0, kernel_size 1, depth_multiplier 1, stride 1,
 * dilation 1, no padding, no bias, linear with default parameters, dense. */
DWC_API void dwc_problem_init(dwc_problem *problem);
/* DWC_OK, or the first field at fault. */
DWC_API dwc_status dwc_problem_validate(const dwc_problem *problem, dwc_error *error);
/* floor((length + pad_left + pad_right - (kernel_size-1)*dilation - 1) / stride) + 1; validates first. */
DWC_API dwc_status dwc_problem_out_length(const dwc_problem *problem, int64_t *out_length, dwc_error *error);
/* Sets pad_left and pad_right as Keras' padding="same" does for the problem's length, kernel_size, stride, dilation:
 * total = max((ceil(L/s)-1)*s + (K-1)*d+1 - L, 0), left = total/2, the odd one on the right. */
DWC_API dwc_status dwc_problem_pad_same(dwc_problem *problem, dwc_error *error);
/* Canonical string, e.g. "f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu", both ways; one string a problem. */
DWC_API dwc_status dwc_problem_format(const dwc_problem *problem, char *buffer, size_t size, dwc_error *error);
DWC_API dwc_status dwc_problem_parse(const char *string, dwc_problem *problem, dwc_error *error);

/* -------------------------------------------------------------------------------------- plan, weights, execution */

/* Runs body(body_arg, i) for every i in [0, count), in any order and on any threads, and returns when all are done;
 * 0, or the first non-zero value that body returned. */
typedef int (*dwc_task)(void *body_arg, int64_t index);
typedef int (*dwc_parallel_for)(void *user, int64_t count, dwc_task body, void *body_arg);

/* Where y goes. STREAMED writes it around the caches (non-temporal stores): a cache line of y is then not read before
 * it is written and x stays cached, but whoever reads y next finds it in memory. It is used as far as the kernel has
 * such a form, y starts on a multiple of 64 bytes and its rows do; else, and for an activation that is not fused,
 * stores go through the caches. AUTO streams where x and y together exceed half of the last cache, of which 32 MiB
 * count, or 16 a CPU where there are more: a virtual machine sees the whole cache of a processor that others use, too.
 * The bits are the same. */
typedef enum dwc_stores { DWC_STORES_AUTO = 0, DWC_STORES_CACHED = 1, DWC_STORES_STREAMED = 2 } dwc_stores;

/* Whose pointers x and y are. Kernels of devices (targets "cuda" and "opencl") are never chosen by themselves: they run
 * where the target is forced or where the memory is theirs.
 *  HOST    pointers of this process. On a device target every execution copies x to the device and y back, and waits.
 *  CUDA    CUdeviceptr. The target is "cuda". An execution enqueues on dwc_args.stream and returns: no copy, no
 *          allocation, no waiting, no synchronisation.
 *  OPENCL  cl_mem handles (in x and y, whole buffers or sub-buffers). The target is "opencl"; the same rules.
 * No toolkit is needed: the driver (libcuda.so.1, libOpenCL.so.1) is opened when a device is first asked for. */
typedef enum dwc_memory { DWC_MEMORY_HOST = 0, DWC_MEMORY_CUDA = 1, DWC_MEMORY_OPENCL = 2 } dwc_memory;

typedef struct dwc_options {
    size_t struct_size;
    int32_t threads;               /* default 1; 0: as many as affinity mask and cgroup quota allow */
    dwc_parallel_for parallel_for; /* NULL: the library's own pool */
    void *parallel_for_user;
    const char *force_kernel; /* kernel name as listed; NULL: DWC_FORCE_KERNEL of the environment, if set */
    const char *force_target; /* target name; NULL: DWC_FORCE_TARGET of the environment, if set */
    int32_t allow_reference;  /* non-zero: where no kernel computes the problem, run the plain C++ loop and log it */
    int32_t plan_level;       /* a dwc_plan_level */
    int32_t measure_ms;       /* DWC_PLAN_MEASURE: time it may take, 1 to 60000; default 50 */
    dwc_stores stores;        /* default DWC_STORES_AUTO */
    dwc_memory memory;        /* default DWC_MEMORY_HOST */
    /* Device targets: the CUcontext or cl_context that kernels and weights live in, which must outlive plan and
     * weights. NULL: on CUDA the calling thread's current context, else the primary one of the first device; on OpenCL,
     * for memory of the host only, a context of the library on the first device (a GPU where there is one). */
    void *device_context;
} dwc_options;

/* How much a plan may do to find its kernel. MEASURE times the kernels that can compute the problem on scratch memory
 * of the problem's own size, once for each class of problems and process: later plans of any level take the result
 * from there, and dwc_tuned_save keeps it. Where the memory cannot be had the plan is made as with DEFAULT. ESTIMATE
 * looks at no measurement, neither the library's records nor what was tuned here: the cost model decides. */
typedef enum dwc_plan_level { DWC_PLAN_DEFAULT = 0, DWC_PLAN_MEASURE = 1, DWC_PLAN_ESTIMATE = 2 } dwc_plan_level;

DWC_API void dwc_options_init(dwc_options *options);

typedef struct dwc_plan dwc_plan;
typedef struct dwc_weights dwc_weights;

/* Binds a problem to kernels. Everything that can fail, allocate or be looked up happens here; kernels of devices are
 * compiled here for the context. `options` may be NULL. Free with dwc_plan_destroy. A plan is immutable: any number of
 * threads may execute it at once. */
DWC_API dwc_status dwc_plan_create(dwc_plan **plan, const dwc_problem *problem, const dwc_options *options,
                                   dwc_error *error);
DWC_API void dwc_plan_destroy(dwc_plan *plan); /* NULL is fine */

typedef enum dwc_weights_order {
    DWC_WEIGHTS_KERAS = 0,  /* w (K, C, M), index ((j*C) + c)*M + m */
    DWC_WEIGHTS_PYTORCH = 1 /* w (C*M, 1, K), index (c*M + m)*K + j */
} dwc_weights_order;

/* Copies weights and bias (C*M) into the order the plan's kernels read. `bias` must be NULL exactly where the problem
 * has none (an unknown `order` is DWC_ERROR_LAYOUT). The result may outlive the plan and serves every plan whose
 * describe() shows the same weights_layout. For a plan on a device `w` and `bias` are pointers of this process, too:
 * they are copied to the plan's context, and the call waits for that. */
DWC_API dwc_status dwc_weights_pack(const dwc_plan *plan, const void *w, const void *bias, dwc_weights_order order,
                                    dwc_weights **weights, dwc_error *error);
DWC_API void dwc_weights_destroy(dwc_weights *weights); /* NULL is fine */

typedef struct dwc_args {
    size_t struct_size;
    const void *x; /* dims and strides as in the problem; no alignment needed beyond the element's own */
    const dwc_weights *weights;
    void *y;         /* must not overlap x */
    void *workspace; /* dwc_plan_workspace_size bytes, 64-byte aligned; NULL where that is 0 (usual) */
    /* Stateful problems only. (state_slots, S, C) of the type of x with S = (kernel_size-1)*dilation, dense, oldest
     * input first, the channels side by side in both layouts. state_in NULL: zeros. state_out receives the last S
     * inputs of (state, x); it may be state_in, and must not overlap it, x or y otherwise; NULL: not kept. */
    const void *state_in;
    void *state_out;
    int64_t state_slots; /* 0: batch */
    /* (batch): the slot of each sequence in both, no slot twice; NULL: 0, 1, 2, ... Negative: zeros come before this
     * sequence, and nothing is kept of it. */
    const int32_t *sequence_index;
    /* Plans on devices: the CUstream (NULL: the context's default stream) or cl_command_queue (memory OPENCL: required;
     * memory HOST: NULL is a queue of the library) to work on. */
    void *stream;
} dwc_args;
DWC_API void dwc_args_init(dwc_args *args);

/* Bytes of scratch memory one execution needs; 0 but for very long effective kernels. */
DWC_API size_t dwc_plan_workspace_size(const dwc_plan *plan);
/* Computes y. Allocates nothing and takes no lock (with one thread or the caller's parallel_for). On an error y may
 * be partly written. With memory of a device y is computed when the stream has come that far; buffers of the device
 * are not checked for their size. On a device with memory of the host it may allocate, copies, and waits. */
DWC_API dwc_status dwc_plan_execute(const dwc_plan *plan, const dwc_args *args, dwc_error *error);

typedef struct dwc_plan_info {
    size_t struct_size;
    const char *problem; /* canonical string */
    const char *kernel;  /* name of the main kernel, "reference" for the plain loop, "none" for an empty output */
    const char *target;
    const char *reason;         /* why this kernel: one sentence */
    const char *weights_layout; /* key that two plans share exactly when they can share packed weights */
    int64_t out_length;
    int64_t flops;   /* useful: 2 * batch * out_length * channels * M * K */
    int64_t bytes;   /* useful: x + y + weights + bias, each once; the state of every sequence read and written */
    int32_t threads; /* resolved */
    int64_t state_elements; /* of one slot: (kernel_size-1)*dilation*channels where stateful, else 0 */
} dwc_plan_info;
DWC_API void dwc_plan_info_init(dwc_plan_info *info);
/* Strings belong to the plan. */
DWC_API dwc_status dwc_plan_describe(const dwc_plan *plan, dwc_plan_info *info, dwc_error *error);

/* The plain C++ loop over the formula, in the contract's order of summation; dense or strided, any valid problem.
 * fma: non-zero for one fused multiply-add per tap, 0 for multiply then add (what targets without FMA compute). */
DWC_API dwc_status dwc_reference(const dwc_problem *problem, const void *x, const void *w, const void *bias, void *y,
                                 dwc_weights_order order, int32_t fma, dwc_error *error);
/* Applies an elementwise activation in place to `count` f32 values with the compiled kernel of the best target
 * (or of `target`, if not NULL). `params` NULL: defaults. */
DWC_API dwc_status dwc_activation_apply(dwc_activation activation, const float *params, float *values, int64_t count,
                                        const char *target, dwc_error *error);

/* Drops what was compiled for a context of a device: to be called before such a context is destroyed, when no plan of
 * it is in use. `context` as in dwc_options.device_context, not NULL. */
DWC_API dwc_status dwc_device_forget(dwc_memory memory, void *context, dwc_error *error);

/* ----------------------------------------------------------------------------------- the machine, what is compiled */

typedef struct dwc_cache_level {
    int32_t level;  /* 1, 2, 3 */
    int32_t shared; /* non-zero where several cores share it */
    int64_t bytes;
} dwc_cache_level;
/* The data caches that the first CPU sees, smallest first, at most `capacity` of them; returns how many there are. From
 * sysfs, else from sysconf, else assumed (32 KiB, 512 KiB, 8 MiB). `levels` may be NULL where capacity is 0. */
DWC_API int32_t dwc_cache_levels(dwc_cache_level *levels, int32_t capacity);

typedef struct dwc_target_info {
    size_t struct_size;
    const char *name;   /* "x86-64-avx2" */
    const char *parent; /* target it falls back to, or NULL */
    int32_t built;      /* this library holds kernels for it */
    int32_t supported;  /* this CPU runs it */
    int32_t fma;        /* kernels use fused multiply-add */
    int32_t device;     /* a dwc_memory: whose kernels these are; `supported` then asks the driver for a device */
} dwc_target_info;
DWC_API void dwc_target_info_init(dwc_target_info *info);
/* Targets of the table the library was built from, best first within an architecture. */
DWC_API int32_t dwc_target_count(void);
DWC_API dwc_status dwc_target_at(int32_t index, dwc_target_info *info, dwc_error *error);

typedef struct dwc_kernel_info {
    size_t struct_size;
    const char *name;   /* unique, e.g. "channels_f32_k4_s1_silu_v16_t8@x86-64-avx512" */
    const char *family; /* "channels", "width", "flat" or "activation" */
    const char *target;
    const char *activation; /* fused: "linear", "clamp", "silu"; for family "activation" the function's name */
    dwc_dtype dtype;
    int64_t kernel_size;             /* 0: any, at run time */
    int64_t stride;                  /* 0: any, at run time */
    int64_t depth_multiplier;        /* 0: any, at run time */
    int32_t vector_width, time_tile; /* the point */
    int32_t supported;               /* this CPU runs its target */
    int32_t streams;                 /* has a form for DWC_STORES_STREAMED */
} dwc_kernel_info;
DWC_API void dwc_kernel_info_init(dwc_kernel_info *info);
DWC_API int32_t dwc_kernel_count(void);
DWC_API dwc_status dwc_kernel_at(int32_t index, dwc_kernel_info *info, dwc_error *error);

/* A kernel that was compiled outside this library by the generator program, with its own Halide runtime inside the same
 * shared object or program (and every symbol of it private to that object). */
typedef struct dwc_kernel_row {
    size_t struct_size;
    const char *name; /* unique, ends in "@" and the target; NULL: the point's own name, as compiled kernels have */
    const char *family, *target, *activation; /* as in dwc_kernel_info */
    dwc_dtype dtype;
    int32_t k, stride, m; /* 0: any, at run time */
    int32_t v, t, block;  /* the point, see schedules/space.hpp; block: taps unrolled where k is 0 */
    void (*function)(void);
} dwc_kernel_row;
/* f32, everything NULL or 0 but block 4. */
DWC_API void dwc_kernel_row_init(dwc_kernel_row *row);
/* Makes the kernel a candidate for the rest of the process: listed after the compiled ones, explained, selected, forced
 * by name. Strings are copied; any thread may call it at any time; there is no way back, and plans made before keep
 * their kernel. DWC_ERROR_KERNEL_ROW where a field is illegal or the name exists. The caller answers for what
 * `function` does: the library trusts a row as it trusts its own kernels. */
DWC_API dwc_status dwc_kernel_add(const dwc_kernel_row *row, dwc_error *error);
/* The predicted cost of computing `problem` with such a kernel, which need not exist (`function` may be NULL): only
 * ratios mean something, smaller is better. DWC_ERROR_UNSUPPORTED, and why, where it could not compute the problem. */
DWC_API dwc_status dwc_kernel_cost(const dwc_problem *problem, const dwc_kernel_row *row, double *cost,
                                   dwc_error *error);

/* One line of an explanation. chosen: non-zero on the one kernel the plan would run. reason: why, or why not. */
typedef struct dwc_candidate {
    const char *kernel, *target, *reason;
    int32_t chosen;
    int32_t eligible; /* could compute the problem here, whether chosen or not */
} dwc_candidate;
typedef void (*dwc_explain_callback)(void *user, const dwc_candidate *candidate);
/* Calls back once per convolution kernel, the chosen one first. */
DWC_API dwc_status dwc_explain(const dwc_problem *problem, const dwc_options *options, dwc_explain_callback callback,
                               void *user, dwc_error *error);

/* ---------------------------------------------------------------------------------------------- measured knowledge
 *
 * A kernel is chosen in this order, and `reason` says which step answered: what is forced; what was tuned on this
 * machine (this process's measurements and files of dwc_tuned_load); the compiled records of the target for the
 * problem's class, then for the nearest class; least predicted work of the default kernels; the same on the target's
 * parents. */

/* The class of problems that measurements of this one speak for, e.g. "f32_nlc_k4_m1_s1_d1_c7_l8_n1_t1_silu": channels
 * and length as floor(log2), dilation, batch and threads as 1 or n, the activation as linear, clamp, silu or other. */
DWC_API dwc_status dwc_problem_class(const dwc_problem *problem, int32_t threads, char *buffer, size_t size,
                                     dwc_error *error);
/* The CPU's name in records and tuned files: what cpuid calls it, or architecture and identification register. */
DWC_API const char *dwc_cpu_name(void);

/* What was tuned on this machine: for a problem (and, where it holds nothing nearer, for its class) with `threads`
 * threads, the name of the kernel to run and its time. The latest word on a problem counts. A kernel that does not
 * exist or cannot compute a problem when it is planned is passed over. Any thread may call these at any time; plans
 * made before keep their kernel. DWC_ERROR_TUNED where the kernel's name or `us` cannot be right. */
DWC_API dwc_status dwc_tuned_add(const dwc_problem *problem, int32_t threads, const char *kernel, double us,
                                 dwc_error *error);
DWC_API void dwc_tuned_clear(void);
/* Writes all of it to a file, under a temporary name first. DWC_ERROR_TUNED where that fails. */
DWC_API dwc_status dwc_tuned_save(const char *path, dwc_error *error);
/* Reads such a file; the file that DWC_TUNED_FILE of the environment names is read when a plan is made. A file that is
 * missing, damaged, truncated, of another version of the library or another CPU is no error: nothing is taken and the
 * log callback hears why. `entries` (may be NULL): how many were taken. */
DWC_API dwc_status dwc_tuned_load(const char *path, int32_t *entries, dwc_error *error);

/* One measurement that the library was compiled with (schedules/db). */
typedef struct dwc_record {
    size_t struct_size;
    const char *problem, *target;
    const char *kernel;     /* best on this problem, "...@target"; not necessarily compiled into this library */
    const char *incumbent;  /* what it was compared with; the same name: nothing was better */
    const char *cpu, *date; /* where and when */
    int32_t threads;
    int32_t measured; /* 0: static cost, which waits for a measurement and decides nothing */
    double us, ratio; /* its time, and as a share of the incumbent's */
} dwc_record;
DWC_API void dwc_record_init(dwc_record *record);
DWC_API int32_t dwc_record_count(void);
DWC_API dwc_status dwc_record_at(int32_t index, dwc_record *record, dwc_error *error);

/* What the selection would choose from other kernels and records than the compiled ones, on a target that need not be
 * built or run here: nothing is executed. */
typedef struct dwc_catalog {
    size_t struct_size;
    const dwc_kernel_row *kernels; /* `function` may be NULL */
    int32_t kernel_count;
    int32_t default_count; /* so many kernels, the first ones, are default points; the others serve records only */
    const dwc_record *records;
    int32_t record_count;
    const char *cpu; /* records of this CPU go first; may be NULL */
} dwc_catalog;
DWC_API void dwc_catalog_init(dwc_catalog *catalog);
/* `kernel`: index of the kernel, -1 where none computes the problem. */
DWC_API dwc_status dwc_catalog_select(const dwc_catalog *catalog, const dwc_problem *problem, const char *target,
                                      int32_t threads, int32_t *kernel, dwc_error *error);

#ifdef __cplusplus
}
#endif
#endif
