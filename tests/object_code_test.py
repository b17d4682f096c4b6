#!/usr/bin/env python3
"""Proves that object_code.py bites: it must find what small assembly kernels do wrong, and accept what they do right.

    object_code_test.py --cc COMPILER --objdump PROGRAM [--generator PROGRAM]

COMPILER assembles for x86-64 or aarch64; its kind is asked. With the kernel generator (x86-64) a tile too large for the
registers is compiled as well and must be refused. Exit code 0: all as expected.
"""
import argparse
import os
import subprocess
import sys
import tempfile

CHECKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "object_code.py")

# {name: (function name, instructions before the loop, in the loop, after it, exit code, text of the report)}
X86 = {
    "clean": ("dwc_k_clean", "", "vmulps (%rdi), %ymm1, %ymm0", "", 0, " 0 findings"),
    "scalar": ("dwc_k_scalar", "", "movq %rdx, 8(%rsp)\n addq 16(%rsp), %rdi", "", 0, "2 scalar stack accesses"),
    "outside": ("dwc_k_outside", "vmovups %ymm0, 32(%rsp)", "nop", "vmovups 32(%rsp), %ymm0", 0, " 0 findings"),
    "spill": ("dwc_k_spill", "", "vmovups %ymm0, 32(%rsp)", "", 1, "spill in a loop: vmovups"),
    "reload": ("dwc_k_reload", "", "movl %edx, 48(%rsp)\n vaddps 32(%rsp), %ymm1, %ymm0", "", 1,
               "spill in a loop: vaddps"),
    "frame": ("dwc_k_frame", "pushq %rbp\n movq %rsp, %rbp", "vmovups %ymm0, -64(%rbp)", "popq %rbp", 1,
              "spill in a loop"),
    "pointer": ("dwc_k_pointer", "", "leaq 64(%rsp), %rax\n movaps %xmm0, (%rax)", "", 1, "spill in a loop: movaps"),
    "operand": ("dwc_k_operand", "vmovups %ymm1, 32(%rsp)", "vaddps 32(%rsp), %ymm1, %ymm0", "", 1,
                "stack operand in a loop"),
    "constant": ("dwc_k_activation_constant", "vmovups %ymm1, 32(%rsp)", "vaddps 32(%rsp), %ymm1, %ymm0", "", 0,
                 "allowed: 1 stack operand"),
    "activation": ("dwc_k_activation_spill", "", "vmovups %ymm0, 32(%rsp)", "", 1, "spill in a loop"),
    "array": ("dwc_k_width_array", "", "vmovups %ymm0, 32(%rsp,%rsi,4)", "", 0, "allowed: 1 stack operand"),
    "other array": ("dwc_k_channels_array", "", "vmovups %ymm0, 32(%rsp,%rsi,4)", "", 1, "spill in a loop: vmovups"),
    "end of a row": ("dwc_k_width_end", "", "vmaskmovps (%rdi), %ymm1, %ymm0\n vaddps 32(%rsp), %ymm1, %ymm0", "", 0,
                     "allowed: 1 stack operand"),
    "end, 512 bits": ("dwc_k_width_end", "", "vmovups (%rdi), %zmm1{%k1}{z}\n vaddps 32(%rsp), %zmm1, %zmm0", "", 0,
                      "allowed: 1 stack operand"),
    "middle of a row": ("dwc_k_width_middle", "", "vmovups (%rdi), %ymm1\n vaddps 32(%rsp), %ymm1, %ymm0", "", 1,
                        "stack operand in a loop"),
    "spill at an end": ("dwc_k_width_spill", "", "vmaskmovps (%rdi), %ymm1, %ymm0\n vmovups %ymm0, 32(%rsp)", "", 1,
                        "spill in a loop"),
    "gather": ("dwc_k_gather", "vgatherdps %ymm2, (%rdi,%ymm1,4), %ymm0", "nop", "", 1, "gather: vgatherdps"),
    "lanes": ("dwc_k_lanes", "", "insertps $16, (%rdi), %xmm0", "", 1, "gather by lanes in a loop"),
    "tail": ("dwc_k_tail", "vmovups %ymm0, 32(%rsp)\n test %esi, %esi\n js elsewhere", "nop", "jmp elsewhere", 0,
             " 0 findings"),
    "other": ("somebody_else", "", "vmovups %ymm0, 32(%rsp)", "", 2, "nothing was read"),
}
ARM = {
    "clean": ("dwc_k_clean", "", "ldr q0, [x0]\n fmul v0.4s, v0.4s, v1.4s", "", 0, " 0 findings"),
    "scalar": ("dwc_k_scalar", "", "str x2, [sp, #8]\n ldr x0, [sp, #16]", "", 0, "2 scalar stack accesses"),
    "outside": ("dwc_k_outside", "stp d9, d8, [sp, #32]", "nop", "ldp d9, d8, [sp, #32]", 0, " 0 findings"),
    "spill": ("dwc_k_spill", "", "str q0, [sp, #32]", "", 1, "spill in a loop: str"),
    "reload": ("dwc_k_reload", "", "str x2, [sp, #40]\n ldp q0, q1, [sp, #16]", "", 1, "spill in a loop: ldp"),
    "frame": ("dwc_k_frame", "mov x29, sp", "stur q0, [x29, #-32]", "", 1, "spill in a loop"),
    "pointer": ("dwc_k_pointer", "", "add x8, sp, #64\n st1 {v0.4s, v1.4s}, [x8]", "", 1, "spill in a loop: st1"),
    "operand": ("dwc_k_operand", "str q1, [sp, #32]", "ldr q0, [sp, #32]", "", 1, "stack operand in a loop"),
    "constant": ("dwc_k_activation_constant", "str q1, [sp, #32]", "ldr q0, [sp, #32]", "", 0,
                 "allowed: 1 stack operand"),
    "lanes": ("dwc_k_lanes", "", "ld1 {v0.s}[1], [x0]", "", 1, "gather by lanes in a loop"),
    "tail": ("dwc_k_tail", "str q0, [sp, #32]", "nop", "b elsewhere", 0, " 0 findings"),
    "other": ("somebody_else", "", "str q0, [sp, #32]", "", 2, "nothing was read"),
}


def assembly(arm, function, before, inside, after):
    count, again = ("subs x1, x1, #1", "b.ne 1b") if arm else ("decq %rsi", "jne 1b")
    lines = ["    .text", f"    .globl {function}", f"    .type {function}, {'%' if arm else '@'}function",
             f"{function}:", before, "1:", inside, count, again, after, "    ret",
             f"    .size {function}, .-{function}", "    .section .note.GNU-stack,\"\""]
    return "\n".join(lines) + "\n"


def check(objdump, file):
    done = subprocess.run([sys.executable, CHECKER, "--objdump", objdump, file], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def oversized_tile(generator, folder):
    """12 accumulators of 16 registers with six steps of time whose loads are shared: more than AVX2 can hold."""
    name = "dwc_k_oversized"
    types = [f"{buffer}.type=float32" for buffer in ("x", "w", "b", "y")]
    subprocess.run([generator, "-g", "dwconv", "family=channels", "activation=linear", "k=7", "stride=1", "m=1", "v=16",
                    "t=6", "block=4", *types, "-f", name, "-n", name, "-o", folder, "-e", "object",
                    "target=x86-64-linux-avx-avx2-f16c-fma-sse41-user_context-no_runtime-no_bounds_query"], check=True)
    return os.path.join(folder, name + ".o")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("--generator")
    options = parser.parse_args()
    machine = subprocess.run([options.cc, "-dumpmachine"], check=True, capture_output=True, text=True).stdout
    arm = machine.startswith("aarch64")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        cases = []
        for name, (function, before, inside, after, code, words) in (ARM if arm else X86).items():
            source, file = (os.path.join(folder, name + end) for end in (".s", ".o"))
            with open(source, "w", encoding="utf-8") as out:
                out.write(assembly(arm, function, before, inside, after))
            subprocess.run([options.cc, "-c", source, "-o", file], check=True)
            cases.append((name, file, code, words))
        if options.generator:
            cases.append(("oversized", oversized_tile(options.generator, folder), 1, "spill in a loop"))
        for name, file, code, words in cases:
            got, report = check(options.objdump, file)
            if got != code or words not in report:
                failed += 1
                print(f"{name}: exit {got} where {code} was expected, with {words!r} in:\n{report}")
    print(f"{len(cases) - failed} of {len(cases)} as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
