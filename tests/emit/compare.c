/* Every layer of an emitted folder against the library on the same target: the bits where nothing but sums is computed,
 * 1e-6 where an activation is. Nothing outside x, weights and y may be touched: each array ends, and in a second turn
 * begins, at memory that faults. Built with -DNAME=..., -DNAME_H="...", -DLAYERS=... */
#define _GNU_SOURCE
#include <dwconv/dwconv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include NAME_H

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)

static size_t page;
static unsigned seed = 7;

/* `count` floats between pages that fault, against the last one or (left) the first one. */
static float *guarded(size_t count, int left) {
    const size_t bytes = count * sizeof(float), pages = (bytes + page - 1) / page * page;
    char *all = mmap(NULL, pages + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || (pages && mprotect(all + page, pages, PROT_READ | PROT_WRITE))) perror("mmap"), exit(1);
    float *first = (float *)(all + page + (left ? 0 : pages - bytes));
    for (size_t i = 0; i < count; ++i) {
        seed = seed * 1664525u + 1013904223u;
        first[i] = (float)(seed >> 8) * (2.0f / 16777216) - 1;
    }
    return first;
}

static void must(dwc_status status, const dwc_error *error) {
    if (status != DWC_OK) fprintf(stderr, "%s\n", error->message), exit(1);
}

/* The library's y on the emitted folder's target. */
static void by_library(const dwc_problem *problem, const float *x, const float *kernel, const float *bias, float *y) {
    dwc_error error;
    dwc_options options;
    dwc_options_init(&options);
    options.force_target = PASTE(NAME, _target)();
    dwc_plan *plan = NULL;
    dwc_weights *weights = NULL;
    must(dwc_plan_create(&plan, problem, &options, &error), &error);
    must(dwc_weights_pack(plan, kernel, bias, DWC_WEIGHTS_KERAS, &weights, &error), &error);
    dwc_args args;
    dwc_args_init(&args);
    args.x = x;
    args.weights = weights;
    args.y = y;
    if (dwc_plan_workspace_size(plan)) args.workspace = aligned_alloc(64, dwc_plan_workspace_size(plan));
    must(dwc_plan_execute(plan, &args, &error), &error);
    free(args.workspace);
    dwc_weights_destroy(weights);
    dwc_plan_destroy(plan);
}

int main(void) {
    page = (size_t)sysconf(_SC_PAGESIZE);
    int failures = 0, exact = 0, refused = 0;
    for (int i = 0; i < 2 * LAYERS; ++i) {
        const struct PASTE(NAME, _entry) *layer = &PASTE(NAME, _layers)[i / 2];
        dwc_problem problem;
        dwc_error error;
        must(dwc_problem_parse(layer->problem, &problem, &error), &error);
        const int left = i % 2;
        float *x = guarded(layer->x, left), *kernel = guarded(layer->kernel, left), *y = guarded(layer->y, left);
        float *bias = layer->bias ? guarded(layer->bias, left) : NULL, *weights = guarded(layer->weights, left);
        float *wanted = guarded(layer->y, left);
        by_library(&problem, x, kernel, bias, wanted);
        if (layer->pack(kernel, bias, weights) || layer->run(x, weights, y)) return 1;
        double worst = 0;
        for (size_t k = 0; k < layer->y; ++k) {
            const double difference = fabs((double)y[k] - (double)wanted[k]);
            if (!(difference <= worst)) worst = difference;
        }
        const int same = memcmp(y, wanted, layer->y * sizeof *y) == 0;
        const int fine = problem.activation == DWC_LINEAR ? same : worst <= 1e-6;
        exact += same;
        /* Layers that leave out taps over padding refuse what padding would turn into NaN; only those. */
        kernel[0] = NAN;
        refused += layer->pack(kernel, bias, weights) != 0;
        if (!fine) printf("%s: %s: differs by %g\n", layer->name, layer->problem, worst), ++failures;
    }
    printf("%d layers twice, %d to the bit, %d failed, %d refuse NaN, on %s\n", LAYERS, exact, failures, refused / 2,
           PASTE(NAME, _target)());
    return failures || refused == 0 || refused > LAYERS ? 1 : 0;
}
