/* Computes every layer of @NAME@ and compares with the outputs that example_data.h carries. Written by dwconv emit. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "@NAME@.h"

struct expectation {
    const float *kernel, *bias; /* NULL: made like the input */
    int64_t length, channels, multiplier;
    int channels_first;
    /* The outputs that are compared: all of these batches, input channels, times and multiples. */
    const int64_t *batches, *picked, *times;
    int64_t batch_count, picked_count, time_count;
    const float *outputs; /* (batch, picked, time, multiple) */
};

#include "example_data.h"

/* Numbers in [-1, 1), the same everywhere. */
static float value(uint32_t i) {
    i ^= i >> 16;
    i *= 0x7feb352du;
    i ^= i >> 15;
    i *= 0x846ca68bu;
    i ^= i >> 16;
    return (float)(i >> 8) * (2.0f / 16777216) - 1;
}

static float *floats(size_t count) {
    float *all = aligned_alloc(64, (count * sizeof(float) + 64) / 64 * 64);
    if (!all) fprintf(stderr, "out of memory\n"), exit(1);
    return all;
}

static float *filled(size_t count, uint32_t seed) {
    float *all = floats(count);
    for (size_t i = 0; i < count; ++i) all[i] = value((uint32_t)i + seed);
    return all;
}

static double largest_error(const struct expectation *e, const float *y) {
    const int64_t Q = e->channels * e->multiplier;
    const float *wanted = e->outputs;
    double error = 0, largest = 1;
    for (int64_t b = 0; b < e->batch_count; ++b)
        for (int64_t c = 0; c < e->picked_count; ++c)
            for (int64_t t = 0; t < e->time_count; ++t)
                for (int64_t m = 0; m < e->multiplier; ++m, ++wanted) {
                    const int64_t q = e->picked[c] * e->multiplier + m, time = e->times[t];
                    const float got = e->channels_first ? y[(e->batches[b] * Q + q) * e->length + time]
                                                        : y[(e->batches[b] * e->length + time) * Q + q];
                    const double difference = fabs((double)got - (double)*wanted);
                    if (!(difference <= error)) error = difference; /* NaN counts */
                    if (fabs((double)*wanted) > largest) largest = fabs((double)*wanted);
                }
    return error / largest;
}

int main(void) {
    if (!@NAME@_target()) {
        fprintf(stderr, "this CPU runs none of the targets of @NAME@\n");
        return 1;
    }
    double worst = 0;
    for (int i = 0; i < @LAYERS@; ++i) {
        const struct @NAME@_entry *layer = &@NAME@_layers[i];
        const struct expectation *e = &expectations[i];
        float *x = filled(layer->x, 0), *y = floats(layer->y);
#ifdef EMBEDDED_WEIGHTS
        if (layer->run(x, y)) return 1;
#else
        float *kernel = e->kernel ? NULL : filled(layer->kernel, 1000003u);
        float *bias = e->kernel || !layer->bias ? NULL : filled(layer->bias, 2000003u);
        float *weights = floats(layer->weights);
        if (layer->pack(kernel ? kernel : e->kernel, bias ? bias : e->bias, weights)) return 1;
        if (layer->run(x, weights, y)) return 1;
        free(kernel), free(bias), free(weights);
#endif
        const double error = largest_error(e, y);
        printf("%s on %s: %s: max error %.2g\n", layer->name, @NAME@_target(), layer->problem, error);
        if (!(error <= worst)) worst = error;
        free(x), free(y);
    }
    printf("max error %.2g, limit 1e-05\n", worst);
    return worst <= 1e-5 ? 0 : 1;
}
