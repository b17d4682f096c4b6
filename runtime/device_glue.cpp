// What kernels of devices ask of a runtime. Halide's own CUDA and OpenCL runtimes are not linked: they keep contexts of
// their own, allocate at every launch and say little about failures. These few functions take their place, and pass a
// call on to the device.
#include <HalideRuntime.h>

#include <cstdarg>
#include <cstdio>

#include "device.hpp"
#include "halide_buffer.hpp"

namespace dwc {
namespace {

using ConvSignature = int (*)(const void* user_context, halide_buffer_t* x, halide_buffer_t* w, halide_buffer_t* b,
                              int32_t multiplier, int32_t step, int32_t dilation, int32_t pad, float p0, float p1,
                              float p2, halide_buffer_t* y);
using ActivationSignature = int (*)(const void* user_context, halide_buffer_t* x, float p0, float p1, float p2,
                                    halide_buffer_t* y);

// Buffers say with it whose memory they are in; no function of it is ever called.
const halide_device_interface_t cuda_interface{}, opencl_interface{};

const halide_device_interface_t* interface_of(DeviceKind kind) {
    return kind == DeviceKind::cuda ? &cuda_interface : &opencl_interface;
}

// A view whose `data` is a handle of the device.
struct DeviceBuffer : Buffer {
    DeviceBuffer(const View& view, int rank, DeviceKind kind) : Buffer(view, rank, type_of(DWC_F32)) {
        raw.device = reinterpret_cast<uintptr_t>(raw.host);
        raw.host = nullptr;
        raw.device_interface = interface_of(kind);
    }
};

DeviceCall& call_of(void* user_context) { return *static_cast<DeviceCall*>(static_cast<KernelError*>(user_context)); }

int initialize(Device& device, void* user_context, void** state, const char* code) {
    // Set, or else kernels that run for the first time would be seen as failed; its address is the kernel's own.
    __atomic_store_n(state, static_cast<void*>(state), __ATOMIC_RELAXED);
    return device.prepare(state, code, call_of(user_context));
}

struct Grid {
    int blocks[3], threads[3];
};

int run(Device& device, void* user_context, const char* entry, const Grid& grid, int shared_bytes, size_t sizes[],
        void* arguments[], int8_t are_buffers[]) {
    DeviceCall& call = call_of(user_context);
    if (call.status) return -1;
    Launch launch{entry, {}, {}, shared_bytes, sizes, nullptr, nullptr};
    for (size_t d = 0; d < 3; ++d) {
        launch.blocks[d] = static_cast<size_t>(grid.blocks[d]);
        launch.threads[d] = static_cast<size_t>(grid.threads[d]);
    }
    void* handles[most_launch_arguments];
    bool buffers[most_launch_arguments];
    for (int i = 0; sizes[i]; ++i) {
        if (i == most_launch_arguments) return call.fail(DWC_ERROR_KERNEL, "%s has too many arguments", entry);
        buffers[i] = are_buffers[i];
        handles[i] = buffers[i] ? &static_cast<halide_buffer_t*>(arguments[i])->device : arguments[i];
    }
    launch.arguments = handles;
    launch.buffers = buffers;
    return device.launch(launch, call);
}

// A code that no device function left behind is a kernel's own complaint.
void note(const char* kernel, int code, DeviceCall& call) {
    if (code && !call.status)
        call.fail(DWC_ERROR_KERNEL, "kernel %s refused its buffers (code %d): %.180s", kernel, code, call.message);
}

}  // namespace

int DeviceCall::fail(dwc_status as, const char* format, ...) {
    if (status) return -1;
    status = as;
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return -1;
}

Device& device_of(DeviceKind kind) { return kind == DeviceKind::cuda ? cuda_device() : opencl_device(); }

void run_conv(const ConvKernel& kernel, const DeviceConv& conv, DeviceCall& call) {
    install_handlers();
    const DeviceKind kind = targets()[kernel.target].device;
    DeviceBuffer x(conv.x, 3, kind), w(conv.w, 2, kind), b(conv.b, 1, kind), y(conv.y, 3, kind);
    const float* p = conv.parameters;
    const int code = reinterpret_cast<ConvSignature>(kernel.function)(static_cast<KernelError*>(&call), &x.raw, &w.raw,
                                                                      &b.raw, conv.multiplier, conv.step, conv.dilation,
                                                                      conv.pad, p[0], p[1], p[2], &y.raw);
    note(kernel.name, code, call);
}

void run_activation(const ActivationRow& kernel, const float* p, uint64_t y, int64_t count, int64_t rows,
                    int64_t row_stride, DeviceCall& call) {
    install_handlers();
    const DeviceKind kind = targets()[kernel.target].device;
    const View view{reinterpret_cast<void*>(y), {{count, 1}, {rows, row_stride}}};
    DeviceBuffer in(view, 2, kind), out(view, 2, kind);
    const int code = reinterpret_cast<ActivationSignature>(kernel.function)(static_cast<KernelError*>(&call), &in.raw,
                                                                            p[0], p[1], p[2], &out.raw);
    note(kernel.name, code, call);
}

}  // namespace dwc

extern "C" {

// Buffers of devices are in their device's memory already.
int halide_copy_to_device(void*, halide_buffer_t*, const halide_device_interface_t*) { return 0; }

const halide_device_interface_t* halide_cuda_device_interface() { return &dwc::cuda_interface; }
const halide_device_interface_t* halide_opencl_device_interface() { return &dwc::opencl_interface; }

int halide_cuda_initialize_kernels(void* user_context, void** state, const char* code, int) {
    return dwc::initialize(dwc::cuda_device(), user_context, state, code);
}
int halide_opencl_initialize_kernels(void* user_context, void** state, const char* code, int) {
    return dwc::initialize(dwc::opencl_device(), user_context, state, code);
}
void halide_cuda_finalize_kernels(void*, void*) {}
void halide_opencl_finalize_kernels(void*, void*) {}

int halide_cuda_run(void* user_context, void*, const char* entry, int bx, int by, int bz, int tx, int ty, int tz,
                    int shared_bytes, size_t sizes[], void* arguments[], int8_t are_buffers[]) {
    return dwc::run(dwc::cuda_device(), user_context, entry, {{bx, by, bz}, {tx, ty, tz}}, shared_bytes, sizes,
                    arguments, are_buffers);
}
int halide_opencl_run(void* user_context, void*, const char* entry, int bx, int by, int bz, int tx, int ty, int tz,
                      int shared_bytes, size_t sizes[], void* arguments[], int8_t are_buffers[]) {
    return dwc::run(dwc::opencl_device(), user_context, entry, {{bx, by, bz}, {tx, ty, tz}}, shared_bytes, sizes,
                    arguments, are_buffers);
}

}  // extern "C"
