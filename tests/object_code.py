#!/usr/bin/env python3
"""Reads the object code of compiled kernels: no gathers, and innermost loops that stay in registers.

    object_code.py [--objdump PROGRAM] [--only REGEX] FILE...       FILE: archive or object file

Reads every function whose name matches --only (default: ^dwc_k_, the kernels). An innermost loop is a natural loop of
the function's flow graph that holds no other. A finding is
  gather          a gather or scatter instruction, anywhere; in an innermost loop also a load into one lane of a vector,
                  which is how a gather looks on a target without the instruction
  spill           in an innermost loop, a vector register stored to the stack, or a vector load from a stack slot that
                  the same loop stores to
  stack operand   in an innermost loop, any other vector load from the stack: a value that never changes there and found
                  no register. In activation kernels (dwc_k_activation_*) these are constants, and the loops of family width
                  that load with masks run once or twice a row: counted, not refused
Family width copies the ends of rows to an array on the stack and works on that: accesses with an index, which no
compiler makes for registers that it spills, are counted there, too.
Scalars kept on the stack in loops (bounds, row pointers) are counted, not refused.

Prints one line per finding and a summary. Exit code: 0 no finding; 1 findings; 2 nothing to judge (no such function, or
no loop in any: wrong file or wrong objdump).
"""
import argparse
import re
import subprocess
import sys

INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S.*)$")
RELOCATION = re.compile(r"^\s*[0-9a-f]+:\s+R_\w+")
JUMP = re.compile(r"^(?:j\w+|b|b\.\w+|cbn?z|tbn?z)\s+(?:[^<]*[\s,])?(?:0x)?([0-9a-f]+)(?:\s|$)")
ALWAYS = re.compile(r"^(?:jmpq?|b)\s")
LEAVES = re.compile(r"^(?:(?:rep[nz]* )?retq?|jmpq?\s+\*|ud2|br|brk)\b")
GATHER = re.compile(r"^vp?(?:gather|scatter)")
MASKED_LOAD = re.compile(r"^vp?maskmov\w+\s+[^%]*\(|^vmov[a-z0-9]+\s+[^%]*\(.*\{%k\d\}\s*\{z\}$")
LANE_LOAD = re.compile(r"^(?:v?(?:insertps|pinsr[bwdq])\s.*\(|ld1\s+\{[^}]*\}\[)")

X86_VECTOR = re.compile(r"%([xyz])mm\d")
X86_MEMORY = re.compile(r"(-?(?:0x)?[0-9a-f]*)\(%(\w+)?(,[^)]*)?\)")
X86_POINTER = re.compile(r"^(?:mov\w*\s+%(?P<copy>\w+)|leaq?\s+(?P<at>-?(?:0x)?[0-9a-f]*)\(%(?P<base>\w+)\))"
                         r",\s*%(?P<to>\w+)$")
X86_WRITES = re.compile(r"(?:^|,\s*)[^(]*%(r\w+)$")
ARM_MEMORY = re.compile(r"\[(sp|x\d+)(?:,\s*(?:#(-?(?:0x)?[0-9a-f]+)|[^\]]*))?\]")
ARM_VECTOR = re.compile(r"^\w+\s+\{?\s*([bhsdqv])\d+")
ARM_POINTER = re.compile(r"^(?:mov\s+(?P<to1>x\d+), (?P<copy>sp|x\d+)"
                         r"|add\s+(?P<to2>x\d+), (?P<base>sp|x\d+), #(?P<at>\w+))$")
ARM_WRITES = re.compile(r"^(?!st|cmp|tst|b\b|b\.|cb|tb)\w+\s+([xw]\d+)")
BYTES = {"x": 16, "y": 32, "z": 64, "q": 16, "v": 16, "d": 8, "s": 4, "h": 2, "b": 1}


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
        if RELOCATION.match(line):
            # A jump the linker completes leaves the function: its address here means nothing.
            if body and JUMP.match(body[-1][1]):
                body[-1] = (body[-1][0], "jmp *elsewhere" if ALWAYS.match(body[-1][1]) else "elsewhere")
            continue
        match = INSTRUCTION.match(line)
        if match and name:
            body.append((int(match.group(1), 16), re.split(r"\s*(?:#\s|//|<)", match.group(2))[0].strip()))
    if name:
        yield name, body


def basic_blocks(body):
    """[(first, end)] indices into body, and the successors of each block."""
    index = {address: i for i, (address, _) in enumerate(body)}
    targets, starts = {}, {0}
    for i, (_, text) in enumerate(body):
        jump = JUMP.match(text)
        if jump and int(jump.group(1), 16) in index:
            targets[i] = index[int(jump.group(1), 16)]
            starts.add(targets[i])
        if jump or LEAVES.match(text):
            starts.add(i + 1)
    starts = sorted(s for s in starts if s < len(body))
    blocks = list(zip(starts, starts[1:] + [len(body)]))
    number = {start: b for b, start in enumerate(starts)}
    successors = []
    for b, (_, end) in enumerate(blocks):
        last = body[end - 1][1]
        to = [number[targets[end - 1]]] if end - 1 in targets else []
        if b + 1 < len(blocks) and not LEAVES.match(last) and not (ALWAYS.match(last) and JUMP.match(last)):
            to.append(b + 1)
        successors.append(to)
    return blocks, successors


def natural_loops(blocks, successors):
    """{header: the blocks of its natural loop}, blocks by number."""
    predecessors = [[] for _ in blocks]
    for b, to in enumerate(successors):
        for t in to:
            predecessors[t].append(b)
    order, seen, stack = [], {0}, [(0, iter(successors[0]))]
    while stack:
        b, rest = stack[-1]
        nxt = next((t for t in rest if t not in seen), None)
        if nxt is None:
            order.append(b)
            stack.pop()
        else:
            seen.add(nxt)
            stack.append((nxt, iter(successors[nxt])))
    order.reverse()
    dominators = {b: set(order) for b in order}
    dominators[0] = {0}
    changed = True
    while changed:
        changed = False
        for b in order[1:]:
            new = set.intersection(*(dominators[p] for p in predecessors[b] if p in dominators)) | {b}
            if new != dominators[b]:
                dominators[b], changed = new, True
    loops = {}  # header -> blocks
    for b in order:
        for header in successors[b]:
            if header not in dominators[b]:
                continue
            inside = loops.setdefault(header, {header})
            todo = [b]
            while todo:
                block = todo.pop()
                if block not in inside:
                    inside.add(block)
                    todo += [p for p in predecessors[block] if p in seen]
    return loops


def innermost_loops(body):
    """The innermost natural loops, each a list of blocks (first, end)."""
    blocks, successors = basic_blocks(body)
    loops = natural_loops(blocks, successors)
    return [[blocks[b] for b in sorted(inside)] for header, inside in loops.items()
            if not any(other != header and other in inside for other in loops)]


def number(text):
    return int(text, 0) if text else 0


class Frame:
    """Which registers point into the stack: those set for the whole function, and those set earlier in a block."""

    def __init__(self, body, arm):
        self.arm = arm
        self.fixed = {"sp": ("sp", 0)} if arm else {"rsp": ("rsp", 0)}
        for _, text in body[:40]:  # a frame or base pointer, set once in the prologue
            for register in ("x29", "x19") if arm else ("rbp", "rbx"):
                if re.match(rf"mov\s+{register}, sp$|add\s+{register}, sp, #|mov\w*\s+%rsp,\s*%{register}$", text):
                    self.fixed[register] = (register, 0)
        self.local = {}

    def start_block(self):
        self.local = {}

    def step(self, text):
        """Follows addresses of the stack put into registers."""
        match = (ARM_POINTER if self.arm else X86_POINTER).match(text)
        if match:
            g = match.groupdict()
            to = g.get("to") or g.get("to1") or g.get("to2")
            known = self.local.get(g["copy"] or g["base"]) or self.fixed.get(g["copy"] or g["base"])
            if known:
                if to not in self.fixed:
                    self.local[to] = (known[0], known[1] + number(g["at"]))
                return
            self.local.pop(to, None)
            return
        written = (ARM_WRITES if self.arm else X86_WRITES).search(text)
        if written:
            self.local.pop(written.group(1).replace("w", "x") if self.arm else written.group(1), None)

    def access(self, text):
        """(base, offset or None where indexed, bytes, is a vector, is a store) of a stack access, or None."""
        match = (ARM_MEMORY if self.arm else X86_MEMORY).search(text)
        if not match or text.startswith(("lea", "nop", "prefetch", "prfm")):
            return None
        register, at = (match.group(1), match.group(2)) if self.arm else (match.group(2), match.group(1))
        known = self.local.get(register) or self.fixed.get(register)
        if not known:
            return None
        if self.arm:
            vector = ARM_VECTOR.match(text)
            count = len(re.findall(r"[bhsdqvxw]\d+", text[:match.start()]))
            store, size = text.startswith("st"), BYTES[vector.group(1)] * count if vector else 8 * count
            indexed = "," in match.group(0) and at is None
        else:
            widths = X86_VECTOR.findall(text)
            vector = bool(widths)
            store = match.end() == len(text) and not text.startswith(("cmp", "test", "push"))
            size = max((BYTES[w] for w in widths), default=8)
            indexed = match.group(3) is not None
        return known[0], None if indexed else known[1] + number(at), size, bool(vector), store


def overlap(a, b):
    return a[0] == b[0] and (a[1] is None or b[1] is None or (a[1] < b[1] + b[2] and b[1] < a[1] + a[2]))


def findings(name, body, arm):
    """(loops, findings, allowed accesses to vectors, accesses to scalars) of one function."""
    start = body[0][0]
    found, operands, scalars = [], 0, 0
    for address, text in body:
        if GATHER.match(text):
            found.append(f"{name}+{address - start:#x}: gather: {text}")
    frame = Frame(body, arm)
    loops = innermost_loops(body)
    for loop in loops:
        accesses = []
        for first, end in loop:
            frame.start_block()
            for address, text in body[first:end]:
                if LANE_LOAD.match(text):
                    found.append(f"{name}+{address - start:#x}: gather by lanes in a loop: {text}")
                access = frame.access(text)
                if access:
                    accesses.append((address, text, access))
                frame.step(text)
        width = name.startswith("dwc_k_width_")
        if width and not arm:
            arrays = [a for a in accesses if a[2][3] and a[2][1] is None]
            operands += len(arrays)
            accesses = [a for a in accesses if a not in arrays]
        constants = name.startswith("dwc_k_activation_") or (
            width and any(MASKED_LOAD.match(text) for first, end in loop for _, text in body[first:end]))
        stores = [access for _, _, access in accesses if access[4]]
        for address, text, access in accesses:
            if not access[3]:
                scalars += 1
            elif access[4] or any(overlap(access, s) for s in stores):
                found.append(f"{name}+{address - start:#x}: spill in a loop: {text}")
            elif constants:
                operands += 1
            else:
                found.append(f"{name}+{address - start:#x}: stack operand in a loop: {text}")
    return len(loops), found, operands, scalars


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("--only", default="^dwc_k_", metavar="REGEX")
    parser.add_argument("files", nargs="+", metavar="FILE")
    options = parser.parse_args()
    count = loops = operands = scalars = 0
    bad = []
    for file in options.files:
        text = subprocess.run([options.objdump, "-d", "-r", "--no-show-raw-insn", file], check=True,
                              capture_output=True, text=True).stdout
        arm = "aarch64" in text[:4000]
        for name, body in functions(text):
            if not body or not re.search(options.only, name):
                continue
            found = findings(name, body, arm)
            count += 1
            loops += found[0]
            bad += found[1]
            operands += found[2]
            scalars += found[3]
    for line in bad:
        print(line)
    kinds = ", ".join(f"{sum(f': {kind}' in line for line in bad)} {kind}s"
                      for kind in ("gather", "spill", "stack operand"))
    print(f"{count} functions, {loops} innermost loops, {len(bad)} findings ({kinds}); "
          f"allowed: {operands} stack operands in loops of activations and ends of rows, {scalars} scalar stack accesses in loops")
    if loops == 0:
        print("nothing was read: wrong file or wrong objdump?")
        return 2
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
