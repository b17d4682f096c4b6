// CUDA through its driver library alone. Types and numbers are those of the driver's C interface, which does not
// change.
#include <dlfcn.h>

#include <cstdio>
#include <memory>
#include <string>

#include "device.hpp"
#include "device_code.hpp"
#include "device_driver.hpp"

namespace dwc {
namespace {

using Result = int;
constexpr Result success = 0, out_of_memory = 2, no_device = 100, invalid_context = 201;
using Pointer = unsigned long long;
using Context = void*;
using Stream = void*;
using Module = void*;
using Function = void*;

// Kernels were written for this many registers a thread: 512 threads of an SM's 2048 at the least.
constexpr int most_registers = 128;
constexpr int jit_max_registers = 0, jit_error_log = 5, jit_error_log_bytes = 6;

// The driver's functions, by the names that its library exports.
#define DWC_CUDA_FUNCTIONS(F)                                                                                   \
    F(cuInit, (unsigned))                                                                                       \
    F(cuDeviceGetCount, (int*))                                                                                 \
    F(cuDeviceGet, (int*, int))                                                                                 \
    F(cuDevicePrimaryCtxRetain, (Context*, int))                                                                \
    F(cuCtxGetCurrent, (Context*))                                                                              \
    F(cuCtxPushCurrent_v2, (Context))                                                                           \
    F(cuCtxPopCurrent_v2, (Context*))                                                                           \
    F(cuModuleLoadDataEx, (Module*, const void*, unsigned, int*, void**))                                       \
    F(cuModuleUnload, (Module))                                                                                 \
    F(cuModuleGetFunction, (Function*, Module, const char*))                                                    \
    F(cuMemAlloc_v2, (Pointer*, size_t))                                                                        \
    F(cuMemFree_v2, (Pointer))                                                                                  \
    F(cuMemcpyHtoDAsync_v2, (Pointer, const void*, size_t, Stream))                                             \
    F(cuMemcpyDtoHAsync_v2, (void*, Pointer, size_t, Stream))                                                   \
    F(cuStreamSynchronize, (Stream))                                                                            \
    F(cuLaunchKernel,                                                                                           \
      (Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Stream, void**, void**)) \
    F(cuGetErrorName, (Result, const char**))

struct Driver {
#define DWC_MEMBER(name, arguments) Result(*name) arguments = nullptr;
    DWC_CUDA_FUNCTIONS(DWC_MEMBER)
#undef DWC_MEMBER
    std::string unavailable;  // empty: all of them are there, and a device

    Driver() {
        void* library = open_driver("libcuda.so.1");
        if (!library) {
            unavailable = "no CUDA driver was found (libcuda.so.1)";
            return;
        }
#define DWC_LOAD(name, arguments)                                   \
    name = reinterpret_cast<decltype(name)>(dlsym(library, #name)); \
    if (!name) {                                                    \
        unavailable = "the CUDA driver lacks " #name;               \
        return;                                                     \
    }
        DWC_CUDA_FUNCTIONS(DWC_LOAD)
#undef DWC_LOAD
        int count = 0;
        Result result = cuInit(0);
        if (!result) result = cuDeviceGetCount(&count);
        if (!result && count == 0) result = no_device;
        if (result) unavailable = std::string("the CUDA driver has no device (") + name_of(result) + ")";
    }

    const char* name_of(Result result) const {
        const char* name = nullptr;
        if (!cuGetErrorName || cuGetErrorName(result, &name) || !name) return "unknown error";
        return name;
    }
};

struct Compiled {
    void* context = nullptr;
    const void* state = nullptr;
    Module module = nullptr;
    Function function = nullptr;  // found at the first launch, which knows its name
};

class CudaDevice : public Device {
   public:
    const char* unavailable() override { return driver().unavailable.empty() ? nullptr : driver().unavailable.c_str(); }

    void* context_of(void* wanted, DeviceCall& call) override {
        const Driver& cuda = driver();
        Context context = wanted;
        Result result = context ? 0 : cuda.cuCtxGetCurrent(&context);
        if (!result && !context) result = cuda.cuDevicePrimaryCtxRetain(&context, first_device());
        if (!result) result = cuda.cuCtxPushCurrent_v2(context);
        if (result) {
            call.fail(DWC_ERROR_DEVICE_CONTEXT, "device_context=%p: the CUDA driver refuses it: %s", wanted,
                      cuda.name_of(result));
            return nullptr;
        }
        Context popped;
        cuda.cuCtxPopCurrent_v2(&popped);
        return context;
    }

    void* own_stream(void*, DeviceCall&) override { return nullptr; }  // a context has a default stream

    uint64_t allocate(int64_t bytes, DeviceCall& call) override {
        Pointer memory = 0;
        const Result result =
            within(call.where.context, [&] { return driver().cuMemAlloc_v2(&memory, static_cast<size_t>(bytes)); });
        if (result) {
            call.fail(result == out_of_memory ? DWC_ERROR_OUT_OF_MEMORY : DWC_ERROR_DEVICE_CONTEXT,
                      "%lld bytes of CUDA memory: %s", static_cast<long long>(bytes), driver().name_of(result));
            return 0;
        }
        return memory;
    }

    void release(void* context, uint64_t memory) override {
        (void)within(context, [&] { return driver().cuMemFree_v2(memory); });
    }

    int copy_in(uint64_t memory, const void* from, int64_t bytes, DeviceCall& call) override {
        return streamed(call, "copying to the device", [&] {
            return driver().cuMemcpyHtoDAsync_v2(memory, from, static_cast<size_t>(bytes), call.where.stream);
        });
    }
    int copy_out(void* to, uint64_t memory, int64_t bytes, DeviceCall& call) override {
        return streamed(call, "copying from the device", [&] {
            return driver().cuMemcpyDtoHAsync_v2(to, memory, static_cast<size_t>(bytes), call.where.stream);
        });
    }
    int wait(DeviceCall& call) override {
        return streamed(call, "waiting for the stream",
                        [&] { return driver().cuStreamSynchronize(call.where.stream); });
    }
    int keep_order(DeviceCall&) override { return 0; }  // streams do

    int prepare(const void* state, const char* code, DeviceCall& call) override {
        if (call.status) return -1;
        call.compiled = code_.find(call.where.context, state, [&] { return compile(code, call); });
        return call.compiled ? 0 : -1;
    }

    int launch(const Launch& launch, DeviceCall& call) override {
        auto& compiled = *static_cast<Compiled*>(call.compiled);
        Function function = __atomic_load_n(&compiled.function, __ATOMIC_ACQUIRE);
        if (!function) {
            const Result result = within(call.where.context, [&] {
                return driver().cuModuleGetFunction(&function, compiled.module, launch.entry);
            });
            if (result)
                return call.fail(DWC_ERROR_DEVICE_MODULE, "kernel %s is not in its module: %s", launch.entry,
                                 driver().name_of(result));
            __atomic_store_n(&compiled.function, function, __ATOMIC_RELEASE);
        }
        if (call.compile_only) return 0;
        const auto& [bx, by, bz] = launch.blocks;
        const auto& [tx, ty, tz] = launch.threads;
        const auto u = [](size_t n) { return static_cast<unsigned>(n); };
        return streamed(call, "launching a kernel", [&] {
            return driver().cuLaunchKernel(function, u(bx), u(by), u(bz), u(tx), u(ty), u(tz),
                                           static_cast<unsigned>(launch.shared_bytes), call.where.stream,
                                           launch.arguments, nullptr);
        });
    }

    void forget(void* context) override {
        for (const auto& compiled : code_.take(context))
            (void)within(context, [&] { return driver().cuModuleUnload(compiled->module); });
    }

   private:
    CompiledCode<Compiled> code_;

    static Driver& driver() {
        static Driver* const cuda = new Driver;  // never destroyed: the driver may be gone before
        return *cuda;
    }

    static int first_device() {
        int device = 0;
        (void)driver().cuDeviceGet(&device, 0);
        return device;
    }

    // `body` with the context current, and then the one that was.
    template <typename Body>
    static Result within(Context context, Body body) {
        const Driver& cuda = driver();
        Context current = nullptr;
        if (cuda.cuCtxGetCurrent(&current) == success && current == context) return body();
        if (const Result result = cuda.cuCtxPushCurrent_v2(context)) return result;
        const Result result = body();
        cuda.cuCtxPopCurrent_v2(&current);
        return result;
    }

    template <typename Body>
    static int streamed(DeviceCall& call, const char* what, Body body) {
        if (call.status) return -1;
        const Result result = within(call.where.context, body);
        if (!result) return 0;
        return call.fail(result == invalid_context ? DWC_ERROR_DEVICE_CONTEXT : DWC_ERROR_DEVICE_STREAM,
                         "stream=%p: %s failed: %s", call.where.stream, what, driver().name_of(result));
    }

    static std::unique_ptr<Compiled> compile(const char* code, DeviceCall& call) {
        auto compiled = std::make_unique<Compiled>();
        char log[160] = "";
        int options[] = {jit_max_registers, jit_error_log, jit_error_log_bytes};
        const auto number = [](uintptr_t value) { return reinterpret_cast<void*>(value); };
        void* values[] = {number(most_registers), log, number(sizeof log - 1)};
        const Result result = within(call.where.context, [&] {
            return driver().cuModuleLoadDataEx(&compiled->module, code, 3, options, values);
        });
        if (!result) return compiled;
        call.fail(DWC_ERROR_DEVICE_MODULE, "the CUDA driver does not compile the kernel: %s %s",
                  driver().name_of(result), log);
        return nullptr;
    }
};

}  // namespace

Device& cuda_device() {
    static CudaDevice* const device = new CudaDevice;
    return *device;
}

}  // namespace dwc
