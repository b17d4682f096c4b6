#!/usr/bin/env python3
"""Problem strings of bench/workloads.csv, one a line, for `dwconv bench`, `tune` and `explain`.

    scripts/workload_problems.py --suite core,extra --layout nlc,ncl > workloads.problems

Every row whose scope is "now", in f32. Rows of the phases decode and streaming become stateful problems (suffix _state).
An activation that the model applies after another layer is left out, since the convolution alone is computed.
--megabytes N leaves out what x and y together exceed; --cut-batch does so only after halving the batch as often as that
helps, which leaves the kernel's work a row as it is.
"""
import argparse
import csv
import pathlib
import sys

WORKLOADS = pathlib.Path(__file__).resolve().parent.parent / "bench" / "workloads.csv"
FUSED = ("silu",)


def megabytes(row, batch):
    inputs = row["L"] * row["C"]
    outputs = row["L_out"] * row["C"] * row["M"]
    return 4e-6 * batch * (inputs + outputs)


def problem(row, layout, batch, with_state):
    name = (
        f"f32_{layout}_n{batch}_l{row['L']}_c{row['C']}_k{row['K']}_m{row['M']}_s{row['S']}_d{row['D']}"
        f"_pl{row['PL']}_pr{row['PR']}_{'bias' if row['bias'] == 'yes' else 'nobias'}"
        f"_{row['activation'] if row['activation'] in FUSED else 'linear'}"
    )
    return name + ("_state" if with_state else "")


def rows_of(path, suites):
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            if row["suite"] not in suites or row["scope"] != "now":
                continue
            columns = {"B": "B", "L": "L", "C": "C", "K": "K", "S": "stride", "D": "dilation", "M": "depth_multiplier",
                       "L_out": "L_out"}
            row.update({short: int(row[long]) for short, long in columns.items()})
            row.update({"PL": int(row["pad_left"] or 0), "PR": int(row["pad_right"] or 0)})
            yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="core,extra", help="suites, with commas between (default: core,extra)")
    parser.add_argument("--layout", default="nlc,ncl", help="layouts, with commas between (default: nlc,ncl)")
    parser.add_argument("--megabytes", type=float, default=float("inf"), help="most megabytes of x and y")
    parser.add_argument("--cut-batch", action="store_true", help="halve the batch of what exceeds them")
    parser.add_argument("--no-state", action="store_true", help="leave stateful problems out")
    arguments = parser.parse_args()
    for layout in arguments.layout.split(","):
        if layout not in ("nlc", "ncl"):
            parser.error(f"--layout: {layout!r} is neither nlc nor ncl")

    seen = {}
    for row in rows_of(WORKLOADS, arguments.suite.split(",")):
        with_state = row["phase"] in ("decode", "streaming")
        batch = row["B"]
        while arguments.cut_batch and batch > 1 and megabytes(row, batch) > arguments.megabytes:
            batch = (batch + 1) // 2
        if (with_state and arguments.no_state) or megabytes(row, batch) > arguments.megabytes:
            continue
        for layout in arguments.layout.split(","):
            seen.setdefault(problem(row, layout, batch, with_state), row["id"])
    width = max(map(len, seen), default=0)
    for name, identity in seen.items():
        print(f"{name:<{width}}  # {identity}")
    if not seen:
        sys.exit("workload_problems.py: no row of bench/workloads.csv matches")


if __name__ == "__main__":
    main()
