/* What the fake libcuda.so.1 of the tests saw, and how it is told to fail. */
#ifndef DWCONV_TESTS_DRIVERS_CUDA_H
#define DWCONV_TESTS_DRIVERS_CUDA_H

#define FAKE_PRIMARY ((void *)0x1000)
#define FAKE_BROKEN ((void *)0x6660) /* a context that cannot be made current */

struct fake_cuda {
    long modules, unloads, launches, allocations, frees, copies, waits, retained; /* calls so far */
    void *stack[8];                                                               /* contexts, the current one on top */
    int depth;
    void *stream, *context; /* of the last launch (the stream also of copies) */
    long long threads;
    unsigned long long first[4]; /* its first arguments */
    const char *fail;            /* the function that fails, and with what */
    int code;
};

#endif
