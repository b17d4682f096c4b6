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

from gpu_device import HOST, PRIMITIVE, Cuda, Failure, Library, OpenCl, Plan


# ---------------------------------------------------------------------------------------------------------- problems


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
