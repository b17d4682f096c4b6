#!/usr/bin/env python3
"""scripts/mca_table.py on loops whose share of the multiply-add bound is known, and on files that hold nothing."""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPT = os.path.join(ROOT, "scripts", "mca_table.py")
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import mca_table  # noqa: E402

FIXED = "dwc_k_channels_f32_k4_m1_s1_linear_v4_t4_arm_64"  # 16 products of 4 lanes a tile
ROLLED = "dwc_k_channels_f32_kany_m1_s1_linear_v4_t2_arm_64"


def function(name, lines):
    return [".text", f".globl {name}", f".type {name}, %function", f"{name}:", *lines, "ret", f".size {name}, .-{name}"]


def fixed(products):
    """A tile loop around these products."""
    return function(FIXED, ["1:", *products, "add x1, x1, #16", "subs x2, x2, #1", "b.ne 1b"])


def rolled():
    """Loops over tiles, full blocks of four taps and the rest, as compilers lay them out: a guard before each."""
    tap = ["fmla v0.4s, v4.4s, v5.4s", "fmla v1.4s, v4.4s, v6.4s"]
    return function(ROLLED, [
        "1:", "ldr q0, [x0]", "cmp w3, #0", "b.le 5f", "mov v1.16b, v0.16b", "mov x4, x3",
        "2:", *tap * 4, "subs x4, x4, #1", "b.ne 2b", "cbz w5, 4f",
        "6:", "mov x6, x5", "3:", *tap, "subs x6, x6, #1", "b.ne 3b",
        "4:", "stp q0, q1, [x7]", "subs x8, x8, #1", "b.ne 1b", "b 7f",
        "5:", "mov v1.16b, v0.16b", "cbnz w5, 6b", "b 4b", "7:"])


def assemble(folder, name, lines):
    source, file = (os.path.join(folder, name + end) for end in (".s", ".o"))
    with open(source, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    subprocess.run(["llvm-mc-19", "-triple=aarch64-linux", "-filetype=obj", source, "-o", file], check=True)
    return file


def run(*arguments):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def main():
    failures, checks = [], []

    def expect(condition, what):
        checks.append(what)
        if not condition:
            failures.append(what)

    with tempfile.TemporaryDirectory() as folder:
        independent = assemble(folder, "independent", fixed([f"fmla v{i}.4s, v24.4s, v25.4s" for i in range(16)]))
        chained = assemble(folder, "chained", fixed(["fmla v0.4s, v24.4s, v25.4s"] * 16))
        nest = assemble(folder, "nest", rolled())
        foreign = assemble(folder, "foreign", function("somebody_else", ["nop"]))

        common = ("--cpu", "neoverse-n1", "--on", "neoverse-n1", "--taps", "4", "--require", "80")
        code, out, err = run(independent, *common)
        share = re.search(r"v4_t4` \| (\d+) \|", out)
        expect(code == 0 and share and int(share.group(1)) > 95, f"independent products reach the bound: {out} {err}")
        code, out, err = run(chained, *common)
        share = re.search(r"v4_t4` \| (\d+) \|", out)
        # Two a cycle are possible, one every two cycles is done: the accumulator is forwarded.
        expect(code == 1 and share and int(share.group(1)) <= 25 and "80 % are required" in err,
               f"a chain of products is found and refused: {code} {out} {err}")
        code, _, err = run(foreign, *common)
        expect(code == 2 and "no kernel" in err, f"nothing to read: {code} {err}")
        code, _, err = run(independent, "--cpu", "no-such-cpu", "--taps", "4")
        expect(code == 2, f"an unknown CPU: {code} {err}")

        document = os.path.join(folder, "document.md")
        with open(document, "w", encoding="utf-8") as file:
            file.write("before\n<!-- kernels -->\nold\n<!-- end -->\n<!-- taps -->\n<!-- end -->\nafter\n")
        run(independent, *common, "--update", document)
        with open(document, encoding="utf-8") as file:
            text = file.read()
        expect("old" not in text and text.startswith("before\n<!-- kernels -->\n| kernel |") and
               text.endswith("<!-- end -->\nafter\n") and text.count("neoverse-n1") == 2,
               f"tables in a document: {text}")

        kernel = next(mca_table.kernels([nest], "llvm-objdump-19"))
        for taps in (1, 3, 4, 8, 9, 31):
            tile = kernel.tile(taps)
            done = (kernel.work(tile), sum(line.startswith("stp") for line in tile))
            expect(done == (taps * 8, 1), f"a tile of {taps} taps: {done}")
    for failure in failures:
        print(failure)
    print(f"{len(checks) - len(failures)} of {len(checks)} as expected")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
