#!/usr/bin/env python3
"""Every workload is a problem string that a compiled kernel computes, in both layouts; the script's limits hold.

    workloads_test.py SCRIPT WORKLOADS_CSV DWCONV
"""
import csv
import re
import subprocess
import sys

script, workloads, dwconv = sys.argv[1:]


def problems(*options):
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()]


def megabytes(problem):
    n, length, c, k, m, s = (int(re.search(rf"_{key}(\d+)_", problem).group(1)) for key in "nlckms")
    d, left, right = (int(re.search(rf"_{key}(\d+)_", problem).group(1)) for key in ("d", "pl", "pr"))
    outputs = (length + left + right - (k - 1) * d - 1) // s + 1
    return 4e-6 * n * c * (length + outputs * m)


with open(workloads, newline="") as file:
    rows = [row for row in csv.DictReader(file) if row["scope"] == "now"]
everything = problems()
assert len(everything) == 2 * len(rows), (len(everything), len(rows))
assert set(problems("--suite", "core")) | set(problems("--suite", "extra")) == set(everything)
assert all("_ncl_" in p for p in problems("--layout", "ncl"))
assert not any(p.endswith("_state") for p in problems("--no-state"))
small, cut = problems("--megabytes", "30"), problems("--megabytes", "30", "--cut-batch")
assert set(small) < set(cut) and len(cut) > len(small)
assert all(megabytes(p) <= 30 for p in cut), [p for p in cut if megabytes(p) > 30]
refused = subprocess.run([sys.executable, script, "--layout", "lnc"], capture_output=True, text=True)
assert refused.returncode == 2 and "neither nlc nor ncl" in refused.stderr, refused

for problem in everything:
    done = subprocess.run([dwconv, "explain", problem], capture_output=True, text=True)
    assert done.returncode == 0, f"{problem}: {done.stderr}"
print(f"{len(everything)} problems of {len(rows)} workloads have a kernel")
