#!/usr/bin/env python3
"""`dwconv emit`: folders are emitted, compiled by each target's compiler, run, compared and weighed.

    emit_test.py --dwconv PROGRAM --library LIBDWCONV --cc CC --cxx CXX --work FOLDER [--only NAME]
    parts whose compilers or emulators are missing are skipped in words
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODELS = os.path.join(ROOT, "tests/data/keras_oracle/models")
ARM_CC, ARM_RUN = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"
LIMIT = 100 * 1024  # bytes of code a layer
WARNINGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]


class Test:
    def __init__(self, args):
        self.args, self.failures, self.checks = args, [], 0
        shutil.rmtree(args.work, ignore_errors=True)
        os.makedirs(args.work)

    def expect(self, condition, what):
        self.checks += 1
        if not condition:
            self.failures.append(what)

    def call(self, words, **environment):
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.args.work,
                              env=dict(os.environ, **environment), timeout=500)
        return done.returncode, done.stdout, done.stderr

    def must(self, words):
        code, out, err = self.call(words)
        self.expect(code == 0, f"{' '.join(words)}: exit {code}: {out}{err}")
        return out

    def emit(self, folder, *words):
        """The lines of --json."""
        out = self.must([self.args.dwconv, "emit", "-o", folder, "--json", *words])
        return [json.loads(line) for line in out.splitlines()]

    def path(self, name):
        return os.path.join(self.args.work, name)

    def build(self, compiler, folder, targets, main, output, *more):
        """Compiles the folder's own sources with `main`; the bytes of code of the folder's part."""
        name = os.path.basename(folder)
        sources = [s for s in glob.glob(f"{self.path(folder)}/{name}*.c")]
        objects = []
        for source in sources:
            objects.append(source[:-2] + f".{os.path.basename(compiler)}.o")
            self.must([compiler, *WARNINGS, "-c", source, "-o", objects[-1]])
        archives = [a for t in targets for a in sorted(glob.glob(f"{self.path(folder)}/lib/{t}/*.a"))]
        self.expect(bool(archives), f"{folder}: archives of {targets}")
        self.must([compiler, *WARNINGS, "-I", self.path(folder), *main, *objects, *archives, *more, "-o",
                   self.path(output), "-lm"])
        prefix = "aarch64-linux-gnu-" if "aarch64" in compiler else ""
        sizes = self.must([prefix + "size", "-t", *objects, *archives])
        return int(sizes.splitlines()[-1].split()[0])

    def run_example(self, folder, compiler, targets, run=()):
        text = self.build(compiler, folder, targets, [self.path(folder) + "/example.c"], folder + ".example")
        out = self.must([*run, self.path(folder + ".example")])
        self.expect("max error" in out, f"{folder}: {out}")
        error = float(out.splitlines()[-1].split()[2].rstrip(","))
        self.expect(error <= 1e-5, f"{folder}: error {error}")
        print(f"{folder}: {'+'.join(targets)}: {out.splitlines()[-1]}; {text} bytes with tables and dispatch")
        return text, out

    def here(self):
        """Targets that this CPU runs, best first."""
        out = self.must([self.args.dwconv, "list", "--json"])
        return [t["name"] for t in map(json.loads, out.splitlines()) if t["type"] == "target" and t["supported"]]

    def x86(self):
        """From real Keras files, three targets behind one header; what is chosen is what the CPU runs."""
        each = ["x86-64-avx512-intel", "x86-64-avx512", "x86-64-avx2"]
        if not set(each) & set(self.here()):
            return print("SKIPPED: x86: this CPU runs neither AVX2 nor AVX-512")
        words = [w for t in reversed(each) for w in ("--target", t)]
        lines = self.emit("nested", "--model", f"{MODELS}/nested.keras", "--length", "40", *words)
        names = {line["function"] for line in lines}
        self.expect(names == {"nested_depthwise_conv1d_1", "nested_pub_inner_depthwise_conv1d",
                              "nested_depthwise_conv1d_2"}, f"names {names}")
        self.expect(len(lines) == 9 and all(0 < line["code_bytes"] <= LIMIT for line in lines), f"{lines}")
        text, out = self.run_example("nested", self.args.cc, each)
        best = [t for t in self.here() if t in each][0]
        self.expect(out.count(f" on {best}: ") == 3, f"dispatch to {best}: {out}")
        self.expect(text <= LIMIT * 9, f"nested: {text} bytes")
        # An emulated CPU without AVX-512 gets AVX2, one without either a status and a sentence.
        emulator = shutil.which("qemu-x86_64-static")
        if emulator:
            code, out, _ = self.call([emulator, "-cpu", "max", self.path("nested.example")])
            self.expect(code == 0 and out.count(" on x86-64-avx2: ") == 3, f"emulated AVX2: {code} {out}")
            code, _, err = self.call([emulator, "-cpu", "Nehalem", self.path("nested.example")])
            self.expect(code == 1 and "runs none of the targets" in err, f"emulated Nehalem: {code} {err}")
        # Weights baked in, one layer, one target, another name. Tiles for one maker's cores run on every other's.
        alone = each[0] if each[1] in self.here() else best
        lines = self.emit("baked", "--model", f"{MODELS}/seq_multi.keras", "--layer", "pub_first", "--embed-weights",
                          "--length", "33", "--batch", "3", "--target", alone)
        self.expect(len(lines) == 1 and "_n3_l33_" in lines[0]["problem"], f"{lines}")
        text, out = self.run_example("baked", self.args.cc, [alone])
        self.expect(f" on {alone}: " in out, f"baked: {out}")
        with open(self.path("baked/baked.c")) as source:
            self.expect("cpu_is" not in source.read(), "baked: asks for the maker of the CPU")
        self.expect(text <= LIMIT, f"baked: {text} bytes")

    def arm(self):
        if not shutil.which(ARM_CC) or not shutil.which(ARM_RUN):
            return print(f"SKIPPED: arm: {ARM_CC} or {ARM_RUN} is not installed")
        lines = self.emit("for_arm", "--model", f"{MODELS}/functional.keras", "--length", "40", "--target",
                          "arm-64-linux")
        self.expect(len(lines) == 3 and all(line["target"] == "arm-64" for line in lines), f"{lines}")
        run = [ARM_RUN, "-L", "/usr/aarch64-linux-gnu"]
        text, _ = self.run_example("for_arm", ARM_CC, ["arm-64"], run)
        self.expect(text <= LIMIT * 3, f"for_arm: {text} bytes")
        self.emit("grid_arm", "--problems", f"{ROOT}/tests/emit/grid.problems", "--target", "arm-64")
        self.run_example("grid_arm", ARM_CC, ["arm-64"], run)

    def grid(self):
        """Against the library, to the bit; guards around every array."""
        best = self.here()[0]
        lines = self.emit("grid", "--problems", f"{ROOT}/tests/emit/grid.problems")
        self.expect({line["target"] for line in lines} == {best}, f"{lines}")
        self.expect({line["kernel"].split("_")[0] for line in lines} == {"channels", "width", "flat"}, "families")
        self.run_example("grid", self.args.cc, [best])
        compare = [f"{ROOT}/tests/emit/compare.c", "-DNAME=grid", '-DNAME_H="grid.h"', "-DLAYERS=GRID_LAYERS", "-I",
                   f"{ROOT}/include"]
        self.build(self.args.cc, "grid", [best], compare, "compare", self.args.library, "-lstdc++", "-lpthread", "-ldl")
        print(self.must([self.path("compare")]).strip())
        for archive in glob.glob(f"{self.path('grid')}/lib/*/*.a"):
            symbols = self.must(["nm", "-g", archive]).split("\n")
            imports = [s.split()[1] for s in symbols if s.strip().startswith("U ")]
            self.expect(not [i for i in imports if i not in ("memcpy", "memset")], f"{archive}: imports {imports}")
            defined = [s.split()[2] for s in symbols if len(s.split()) == 3]
            self.expect(defined and all(s.startswith("grid_") for s in defined), f"{archive}: defines {defined}")

    def cmake(self):
        """The folder's own build, as a user would run it; the example is its test."""
        if not self.args.cmake:
            return
        self.emit("built", "--problem", "f32_nlc_n1_l40_c16_k3_m1_s1_d1_pl1_pr1_bias_relu")
        folder = self.path("built")
        self.must([self.args.cmake, "-S", folder, "-B", folder + "/build", f"-DCMAKE_C_COMPILER={self.args.cc}"])
        self.must([self.args.cmake, "--build", folder + "/build"])
        self.expect("max error" in self.must([folder + "/build/example"]), "example of the CMake build")
        code, _, err = self.call([self.args.dwconv, "emit", "-o", "built", "--problem",
                                  "f32_nlc_n1_l40_c16_k3_m1_s1_d1_pl1_pr1_bias_relu"])
        self.expect(code == 2 and "--force" in err and os.path.exists(folder + "/build/example"), f"kept: {err}")
        self.emit("built", "--force", "--problem", "f32_nlc_n1_l40_c16_k3_m1_s1_d1_pl1_pr1_bias_linear")
        self.expect(not os.path.exists(folder + "/build"), "replaced as a whole")

    def names(self):
        """Names that C, the header or another layer has already get a number; the folder's name is the default."""
        problem = "f32_nlc_n1_l9_c2_k1_m1_s1_d1_pl0_pr0_nobias_linear"
        for name in ("Target", "layer", "3 d-layer", "h"):
            self.config(f"{name}.json", {"name": name, "kernel_size": 1, "activation": "relu", "use_bias": False})
        self.ones("named.npy")
        config = ["--kernel", "named.npy", "--length", "9", "--config"]
        for layer, more, wanted in (("Target", [], ["Target_2"]), ("layer", ["--problem", problem], ["layer", "layer_2"]),
                                    ("h", ["--problem", problem] * 2, ["h_2", "layer1", "layer2"])):
            lines = self.emit("named/", *config, layer + ".json", *more, "--force")
            self.expect([line["function"] for line in lines] == ["named_" + w for w in wanted], f"{wanted}: {lines}")
            self.run_example("named", self.args.cc, [lines[0]["target"]])
        lines = self.emit("twice", "--problem", problem, "--target", lines[0]["target"], "--target", lines[0]["target"])
        self.expect(len(lines) == 1, f"a target that is named twice: {lines}")
        self.expect(os.stat(self.path("named")).st_mode & 0o777 == 0o755, "who may read the folder")
        out = self.must([self.args.dwconv, "emit", "-o", "named", "--force", "--name", "x" * 60, *config, "3 d-layer.json"])
        self.expect("x" * 60 + "__3_d_layer" in out and "cmake -S named -B" in out, out)
        self.refuse("60 characters", "--problem", problem, "--name", "x" * 61)

    def config(self, file, content):
        with open(self.path(file), "w", encoding="utf-8") as out:
            json.dump(content, out)

    def ones(self, file):
        """A kernel of one tap and two channels."""
        with open(self.path(file), "wb") as out:
            header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 1), }"
            header += " " * (-(len(header) + 11) % 64) + "\n"
            out.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\0\0\x80\x3f" * 2)

    def refuse(self, word, *words, **environment):
        code, out, err = self.call([self.args.dwconv, "emit", "-o", "refused", *words], **environment)
        self.expect(code == 2 and word in err and err.count("\n") == 1, f"{words}: exit {code}, {err!r} without {word!r}")
        self.expect(not os.path.exists(self.path("refused")), f"{words}: left a folder")

    def refusals(self):
        problem = "f32_nlc_n1_l40_c16_k3_m1_s1_d1_pl1_pr1_bias_linear"
        model = f"{MODELS}/seq_multi.keras"
        self.refuse("nothing to emit")
        self.refuse("pub_nowhere", "--model", model, "--length", "9", "--layer", "pub_nowhere")
        self.refuse("no such target", "--problem", problem, "--target", "pdp-11")
        self.refuse("for CPUs only", "--problem", problem, "--target", "cuda")
        self.refuse("float32", "--problem", "bf16" + problem[3:])
        self.refuse("state", "--problem", problem.replace("pl1_pr1", "pl2_pr0") + "_state")
        self.refuse("dense", "--problem", problem + "_xs900.20.1")
        self.refuse("dense", "--problem", problem + "_ys900.20.1")
        self.refuse("empty", "--problem", problem.replace("l40", "l0"))
        self.refuse("no weights", "--problem", problem, "--embed-weights")
        self.refuse("float64", "--model", f"{MODELS}/float64.keras", "--length", "9")
        self.refuse("C identifier", "--problem", problem, "--name", "9 lives")
        self.refuse("DWC_GENERATOR", "--problem", problem, DWC_GENERATOR="/no/such/program")
        self.refuse("--config needs --kernel", "--config", "layer.json")
        self.refuse("scratch", "--problem", "f32_ncl_n1_l100_c1_k100000_m1_s1_d1_pl99999_pr0_nobias_linear")
        self.config("softmax.json", {"kernel_size": 1, "activation": "softmax", "use_bias": False})
        self.ones("ones.npy")
        self.refuse("softmax", "--config", "softmax.json", "--kernel", "ones.npy", "--length", "9")
        # A generator that fails is no fault of the request, and leaves nothing.
        code, _, err = self.call([self.args.dwconv, "emit", "-o", "refused", "--problem", problem],
                                 DWC_GENERATOR=shutil.which("false"))
        self.expect(code == 1 and "made no kernel" in err and not glob.glob(self.path("refused*")), f"{code} {err}")
        for folder, word in (("ones.npy", "no folder"), ("nowhere/refused", "does not exist")):
            code, _, err = self.call([self.args.dwconv, "emit", "-o", folder, "--force", "--problem", problem])
            self.expect(code == 2 and word in err, f"-o {folder}: {code} {err}")
        # What is there stays, whatever --force says, unless emit wrote it.
        os.makedirs(self.path("mine/precious"))
        for force in ([], ["--force"]):
            code, _, err = self.call([self.args.dwconv, "emit", "-o", "mine", *force, "--problem", problem])
            self.expect(code == 2 and os.path.isdir(self.path("mine/precious")), f"mine {force}: {code} {err}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("dwconv", "library", "cc", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--cmake")
    parser.add_argument("--only", help="one part: x86, arm, grid, cmake, names, refusals")
    test = Test(parser.parse_args())
    for part in [test.args.only] if test.args.only else ["x86", "arm", "grid", "cmake", "names", "refusals"]:
        getattr(test, part)()
    for failure in test.failures:
        print("FAILED:", failure)
    print(f"{test.checks} checks, {len(test.failures)} failed")
    return 1 if test.failures or test.checks == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
