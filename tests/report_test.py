#!/usr/bin/env python3
"""`dwconv report`: the page that it makes of records, what it finds between two runs, and what it refuses.

    report_test.py --dwconv PROGRAM --data tests/data/report
"""
import argparse
import json
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

PROBLEMS = [f"f32_{layout}_n1_l{length}_c64_k{k}_m1_s1_d1_pl{k - 1}_pr0_bias_linear"
            for layout in ("nlc", "ncl") for length in (128, 512, 2048) for k in (3, 7)]
HOSTILE = "<script>alert('x')</script>&\"<!--records-->\x01"


def machine(**changes):
    origin = {"cpu": "Test CPU", "gpu": None, "isa": "x86-64-avx2", "emulated": False, "date": "2026-01-01T00:00:00Z",
              "dwconv": "0.1.0", "command": "dwconv bench --json", "repeats": 31, "pinned_cpu": 1,
              "machine": {"caches": {"L1": "32K"}, "governor": None}}
    origin.update(changes)
    return origin


def record(problem, samples, origin, **changes):
    ordered = sorted(samples)
    line = {"problem": problem, "variant": "channels_f32_k3@x86-64-avx2", "target": "x86-64-avx2", "threads": 1,
            "us_min": ordered[0], "us_median": ordered[len(ordered) // 2], "samples_us": samples, "level": "L2",
            "roof_us": 5.0, "roof_copy_gbs": 80.0, "roof_fma_gflops": 100.0, "max_error": 0, "provenance": origin}
    line.update(changes)
    return line


def run(seed, date, factors=None, **changes):
    """Records of a machine whose samples scatter by 3 % with a burst of slow ones, times a factor for some problems."""
    noise = random.Random(seed)
    origin = machine(date=date, **changes)
    lines = []
    for index, problem in enumerate(PROBLEMS):
        base = 10.0 * (index + 1) * (factors or {}).get(problem, 1.0)
        samples = [base * math.exp(abs(noise.gauss(0, 0.03))) for _ in range(31)]
        burst = noise.randrange(0, 26)
        samples[burst:burst + 4] = [2 * s for s in samples[burst:burst + 4]]
        lines.append(record(problem, samples, origin))
    return lines


def peer(name, problem, samples, version="1.0", **changes):
    line = {"problem": problem, "peer": name, "version": version, "form": "plain", "threads": 1, "cache": "hot",
            "status": "ok", "us_min": min(samples), "us_median": sorted(samples)[len(samples) // 2],
            "samples_us": samples, "max_error": 1e-7, "machine": {"cpu": "Test CPU", "cpus": 2, "isa": "best"}}
    line.update(changes)
    return line


class Page(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, lines):
        text = lines if isinstance(lines, str) else "".join(json.dumps(line) + "\n" for line in lines)
        (self.path / name).write_text(text)
        return self.path / name

    def call(self, *files, out="page.html"):
        command = [OPTIONS.dwconv, "report", *map(str, files), "-o", str(self.path / out)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def page(self, *files):
        done = self.call(*files)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text = (self.path / "page.html").read_text()
        tree = ElementTree.fromstring(text)  # every element closed, every character escaped
        self.check_alone(text, tree)
        return text, tree

    def check_alone(self, text, tree):
        for element in tree.iter():
            for name in ("src", "href", "srcset", "data", "action"):
                self.assertTrue(element.get(name, "#").startswith("#"), (element.tag, element.attrib))
            self.assertNotIn(element.tag, ("link", "iframe", "object", "img"))
        self.assertNotRegex(text, r"url\(|@import|https?:|fetch\(")
        self.assertEqual(len(re.findall("<script", text)), 1)

    def section(self, tree, name):
        """The elements between a heading and the next."""
        main = tree.find(".//main")
        found = None
        for element in main:
            if element.tag == "h2":
                if found is not None:
                    break
                found = [] if element.get("id") == name else None
            elif found is not None:
                found.append(element)
        self.assertIsNotNone(found, name)
        return found

    def words(self, tree, name):
        return " ".join(" ".join("".join(e.itertext()).split()) for e in self.section(tree, name))

    def rows(self, tree, name):
        return [["".join(cell.itertext()) for cell in row] for e in self.section(tree, name) for row in e.iter("tr")]

    def test_every_record_has_a_row_a_bar_and_a_point(self):
        text, tree = self.page(self.write("a.json", run(1, "2026-01-01T00:00:00Z")))
        self.assertEqual(len(self.rows(tree, "records")), 1 + len(PROBLEMS))
        bars = [e for s in self.section(tree, "workloads") for e in s.iter("span") if e.get("class") == "ours"]
        self.assertEqual(len(bars), len(PROBLEMS))
        titles = [e.text for s in self.section(tree, "roofline") for e in s.iter("title")]
        self.assertEqual(sorted(t.split(":")[0] for t in titles), sorted(PROBLEMS))
        self.assertIn("L2 80.0 GB/s", self.words(tree, "roofline"))
        self.assertIn("No machine was measured twice", self.words(tree, "changes"))
        # 2 * 128 * 64 * 3 flops in the first problem's time
        us = json.loads((self.path / "a.json").read_text().splitlines()[0])["us_median"]
        self.assertIn(f"{2 * 128 * 64 * 3 / us * 1e-3:.2f}", self.rows(tree, "records")[1])
        for fact in ("Test CPU", "2026-01-01T00:00:00Z", "caches", "L1 32K", "not known"):
            self.assertIn(fact, self.words(tree, "runs"))

    def verdicts(self, before, after):
        _, tree = self.page(self.write("a.json", before), self.write("b.json", after))
        rows = self.rows(tree, "changes")
        column = rows[0].index("verdict")
        title = [row for e in self.section(tree, "changes") for row in e.iter("td") if row.get("title")]
        self.assertEqual(len(title), len(rows) - 1)
        return {cell.get("title"): row[column] for cell, row in zip(title, rows[1:])}

    def test_noise_is_no_change(self):
        for seed in range(5):
            verdicts = self.verdicts(run(2 * seed, "2026-01-01T00:00:00Z"), run(2 * seed + 1, "2026-01-02T00:00:00Z"))
            self.assertEqual(set(verdicts.values()), {"no change"}, seed)
            self.assertEqual(len(verdicts), len(PROBLEMS))

    def test_a_known_effect_is_found_and_nothing_else(self):
        factors = {PROBLEMS[2]: 1.25, PROBLEMS[7]: 0.8}
        # The later one counts as after, in whatever order the files stand.
        verdicts = self.verdicts(run(11, "2026-01-02T00:00:00Z", factors), run(10, "2026-01-01T00:00:00Z"))
        self.assertEqual(verdicts.pop(PROBLEMS[2]), "slower")
        self.assertEqual(verdicts.pop(PROBLEMS[7]), "faster")
        self.assertEqual(set(verdicts.values()), {"no change"})

    def test_a_machine_that_moved_as_a_whole_is_noise(self):
        slower = run(11, "2026-01-02T00:00:00Z", {problem: 1.1 for problem in PROBLEMS})
        for line in slower:
            line["roof_us"] *= 1.2
        self.assertEqual(set(self.verdicts(run(10, "2026-01-01T00:00:00Z"), slower).values()), {"no change"})

    def test_few_samples_or_none_prove_nothing(self):
        few, none = [run(seed, f"2026-01-0{seed}T00:00:00Z", {PROBLEMS[0]: seed}) for seed in (1, 2)], []
        for lines in few:
            for line in lines:
                line["samples_us"] = line["samples_us"][:3]
        self.assertNotIn("slower", self.verdicts(*few).values())
        for lines in few:
            none.append([{k: v for k, v in line.items() if k != "samples_us"} for line in lines])
        self.assertEqual(set(self.verdicts(*none).values()), {"no samples"})

    def test_other_machines_and_targets_are_not_compared(self):
        files = [self.write("a.json", run(1, "2026-01-01T00:00:00Z")),
                 self.write("b.json", run(2, "2026-01-02T00:00:00Z", cpu="Other CPU")),
                 self.write("c.json", run(3, "2026-01-03T00:00:00Z", command="bench --force-target x86-64-sse41"))]
        _, tree = self.page(*files)
        self.assertIn("No machine was measured twice", self.words(tree, "changes"))
        self.assertIn("Test CPU, x86-64-sse41", self.words(tree, "runs"))

    def test_emulated_runs_stand_apart(self):
        emulated = run(2, "2026-01-02T00:00:00Z", emulated=True)
        for line in emulated:
            line["us_median"] = 54321.0
        _, tree = self.page(self.write("a.json", run(1, "2026-01-01T00:00:00Z")), self.write("b.json", emulated))
        self.assertEqual(len(self.rows(tree, "emulated")), 1 + len(PROBLEMS))
        self.assertIn("emulated", self.words(tree, "runs"))
        for section in ("roofline", "workloads", "changes"):
            self.assertNotIn("54321", self.words(tree, section))
            self.assertNotRegex(self.words(tree, section), r"\bB\b")
        for row in self.rows(tree, "records"):
            if "54321" in row:
                self.assertIn("emulated", row[0])

    def test_peers_their_ratios_and_gaps(self):
        lines = [peer("dwconv", PROBLEMS[0], [4.0, 4.0, 4.0]), peer("oneDNN", PROBLEMS[0], [12.0, 12.0, 12.0]),
                 peer("oneDNN", PROBLEMS[0], [10.0, 10.0, 10.0], form="blocked"),
                 # another form of a peer that has a time: no gap
                 peer("oneDNN", PROBLEMS[0], [1.0], form="winograd", status="refused: not this shape", us_min=None,
                      us_median=None, samples_us=[]),
                 {"problem": PROBLEMS[0], "peer": "xnnpack", "threads": 1, "status": "not installed: no such package",
                  "machine": {"cpu": "Test CPU", "cpus": 2, "isa": "best"}}]
        _, tree = self.page(self.write("peers.json", lines))
        bars = self.words(tree, "workloads")
        self.assertIn("oneDNN 1.0", bars)
        self.assertIn("2.50×", bars)
        self.assertIn("not installed: no such package", bars)
        self.assertEqual(self.rows(tree, "gaps")[1:], [["A", "xnnpack", "not installed: no such package", "1"]])

    def test_overheads(self):
        line = {"problem": PROBLEMS[0], "variant": "v", "threads": 1, "plan_us": 7.25, "execute_ns": 61.5,
                "kernel_calls": 2, "us_median": 1.0, "provenance": machine()}
        _, tree = self.page(self.write("a.json", [line]))
        self.assertEqual(self.rows(tree, "overheads")[1][2:5], ["7.25", "61.5", "2.00"])

    def test_hostile_strings_stay_text(self):
        lines = run(1, "2026-01-01T00:00:00Z", cpu=HOSTILE, command=HOSTILE, compiler=HOSTILE)
        lines[0].update(variant=HOSTILE, level=HOSTILE)
        peers = [peer(HOSTILE, PROBLEMS[0], [1.0, 1.0], version=HOSTILE, form=HOSTILE),
                 peer("gone", PROBLEMS[0], [1.0], status=HOSTILE)]
        text, tree = self.page(self.write("a.json", lines), self.write("peers.json", peers))
        self.assertIn("<script>alert('x')</script>&\"<!--records-->", self.words(tree, "runs"))
        self.assertNotIn("<script>alert", text)
        self.assertEqual(len(self.rows(tree, "records")), 1 + len(PROBLEMS) + 1)

    def test_what_is_wrong_is_said_in_one_sentence(self):
        good = record(PROBLEMS[0], [1.0, 2.0], machine())
        cases = [("", "holds no record"), ("\n \n", "holds no record"), ("nonsense\n", "bad.json:1: "),
                 ("[1, 2]\n", "bad.json:1: "), (json.dumps(good) + "\n{\"a\": 1}\n", "bad.json:2: "),
                 ([{**good, "problem": "nonsense"}], "nonsense"), ([{**good, "problem": 7}], "must be a string"),
                 ([{**good, "threads": 0}], "threads"), ([{**good, "threads": "many"}], "threads"),
                 ([{**good, "us_median": 0}], "us_median"), ([{**good, "us_median": "1"}], "us_median"),
                 ([{**good, "us_median": -1}], "us_median"), ([{**good, "samples_us": [1, "x"]}], "samples_us"),
                 ([{**good, "samples_us": [1, 0]}], "samples_us"), ([{**good, "provenance": 3}], "provenance"),
                 ([{k: v for k, v in good.items() if k != "provenance"}], "provenance"),
                 ([{**good, "provenance": {"cpu": []}}], "cpu"),
                 ([{**good, "provenance": machine(emulated="no")}], "emulated"),
                 ([{**good, "against": "x"}], "--against"),
                 (json.dumps(good).replace("Test", "\\ud800"), "bad.json:1: ")]
        for lines, part in cases:
            done = self.call(self.write("bad.json", lines))
            self.assertEqual((done.returncode, done.stdout), (2, ""), (lines, done.stderr))
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(part, done.stderr)
        (self.path / "bad.json").write_bytes(json.dumps(good).encode().replace(b"Test", b"\xff"))
        self.assertEqual(self.call(self.path / "bad.json").returncode, 2)
        self.assertEqual([p.name for p in self.path.iterdir()], ["bad.json"])

    def test_files_that_cannot_be(self):
        good = self.write("good.json", [record(PROBLEMS[0], [1.0, 2.0], machine())])
        before = good.read_text()
        for files, out, part in (((self.path / "missing.json",), "p.html", "missing.json"),
                                 ((self.path,), "p.html", "cannot be read"), ((good,), "no/such/p.html", "cannot be written"), ((good,), "good.json", "is read"),
                                 ((), "p.html", "FILE")):
            done = self.call(*files, out=out)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(part, done.stderr)
        self.assertEqual(good.read_text(), before)
        self.assertEqual([p.name for p in self.path.iterdir()], ["good.json"])

    def test_the_page_is_the_same_again(self):
        files = [self.write(f"{seed}.json", run(seed, f"2026-01-0{seed}T00:00:00Z")) for seed in (1, 2)]
        self.assertEqual(self.page(*files)[0], self.page(*files)[0])

    def test_committed_records(self):
        """Two targets of one machine, an emulated ARM core, and peers, as the programs wrote them."""
        files = sorted(pathlib.Path(OPTIONS.data).glob("*.json"))
        self.assertEqual([f.name for f in files], ["arm-64-qemu.json", "avx2.json", "avx512.json", "peers.json"])
        _, tree = self.page(*files)
        bars = self.words(tree, "workloads")
        for peer_name in ("dwconv", "oneDNN"):
            self.assertIn(peer_name, bars)
        self.assertIn("arm-64", self.words(tree, "emulated"))
        self.assertNotIn("arm-64", self.words(tree, "roofline"))
        for file in files:
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            timed = sum(bool(line.get("us_median")) and "execute_ns" not in line for line in lines)
            name = "ABCD"[files.index(file)]
            shown = sum(row[0].split(",")[0] == name for row in self.rows(tree, "records"))
            self.assertEqual(shown, timed, file.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dwconv", required=True)
    parser.add_argument("--data", required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
