// Devices behind their drivers, which are opened when one is first asked for: memory, copies, compiling and launching.
// Nothing here waits or copies unless its name says so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "halide_glue.hpp"
#include "registry.hpp"

namespace dwc {

// Where work goes: a context of the driver and a stream (CUDA) or queue (OpenCL) of it.
struct DeviceStream {
    void* context;
    void* stream;
};

// The user context of a kernel of a device, and what everything below reports through: the first failure stays.
struct DeviceCall : KernelError {
    explicit DeviceCall(const DeviceStream& where, bool compile_only = false)
        : KernelError{}, where(where), compile_only(compile_only) {}

    DeviceStream where;
    bool compile_only;  // the kernel is made ready and not launched
    dwc_status status = DWC_OK;
    char reason[kernel_message_size] = "";  // the sentence that goes with it; KernelError::message is the kernel's
    void* compiled = nullptr;               // between the two calls that a kernel makes

    // Notes a failure, where there was none before; always -1, which kernels pass on.
    int fail(dwc_status as, const char* format, ...) __attribute__((format(printf, 3, 4)));
};

// One launch, as a kernel asks for it.
struct Launch {
    const char* entry;
    std::array<size_t, 3> blocks, threads;
    int shared_bytes;
    const size_t* sizes;  // of the arguments, 0 at the end
    void** arguments;     // of a buffer: where its handle lies
    const bool* buffers;
};
constexpr int most_launch_arguments = 64;

class Device {
   public:
    virtual ~Device() = default;
    // Why there is none, as the end of a sentence; nullptr where one answers. Asked once.
    virtual const char* unavailable() = 0;
    // The context to work in: `wanted`, or the default where that is nullptr.
    virtual void* context_of(void* wanted, DeviceCall& call) = 0;
    // A stream for copies and kernels of this process's memory where the caller gives none.
    virtual void* own_stream(void* context, DeviceCall& call) = 0;

    // 0 on failure. A handle is what a kernel's argument is made of.
    virtual uint64_t allocate(int64_t bytes, DeviceCall& call) = 0;
    virtual void release(void* context, uint64_t memory) = 0;
    virtual int copy_in(uint64_t memory, const void* from, int64_t bytes, DeviceCall& call) = 0;
    virtual int copy_out(void* to, uint64_t memory, int64_t bytes, DeviceCall& call) = 0;
    virtual int wait(DeviceCall& call) = 0;
    // What is enqueued after this runs after what was enqueued before.
    virtual int keep_order(DeviceCall& call) = 0;

    // The code of one kernel for the call's context, compiled where that context has not seen it: call.compiled.
    // `state` identifies the kernel.
    virtual int prepare(const void* state, const char* code, DeviceCall& call) = 0;
    virtual int launch(const Launch& launch, DeviceCall& call) = 0;
    // Drops all code of a context.
    virtual void forget(void* context) = 0;
};

Device& device_of(DeviceKind kind);  // never host
Device& cuda_device();
Device& opencl_device();

// Kernels of devices; x, w, b and y hold handles. Errors are in `call`.
struct DeviceConv {
    View x;  // (i, j, n)
    View w;  // (q, k)
    View b;  // (q)
    View y;  // (i, j, n)
    int32_t multiplier, step, dilation, pad;
    const float* parameters;
};
void run_conv(const ConvKernel& kernel, const DeviceConv& conv, DeviceCall& call);
// In place on `rows` rows of `count` f32, `row_stride` apart, from the element `offset` of y.
void run_activation(const ActivationRow& kernel, const float* parameters, uint64_t y, int64_t count, int64_t rows,
                    int64_t row_stride, DeviceCall& call);

}  // namespace dwc
