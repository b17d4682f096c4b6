#!/usr/bin/env python3
"""scripts/ptxas_table.py bites: a kernel with an array in local memory and one with narrow stores are refused, a clean one
is not. Skipped (77) where ptxas is not installed."""
import os
import subprocess
import sys
import tempfile

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts", "ptxas_table.py")
HEAD = "\n.version 6.0\n.target sm_70\n.address_size 64\n.visible .entry k(.param .u64 p, .param .u32 i)\n{\n"
REGISTERS = ".reg .b32 %r<9>;\n.reg .b64 %d<9>;\nld.param.u64 %d1, [p];\ncvta.to.global.u64 %d2, %d1;\n"
CLEAN = REGISTERS + "mov.u32 %r1, 1;\nst.global.v4.b32 [%d2], {%r1, %r1, %r1, %r1};\nret;\n}\n"
NARROW = REGISTERS + "mov.u32 %r1, 1;\nst.global.b32 [%d2], %r1;\nret;\n}\n"
# The index is known at run time only, so the array cannot be in registers.
STACK = (".local .align 4 .b8 array[64];\n" + REGISTERS + "ld.param.u32 %r1, [i];\nmul.wide.u32 %d3, %r1, 4;\n"
         "mov.u64 %d4, array;\nadd.u64 %d5, %d4, %d3;\nst.local.u32 [%d5], %r1;\nld.local.u32 %r2, [%d4+8];\n"
         "st.global.v4.b32 [%d2], {%r2, %r2, %r2, %r2};\nret;\n}\n")


def run(folder, name, body):
    path = os.path.join(folder, f"dwc_k_{name}_cuda.o")
    with open(path, "wb") as file:
        file.write(b"\x7fELF\0" + (HEAD + body).encode() + b"\0more")
    return subprocess.run([sys.executable, SCRIPT, path, "--require"], capture_output=True, text=True, check=False)


def main():
    with tempfile.TemporaryDirectory() as folder:
        clean = run(folder, "gpunlc_v4_t1", CLEAN)
        if clean.returncode == 77:
            print(clean.stdout)
            return 77
        assert clean.returncode == 0, clean.stdout + clean.stderr
        assert "| 1 of 1 |" in clean.stdout, clean.stdout
        stack = run(folder, "gpunlc_v4_t2", STACK)
        assert stack.returncode == 1 and "bytes of stack" in stack.stderr, stack.stdout + stack.stderr
        narrow = run(folder, "gpunlc_v4_t4", NARROW)
        assert narrow.returncode == 1 and "less than 128 bits" in narrow.stderr, narrow.stdout + narrow.stderr
        assert run(folder, "gpunlc_v1_t4", NARROW).returncode == 0
        broken = run(folder, "gpunlc_v1_t1", "banana\n}\n")
        assert broken.returncode == 1 and "sm_90" in broken.stderr, broken.stdout + broken.stderr
    return 0


if __name__ == "__main__":
    sys.exit(main())
