#!/usr/bin/env python3
"""Reads the object code of compiled kernels: no gathers, and no vector spills in innermost loops.

    object_code.py [--objdump PROGRAM] ARCHIVE...      exit 1 and one line per finding, else a summary

An innermost loop is a backward branch whose range holds no other backward branch. A spill is a load or store of a
vector register relative to the stack pointer (or frame pointer) there; scalars kept on the stack (loop bounds, row
pointers) are counted and reported, not refused.
"""
import argparse
import re
import subprocess
import sys

INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(?:[0-9a-f]{2,8}\s)*\s*(\S.*)$")
X86_STACK = re.compile(r"\(%rsp[,)]")
X86_VECTOR = re.compile(r"%[xyz]mm\d")
ARM_STACK = re.compile(r"\[(sp|x29)\b")
ARM_VECTOR = re.compile(r"^(ldr|str|ldp|stp|ldur|stur|ld1|st1)\s+\{?[qv]\d")
X86_JUMP = re.compile(r"^j\w+\s+(?:0x)?([0-9a-f]+)")
ARM_JUMP = re.compile(r"^(?:b\.\w+|b|cbn?z|tbn?z)\s+(?:\S+,\s+)*(?:0x)?([0-9a-f]+)(?:\s|$)")
GATHER = re.compile(r"^v?(p?gather|pgather)\w*")


def functions(text):
    """Yields (name, [(address, instruction)]) of a disassembly."""
    name, body = None, []
    for line in text.splitlines():
        header = re.match(r"^[0-9a-f]+ <(.+)>:$", line.strip())
        if header:
            if name:
                yield name, body
            name, body = header.group(1), []
            continue
        match = INSTRUCTION.match(line)
        if match and name:
            body.append((int(match.group(1), 16), match.group(2).split("#")[0].split("//")[0].strip()))
    if name:
        yield name, body


def innermost_loops(body):
    """Address ranges (first, last) of the innermost loops, a backward branch at the end of each."""
    start = body[0][0]
    loops = []
    for address, text in body:
        match = X86_JUMP.match(text) or ARM_JUMP.match(text)
        if match:
            target = int(match.group(1), 16)
            if start <= target <= address:
                loops.append((target, address))
    return [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]


def findings(name, body):
    found, scalars = [], 0
    for address, text in body:
        if GATHER.match(text):
            found.append(f"{name}+{address - body[0][0]:#x}: gather: {text}")
    for first, last in innermost_loops(body):
        for address, text in body:
            if not first <= address <= last:
                continue
            on_x86 = X86_STACK.search(text)
            if (on_x86 and X86_VECTOR.search(text)) or (ARM_STACK.search(text) and ARM_VECTOR.match(text)):
                found.append(f"{name}+{address - body[0][0]:#x}: vector spill in a loop: {text}")
            elif on_x86 or ARM_STACK.search(text):
                scalars += 1
    return found, scalars


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("archives", nargs="+")
    options = parser.parse_args()
    count = loops = scalars = 0
    bad = []
    for archive in options.archives:
        text = subprocess.run([options.objdump, "-d", "--no-show-raw-insn", archive], check=True,
                              capture_output=True, text=True).stdout
        for name, body in functions(text):
            if not body:
                continue
            count += 1
            loops += len(innermost_loops(body))
            found, on_stack = findings(name, body)
            scalars += on_stack
            bad += found
    for line in bad:
        print(line)
    print(f"{count} functions, {loops} innermost loops, {len(bad)} findings, {scalars} scalar stack accesses in loops")
    if count == 0 or loops == 0:
        print("nothing was read: wrong archive or wrong objdump?")
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
