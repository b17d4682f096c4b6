#!/usr/bin/env python3
"""A Markdown table of what drive.py measured: table.py peers.json [--cache hot|cold] [--detail]

One row a problem and number of threads: the roof, dwconv, the best peer with its form, and how many times as long it
takes; medians in us. --detail: every peer's best form instead. A peer that was not there is named under the table.
"""
import argparse
import json
import math
import pathlib
import sys

OURS = "dwconv"


def read(path, cache="hot"):
    """{(problem, threads): {peer with version: its best record}}, and {peer: why it has no times} for the absent ones."""
    rows, absent = {}, {}
    for line in pathlib.Path(path).read_text().splitlines():
        r = json.loads(line)
        row = rows.setdefault((r["problem"], r["threads"]), {})
        if "version" not in r:
            absent[r["peer"]] = r["status"]
            continue
        if r["cache"] != cache:
            continue
        name = OURS if r["peer"] == OURS else f"{r['peer']} {r['version']}"
        held = row.get(name)
        if held is None or (r["us_median"] or math.inf) < (held["us_median"] or math.inf):
            row[name] = r
    return rows, absent


def best_peer(row):
    timed = [(r["us_median"], name) for name, r in row.items() if name != OURS and r["us_median"]]
    return min(timed)[1] if timed else None


def number(us):
    if not us:
        return "-"
    return f"{us:.3g}" if us < 1000 else f"{us:.0f}"


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def summary(rows):
    """Geometric means of the ratios, by layout and number of threads."""
    groups = {}
    for (problem, threads), row in rows.items():
        ours, best = row.get(OURS), best_peer(row)
        if ours and ours["us_median"] and best:
            layout = problem.split("_")[1]
            groups.setdefault((layout, threads), []).append(row[best]["us_median"] / ours["us_median"])
    for (layout, threads), ratios in sorted(groups.items(), key=lambda g: (g[0][0] != "nlc", g[0][1])):
        slower = sum(r < 0.97 for r in ratios)
        yield (f"{layout}, {threads} thread{'s' * (threads > 1)}: geometric mean of best peer / dwconv "
               f"{geometric_mean(ratios):.2f} over {len(ratios)} rows, least {min(ratios):.2f}; "
               f"dwconv more than 3 % slower on {slower}")


def table(rows):
    yield "| problem | threads | roof | dwconv | best peer | peer / dwconv |"
    yield "|---|---|---|---|---|---|"
    for (problem, threads), row in rows.items():
        ours, best = row.get(OURS), best_peer(row)
        time = ours["us_median"] if ours else None
        peer = f"{number(row[best]['us_median'])} {best}, {row[best]['form']}" if best else "-"
        ratio = f"{row[best]['us_median'] / time:.2f}" if best and time else "-"
        roof = ours.get("roof_us") if ours else None
        yield f"| `{problem}` | {threads} | {number(roof)} | {number(time)} | {peer} | {ratio} |"


def detail(rows):
    names = list(dict.fromkeys(name for row in rows.values() for name in row if name != OURS))
    yield "| problem | threads | roof | dwconv | " + " | ".join(names) + " |"
    yield "|---" * (4 + len(names)) + "|"
    for (problem, threads), row in rows.items():
        ours = row.get(OURS, {})
        cells = [number(row[name]["us_median"]) if name in row else "-" for name in names]
        yield (f"| `{problem}` | {threads} | {number(ours.get('roof_us'))} | {number(ours.get('us_median'))} | "
               + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=pathlib.Path)
    parser.add_argument("--cache", choices=["hot", "cold"], default="hot")
    parser.add_argument("--detail", action="store_true")
    arguments = parser.parse_args()
    try:
        rows, absent = read(arguments.records, arguments.cache)
    except (OSError, ValueError, KeyError) as failure:
        sys.exit(f"table.py: {arguments.records}: {failure}")
    for line in detail(rows) if arguments.detail else table(rows):
        print(line)
    print()
    for line in summary(rows):
        print("- " + line)
    for name, why in absent.items():
        print(f"- {name}: no times: {why}")


if __name__ == "__main__":
    main()
