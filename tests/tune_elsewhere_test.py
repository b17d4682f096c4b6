#!/usr/bin/env python3
"""`dwconv tune` for machines that are not at hand: --cost static, --emit-remote, --remote.

    tune_elsewhere_test.py --dwconv PROGRAM --work FOLDER     parts whose programs are missing are skipped in words
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NLC = "f32_nlc_n1_l96_c64_k4_m1_s1_d1_pl3_pr0_bias_linear"
NCL = "f32_ncl_n1_l100_c5_k3_m2_s1_d1_pl1_pr1_bias_silu"


class Test:
    def __init__(self, dwconv, work):
        self.dwconv, self.work, self.failures, self.checks = dwconv, work, [], 0
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)

    def expect(self, condition, what):
        self.checks += 1
        if not condition:
            self.failures.append(what)

    def path(self, name):
        return os.path.join(self.work, name)

    def tune(self, *words, **environment):
        done = subprocess.run([self.dwconv, "tune", "--jobs", "1", *words], capture_output=True, text=True,
                              cwd=self.work, env=dict(os.environ, **environment), timeout=300)
        return done.returncode, done.stdout, done.stderr

    def refuse(self, word, *words, **environment):
        code, _, err = self.tune(*words, **environment)
        self.expect(code == 2 and word in err and err.count("\n") == 1,
                    f"{words}: exit {code}, {err!r} without {word!r}")

    @staticmethod
    def read(text):
        lines = [json.loads(line) for line in text.splitlines()]
        return tuple([line for line in lines if line["type"] == kind] for kind in ("run", "result"))

    def read_log(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return self.read(file.read())

    def static(self):
        words = ("--problem", NLC, "--cost", "static", "--target", "arm-64", "--cpu", "neoverse-v2", "--candidates",
                 "6", "--resume", "static.jsonl", "--schedules", os.path.join(ROOT, "schedules"))
        code, out, err = self.tune(*words)
        self.expect(code == 0, f"static: {code} {out} {err}")
        runs, results = self.read_log("static.jsonl")
        self.expect(len(runs) == 1 and runs[0]["cpu"] == "neoverse-v2" and runs[0]["target"] == "arm-64", f"{runs}")
        ok = [r for r in results if r["outcome"] == "ok"]
        self.expect(len(ok) >= 6 and all(r["source"] == "static" and r["us_median"] > 0 and not r.get("samples")
                                         for r in ok), f"static results: {results}")
        self.expect(len({r["us_median"] for r in ok}) > 1, "candidates differ")
        ratio = lambda r: r["us_median"] / r["incumbent_us_median"]  # noqa: E731
        self.expect(all(abs(r["ratio_median"] - ratio(r)) < 1e-3 for r in ok), "ratios")
        # A second run finds all of it in the log.
        code, _, _ = self.tune(*words)
        again = self.read_log("static.jsonl")
        self.expect(code == 0 and len(again[0]) == 2 and again[1] == results, "resumed without a new estimate")
        # No problem is begun after the budget: one of the first is enough for ten milliseconds.
        code, _, err = self.tune("--problem", NCL, *words[:10], "--resume", "short.jsonl", *words[12:], "--budget", "0.01s")
        short = self.read_log("short.jsonl")[1]
        self.expect(code == 0 and len({r["problem"] for r in short}) == 1, f"budget: {code} {err} {len(short)}")
        self.refuse("no-such-cpu", *words[:7], "no-such-cpu", "--resume", "other.jsonl")
        self.refuse("--cpu", "--problem", NLC, "--cost", "static")
        self.refuse("--cost static", "--problem", NLC, "--cpu", "znver4")
        self.refuse("DWC_LLVM_MCA", *words[:8], "--resume", "other.jsonl", DWC_LLVM_MCA="/no/such/program")

    def check_results(self, text, source, what):
        runs, results = self.read(text)
        self.expect(len(runs) == 1 and len(results) == 4, f"{what}: {len(runs)} runs, {len(results)} results")
        self.expect({r["problem"] for r in results} == {NLC, NCL}, f"{what}: both problems")
        self.expect(all(r["outcome"] == "ok" and r["source"] == source and r["samples"] == 3 and
                        r["incumbent"].endswith("@" + runs[0]["target"]) for r in results), f"{what}: {results}")

    def remote_here(self):
        words = ("--problem", NLC, "--problem", NCL, "--candidates", "2", "--rounds", "3", "--min-time", "0.1")
        code, out, err = self.tune(*words, "--emit-remote", "program")
        self.expect(code == 0 and "for 2 problems" in out, f"emit: {code} {out} {err}")
        if code == 0:
            done = subprocess.run([self.path("program")], capture_output=True, text=True, timeout=120)
            self.expect(done.returncode == 0, done.stderr)
            self.check_results(done.stdout, "measured", "on this machine")
            done = subprocess.run([self.path("program"), "--emulated"], capture_output=True, text=True, timeout=120)
            self.check_results(done.stdout, "emulated", "said to be emulated")
            done = subprocess.run([self.path("program"), "--rounds", "0"], capture_output=True, text=True, timeout=120)
            self.expect(done.returncode == 2 and "--rounds 0" in done.stderr, f"bad option: {done}")
            with open(self.path("program"), "rb") as file:
                self.expect(b"/lib64/ld-linux" not in file.read(), "the program is static")
        # The device's answer goes into the log; what a broken connection cut off does not.
        code, out, err = self.tune(*words, "--remote", "sh -c", "--resume", "remote.jsonl")
        self.expect(code == 0 and "4 results" in out, f"remote: {code} {out} {err}")
        with open(self.path("remote.jsonl"), encoding="utf-8") as file:
            self.check_results(file.read(), "measured", "through sh")
        with open(self.path("cut"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nsh -c \"$1\" | head -c 1500\nexit 255\n")
        os.chmod(self.path("cut"), 0o755)
        code, _, err = self.tune(*words, "--remote", self.path("cut"), "--resume", "cut.jsonl")
        runs, results = self.read_log("cut.jsonl")
        self.expect(code == 1 and "255" in err and len(runs) == 1 and 1 <= len(results) < 4, f"cut: {code} {err}")
        self.refuse("--resume", *words, "--remote", "sh -c")
        self.refuse("--budget", *words, "--remote", "sh -c", "--resume", "remote.jsonl", "--budget", "10s")
        self.refuse("folder", *words, "--emit-remote", "no/such/folder/program")
        self.refuse("DWC_REMOTE_KIT", *words, "--emit-remote", "other", DWC_REMOTE_KIT="/no/such/folder")
        self.refuse("no/such/compiler", *words, "--emit-remote", "other", CXX="no/such/compiler")
        self.expect(not os.path.exists(self.path("other")), "nothing is left of what failed")

    def remote_arm(self):
        words = ("--problem", NLC, "--problem", NCL, "--candidates", "2", "--rounds", "3", "--min-time", "0.1",
                 "--target", "arm-64", "--emit-remote", "arm")
        code, _, err = self.tune(*words)
        if code == 2 and "no kit" in err:
            return "skipped: this build has no arm-64 kit"
        self.expect(code == 0, f"arm-64: {code} {err}")
        done = subprocess.run(["qemu-aarch64-static", self.path("arm")], capture_output=True, text=True, timeout=300)
        self.expect(done.returncode == 0, done.stderr)
        self.check_results(done.stdout, "emulated", "under qemu, found out by the program itself")
        return "done"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dwconv", required=True)
    parser.add_argument("--work", required=True)
    options = parser.parse_args()
    test = Test(os.path.abspath(options.dwconv), os.path.abspath(options.work))
    if any(shutil.which(f"llvm-mca{version}") for version in ("-19", "-20", "-21", "-22", "")):
        test.static()
    else:
        print("--cost static: skipped: llvm-mca is not installed")
    test.remote_here()
    arm = all(map(shutil.which, ("qemu-aarch64-static", "aarch64-linux-gnu-g++")))
    print("arm-64 under qemu:", test.remote_arm() if arm else "skipped: no cross compiler or no qemu")
    for failure in test.failures:
        print(failure)
    print(f"{test.checks - len(test.failures)} of {test.checks} as expected")
    return 1 if test.failures else 0


if __name__ == "__main__":
    sys.exit(main())
