// OpenCL 1.2 through its loader, libOpenCL.so.1. Types and numbers are those of its C interface.
#include <dlfcn.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device.hpp"
#include "device_code.hpp"
#include "device_driver.hpp"

namespace dwc {
namespace {

using Handle = void*;
using Bits = uint64_t;
using Property = intptr_t;
constexpr int success = 0, invalid_context = -34;
constexpr Bits gpu_type = 4, all_types = 0xffffffff, read_write = 1;
constexpr unsigned context_devices = 0x1081, build_log = 0x1183, platform_property = 0x1084;
constexpr unsigned yes = 1;

#define DWC_CL_FUNCTIONS(F)                                                                                      \
    F(clGetPlatformIDs, int, (unsigned, Handle*, unsigned*))                                                     \
    F(clGetDeviceIDs, int, (Handle, Bits, unsigned, Handle*, unsigned*))                                         \
    F(clCreateContext, Handle, (const Property*, unsigned, const Handle*, void*, void*, int*))                   \
    F(clGetContextInfo, int, (Handle, unsigned, size_t, void*, size_t*))                                         \
    F(clCreateCommandQueue, Handle, (Handle, Handle, Bits, int*))                                                \
    F(clReleaseCommandQueue, int, (Handle))                                                                      \
    F(clCreateProgramWithSource, Handle, (Handle, unsigned, const char**, const size_t*, int*))                  \
    F(clBuildProgram, int, (Handle, unsigned, const Handle*, const char*, void*, void*))                         \
    F(clGetProgramBuildInfo, int, (Handle, Handle, unsigned, size_t, void*, size_t*))                            \
    F(clReleaseProgram, int, (Handle))                                                                           \
    F(clCreateKernel, Handle, (Handle, const char*, int*))                                                       \
    F(clSetKernelArg, int, (Handle, unsigned, size_t, const void*))                                              \
    F(clReleaseKernel, int, (Handle))                                                                            \
    F(clEnqueueNDRangeKernel, int,                                                                               \
      (Handle, Handle, unsigned, const size_t*, const size_t*, const size_t*, unsigned, const void*, void*))     \
    F(clEnqueueBarrierWithWaitList, int, (Handle, unsigned, const void*, void*))                                 \
    F(clCreateBuffer, Handle, (Handle, Bits, size_t, void*, int*))                                               \
    F(clReleaseMemObject, int, (Handle))                                                                         \
    F(clEnqueueWriteBuffer, int,                                                                                 \
      (Handle, Handle, unsigned, size_t, size_t, const void*, unsigned, const void*, void*))                     \
    F(clEnqueueReadBuffer, int, (Handle, Handle, unsigned, size_t, size_t, void*, unsigned, const void*, void*)) \
    F(clFinish, int, (Handle))

struct Driver {
#define DWC_MEMBER(name, result, arguments) result(*name) arguments = nullptr;
    DWC_CL_FUNCTIONS(DWC_MEMBER)
#undef DWC_MEMBER
    std::string unavailable;  // empty: all of them are there, and a device
    Handle platform = nullptr, device = nullptr;

    Driver() {
        void* library = open_driver("libOpenCL.so.1");
        if (!library) {
            unavailable = "no OpenCL loader was found (libOpenCL.so.1)";
            return;
        }
#define DWC_LOAD(name, result, arguments)                           \
    name = reinterpret_cast<decltype(name)>(dlsym(library, #name)); \
    if (!name) {                                                    \
        unavailable = "the OpenCL loader lacks " #name;             \
        return;                                                     \
    }
        DWC_CL_FUNCTIONS(DWC_LOAD)
#undef DWC_LOAD
        if (!find(gpu_type) && !find(all_types)) unavailable = "no OpenCL platform has a device";
    }

   private:
    // The first device of a type.
    bool find(Bits type) {
        Handle platforms[16];
        unsigned count = 0;
        if (clGetPlatformIDs(16, platforms, &count)) return false;
        for (unsigned i = 0; i < std::min(count, 16u); ++i) {
            unsigned devices = 0;
            if (clGetDeviceIDs(platforms[i], type, 1, &device, &devices) == success && devices) {
                platform = platforms[i];
                return true;
            }
        }
        return false;
    }
};

struct Compiled {
    void* context = nullptr;
    const void* state = nullptr;
    Handle program = nullptr, kernel = nullptr;  // the kernel is made at the first launch, which knows its name
    std::mutex arguments;                        // a kernel holds its arguments until it is enqueued
};

class OpenclDevice : public Device {
   public:
    const char* unavailable() override { return driver().unavailable.empty() ? nullptr : driver().unavailable.c_str(); }

    void* context_of(void* wanted, DeviceCall& call) override {
        if (!wanted) return own_context(call);
        size_t bytes = 0;
        if (const int code = driver().clGetContextInfo(wanted, context_devices, 0, nullptr, &bytes)) {
            call.fail(DWC_ERROR_DEVICE_CONTEXT, "device_context=%p: OpenCL refuses it (error %d)", wanted, code);
            return nullptr;
        }
        return wanted;
    }

    void* own_stream(void* context, DeviceCall& call) override {
        const std::lock_guard lock(mutex_);
        for (const auto& [of, queue] : queues_)
            if (of == context) return queue;
        int code = success;
        Handle queue = nullptr;
        const std::vector<Handle> devices = devices_of(context);
        if (!devices.empty()) queue = driver().clCreateCommandQueue(context, devices[0], 0, &code);
        if (!queue) {
            call.fail(DWC_ERROR_DEVICE_STREAM, "no OpenCL queue could be made (error %d)", code);
            return nullptr;
        }
        queues_.push_back({context, queue});
        return queue;
    }

    uint64_t allocate(int64_t bytes, DeviceCall& call) override {
        int code = success;
        Handle memory =
            driver().clCreateBuffer(call.where.context, read_write, static_cast<size_t>(bytes), nullptr, &code);
        if (!memory) {
            const bool no_context = code == invalid_context;
            call.fail(no_context ? DWC_ERROR_DEVICE_CONTEXT : DWC_ERROR_OUT_OF_MEMORY,
                      "%lld bytes of OpenCL memory: error %d", static_cast<long long>(bytes), code);
        }
        return reinterpret_cast<uintptr_t>(memory);
    }

    void release(void*, uint64_t memory) override { (void)driver().clReleaseMemObject(handle(memory)); }

    int copy_in(uint64_t memory, const void* from, int64_t bytes, DeviceCall& call) override {
        return queued(call, "copying to the device", [&] {
            return driver().clEnqueueWriteBuffer(call.where.stream, handle(memory), 0, 0, static_cast<size_t>(bytes),
                                                 from, 0, nullptr, nullptr);
        });
    }
    int copy_out(void* to, uint64_t memory, int64_t bytes, DeviceCall& call) override {
        return queued(call, "copying from the device", [&] {
            return driver().clEnqueueReadBuffer(call.where.stream, handle(memory), yes, 0, static_cast<size_t>(bytes),
                                                to, 0, nullptr, nullptr);
        });
    }
    int wait(DeviceCall& call) override {
        return queued(call, "waiting for the queue", [&] { return driver().clFinish(call.where.stream); });
    }
    // The caller's queue may run out of order.
    int keep_order(DeviceCall& call) override {
        return queued(call, "a barrier",
                      [&] { return driver().clEnqueueBarrierWithWaitList(call.where.stream, 0, nullptr, nullptr); });
    }

    int prepare(const void* state, const char* code, DeviceCall& call) override {
        if (call.status) return -1;
        call.compiled = code_.find(call.where.context, state, [&] { return compile(code, call); });
        return call.compiled ? 0 : -1;
    }

    int launch(const Launch& launch, DeviceCall& call) override {
        auto& compiled = *static_cast<Compiled*>(call.compiled);
        const std::lock_guard lock(compiled.arguments);
        if (!compiled.kernel) {
            int code = success;
            compiled.kernel = driver().clCreateKernel(compiled.program, launch.entry, &code);
            if (!compiled.kernel)
                return call.fail(DWC_ERROR_DEVICE_MODULE, "kernel %s is not in its program (error %d)", launch.entry,
                                 code);
        }
        if (call.compile_only) return 0;
        unsigned i = 0;
        int code = success;
        for (; launch.sizes[i] && !code; ++i)
            code = driver().clSetKernelArg(compiled.kernel, i, launch.sizes[i], launch.arguments[i]);
        // The last one is local memory, of which there must be some.
        const auto local = static_cast<size_t>(std::max(launch.shared_bytes, 1));
        if (!code) code = driver().clSetKernelArg(compiled.kernel, i, local, nullptr);
        if (code)
            return call.fail(DWC_ERROR_DEVICE_CONTEXT,
                             "OpenCL refuses argument %u of kernel %s (error %d): x and y "
                             "must be cl_mem handles of the plan's context",
                             i, launch.entry, code);
        size_t all[3];
        for (size_t d = 0; d < 3; ++d) all[d] = launch.blocks[d] * launch.threads[d];
        return queued(call, "launching a kernel", [&] {
            return driver().clEnqueueNDRangeKernel(call.where.stream, compiled.kernel, 3, nullptr, all,
                                                   launch.threads.data(), 0, nullptr, nullptr);
        });
    }

    void forget(void* context) override {
        for (const auto& compiled : code_.take(context)) {
            if (compiled->kernel) (void)driver().clReleaseKernel(compiled->kernel);
            (void)driver().clReleaseProgram(compiled->program);
        }
        const std::lock_guard lock(mutex_);
        for (auto it = queues_.begin(); it != queues_.end();) {
            if (it->first != context) {
                ++it;
                continue;
            }
            (void)driver().clReleaseCommandQueue(it->second);
            it = queues_.erase(it);
        }
    }

   private:
    CompiledCode<Compiled> code_;
    std::mutex mutex_;
    Handle own_context_ = nullptr;
    std::vector<std::pair<Handle, Handle>> queues_;  // (context, queue)

    static Driver& driver() {
        static Driver* const opencl = new Driver;
        return *opencl;
    }
    static Handle handle(uint64_t memory) { return reinterpret_cast<Handle>(static_cast<uintptr_t>(memory)); }

    void* own_context(DeviceCall& call) {
        const std::lock_guard lock(mutex_);
        if (own_context_) return own_context_;
        const Property properties[] = {platform_property, reinterpret_cast<Property>(driver().platform), 0};
        int code = success;
        own_context_ = driver().clCreateContext(properties, 1, &driver().device, nullptr, nullptr, &code);
        if (!own_context_) call.fail(DWC_ERROR_DEVICE_CONTEXT, "no OpenCL context could be made (error %d)", code);
        return own_context_;
    }

    static std::vector<Handle> devices_of(Handle context) {
        size_t bytes = 0;
        if (driver().clGetContextInfo(context, context_devices, 0, nullptr, &bytes)) return {};
        std::vector<Handle> devices(bytes / sizeof(Handle));
        if (driver().clGetContextInfo(context, context_devices, bytes, devices.data(), nullptr)) return {};
        return devices;
    }

    template <typename Body>
    static int queued(DeviceCall& call, const char* what, Body body) {
        if (call.status) return -1;
        const int code = body();
        if (!code) return 0;
        return call.fail(DWC_ERROR_DEVICE_STREAM, "stream=%p: %s failed (OpenCL error %d)", call.where.stream, what,
                         code);
    }

    static std::unique_ptr<Compiled> compile(const char* source, DeviceCall& call) {
        auto compiled = std::make_unique<Compiled>();
        int code = success;
        compiled->program = driver().clCreateProgramWithSource(call.where.context, 1, &source, nullptr, &code);
        if (!compiled->program) {
            call.fail(DWC_ERROR_DEVICE_CONTEXT, "OpenCL takes no program (error %d)", code);
            return nullptr;
        }
        // Everything stays in global memory: constant memory would limit the sizes of weights.
        code = driver().clBuildProgram(compiled->program, 0, nullptr,
                                       "-D MAX_CONSTANT_BUFFER_SIZE=0 -D MAX_CONSTANT_ARGS=0", nullptr, nullptr);
        if (!code) return compiled;
        std::string log(4096, '\0');
        const std::vector<Handle> devices = devices_of(call.where.context);
        size_t bytes = 0;
        if (devices.empty() || driver().clGetProgramBuildInfo(compiled->program, devices[0], build_log, log.size() - 1,
                                                              log.data(), &bytes))
            log[0] = '\0';
        (void)driver().clReleaseProgram(compiled->program);
        call.fail(DWC_ERROR_DEVICE_MODULE, "OpenCL does not compile the kernel (error %d): %.200s", code, log.c_str());
        return nullptr;
    }
};

}  // namespace

Device& opencl_device() {
    static OpenclDevice* const device = new OpenclDevice;
    return *device;
}

}  // namespace dwc
