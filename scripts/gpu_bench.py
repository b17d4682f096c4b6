#!/usr/bin/env python3
"""Times dwconv on a device, in the device's memory, against the copy bandwidth of the same device; JSON lines out.

    gpu_bench.py --library libdwconv.so --target cuda|opencl --problems FILE [--tune] [--peers] [--out FILE.json]
                 [--megabytes N] [--rounds N]

Needs Python 3.8 and the driver, nothing else. FILE: problem strings, one a line (scripts/workload_problems.py).

cuda    every problem runs on as many sets of buffers as exceed twice the L2 cache, captured as one CUDA graph, so that
        a time is the device's and not the launches'; CUDA events around it. `launch_us` is the time of a plain
        execution's call, without waiting.
opencl  executions one after the other, then one wait, by the clock of this process: the times hold the launches.
--tune  also every other kernel that computes the problem: `kernels` has their times.
--peers also PyTorch (conv1d, torch.compile, with and without cuDNN) and causal_conv1d where they can be imported.

One line a problem: median and quartiles of the rounds, useful bytes a second, their share of the copy bandwidth that was
measured in this run, and whether y has the bits that the CPU's kernels give (fused activations: the largest difference).
Problems with state, whose memory would be the host's, are left out. Exit code: 0; 1 a wrong result; 2 bad arguments; 3
no device.
"""
import argparse
import ctypes as c
import datetime
import json
import math
import os
import platform
import random
import statistics
import struct
import sys
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


class Problem:
    """A problem string, read: its fields by the letters of the string."""

    def __init__(self, text):
        self.text = text
        words = text.split("_")
        self.layout = words[1]
        number = {w.rstrip("0123456789"): int(w[len(w.rstrip("0123456789")):]) for w in words[2:11]}
        self.n, self.length, self.c, self.k, self.m, self.s, self.d, self.pl, self.pr = (
            number[key] for key in ("n", "l", "c", "k", "m", "s", "d", "pl", "pr"))
        self.bias, self.activation = words[11] == "bias", words[12]
        reach = (self.k - 1) * self.d + 1
        self.out = (self.length + self.pl + self.pr - reach) // self.s + 1
        self.x_bytes = 4 * self.n * self.length * self.c
        self.y_bytes = 4 * self.n * self.out * self.c * self.m


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


# -------------------------------------------------------------------------------------------------------- measuring


def sample(device, work, rounds, units):
    """Median and quartiles of the seconds of one unit of `work`, which holds so many."""
    seconds, release = device.prepared(work)
    once = max(seconds(1), 1e-7)
    times = max(1, min(1000, math.ceil(2e-3 / max(seconds(1), once / 10, 1e-7))))
    results = sorted(seconds(times) / times / units for _ in range(rounds))
    release()
    return statistics.median(results), results[len(results) // 4], results[len(results) * 3 // 4]


def copy_bandwidth(device, rounds):
    """Bytes read and written a second by the device's own copy of memory far beyond its caches."""
    size = min(1 << 30, max(device.cache * 4, 64 << 20), device.memory // 8)
    a, b = device.allocate(size), device.allocate(size)
    device.write(a, bytes(1 << 20))
    median, _, _ = sample(device, lambda: device.enqueue_copy(b, a, size), rounds, 1)
    device.free(a)
    device.free(b)
    return 2 * size / median


def floats(count, seed):
    """`count` numbers in [-1, 1), repeated from a block that no row's length divides."""
    source = random.Random(seed)
    block = struct.pack("<4099f", *(source.uniform(-1, 1) for _ in range(4099)))
    return (block * (count * 4 // len(block) + 1))[:count * 4]


def largest_difference(got, wanted):
    a, b = memoryview(got).cast("f"), memoryview(wanted).cast("f")
    step = max(1, len(a) // 2000000)
    return max((abs(a[i] - b[i]) for i in range(0, len(a), step)), default=0.0)


class Bench:
    def __init__(self, library, device, options):
        self.library, self.device, self.options = library, device, options
        self.bandwidth = copy_bandwidth(device, options.rounds)

    def buffers(self, problem, x):
        """Sets of x and y that together exceed the cache twice, at most 64 of them."""
        each = problem.x_bytes + problem.y_bytes
        count = max(1, min(64, math.ceil(2 * self.device.cache / max(each, 1)), self.device.memory // 2 // max(each, 1)))
        sets = [(self.device.allocate(problem.x_bytes), self.device.allocate(problem.y_bytes)) for _ in range(count)]
        for memory, _ in sets:
            self.device.write(memory, x)
        return sets

    def timed(self, plan, sets):
        def work():
            for x, y in sets:
                plan.execute(x, y, self.device.stream)
        plan.execute(*sets[0], self.device.stream)  # compiled and warm
        self.device.wait()
        return sample(self.device, work, self.options.rounds, len(sets))

    def launch_us(self, plan, sets):
        self.device.wait()
        start = time.perf_counter()
        for i in range(50):
            plan.execute(*sets[i % len(sets)], self.device.stream)
        seconds = time.perf_counter() - start
        self.device.wait()
        return seconds / 50 * 1e6

    def row(self, problem):
        memory = PRIMITIVE[self.device.name]
        parsed = self.library.problem(problem.text)
        options = self.library.options(memory, self.device.context)
        x = floats(problem.n * problem.length * problem.c, 1)
        w, b = floats(problem.k * problem.c * problem.m, 2), floats(problem.c * problem.m, 3)
        b = b if problem.bias else None
        plan = Plan(self.library, parsed, options, w, b)
        sets = self.buffers(problem, x)
        median, low, high = self.timed(plan, sets)
        result = {"problem": problem.text, "kernel": plan.info.kernel.decode(), "us": median * 1e6,
                  "us_q25": low * 1e6, "us_q75": high * 1e6, "sets": len(sets),
                  "launch_us": self.launch_us(plan, sets), "bytes": plan.info.bytes, "flops": plan.info.flops,
                  "gb_s": plan.info.bytes / median * 1e-9, "share_of_copy": plan.info.bytes / median / self.bandwidth}
        got = self.device.read(sets[0][1], problem.y_bytes)
        wanted = c.create_string_buffer(problem.y_bytes)
        host = Plan(self.library, parsed, self.library.options(HOST, None), w, b)
        host.execute(c.cast(c.c_char_p(x), c.c_void_p), c.cast(wanted, c.c_void_p), None)
        result["same_bits"] = got == wanted.raw
        result["largest_difference"] = 0.0 if result["same_bits"] else largest_difference(got, wanted.raw)
        result["ok"] = result["same_bits"] or (problem.activation != "linear" and result["largest_difference"] < 1e-5)
        if self.options.tune:
            result["kernels"] = {}
            for name in self.library.eligible(parsed, options):
                other = Plan(self.library, parsed, self.library.options(memory, self.device.context, name), w, b)
                result["kernels"][name.decode()] = self.timed(other, sets)[0] * 1e6
            result["best_kernel"] = min(result["kernels"], key=result["kernels"].get)
        for pair in sets:
            for handle in pair:
                self.device.free(handle)
        if self.options.peers:
            result["peers_us"] = peers(problem, self.device, self.options.rounds)
        return result


# ------------------------------------------------------------------------------------------------------------ peers


def peers(problem, device, rounds):
    """Microseconds of what else is installed, on data of the same shape: channels first, as these libraries want it."""
    try:
        import torch
        import torch.nn.functional as functional
    except ImportError:
        return {}
    if device.name != "cuda" or not torch.cuda.is_available():
        return {}
    channels = problem.c * problem.m
    sets = max(1, min(64, math.ceil(2 * device.cache / (problem.x_bytes + problem.y_bytes))))
    x = [torch.randn(problem.n, problem.c, problem.length, device="cuda") for _ in range(sets)]
    w = torch.randn(channels, 1, problem.k, device="cuda")
    b = torch.randn(channels, device="cuda") if problem.bias else None

    def convolve(a):
        if problem.pl == problem.pr:
            y = functional.conv1d(a, w, b, problem.s, problem.pl, problem.d, problem.c)
        else:
            y = functional.conv1d(functional.pad(a, (problem.pl, problem.pr)), w, b, problem.s, 0, problem.d, problem.c)
        return functional.silu(y) if problem.activation == "silu" else y

    def timed(function):
        for a in x[:3]:
            function(a)
        torch.cuda.synchronize()
        results = []
        for _ in range(rounds):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            for a in x:
                function(a)
            end.record()
            torch.cuda.synchronize()
            results.append(start.elapsed_time(end) * 1e3 / len(x))
        return statistics.median(results)

    result = {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version()}
    with torch.no_grad():
        for name, cudnn in (("conv1d", True), ("conv1d_without_cudnn", False)):
            with torch.backends.cudnn.flags(enabled=cudnn, benchmark=cudnn):
                result[name] = timed(convolve)
        try:
            result["torch_compile"] = timed(torch.compile(convolve, mode="max-autotune-no-cudagraphs"))
        except Exception as error:  # a compiler that is not installed is no failure of ours
            result["torch_compile"] = f"failed: {type(error).__name__}"
        causal = problem.pl == problem.k - 1 and problem.pr == 0 and problem.s == problem.d == problem.m == 1
        if causal and problem.k <= 4:
            try:
                from causal_conv1d import causal_conv1d_fn
                activation = "silu" if problem.activation == "silu" else None
                result["causal_conv1d"] = timed(lambda a: causal_conv1d_fn(a, w[:, 0], b, activation=activation))
            except ImportError:
                pass
    return result


# ------------------------------------------------------------------------------------------------------------- main


def read_problems(path, megabytes):
    with open(path, encoding="utf-8") as file:
        lines = [line.split("#")[0].strip() for line in file]
    problems = [Problem(line) for line in lines if line and not line.endswith("_state")]
    chosen = [p for p in problems if (p.x_bytes + p.y_bytes) * 1e-6 <= megabytes]
    if not chosen:
        raise Failure(2, f"--problems {path}: holds no problem of at most {megabytes} megabytes")
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--target", choices=("cuda", "opencl"), default="cuda")
    parser.add_argument("--problems", required=True)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--megabytes", type=float, default=4000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    problems = read_problems(options.problems, options.megabytes)
    library = Library(options.library)
    device = Cuda() if options.target == "cuda" else OpenCl()
    bench = Bench(library, device, options)
    head = {"type": "device", "target": options.target, **device.provenance(), "copy_gb_s": bench.bandwidth * 1e-9,
            "dwconv": library.lib.dwc_version().decode(), "host": platform.processor() or platform.machine(),
            "kernel": platform.release(), "date": datetime.datetime.now(datetime.timezone.utc).isoformat(" ", "seconds")}
    lines = [head]
    print(json.dumps(head))
    for problem in problems:
        row = {"type": "row", **bench.row(problem)}
        lines.append(row)
        print(json.dumps(row), flush=True)
    if options.out:
        with open(options.out + ".part", "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
        os.replace(options.out + ".part", options.out)
    wrong = [line["problem"] for line in lines[1:] if not line["ok"]]
    for text in wrong:
        print(f"gpu_bench.py: {text}: wrong result", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"gpu_bench.py: {failure}", file=sys.stderr)
        sys.exit(failure.code)
