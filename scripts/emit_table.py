#!/usr/bin/env python3
"""Size and speed of emitted layers against the library, as the table of docs/emit.md.

    scripts/emit_table.py --build BUILD [--problems FILE] [--target NAME] [--rounds N] [--work FOLDER]

Emits the problems for one target of this CPU, compiles them as their CMake does, and times each in turns with the
library's plan for it. Problems without a file: one sequence of each workload of bench/workloads.csv in suite `core`.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "scripts"))


def call(words):
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit {done.returncode}")
    return done.stdout


def core_problems(limit):
    """The workloads of suite core, both layouts, cut to `limit` sequences."""
    out = call([sys.executable, f"{ROOT}/scripts/workload_problems.py", "--no-state", "--suite", "core"])
    problems = []
    for line in out.splitlines():
        words = line.split("#")[0].split()
        if words and words[0].startswith("f32_"):
            cut = re.sub(r"_n(\d+)_", lambda m: f"_n{min(int(m[1]), limit)}_", words[0])
            if cut not in problems:
                problems.append(cut)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="build folder of dwconv")
    parser.add_argument("--problems", help="file of problem strings")
    parser.add_argument("--target", help="the best of this CPU")
    parser.add_argument("--batch", type=int, default=1, help="sequences of a workload at most")
    parser.add_argument("--rounds", default="41")
    parser.add_argument("--work", help="folder to keep; a temporary one")
    args = parser.parse_args()
    work = args.work or tempfile.mkdtemp(prefix="dwconv-emit-")
    os.makedirs(work, exist_ok=True)
    problems = args.problems
    if not problems:
        problems = f"{work}/core.problems"
        with open(problems, "w", encoding="utf-8") as file:
            file.write("\n".join(core_problems(args.batch)) + "\n")
    folder = f"{work}/speed"
    emitted = call([f"{args.build}/cli/dwconv", "emit", "--problems", problems, "-o", folder, "--force", "--json"] +
                   (["--target", args.target] if args.target else []))
    emitted = {line["layer"]: line for line in map(json.loads, emitted.splitlines())}
    call(["cmake", "-S", folder, "-B", f"{folder}/build"])
    call(["cmake", "--build", f"{folder}/build"])
    target = next(iter(emitted.values()))["target"]
    archives = [os.path.join(folder, "lib", target, name) for name in os.listdir(f"{folder}/lib/{target}")]
    program = f"{work}/emit_speed"
    call(["cc", "-O2", "-std=c11", "-DNAME=speed", '-DNAME_H="speed.h"', "-DLAYERS=SPEED_LAYERS", "-I", folder, "-I",
          f"{ROOT}/include", f"{ROOT}/bench/emit_speed.c", f"{folder}/build/libspeed.a", *archives,
          f"{args.build}/runtime/libdwconv.a", "-lstdc++", "-lpthread", "-ldl", "-lm", "-o", program])
    print("| problem | emitted kernel | bytes of code | library us (min, median) | emitted us (min, median) | "
          "ratio of minima | of medians |\n|---|---|---|---|---|---|---|")
    product = [1.0, 1.0]
    rows = [json.loads(line) for line in call([program, args.rounds]).splitlines()]
    for row in rows:
        line = emitted[row["layer"]]
        same = " (the library's)" if row["library"].split("@")[0] == line["kernel"] else ""
        print(f"| {row['problem'][4:]} | {line['kernel']}{same} | {line['code_bytes']} | {row['library_min']:g}, "
              f"{row['library_median']:g} | {row['emitted_min']:g}, {row['emitted_median']:g} | {row['ratio_min']:.2f} | "
              f"{row['ratio_median']:.2f} |")
        product[0] *= row["ratio_min"] ** (1 / len(rows))
        product[1] *= row["ratio_median"] ** (1 / len(rows))
    print(f"\n{len(rows)} problems on {target}: ratio of minima {product[0]:.3f}, of medians {product[1]:.3f} in "
          "geometric mean")
    if not args.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
