/* Layers of an emitted folder timed in turns with the library's plans for the same problems on the same target and one
 * thread: a line of JSON each. scripts/emit_table.py builds and reads it: -DNAME=..., -DNAME_H="...", -DLAYERS=... */
#define _GNU_SOURCE
#include <dwconv/dwconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include NAME_H

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)

enum { most_rounds = 1001 };

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* A quarter into a page, as the library puts its packed weights. */
static float *floats(size_t count, size_t into_page) {
    float *all = aligned_alloc(4096, (count * sizeof(float) + 2 * 4096) / 4096 * 4096);
    if (!all) exit(1);
    for (size_t i = 0; i < count; ++i) all[into_page + i] = (float)(i % 97) * 0.01f - 0.5f;
    return all + into_page;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const int rounds = argc > 1 ? atoi(argv[1]) : 41;
    if (rounds < 1 || rounds > most_rounds) return 2;
    for (int i = 0; i < LAYERS; ++i) {
        const struct PASTE(NAME, _entry) *layer = &PASTE(NAME, _layers)[i];
        dwc_problem problem;
        dwc_options options;
        dwc_plan *plan = NULL;
        dwc_weights *packed = NULL;
        dwc_error error;
        dwc_options_init(&options);
        options.force_target = PASTE(NAME, _target)();
        options.stores = DWC_STORES_CACHED;
        float *x = floats(layer->x, 0), *y = floats(layer->y, 0), *weights = floats(layer->weights, 256);
        float *kernel = floats(layer->kernel, 0), *bias = layer->bias ? floats(layer->bias, 0) : NULL;
        if (dwc_problem_parse(layer->problem, &problem, &error) || dwc_plan_create(&plan, &problem, &options, &error) ||
            dwc_weights_pack(plan, kernel, bias, DWC_WEIGHTS_KERAS, &packed, &error)) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
        layer->pack(kernel, bias, weights);
        dwc_args args;
        dwc_args_init(&args);
        args.x = x;
        args.weights = packed;
        args.y = y;
        dwc_plan_info info;
        dwc_plan_info_init(&info);
        dwc_plan_describe(plan, &info, &error);
        if (dwc_plan_workspace_size(plan)) args.workspace = aligned_alloc(64, dwc_plan_workspace_size(plan));

        const double begin = now_us();
        dwc_plan_execute(plan, &args, NULL);
        layer->run(x, weights, y);
        double once = (now_us() - begin) / 2;
        if (once < 0.05) once = 0.05;
        const int repeats = once > 1000 ? 1 : (int)(1000 / once) + 1;
        static double library[most_rounds], emitted[most_rounds], ratio[most_rounds];
        for (int r = 0; r < rounds; ++r) {
            for (int turn = 0; turn < 2; ++turn) {
                const int by_library = (turn + r) % 2;
                const double start = now_us();
                for (int k = 0; k < repeats; ++k) {
                    if (by_library)
                        dwc_plan_execute(plan, &args, NULL);
                    else
                        layer->run(x, weights, y);
                }
                *(by_library ? &library[r] : &emitted[r]) = (now_us() - start) / repeats;
            }
            ratio[r] = emitted[r] / library[r];
        }
        qsort(library, (size_t)rounds, sizeof *library, ascending);
        qsort(emitted, (size_t)rounds, sizeof *emitted, ascending);
        qsort(ratio, (size_t)rounds, sizeof *ratio, ascending);
        printf(
            "{\"layer\": \"%s\", \"problem\": \"%s\", \"library\": \"%s\", \"library_min\": %.4g, \"library_median\": "
            "%.4g, \"emitted_min\": %.4g, \"emitted_median\": %.4g, \"ratio_min\": %.3f, \"ratio_median\": %.3f}\n",
            layer->name, layer->problem, info.kernel, library[0], library[rounds / 2], emitted[0], emitted[rounds / 2],
            emitted[0] / library[0], ratio[rounds / 2]);
        fflush(stdout);
        dwc_plan_destroy(plan);
        dwc_weights_destroy(packed);
        free(args.workspace), free(x), free(y), free(weights - 256), free(kernel), free(bias);
    }
    return 0;
}
