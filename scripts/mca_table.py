#!/usr/bin/env python3
"""How busy the compiled arm-64 kernels keep a CPU's multiply-add units, predicted by llvm-mca.

    mca_table.py FILE... [--cpu NAME]... [--taps K,K,...] [--update DOCUMENT] [--require SHARE --on CPU,CPU]

FILE: object files of kernels (build/dev/arm-64/generators/dwc_k_*.o). Two tables are printed as Markdown:

  kernels  one row a kernel of a convolution: per cent of the multiply-add bound that its steady innermost loop reaches
           on each CPU. The bound is the rate of independent 4-lane multiply-adds of the same form in the same model of
           the CPU; one on fewer lanes counts for the lanes it has, and those of a fused activation do not count.
  taps     for each K the best nlc kernel of stride 1 without fused activation on each CPU, for a whole register tile:
           load of the bias, all K taps with the rest that is no full block, and the stores.

--update puts the tables between the lines `<!-- kernels -->`, `<!-- taps -->` and `<!-- end -->` of DOCUMENT.
--require fails where a row of the second table is below SHARE (per cent) on one of the CPUs of --on.

llvm-mca knows no caches and no branch predictor: data comes from L1, every branch is foreseen. Exit code: 0; 1 below
--require; 2 nothing to read or a missing program.
"""
import argparse
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import object_code  # noqa: E402  the same reading of loops as the test of spills

CPUS = ["neoverse-n1", "neoverse-v2", "cortex-a55", "cortex-a76", "apple-m1"]
NAME = re.compile(r"^dwc_k_((channels|flat|width)_(f32|bf16)_k(any|\d+)_m(any|\d+)_s(any|\d+)_([a-z]+)"
                  r"_v(\d+)_t(\d+)(?:_b(\d+))?)_arm_64$")
MULTIPLY_ADD = re.compile(r"^(?:fmla|fmls)\s+v\d+\.([24])s|^fmadd\s+s(\d)")
ITERATIONS = 100


def lanes(text):
    """f32 lanes of a multiply-add; 0 for any other instruction."""
    match = MULTIPLY_ADD.match(text)
    return (int(match.group(1)) if match.group(1) else 1) if match else 0


def by_lane(lines):
    """Whether the multiply-adds are by one lane of a vector."""
    return any("[" in line for line in lines if line.startswith("fmla"))


class Kernel:
    """One function: its loops, and what a run of one register tile executes."""

    def __init__(self, name, body):
        match = NAME.match(name)
        self.name, self.family, self.dtype, self.activation = match.group(1, 2, 3, 7)
        self.k, self.m, self.stride, self.v, self.t = (0 if g == "any" else int(g) for g in match.group(4, 5, 6, 8, 9))
        self.block = int(match.group(10) or 4)
        self.body = body
        self.blocks, self.successors = object_code.basic_blocks(body)
        self.loops = object_code.natural_loops(self.blocks, self.successors)
        inner = [h for h, inside in self.loops.items() if not any(o != h and o in inside for o in self.loops)]
        # Loops over taps, or over tiles where K is fixed; the first is where the time goes.
        self.inner = sorted((h for h in inner if self.work(self.loop(h))), key=lambda h: -self.work(self.loop(h)))

    def text(self, blocks):
        return [line for b in blocks for _, line in self.body[slice(*self.blocks[b])]]

    def loop(self, header):
        return self.text(sorted(self.loops[header]))

    @staticmethod
    def work(lines):
        return sum(map(lanes, lines))

    def steady(self):
        return self.loop(self.inner[0])

    def products(self, lines):
        """f32 products that count in `lines`; where K is fixed the loop holds the activation's own, too."""
        return self.v * self.t * max(self.m, 1) * self.k if self.k else self.work(lines)

    def tile(self, taps):
        """The instructions of one register tile with so many taps."""
        if self.k:
            return self.steady()
        parents = [h for h, inside in self.loops.items() if h != self.inner[0] and self.inner[0] in inside]
        parent = min(parents, key=lambda h: len(self.loops[h]))
        # The loops over full blocks and over the rest (of the same tile), and how often each runs.
        todo = {h: 0 for h in self.inner if h in self.loops[parent]}
        for h, times in zip(self.inner, (taps // self.block, taps % self.block)):
            if h in todo:
                todo[h] = times
        out, here, passed = [], parent, set()
        while here != parent or not passed:
            passed.add(here)
            choices = self.successors[here]
            if here in todo:
                out += self.loop(here) * todo.pop(here)
                choices = [s for b in self.loops[here] for s in self.successors[b] if s not in self.loops[here]]
            else:
                out += self.text([here])
            here = self.onwards([s for s in choices if s in self.loops[parent]], parent, todo, passed)
        return out

    def onwards(self, choices, parent, todo, passed):
        """Where a tile goes on: towards a loop over taps that still has to run, past one that has not."""
        wanted = [h for h, times in todo.items() if times]  # the full blocks first
        for goal, avoid in [(h, set(todo) - {h}) for h in wanted] + [(parent, set(todo)), (parent, set())]:
            for choice in choices:
                if self.reaches(choice, goal, parent, (avoid | passed) - {parent}):
                    return choice
        raise ValueError(f"{self.name}: no way through a tile")

    def reaches(self, start, goal, parent, avoid):
        seen, stack = set(), [start]
        while stack:
            b = stack.pop()
            if b == goal:
                return True
            if b in seen or b in avoid or b == parent:
                continue
            seen.add(b)
            stack += [s for s in self.successors[b] if s in self.loops[parent]]
        return False


def kernels(files, objdump):
    for file in files:
        text = subprocess.run([objdump, "-d", "-r", "--no-show-raw-insn", file], check=True, capture_output=True,
                              text=True).stdout
        for name, body in object_code.functions(text):
            if body and NAME.match(name):
                kernel = Kernel(name, body)
                if kernel.inner:
                    yield kernel


def cycles(regions, cpu, program):
    """Cycles of one repetition of each list of instructions, in the steady state on `cpu`."""
    source = []
    for i, lines in enumerate(regions):
        source += [f"# LLVM-MCA-BEGIN {i}", *lines, f"# LLVM-MCA-END {i}"]
    text = "\n".join(source) + "\n"

    def total(iterations):
        done = subprocess.run([program, "-mtriple=aarch64-linux", f"-mcpu={cpu}", f"-iterations={iterations}",
                               "--json"], input=text, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{program} -mcpu={cpu}: {done.stderr.strip()[:300]}")
        found = {region["Name"]: region["SummaryView"]["TotalCycles"]
                 for region in json.loads(done.stdout)["CodeRegions"]}
        return [found[str(i)] for i in range(len(regions))]

    # The difference of two runs leaves out the first fill and the last drain of the pipeline.
    short, long = total(ITERATIONS // 4), total(ITERATIONS)
    return [(b - a) / (ITERATIONS - ITERATIONS // 4) for a, b in zip(short, long)]


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def replace_tables(document, tables):
    with open(document, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for mark, table in tables.items():
        start = lines.index(f"<!-- {mark} -->")
        end = lines.index("<!-- end -->", start)
        lines[start + 1:end] = table
    with open(document + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(document + ".new", document)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="append", metavar="NAME")
    parser.add_argument("--taps", default="3,4,5,7,9,15,31", metavar="K,K,...")
    parser.add_argument("--objdump", default="llvm-objdump-19")
    parser.add_argument("--mca", default="llvm-mca-19")
    parser.add_argument("--update", metavar="DOCUMENT")
    parser.add_argument("--require", type=float, metavar="SHARE")
    parser.add_argument("--on", default="neoverse-v2,cortex-a76", metavar="CPU,CPU")
    parser.add_argument("files", nargs="+", metavar="FILE")
    options = parser.parse_args()
    cpus = options.cpu or CPUS
    taps = [int(k) for k in options.taps.split(",")]
    found = sorted(kernels(options.files, options.objdump),
                   key=lambda n: (n.family, n.dtype, n.k or 99, n.m or 99, n.stride or 99, n.activation, n.v, n.t))
    if not found:
        print("mca_table.py: no kernel of a convolution for arm-64 in these files", file=sys.stderr)
        return 2

    # The bound: independent multiply-adds, by vector and by one lane of a vector.
    regions = [[f"fmla v{i}.4s, v24.4s, {form}" for i in range(24)] for form in ("v25.4s", "v25.s[1]")]
    plain = [n for n in found if (n.family, n.dtype, n.activation) == ("channels", "f32", "linear") and n.m == 1 and
             n.stride in (0, 1) and n.v > 1]
    tiles = [(k, n) for k in taps for n in plain if n.k in (0, k)]
    runs = [(n, n.steady()) for n in found] + [(n, n.tile(k)) for k, n in tiles]
    regions += [lines for _, lines in runs]
    shares = {}
    for cpu in cpus:
        spent = cycles(regions, cpu, options.mca)
        shares[cpu] = [100 * spent[by_lane(lines)] / Kernel.work(regions[0]) * n.products(lines) / c
                       for (n, lines), c in zip(runs, spent[2:])]

    number = "{:.0f}".format
    rows = [[f"`{kernel.name}`", *(number(shares[cpu][i]) for cpu in cpus)] for i, kernel in enumerate(found)]
    tables = {"kernels": markdown(["kernel", *cpus], rows)}
    rows, low = [], []
    for k in taps:
        row = [str(k)]
        for cpu in cpus:
            share, name = max(((shares[cpu][len(found) + i], n.name) for i, (of, n) in enumerate(tiles) if of == k),
                              default=(0, "none"))
            row.append(f"{share:.0f} `{name.removeprefix('channels_f32_').replace('_m1', '').replace('_linear', '')}`")
            if options.require and cpu in options.on.split(",") and share < options.require:
                low.append(f"K={k}: {name} reaches {share:.1f} % on {cpu}, {options.require:g} % are required")
        rows.append(row)
    tables["taps"] = markdown(["K", *cpus], rows)
    for table in tables.values():
        print("\n".join(table) + "\n")
    if options.update:
        replace_tables(options.update, tables)
    print("\n".join(low), end="\n" if low else "", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RuntimeError, subprocess.CalledProcessError, ValueError) as error:
        print(f"mca_table.py: {error}", file=sys.stderr)
        sys.exit(2)
