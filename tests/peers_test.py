#!/usr/bin/env python3
"""bench/peers: a run of the driver with the two peers that need nothing installed, an absent and a lying one."""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent / "bench" / "peers"
PROBLEMS = """
f32_nlc_n2_l40_c17_k3_m1_s1_d2_pl4_pr0_bias_silu  # causal
f32_ncl_n1_l50_c5_k4_m2_s2_d1_pl1_pr2_nobias_linear
"""

# A peer that answers as worker.py asks, and computes nonsense.
LIAR = """
import sys
sys.path.insert(0, {root!r})
import numpy as np
import worker
class Liar:
    NAME = "liar"
    @staticmethod
    def version():
        return "0"
    @staticmethod
    def forms(case):
        def refused():
            raise worker.Refused("not this one")
        y = np.zeros(case.problem.y_shape, np.float32)
        return [("zeros", lambda: lambda: y), ("ends", lambda: sys.exit), ("refused", refused)]
worker.serve(Liar)
"""


class Peers(unittest.TestCase):
    build = None

    def drive(self, folder, *arguments, problems=PROBLEMS):
        file = folder / "problems"
        file.write_text(problems)
        return subprocess.run([sys.executable, ROOT / "drive.py", "--build", self.build, "--problems", file, "--out",
                               folder / "out", "--rounds", "2", *arguments], capture_output=True, text=True)

    def test_run(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            done = self.drive(folder, "--cache", folder, "--cold", "--peers", "dwconv,loop,onednn-3.6,jax")
            self.assertEqual(done.returncode, 0, done.stderr)
            records = [json.loads(line) for line in (folder / "out" / "peers.json").read_text().splitlines()]
            timed = [r for r in records if r["status"] == "ok"]
            # Two problems, two peers of one form each, hot and cold.
            self.assertEqual(len(timed), 8)
            for r in timed:
                self.assertGreater(r["us_min"], 0)
                self.assertLessEqual(r["us_min"], r["us_median"])
                self.assertEqual(len(r["samples_us"]), 6 if r["cache"] == "hot" else 2)
                self.assertLess(r["max_error"], 1e-5)
            absent = {r["peer"] for r in records if r["status"].startswith("not installed")}
            self.assertEqual(absent, {"onednn-3.6", "jax"})
            table = subprocess.run([sys.executable, ROOT / "table.py", folder / "out" / "peers.json"],
                                   capture_output=True, text=True)
            self.assertEqual(table.returncode, 0, table.stderr)
            self.assertIn("loop g++", table.stdout)
            self.assertIn("onednn-3.6: no times: not installed", table.stdout)
            self.assertIn("nlc, 1 thread: geometric mean", table.stdout)

    def test_wrong_results_get_no_time(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "liar.py").write_text(LIAR.format(root=str(ROOT)))
            sys.path.insert(0, str(ROOT))
            import drive
            problem = drive.Problem.parse(PROBLEMS.split()[0])
            expected = problem.reference(*drive.write_inputs(problem, folder))
            with open(folder / "log", "w") as log:
                worker = drive.Worker("liar", [sys.executable, folder / "liar.py"], {}, 1, {0}, log)
            try:
                entries = drive.prepare(worker, problem, folder, 1)
                for entry in entries:
                    if entry.status == "ok":
                        drive.compare(entry, problem, expected, folder)
                drive.time_in_turns(entries, True, 1)
            finally:
                worker.stop()
            self.assertRegex(entries[0].status, "^wrong: error")
            self.assertRegex(entries[1].status, "^failed: its process ended")
            self.assertEqual(entries[2].status, "refused: not this one")
            self.assertFalse(any(e.samples["hot"] or e.samples["cold"] for e in entries))

    def test_bad_input(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for problems, arguments, said in ((PROBLEMS, ["--peers", "nobody"], "'nobody' is none of"),
                                              (PROBLEMS, ["--threads", "0"], "must lie between 1 and"),
                                              ("f32_nlc_n1", [], "must be dense f32"), ("# none", [], "holds no problem")):
                done = self.drive(folder, *arguments, problems=problems)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr)
                self.assertFalse((folder / "out" / "peers.json").exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    Peers.build = known.build
    unittest.main(argv=[sys.argv[0], *rest])
