#!/usr/bin/env python3
"""Times dwconv and its peers on the same problems and inputs, in turns.

    drive.py --build build/peers --problems FILE --out DIR [--peers NAME,...] [--threads 1,2] [--cold]

Every peer is a process (worker.cpp, worker.py) that reads the same x, w and b. A form of it takes part in the timing only
when its y agrees with the formula in double. Then all forms are timed in turns: a few samples each, round after round,
so that whatever else the machine does meets all of them. Weights are packed and first calls made before, and 10 ms of
calls that fill the caches come before the samples of every turn.
Writes DIR/peers.json, one record a line: problem, peer, version, form, threads, cache ("hot": the same buffers call after
call; "cold": the caches emptied before every call), us_min, us_median, samples_us, max_error, status ("ok", or why there
is no time), roof_us, machine. scripts/bench_peers.sh installs the peers and calls this; table.py and chart.py read it.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

import numpy as np

from problem import Problem

HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = 1e-4  # of max(1, max|y|); peers sum in other orders, or by Winograd's algorithm


def peer_table(build, cache):
    """Name, command and environment of every peer. `build`: folder of the programs; `cache`: of what was installed."""
    table = {"dwconv": ([build / "peer_dwconv"], {}), "loop": ([build / "peer_loop"], {}),
             "xnnpack": ([build / "peer_xnnpack"], {})}
    for version in ("3.2", "3.6", "3.13"):
        folder = cache / f"onednn-{version}" / "lib"
        environment = {"LD_LIBRARY_PATH": str(folder)}
        if (folder / "libintelocl.so").exists():  # the build for SYCL finds its CPU device through this
            environment["OCL_ICD_FILENAMES"] = str(folder / "libintelocl.so")
        table[f"onednn-{version}"] = ([build / "peer_onednn"], environment)
    for name, module, venv in (("pytorch", "pytorch", "torch"), ("onnxruntime", "onnxruntime_peer", "venv"),
                               ("tensorflow", "tensorflow_peer", "venv"), ("jax", "jax_peer", "venv"),
                               ("openvino", "openvino_peer", "venv"), ("litert", "litert_peer", "venv")):
        table[name] = ([cache / venv / "bin" / "python", HERE / f"{module}.py"], {})
    return table


class Broken(Exception):
    """A peer's process ended, or answered that it could not."""


class Worker:
    def __init__(self, name, command, environment, threads, cpus, log):
        self.name, self.process = name, None
        self.title, self.version = name, ""
        missing = [str(part) for part in command if not pathlib.Path(part).exists()]
        if missing or not pathlib.Path(environment.get("LD_LIBRARY_PATH", "/")).exists():
            raise Broken(f"not installed: no {missing[0] if missing else environment['LD_LIBRARY_PATH']}")
        count = str(threads)
        environment = {**os.environ, **environment, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count,
                       "OPENBLAS_NUM_THREADS": count, "PYTHONDONTWRITEBYTECODE": "1",
                       "XLA_FLAGS": "" if threads > 1 else "--xla_cpu_multi_thread_eigen=false"}
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=log, text=True, env=environment,
                                        preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        hello = self.ask({"do": "hello"})
        self.title, self.version = hello["peer"], hello["version"]

    def ask(self, request):
        """The answer to a request. Between requests the process is stopped: threads of many libraries look for work long
        after there is none, and would take the others' processors."""
        self.process.send_signal(signal.SIGCONT)
        try:
            return self.answer(request)
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def answer(self, request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            code = self.process.wait()
            raise Broken(f"its process ended with code {code}")
        answer = json.loads(line)
        if "error" in answer:
            raise Broken(answer["error"])
        return answer

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()


class Entry:
    """One form of one peer on one problem."""

    def __init__(self, worker, index, form):
        self.worker, self.index, self.form = worker, index, form
        self.status, self.error, self.first = "ok", None, None
        self.samples = {"hot": [], "cold": []}

    def ask(self, what, **more):
        return self.worker.ask({"do": what, "form": self.index, **more})

    def turn(self, cache, samples, calls):
        try:
            answer = self.ask("time", cold=cache == "cold", samples=samples, calls=1 if cache == "cold" else calls)
            self.samples[cache] += answer["us"]
        except Broken as failure:
            self.status = f"failed: {failure}"


def prepare(worker, problem, folder, threads):
    """The worker's forms as entries; those that cannot compute the problem carry why."""
    try:
        answer = worker.ask({"do": "prepare", "problem": problem.text, "folder": str(folder), "threads": threads})
    except Broken as failure:
        entry = Entry(worker, 0, "")
        entry.status = f"failed: {failure}"
        return [entry]
    entries = []
    for index, form in enumerate(answer["forms"]):
        entry = Entry(worker, index, form["form"])
        if form["refused"]:
            entry.status = f"refused: {form['refused']}"
        entries.append(entry)
    return entries


def compare(entry, problem, expected, folder):
    """Computes once, compares with `expected`, and takes the time of a second call."""
    file = folder / "y"
    try:
        entry.ask("compute", file=str(file))
        y = np.fromfile(file, np.float32)
        file.unlink()
        if y.size != expected.size:
            entry.status = f"wrong: {y.size} numbers instead of {expected.size}"
            return
        scale = max(1.0, float(np.abs(expected).max()))
        entry.error = float(np.abs(y.reshape(expected.shape) - expected).max()) / scale
        if not entry.error <= TOLERANCE:
            entry.status = f"wrong: error {entry.error:.2g}"
            return
        entry.first = entry.ask("time", cold=False, samples=1, calls=1)["us"][0]
    except Broken as failure:
        entry.status = f"failed: {failure}"


def time_in_turns(entries, cold, rounds):
    live = [e for e in entries if e.status == "ok"]
    best = min((e.first for e in live), default=0)
    for turn in range(rounds):
        for e in live:
            # What is far behind anyway gets its few samples, not minutes.
            slow = e.first > 2e4 and e.first > 10 * best
            if e.status != "ok" or (slow and turn > 1) or (e.first > 1e6 and turn > 2):
                continue
            calls = max(1, round(300 / max(e.first, 0.1)))
            e.turn("hot", 1 if e.first > 2e4 else 3, calls)
            if cold and (turn < 9) and e.status == "ok":
                e.turn("cold", 1, 1)


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release()}


def roofs(cli, problems, threads):
    """Roof of each problem in us, as `dwconv bench` measures it."""
    with tempfile.NamedTemporaryFile("w", suffix=".problems") as file:
        file.write("\n".join(p.text for p in problems) + "\n")
        file.flush()
        done = subprocess.run([cli, "bench", "--problems", file.name, "--json", "--threads", str(threads)],
                              stdout=subprocess.PIPE, text=True)
    records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {r["problem"]: r["roof_us"] for r in records}


def write_inputs(problem, folder):
    random = np.random.default_rng(zlib.crc32(problem.text.encode()))
    x = random.standard_normal(problem.x_shape, np.float32)
    w = (random.standard_normal((problem.K, problem.C, problem.M), np.float32) / np.sqrt(problem.K)).astype(np.float32)
    b = random.standard_normal(problem.C * problem.M, np.float32)
    for name, values in (("x", x), ("w", w), ("b", b)):
        values.tofile(folder / name)
    return x, w, b


def record(entry, problem, threads, cache, roof, origin):
    times = entry.samples[cache]
    return {"problem": problem.text, "peer": entry.worker.title, "version": entry.worker.version, "form": entry.form,
            "threads": threads, "cache": cache, "status": entry.status,
            "us_min": min(times, default=None), "us_median": statistics.median(times) if times else None,
            "samples_us": [float(f"{t:.5g}") for t in times], "roof_us": roof,
            # JSON has no NaN
            "max_error": entry.error if entry.error is not None and np.isfinite(entry.error) else None,
            "machine": origin}


def run(arguments, problems, threads, out, origin):
    """All problems with one number of threads."""
    cpus = sorted(os.sched_getaffinity(0))[-threads:]
    roof = roofs(arguments.cli, problems, threads) if arguments.cli else {}
    shared = pathlib.Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dwconv-peers-", dir=shared))
    workers, absent = {}, {}
    log = open(arguments.out / "workers.log", "a")

    def start(name):
        command, environment = arguments.table[name]
        try:
            workers[name] = Worker(name, command, {**environment, **arguments.environment}, threads, cpus, log)
            absent.pop(name, None)
        except (Broken, OSError) as failure:
            workers.pop(name, None)
            absent[name] = str(failure)

    try:
        for name in arguments.peers:
            start(name)
        for number, problem in enumerate(problems):
            expected = problem.reference(*write_inputs(problem, folder))
            entries = []
            for name in arguments.peers:
                if name in workers and not workers[name].alive:
                    start(name)
                if name in workers:
                    entries += prepare(workers[name], problem, folder, threads)
            for entry in entries:
                if entry.status == "ok":
                    compare(entry, problem, expected, folder)
            time_in_turns(entries, arguments.cold, arguments.rounds)
            for entry in entries:
                for cache in ("hot", "cold") if arguments.cold else ("hot",):
                    out.write(json.dumps(record(entry, problem, threads, cache, roof.get(problem.text), origin)) + "\n")
            for name, why in absent.items():
                out.write(json.dumps({"problem": problem.text, "peer": name, "threads": threads, "status": why,
                                      "machine": origin}) + "\n")
            out.flush()
            said = sorted((statistics.median(e.samples["hot"]), f"{e.worker.title} {e.worker.version} {e.form}")
                          for e in entries if e.samples["hot"])
            print(f"[{threads} thread{'s' * (threads > 1)} {number + 1}/{len(problems)}] {problem.text}: "
                  + "; ".join(f"{name} {us:.4g} us" for us, name in said[:4]), flush=True)
            for worker in workers.values():
                if worker.alive:
                    worker.ask({"do": "release"})
    finally:
        for worker in workers.values():
            worker.stop()
        shutil.rmtree(folder, ignore_errors=True)
        log.close()


def read_problems(path):
    problems = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.split("#")[0].strip()
        if text:
            try:
                problems.append(Problem.parse(text))
            except ValueError as failure:
                sys.exit(f"drive.py: {path}:{number}: {failure}")
    if not problems:
        sys.exit(f"drive.py: {path}: holds no problem")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="folder with the programs peer_*")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("/nonexistent"), help="folder of installed peers")
    parser.add_argument("--cli", help="the command line program, which measures the roofs")
    parser.add_argument("--problems", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the results")
    parser.add_argument("--peers", help="names, with commas between (default: all)")
    parser.add_argument("--threads", default="1", help="numbers of threads, with commas between (default: 1)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cold", action="store_true", help="also with emptied caches")
    parser.add_argument("--isa", choices=["avx2"], help="cap dwconv and oneDNN, which can be told, at this instruction set")
    arguments = parser.parse_args()
    arguments.table = peer_table(arguments.build, arguments.cache)
    arguments.peers = arguments.peers.split(",") if arguments.peers else list(arguments.table)
    for name in arguments.peers:
        if name not in arguments.table:
            parser.error(f"--peers: {name!r} is none of {', '.join(arguments.table)}")
    arguments.environment = {"DWC_FORCE_TARGET": "x86-64-avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"} if arguments.isa else {}
    try:
        threads = [int(t) for t in arguments.threads.split(",")]
    except ValueError:
        parser.error(f"--threads: {arguments.threads!r} must be numbers with commas between")
    cpus = len(os.sched_getaffinity(0))
    if any(not 1 <= t <= cpus for t in threads):
        parser.error(f"--threads: {arguments.threads} must lie between 1 and {cpus}, the CPUs of this process")
    problems = read_problems(arguments.problems)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "workers.log").unlink(missing_ok=True)
    origin = {**machine(), "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
              "isa": arguments.isa or "best"}
    unfinished = arguments.out / "peers.json.unfinished"
    started = time.time()
    with open(unfinished, "w") as out:
        for count in threads:
            run(arguments, problems, count, out, origin)
    unfinished.rename(arguments.out / "peers.json")
    print(f"{arguments.out / 'peers.json'}: {len(problems)} problems in {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
