/* A user's C program: two channels, two taps, checked against the formula. Exit status 0 when all is right. */
#include <dwconv/dwconv.h>
#include <stdio.h>
#include <stdlib.h>

enum { LENGTH = 37, CHANNELS = 2, TAPS = 2, OUT_LENGTH = LENGTH - TAPS + 1 };

static dwc_error error;

static void check(dwc_status status) {
    if (status != DWC_OK) {
        fprintf(stderr, "%s: %s\n", dwc_status_string(status), error.message);
        exit(1);
    }
}

int main(void) {
    float x[LENGTH * CHANNELS], y[OUT_LENGTH * CHANNELS];
    const float w[TAPS * CHANNELS] = {1, 2, 3, 4};
    int t, c;
    dwc_problem problem;
    dwc_plan *plan = NULL;
    dwc_weights *weights = NULL;
    dwc_args args;

    for (t = 0; t < LENGTH; t++)
        for (c = 0; c < CHANNELS; c++) x[t * CHANNELS + c] = (float)(t + 10 * c);

    dwc_problem_init(&problem);
    problem.length = LENGTH;
    problem.channels = CHANNELS;
    problem.kernel_size = TAPS;
    check(dwc_plan_create(&plan, &problem, NULL, &error));
    check(dwc_weights_pack(plan, w, NULL, DWC_WEIGHTS_KERAS, &weights, &error));
    dwc_args_init(&args);
    args.x = x;
    args.weights = weights;
    args.y = y;
    check(dwc_plan_execute(plan, &args, &error));

    for (t = 0; t < OUT_LENGTH; t++) {
        for (c = 0; c < CHANNELS; c++) {
            const float wanted = w[c] * x[t * CHANNELS + c] + w[CHANNELS + c] * x[(t + 1) * CHANNELS + c];
            if (y[t * CHANNELS + c] != wanted) {
                fprintf(stderr, "y[%d, %d] is %g, not %g\n", t, c, y[t * CHANNELS + c], wanted);
                return 1;
            }
        }
    }
    dwc_weights_destroy(weights);
    dwc_plan_destroy(plan);
    printf("dwconv %s\n", dwc_version());
    return 0;
}
