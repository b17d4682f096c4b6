#!/usr/bin/env python3
"""scripts/bench_kit.sh: the tarball is made from a build folder, unpacked elsewhere and run; its records make a page.

    bench_kit_test.py --source DIR --build DIR --target arm-64 --dwconv PROGRAM --work DIR [--emulator=COMMAND]
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

PROBLEM = "f32_nlc_n1_l64_c32_k4_m1_s1_d1_pl3_pr0_bias_silu"


def call(command, status=0, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, **more)
    if done.returncode != status:
        sys.exit(f"{command} exits with {done.returncode}, not {status}:\n{done.stdout}{done.stderr}")
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("source", "build", "target", "dwconv", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--emulator", default="")
    options = parser.parse_args()
    script = pathlib.Path(options.source) / "scripts" / "bench_kit.sh"
    work = pathlib.Path(options.work).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    wanted = ["--target", options.target]
    for words in ([], ["--target", "vax"], [*wanted, "--frob", "x"], [*wanted, "-o"]):
        assert call([script, *words], status=2).stderr.count("\n") == 1, words
    assert "is missing" in call([script, "--target", options.target, "--build", work], status=2).stderr

    # A relative -o is the caller's.
    call([script, "--target", options.target, "--build", options.build, "-o", "kits"], cwd=work)
    tarball = work / "kits" / f"dwconv-bench-kit-{options.target}.tar.xz"
    call(["tar", "--extract", "--file", tarball], cwd=work)
    kit = work / f"dwconv-bench-kit-{options.target}"
    held = sorted(p.name for p in kit.iterdir())
    assert held == ["LICENSE", "README.txt", "dwconv", "peers.problems", "run.sh", "workloads.problems"], held
    headers = call(["readelf", "--program-headers", "--dynamic", kit / "dwconv"]).stdout
    assert "INTERP" not in headers and "NEEDED" not in headers, "the program is not static"

    environment = {"PATH": os.environ["PATH"], "EMULATOR": options.emulator}
    quick = ["--problem", PROBLEM, "--threads", "1", "--repeats", "3", "--min-time", "0.05"]
    assert "board.json" in call([kit / "run.sh", "--help"], env=environment).stdout
    call([kit / "run.sh", "-o"], status=2, env=environment)
    call([kit / "run.sh", "-o", "bad.json", "--problem", "nonsense"], status=2, env=environment, cwd=work)
    assert not list(work.glob("bad.json*")), "a run without records leaves nothing"
    call([kit / "run.sh", "-o", "r.json", *quick], env=environment, cwd=work)
    call([kit / "run.sh", "-o", "o.json", "--overhead", *quick[:6]], env=environment, cwd=work)
    record, = map(json.loads, (work / "r.json").read_text().splitlines())
    assert record["problem"] == PROBLEM and record["max_error"] <= record["tolerance"], record
    assert len(record["samples_us"]) == 3 and min(record["samples_us"]) == record["us_min"], record
    origin = record["provenance"]
    assert origin["emulated"] == origin["machine"]["emulated"] == bool(options.emulator), origin
    assert origin["isa"].startswith(options.target), origin
    for key in ("cpu", "date", "dwconv", "halide", "compiler", "build_type", "command"):
        assert origin[key], key
    for key in ("architecture", "kernel", "os", "governor", "boost", "caches", "board"):
        assert key in origin["machine"], key
    overhead, = map(json.loads, (work / "o.json").read_text().splitlines())
    assert overhead["plan_us"] > 0 and overhead["kernel_calls"] >= 1, overhead

    call([options.dwconv, "report", work / "r.json", work / "o.json", "-o", work / "page.html"])
    page = (work / "page.html").read_text()
    assert PROBLEM in page and ("<strong class=\"emulated\">" in page) == bool(options.emulator)
    print(f"{tarball.name}: {tarball.stat().st_size} bytes")


if __name__ == "__main__":
    main()
