"""libdwconv.so and a device's driver through ctypes: kernels and buffers of a device, without a compiler or a package.

Library and Plan are the public C interface (include/dwconv/dwconv.h) as far as gpu_bench.py needs it; Cuda and OpenCl
are memory, copies and timed work on the first device of their driver, with the same methods. Python 3.8 is enough.
"""
import ctypes as c
import os
import time

HOST, CUDA, OPENCL = 0, 1, 2
PRIMITIVE = {"cuda": CUDA, "opencl": OPENCL}


class Failure(Exception):
    """One sentence, and the exit code that goes with it."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


# ---------------------------------------------------------------------------------------------------- libdwconv.so


class Options(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("threads", c.c_int32), ("parallel_for", c.c_void_p),
                ("parallel_for_user", c.c_void_p), ("force_kernel", c.c_char_p), ("force_target", c.c_char_p),
                ("allow_reference", c.c_int32), ("plan_level", c.c_int32), ("measure_ms", c.c_int32),
                ("stores", c.c_int), ("memory", c.c_int), ("device_context", c.c_void_p)]


class Args(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("x", c.c_void_p), ("weights", c.c_void_p), ("y", c.c_void_p),
                ("workspace", c.c_void_p), ("state_in", c.c_void_p), ("state_out", c.c_void_p),
                ("state_slots", c.c_int64), ("sequence_index", c.c_void_p), ("stream", c.c_void_p)]


class Info(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("problem", c.c_char_p), ("kernel", c.c_char_p), ("target", c.c_char_p),
                ("reason", c.c_char_p), ("weights_layout", c.c_char_p), ("out_length", c.c_int64),
                ("flops", c.c_int64), ("bytes", c.c_int64), ("threads", c.c_int32), ("state_elements", c.c_int64)]


class Error(c.Structure):
    _fields_ = [("status", c.c_int), ("message", c.c_char * 500)]


class Candidate(c.Structure):
    _fields_ = [("kernel", c.c_char_p), ("target", c.c_char_p), ("reason", c.c_char_p), ("chosen", c.c_int32),
                ("eligible", c.c_int32)]


class Library:
    def __init__(self, path):
        try:
            self.lib = c.CDLL(os.path.abspath(path))
        except OSError as error:
            raise Failure(2, f"--library {path}: {error}") from error
        self.lib.dwc_version.restype = c.c_char_p

    def check(self, function, *arguments):
        error = Error()
        if getattr(self.lib, function)(*arguments, c.byref(error)):
            raise Failure(3 if error.status == 36 else 1, error.message.decode())

    def problem(self, text):
        memory = c.create_string_buffer(1024)
        self.check("dwc_problem_parse", text.encode(), memory)
        return memory

    def options(self, memory, context, kernel=None):
        options = Options()
        self.lib.dwc_options_init(c.byref(options))
        if options.struct_size != c.sizeof(Options):
            raise Failure(2, "the library has another version than this script")
        options.memory, options.device_context, options.force_kernel = memory, context, kernel
        return options

    def eligible(self, problem, options):
        names = []
        callback = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(Candidate))(
            lambda _, line: names.append(line.contents.kernel) if line.contents.eligible else None)
        self.check("dwc_explain", problem, c.byref(options), callback, None)
        return names


class Plan:
    def __init__(self, library, problem, options, w, b):
        self.library, self.plan, self.weights = library, c.c_void_p(), c.c_void_p()
        library.check("dwc_plan_create", c.byref(self.plan), problem, c.byref(options))
        library.check("dwc_weights_pack", self.plan, w, b, 0, c.byref(self.weights))
        self.info = Info()
        library.lib.dwc_plan_info_init(c.byref(self.info))
        library.check("dwc_plan_describe", self.plan, c.byref(self.info))

    def execute(self, x, y, stream):
        args = Args()
        self.library.lib.dwc_args_init(c.byref(args))
        args.x, args.y, args.weights, args.stream = x, y, self.weights, stream
        self.library.check("dwc_plan_execute", self.plan, c.byref(args))

    def __del__(self):
        self.library.lib.dwc_weights_destroy(self.weights)
        self.library.lib.dwc_plan_destroy(self.plan)


# ---------------------------------------------------------------------------------------------------------- devices


class Cuda:
    """The driver's C interface: memory, events, graphs of the primary context of the first device."""
    name = "cuda"

    def __init__(self):
        try:
            self.cu = c.CDLL("libcuda.so.1")
        except OSError as error:
            raise Failure(3, f"no CUDA driver was found ({error})") from error
        self.call("cuInit", 0)
        device, context = c.c_int(), c.c_void_p()
        self.call("cuDeviceGet", c.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", c.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        self.device, self.context = device, context.value
        stream = c.c_void_p()
        self.call("cuStreamCreate", c.byref(stream), 1)
        self.stream = stream.value
        self.events = [c.c_void_p(), c.c_void_p()]
        for event in self.events:
            self.call("cuEventCreate", c.byref(event), 0)
        self.cache = self.attribute(38)  # L2
        free, total = c.c_size_t(), c.c_size_t()
        self.call("cuMemGetInfo_v2", c.byref(free), c.byref(total))
        self.memory = free.value

    def call(self, name, *arguments):
        code = getattr(self.cu, name)(*arguments)
        if code:
            text = c.c_char_p()
            self.cu.cuGetErrorName(code, c.byref(text))
            raise Failure(3, f"{name}: {(text.value or b'?').decode()}")

    def attribute(self, which):
        value = c.c_int()
        self.call("cuDeviceGetAttribute", c.byref(value), which, self.device)
        return value.value

    def provenance(self):
        name, driver = c.create_string_buffer(200), c.c_int()
        self.call("cuDeviceGetName", name, 200, self.device)
        self.call("cuDriverGetVersion", c.byref(driver))
        return {"device": name.value.decode(), "driver": driver.value, "memory_bytes": self.memory,
                "l2_bytes": self.cache, "multiprocessors": self.attribute(16), "clock_khz": self.attribute(13),
                "memory_clock_khz": self.attribute(36), "capability": f"{self.attribute(75)}.{self.attribute(76)}"}

    def allocate(self, size):
        memory = c.c_uint64()
        self.call("cuMemAlloc_v2", c.byref(memory), c.c_size_t(max(size, 16)))
        return memory.value

    def free(self, memory):
        self.call("cuMemFree_v2", c.c_uint64(memory))

    def write(self, memory, data):
        self.call("cuMemcpyHtoD_v2", c.c_uint64(memory), data, c.c_size_t(len(data)))

    def read(self, memory, size):
        data = c.create_string_buffer(size)
        self.call("cuMemcpyDtoH_v2", data, c.c_uint64(memory), c.c_size_t(size))
        return data.raw

    def enqueue_copy(self, to, source, size):
        self.call("cuMemcpyDtoDAsync_v2", c.c_uint64(to), c.c_uint64(source), c.c_size_t(size), c.c_void_p(self.stream))

    def wait(self):
        self.call("cuStreamSynchronize", c.c_void_p(self.stream))

    def prepared(self, work):
        """`work` as a graph; a function that times so many launches of it, in seconds, and one that frees it."""
        graph, ready, stream = c.c_void_p(), c.c_void_p(), c.c_void_p(self.stream)
        self.call("cuStreamBeginCapture_v2", stream, 1)
        work()
        self.call("cuStreamEndCapture", stream, c.byref(graph))
        self.call("cuGraphInstantiateWithFlags", c.byref(ready), graph, c.c_ulonglong(0))

        def seconds(times):
            self.call("cuEventRecord", self.events[0], stream)
            for _ in range(times):
                self.call("cuGraphLaunch", ready, stream)
            self.call("cuEventRecord", self.events[1], stream)
            self.call("cuEventSynchronize", self.events[1])
            elapsed = c.c_float()
            self.call("cuEventElapsedTime", c.byref(elapsed), *self.events)
            return elapsed.value * 1e-3

        def release():
            self.call("cuGraphExecDestroy", ready)
            self.call("cuGraphDestroy", graph)
        return seconds, release


class OpenCl:
    """libOpenCL.so.1: memory and a queue on the first device, a GPU where there is one."""
    name = "opencl"
    cache = 8 << 20
    memory = 2 << 30

    def __init__(self):
        try:
            self.cl = c.CDLL("libOpenCL.so.1")
        except OSError as error:
            raise Failure(3, f"no OpenCL loader was found ({error})") from error
        for name in ("clCreateContext", "clCreateCommandQueue", "clCreateBuffer"):
            getattr(self.cl, name).restype = c.c_void_p
        platforms, count = (c.c_void_p * 16)(), c.c_uint()
        self.cl.clGetPlatformIDs(16, platforms, c.byref(count))
        self.device = c.c_void_p()
        for kind in (4, 0xffffffff):
            for at in platforms[:count.value]:
                if not self.device and self.cl.clGetDeviceIDs(c.c_void_p(at), c.c_uint64(kind), 1, c.byref(self.device),
                                                              None):
                    self.device = c.c_void_p()
        if not self.device:
            raise Failure(3, "no OpenCL platform has a device")
        self.context = self.cl.clCreateContext(None, 1, c.byref(self.device), None, None, None)
        self.stream = self.cl.clCreateCommandQueue(c.c_void_p(self.context), self.device, c.c_uint64(0), None)

    def call(self, name, *arguments):
        code = getattr(self.cl, name)(*arguments)
        if code:
            raise Failure(3, f"{name}: error {code}")

    def provenance(self):
        def text(which):
            data = c.create_string_buffer(300)
            self.call("clGetDeviceInfo", self.device, which, c.c_size_t(300), data, None)
            return data.value.decode()
        return {"device": text(0x102B), "driver": text(0x102D), "version": text(0x102F)}

    def allocate(self, size):
        memory = self.cl.clCreateBuffer(c.c_void_p(self.context), c.c_uint64(1), c.c_size_t(max(size, 16)), None, None)
        if not memory:
            raise Failure(3, f"clCreateBuffer: no {size} bytes")
        return memory

    def free(self, memory):
        self.call("clReleaseMemObject", c.c_void_p(memory))

    def write(self, memory, data):
        self.call("clEnqueueWriteBuffer", c.c_void_p(self.stream), c.c_void_p(memory), 1, c.c_size_t(0),
                  c.c_size_t(len(data)), data, 0, None, None)

    def read(self, memory, size):
        data = c.create_string_buffer(size)
        self.call("clEnqueueReadBuffer", c.c_void_p(self.stream), c.c_void_p(memory), 1, c.c_size_t(0),
                  c.c_size_t(size), data, 0, None, None)
        return data.raw

    def enqueue_copy(self, to, source, size):
        self.call("clEnqueueCopyBuffer", c.c_void_p(self.stream), c.c_void_p(source), c.c_void_p(to), c.c_size_t(0),
                  c.c_size_t(0), c.c_size_t(size), 0, None, None)

    def wait(self):
        self.call("clFinish", c.c_void_p(self.stream))

    def prepared(self, work):
        def seconds(times):
            self.wait()
            start = time.perf_counter()
            for _ in range(times):
                work()
            self.wait()
            return time.perf_counter() - start
        return seconds, lambda: None
