/* The C interface from C11: the header alone, every init function, and one run from plan to result. Prints what is
 * wrong and returns non-zero. */
#include <dwconv/dwconv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            ++failures;                                                               \
        }                                                                             \
    } while (0)

#define CHECK_OK(call)                                                                                         \
    do {                                                                                                       \
        const dwc_status status_ = (call);                                                                     \
        if (status_ != DWC_OK) {                                                                               \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, dwc_status_string(status_), error.message); \
            ++failures;                                                                                        \
        }                                                                                                      \
    } while (0)

/* Every init function sets struct_size and overwrites whatever was there. */
static void check_init(void) {
    dwc_problem problem;
    dwc_options options;
    dwc_args args;
    dwc_plan_info plan_info;
    dwc_target_info target_info;
    dwc_kernel_info kernel_info;
    memset(&problem, 0x7f, sizeof problem);
    memset(&options, 0x7f, sizeof options);
    memset(&args, 0x7f, sizeof args);
    memset(&plan_info, 0x7f, sizeof plan_info);
    memset(&target_info, 0x7f, sizeof target_info);
    memset(&kernel_info, 0x7f, sizeof kernel_info);
    dwc_problem_init(&problem);
    dwc_options_init(&options);
    dwc_args_init(&args);
    dwc_plan_info_init(&plan_info);
    dwc_target_info_init(&target_info);
    dwc_kernel_info_init(&kernel_info);
    CHECK(problem.struct_size == sizeof problem);
    CHECK(problem.x_dtype == DWC_F32 && problem.layout == DWC_NLC && problem.batch == 1 && problem.length == 0);
    CHECK(problem.kernel_size == 1 && problem.depth_multiplier == 1 && problem.stride == 1 && problem.dilation == 1);
    CHECK(problem.has_bias == 0 && problem.activation == DWC_LINEAR && problem.stateful == 0);
    CHECK(problem.x_strides[0] == 0 && problem.y_strides[2] == 0);
    CHECK(options.struct_size == sizeof options && options.threads == 1 && options.parallel_for == NULL);
    CHECK(options.force_kernel == NULL && options.force_target == NULL && options.allow_reference == 0);
    CHECK(args.struct_size == sizeof args && args.x == NULL && args.weights == NULL && args.y == NULL);
    CHECK(args.workspace == NULL);
    CHECK(plan_info.struct_size == sizeof plan_info && plan_info.problem == NULL);
    CHECK(target_info.struct_size == sizeof target_info && target_info.name == NULL);
    CHECK(kernel_info.struct_size == sizeof kernel_info && kernel_info.name == NULL);
}

static void check_listing(void) {
    dwc_error error;
    int32_t i;
    int convolutions = 0;
    CHECK(dwc_target_count() > 0);
    for (i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        CHECK_OK(dwc_target_at(i, &info, &error));
        CHECK(info.name != NULL && info.name[0] != '\0');
    }
    for (i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        CHECK_OK(dwc_kernel_at(i, &info, &error));
        CHECK(info.name != NULL && info.family != NULL && info.target != NULL);
        if (info.family != NULL && strcmp(info.family, "activation") != 0) ++convolutions;
    }
    CHECK(convolutions > 0);
}

static void count_candidate(void *user, const dwc_candidate *candidate) {
    int *count = (int *)user;
    if (*count == 0) CHECK(candidate->chosen != 0);
    CHECK(candidate->kernel != NULL && candidate->reason != NULL);
    ++*count;
}

enum { BATCH = 2, LENGTH = 33, CHANNELS = 17, TAPS = 4, SIZE = BATCH * LENGTH * CHANNELS };

static void check_run(void) {
    static float x[SIZE], y[SIZE], want[SIZE], w[TAPS * CHANNELS], bias[CHANNELS];
    dwc_error error;
    dwc_problem problem;
    dwc_options options;
    dwc_plan *plan = NULL;
    dwc_weights *weights = NULL;
    dwc_plan_info info;
    dwc_args args;
    char text[256];
    int i, candidates = 0;
    void *workspace = NULL;
    for (i = 0; i < SIZE; ++i) x[i] = (float)(i % 23 - 11) / 8.0f;
    for (i = 0; i < TAPS * CHANNELS; ++i) w[i] = (float)(i % 7 - 3) / 4.0f;
    for (i = 0; i < CHANNELS; ++i) bias[i] = (float)i / 16.0f;

    CHECK_OK(dwc_problem_parse("f32_nlc_n2_l33_c17_k4_m1_s1_d1_pl3_pr0_bias_relu", &problem, &error));
    CHECK_OK(dwc_problem_format(&problem, text, sizeof text, &error));
    CHECK(strcmp(text, "f32_nlc_n2_l33_c17_k4_m1_s1_d1_pl3_pr0_bias_relu") == 0);
    dwc_options_init(&options);
    CHECK_OK(dwc_explain(&problem, &options, count_candidate, &candidates, &error));
    CHECK(candidates > 0);
    CHECK_OK(dwc_plan_create(&plan, &problem, &options, &error));
    if (plan == NULL) return;
    CHECK_OK(dwc_weights_pack(plan, w, bias, DWC_WEIGHTS_KERAS, &weights, &error));
    dwc_plan_info_init(&info);
    CHECK_OK(dwc_plan_describe(plan, &info, &error));
    CHECK(info.problem != NULL && strcmp(info.problem, text) == 0);
    CHECK(info.out_length == LENGTH && info.threads == 1);
    CHECK(info.flops == 2 * (int64_t)SIZE * TAPS);
    if (dwc_plan_workspace_size(plan) > 0) {
        const size_t size = (dwc_plan_workspace_size(plan) + 63) / 64 * 64;
        workspace = aligned_alloc(64, size);
    }
    dwc_args_init(&args);
    args.x = x;
    args.weights = weights;
    args.y = y;
    args.workspace = workspace;
    CHECK_OK(dwc_plan_execute(plan, &args, &error));
    CHECK_OK(dwc_reference(&problem, x, w, bias, want, DWC_WEIGHTS_KERAS, 1, &error));
    /* These values and sums are exact in float, so any order of summation gives the same. */
    for (i = 0; i < SIZE; ++i) {
        if (!(fabsf(y[i] - want[i]) <= 0.0f)) {
            fprintf(stderr, "y[%d] = %g, expected %g\n", i, (double)y[i], (double)want[i]);
            ++failures;
            break;
        }
    }
    free(workspace);
    dwc_weights_destroy(weights);
    dwc_plan_destroy(plan);
    dwc_weights_destroy(NULL);
    dwc_plan_destroy(NULL);
}

static void check_failures(void) {
    dwc_error error;
    dwc_problem problem;
    dwc_plan *plan = NULL;
    dwc_activation activation = DWC_LINEAR;
    float values[2] = {-1.0f, 2.0f};
    dwc_problem_init(&problem);
    problem.stride = 0;
    CHECK(dwc_plan_create(&plan, &problem, NULL, &error) == DWC_ERROR_STRIDE);
    CHECK(plan == NULL && error.status == DWC_ERROR_STRIDE && strstr(error.message, "stride=0") != NULL);
    CHECK(dwc_plan_create(&plan, NULL, NULL, NULL) == DWC_ERROR_NULL_POINTER);
    CHECK(strcmp(dwc_status_string(DWC_ERROR_STRIDE), "DWC_ERROR_STRIDE") == 0);
    CHECK_OK(dwc_activation_from_name("swish", &activation, &error));
    CHECK(activation == DWC_SILU && strcmp(dwc_activation_name(activation), "silu") == 0);
    CHECK(dwc_activation_params(DWC_RELU, NULL) == 3);
    CHECK_OK(dwc_activation_apply(DWC_RELU, NULL, values, 2, NULL, &error));
    CHECK(values[0] >= 0.0f && values[0] <= 0.0f && values[1] >= 2.0f && values[1] <= 2.0f);
    dwc_set_log_callback(NULL, NULL);
    CHECK(dwc_version()[0] != '\0');
}

int main(void) {
    check_init();
    check_listing();
    check_run();
    check_failures();
    if (failures > 0) fprintf(stderr, "%d failures\n", failures);
    return failures > 0 ? 1 : 0;
}
