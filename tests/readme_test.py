#!/usr/bin/env python3
"""Runs what the README shows, so that it stays true.

  readme_test.py --readme README.md --root . --build build/dev --work SCRATCH --cmake cmake --ninja ninja
  readme_test.py --self-test

Conventions of the README, by the word after a code fence:

  console   `$ command` lines run in order under bash, in a scratch directory that shows the repository's top-level
            files and folders, with the built `dwconv` first on PATH. A trailing backslash continues a command. The
            lines after a command are its output, standard output and error together. A line `...` stands for any
            lines, `...` within a line for any text. Numbers with a unit of time or speed (12.3 us, 4 GF/s, 0.5 s, 80 %) match any
            such number; runs of blanks are one blank. A command without output lines may print anything. It must exit
            with 0, or with N where the line above the fence's end or the next command reads `[exit N]`. Commands that
            start with `scripts/` or `git clone` are not run, but the script must be there.
  c, cpp    A block with a main function is a whole program: compiled as C11 or C++17 with warnings as errors, linked
            to an installed copy of the library (dwconv::dwconv, and dwconv::keras where it includes keras.hpp), and
            run. A `text` block right after it is its output, matched as above.
  r         A whole script, run by Rscript in the scratch directory; skipped, and said so, where there is no R. A `text`
            block right after it is its output.
  anything else is left alone.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

UNIT = r"(?:us|µs|ns|ms|s|seconds?|GF/s|GFLOP/s|GB/s|%)"
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)? ?(?=" + UNIT + r"(?![\w/]))")


def blocks(text):
    """Yields (language, line number, lines, what stands between the previous block and this one)."""
    fence = re.compile(r"^```(\w*).*$")
    language, start, body, between = None, 0, [], []
    for number, line in enumerate(text.splitlines(), 1):
        match = fence.match(line)
        if match and language is None:
            language, start, body = match.group(1), number, []
        elif match:
            yield language, start, body, "\n".join(between)
            language, between = None, []
        elif language is None:
            between.append(line)
        else:
            body.append(line)
    if language is not None:
        raise SystemExit(f"line {start}: the code fence is never closed")


def normal(line):
    return NUMBER.sub("# ", re.sub(r"\s+", " ", line)).strip()


def line_matches(wanted, got):
    pattern = ".*".join(re.escape(part) for part in normal(wanted).split("..."))
    return re.fullmatch(pattern, normal(got)) is not None


def matches(wanted, got):
    """Whether the lines `got` are as `wanted` says, where a line `...` stands for any number of lines."""
    if not wanted:
        return not got
    if wanted[0].strip() == "...":
        return any(matches(wanted[1:], got[skip:]) for skip in range(len(got) + 1))
    return bool(got) and line_matches(wanted[0], got[0]) and matches(wanted[1:], got[1:])


def trimmed(text):
    """Lines of `text` without blank ones at both ends."""
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    return lines


def commands(lines):
    """Yields (command, output lines, exit status) of a console block."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append([line[2:], [], 0])
        elif not found:
            raise SystemExit(f"a console block starts with output: {line}")
        elif not found[-1][1] and found[-1][0].endswith("\\"):
            found[-1][0] = found[-1][0][:-1] + line.strip()
        elif re.fullmatch(r"\[exit \d+\]", line):
            found[-1][2] = int(line[6:-1])
        else:
            found[-1][1].append(line)
    return found


class Runner:
    def __init__(self, args):
        self.args = args
        self.failures = 0
        self.ran = 0
        self.root = pathlib.Path(args.root).resolve()
        self.work = pathlib.Path(args.work).resolve()
        self.prefix = self.work / "prefix"
        self.scratch = self.work / "here"
        self.scratch.mkdir(parents=True, exist_ok=True)
        for old in self.scratch.iterdir():
            if old.is_symlink() or old.is_file():
                old.unlink()
            else:
                shutil.rmtree(old)
        for entry in self.root.iterdir():
            if entry.name not in ("build", ".git"):
                (self.scratch / entry.name).symlink_to(entry)
        self.call([args.cmake, "--install", args.build, "--prefix", str(self.prefix)])
        self.env = dict(os.environ, PATH=f"{self.prefix}/bin:{os.environ['PATH']}")

    def call(self, command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} exits with {done.returncode}:\n{done.stdout}")

    def check(self, what, done, wanted, status=0):
        self.ran += 1
        wanted, got = trimmed("\n".join(wanted)), trimmed(done.stdout)
        if done.returncode != status:
            problem = f"exits with {done.returncode}, not {status}"
        elif wanted and not matches(wanted, got):
            problem = "prints something else"
        else:
            print(f"ok: {what}")
            return
        self.failures += 1
        print(f"FAILED: {what}\n  {problem}\n  wanted:", *wanted, "  got:", *got, sep="\n    ")

    def run(self, command):
        return subprocess.run(command, cwd=self.scratch, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=600)

    def console(self, line, lines):
        for command, output, status in commands(lines):
            what = f"line {line}: {command}"
            if command.startswith("git clone "):
                continue
            if command.startswith("scripts/"):
                self.check(what, self.run(["test", "-x", command.split()[0]]), [])
            else:
                self.check(what, self.run(["bash", "-c", command]), output, status)

    def r_script(self, line, lines, output):
        if not shutil.which("Rscript"):
            print(f"SKIPPED: line {line}: r script (Rscript is not installed)")
            return
        script = self.work / f"line_{line}.R"
        script.write_text("\n".join(lines) + "\n")
        self.check(f"line {line}: r script", self.run(["Rscript", "--vanilla", str(script)]), output)

    def programs(self, snippets):
        """Builds all whole programs in one user's project and runs each."""
        folder = self.work / "programs"
        folder.mkdir(exist_ok=True)
        keras = any("dwconv/keras.hpp" in "\n".join(lines) for _, _, lines, _ in snippets)
        cmake = ["cmake_minimum_required(VERSION 3.28)", "project(readme LANGUAGES C CXX)",
                 "set(CMAKE_C_STANDARD 11)", "set(CMAKE_CXX_STANDARD 17)", "set(CMAKE_C_EXTENSIONS OFF)",
                 "set(CMAKE_CXX_EXTENSIONS OFF)", "add_compile_options(-Wall -Wextra -Werror)",
                 f"find_package(dwconv CONFIG REQUIRED{' COMPONENTS keras' if keras else ''})"]
        for language, line, lines, _ in snippets:
            name = f"line_{line}"
            (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n")
            library = "keras" if "dwconv/keras.hpp" in "\n".join(lines) else "dwconv"
            cmake += [f"add_executable({name} {name}.{language})",
                      f"target_link_libraries({name} PRIVATE dwconv::{library})"]
        (folder / "CMakeLists.txt").write_text("\n".join(cmake) + "\n")
        self.call([self.args.cmake, "-S", str(folder), "-B", str(folder / "build"), "-G", "Ninja", "--fresh",
                   f"-DCMAKE_MAKE_PROGRAM={self.args.ninja}", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                   "-DCMAKE_BUILD_TYPE=Release"] + self.args.cmake_args)
        self.call([self.args.cmake, "--build", str(folder / "build")])
        for language, line, _, output in snippets:
            self.check(f"line {line}: {language} program", self.run([str(folder / "build" / f"line_{line}")]), output)


def readme(args):
    runner = Runner(args)
    found = list(blocks(pathlib.Path(args.readme).read_text(encoding="utf-8")))
    snippets = []
    for index, (language, line, lines, _) in enumerate(found):
        after = found[index + 1] if index + 1 < len(found) else None
        output = after[2] if after and after[0] == "text" and not after[3].strip() else []
        if language == "console":
            runner.console(line, lines)
        elif language == "r":
            runner.r_script(line, lines, output)
        elif language in ("c", "cpp") and re.search(r"\bint main\(", "\n".join(lines)):
            snippets.append((language, line, lines, output))
    if snippets:
        runner.programs(snippets)
    print(f"{runner.ran} commands and programs, {runner.failures} failed")
    if runner.ran == 0:
        raise SystemExit("the README shows nothing to run")
    return 1 if runner.failures else 0


def self_test():
    """The comparison accepts what it should and, above all, refuses the rest."""
    good = [(["a", "b"], ["a", "b"]), (["a", "...", "z"], ["a", "x", "y", "z"]), (["...", "z"], ["z"]),
            (["took 12.5 us at 3 GF/s"], ["took 9 us at 44.1  GF/s"]), (["kernel ...@avx2"], ["kernel k4@avx2"]),
            (["95 % of it"], ["7.1 % of it"])]
    bad = [(["a"], ["b"]), (["a"], []), ([], ["a"]), (["a", "...", "z"], ["a", "x"]),
           (["max error 1e-7"], ["max error 1e-3"]),
           (["3 passed"], ["2 passed"]), (["12.5 us"], ["12.5 kB"]), (["kernel ...@avx2"], ["kernel k4@avx512"])]
    wrong = [case for case in good if not matches(*case)] + [case for case in bad if matches(*case)]
    parsed = commands(["$ a \\", "  b", "out", "$ c", "[exit 2]"])
    if parsed != [["a b", ["out"], 0], ["c", [], 2]]:
        wrong.append(parsed)
    found = [(language, body) for language, _, body, _ in blocks("x\n```c\nint main(void)\n```\n\n```text\n1\n```\n")]
    if found != [("c", ["int main(void)"]), ("text", ["1"])]:
        wrong.append(found)
    for case in wrong:
        print("misjudged:", case)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--self-test", action="store_true")
    for name in ("readme", "root", "build", "work"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--ninja", default="ninja")
    parser.add_argument("cmake_args", nargs="*", help="further arguments for configuring the programs, after --")
    args = parser.parse_args()
    return self_test() if args.self_test else readme(args)


if __name__ == "__main__":
    sys.exit(main())
