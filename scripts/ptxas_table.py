#!/usr/bin/env python3
"""Registers, stack and spills of the compiled CUDA kernels, as NVIDIA's assembler has them; no GPU is needed.

    ptxas_table.py FILE... [--ptxas PROGRAM] [--arch sm_80]... [--update DOCUMENT] [--require]

FILE: object files of kernels of target cuda (build/dev/generators/dwc_k_*_cuda.o), which hold PTX. One table is printed
as Markdown: per kernel the registers of a thread on each architecture, the accesses of global memory in its code and how
many of them have 128 bits. The assembler runs with the limit of registers that the library gives the driver.

--update puts the table between the lines `<!-- ptxas -->` and `<!-- end -->` of DOCUMENT.
--require fails where a kernel has a stack frame or spills, or where a convolution kernel with v4 stores less than 128
bits at once.

PROGRAM: else `ptxas` of PATH, of build/ptxas (where scripts/test.sh puts it) or of /usr/local/cuda/bin. Exit code: 0;
1 what --require forbids; 2 nothing to read; 77 no program.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAME = re.compile(r"dwc_k_(\w+)_cuda\.o$")
GLUE = os.path.join(ROOT, "runtime", "device_cuda.cpp")


def register_limit():
    """What the library tells the driver."""
    with open(GLUE, encoding="utf-8") as file:
        return re.search(r"most_registers = (\d+);", file.read()).group(1)


def find_ptxas(given):
    places = [given] if given else [shutil.which("ptxas") or "",
                                    *glob.glob(os.path.join(ROOT, "build/ptxas/nvidia/*/bin/ptxas")),
                                    "/usr/local/cuda/bin/ptxas"]
    return next((place for place in places if place and os.access(place, os.X_OK)), None)


def ptx_of(path):
    """The PTX text inside an object file; None where there is none."""
    with open(path, "rb") as file:
        data = file.read()
    begin = data.find(b"\n.version ")
    end = data.find(b"\0", begin)
    return data[begin:end].decode() if 0 <= begin < end else None


def accesses(ptx):
    """(loads, of 128 bits, stores, of 128 bits) of global memory in the text."""
    def count(kind):
        lines = re.findall(r"\b" + kind + r"\.global\.\S+", ptx)
        wide = [line for line in lines if re.search(r"\.v4\.\w?32$|\.v2\.\w?64$", line)]
        return len(lines), len(wide)
    return (*count("ld"), *count("st"))


def assemble(ptxas, arch, limit, ptx):
    """(registers, bytes of stack, bytes of spills) or the assembler's complaint."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "kernel.ptx")
        with open(source, "w", encoding="utf-8") as file:
            file.write(ptx)
        run = subprocess.run([ptxas, "-v", f"-arch={arch}", "-maxrregcount", limit, source, "-o", source + ".cubin"],
                             capture_output=True, text=True, check=False)
    found = [re.search(pattern, run.stderr) for pattern in
             (r"Used (\d+) registers", r"(\d+) bytes stack frame", r"(\d+) bytes spill stores, (\d+) bytes spill loads")]
    if run.returncode or not all(found):
        return run.stderr.strip() or f"exit code {run.returncode}"
    return int(found[0][1]), int(found[1][1]), int(found[2][1]) + int(found[2][2])


class Row:
    """One kernel on all architectures."""

    def __init__(self, path, ptxas, archs, limit):
        self.name = NAME.search(path).group(1)
        ptx = ptx_of(path)
        if ptx is None:
            raise SystemExit(f"ptxas_table.py: {path}: holds no PTX")
        self.loads, self.wide_loads, self.stores, self.wide_stores = accesses(ptx)
        self.results = [assemble(ptxas, arch, limit, ptx) for arch in archs]

    def faults(self, archs):
        for arch, result in zip(archs, self.results):
            if isinstance(result, str):
                yield f"{self.name}: {arch}: {result}"
            elif result[1] or result[2]:
                yield f"{self.name}: {arch}: {result[1]} bytes of stack, {result[2]} bytes of spills"
        if "_v4_" in self.name and self.stores != self.wide_stores:
            yield f"{self.name}: {self.stores - self.wide_stores} of {self.stores} stores have less than 128 bits"

    def line(self):
        def cell(result):
            if isinstance(result, str):
                return "failed"
            return str(result[0]) + (f" (stack {result[1]}, spills {result[2]})" if result[1] or result[2] else "")
        return (f"| `{self.name}` | " + " | ".join(cell(r) for r in self.results) +
                f" | {self.wide_loads} of {self.loads} | {self.wide_stores} of {self.stores} |")


def table(rows, archs):
    lines = ["| kernel | " + " | ".join(f"registers {arch}" for arch in archs) +
             " | 128-bit loads | 128-bit stores |", "|---" * (len(archs) + 3) + "|"]
    return "\n".join(lines + [row.line() for row in rows])


def update(document, text):
    with open(document, encoding="utf-8") as file:
        old = file.read()
    begin, end = "<!-- ptxas -->\n", "<!-- end -->"
    if begin not in old or end not in old.split(begin, 1)[1]:
        raise SystemExit(f"ptxas_table.py: {document}: has no lines {begin.strip()} and {end}")
    head, rest = old.split(begin, 1)
    with open(document, "w", encoding="utf-8") as file:
        file.write(head + begin + text + "\n" + end + rest.split(end, 1)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--ptxas")
    parser.add_argument("--arch", action="append")
    parser.add_argument("--update")
    parser.add_argument("--require", action="store_true")
    options = parser.parse_args()
    files = sorted(path for path in options.files if NAME.search(path))
    if not files:
        print("ptxas_table.py: no dwc_k_*_cuda.o among the files", file=sys.stderr)
        return 2
    ptxas = find_ptxas(options.ptxas)
    if not ptxas:
        print("ptxas_table.py: SKIPPED: ptxas is not installed (PyPI: nvidia-cuda-nvcc-cu12, or the CUDA toolkit)")
        return 77
    archs = options.arch or ["sm_80", "sm_90"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(lambda path: Row(path, ptxas, archs, register_limit()), files))
    text = table(rows, archs)
    print(text)
    if options.update:
        update(options.update, text)
    faults = [fault for row in rows for fault in row.faults(archs)] if options.require else []
    for fault in faults:
        print("ptxas_table.py:", fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
