#!/usr/bin/env bash
# Everything there is to find out on a machine with a GPU, in one command: build, tests, a small tuning, and the time of
# the core workloads against the device's copy bandwidth and, where they are installed, PyTorch and cuDNN.
#
#   scripts/gpu_check.sh [--target cuda|opencl] [--out FILE.json] [--quick]
#   scripts/gpu_check.sh --prepare FOLDER        builds here, where there is a network, a folder of at most 60 MB
#                        [--build BUILD]         from a build folder that is there already, with cuda, opencl and tests
#   FOLDER/gpu_check.sh [--target ...] ...       runs it there, where there is a GPU: no network, no compiler, no CUDA
#                                                toolkit; Python 3.8 and the driver are enough
#
# --out: JSON lines (default gpu_check.json in the current folder): the device, one line of test results, one line a
# workload. --quick: small workloads only, few rounds, a sample of the kernel tests, no tuning.
#
# Exit status: 0 all passed; 1 something failed; 2 wrong arguments; 3 no device answers, or packages are missing.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target=cuda out=gpu_check.json prepare="" build="" quick=no
while (($#)); do
    case "$1" in
        --target | --out | --prepare | --build)
            [[ $# -ge 2 ]] || { echo "gpu_check.sh: $1 needs a value" >&2; exit 2; }
            declare "${1#--}=$2"
            shift 2
            ;;
        --quick) quick=yes && shift ;;
        *) echo "gpu_check.sh: $1: no such argument; see the beginning of this file" >&2 && exit 2 ;;
    esac
done
if [[ "$target" != cuda && "$target" != opencl ]]; then
    echo "gpu_check.sh: --target $target: must be cuda or opencl" >&2
    exit 2
fi

# ------------------------------------------------------------------------------------------- building, and the folder

# The programs, the libraries that they need beside the C library, the data and the scripts.
prepare_folder() {
    local folder="$1" program library
    mkdir -p "$folder/bin" "$folder/lib"
    cp "$build/cli/dwconv" "$build/tests/kernels_test" "$folder/bin/"
    # One shared library for gpu_bench.py; Python's process has a C++ library of its own, or none.
    c++ -shared -o "$folder/lib/libdwconv.so" -Wl,--whole-archive "$build/runtime/libdwconv.a" -Wl,--no-whole-archive \
        -static-libstdc++ -static-libgcc -ldl -lm -pthread
    for program in "$folder"/bin/*; do
        # The C library and what belongs to it must be the machine's own: the driver is linked against it.
        while read -r library; do
            case "$(basename "$library")" in
                ld-linux* | libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | libresolv.so*) ;;
                # The reference BLAS in the place of OpenBLAS: a fortieth of its size, and speed is not looked at here.
                libopenblas*) cp -L /usr/lib/x86_64-linux-gnu/blas/libblas.so.3 "$folder/lib/$(basename "$library")" ;;
                *) cp -Ln "$library" "$folder/lib/" ;;
            esac
        done < <(ldd "$program" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p')
    done
    strip --strip-unneeded "$folder"/bin/* "$folder"/lib/*
    cp -r "$DWC_ROOT/tests/data/keras_oracle" "$folder/"
    cp "$DWC_ROOT"/scripts/gpu_{check.sh,bench.py,device.py} "$folder/"
    python3 "$DWC_ROOT/scripts/workload_problems.py" --suite core --no-state >"$folder/workloads.problems"
    local megabytes
    megabytes=$(du -sm "$folder" | cut -f1)
    echo "gpu_check.sh: $folder: $megabytes MB"
    ((megabytes <= 60)) || { echo "gpu_check.sh: $folder has more than 60 MB" >&2; exit 1; }
}

if [[ ! -x "$here/bin/dwconv" ]]; then
    # A source tree: build first.
    source "$here/setup.sh"
    if [[ -z "$build" ]]; then
        dwc_packages build-essential python3-venv git pkg-config libcli11-dev nlohmann-json3-dev libhdf5-dev \
            libzip-dev libopenblas-dev libblas3 libgtest-dev
        dwc_venv
        dwc_configure gpu
        dwc_build gpu --target dwconv_cli kernels_test
        build="$DWC_ROOT/build/gpu"
    fi
    folder="${prepare:-$DWC_ROOT/build/gpu/check}"
    [[ "$folder" == /* ]] || folder="$OLDPWD/$folder"
    prepare_folder "$folder"
    [[ -n "$prepare" ]] && exit 0
    [[ "$out" == /* ]] || out="$OLDPWD/$out"
    here="$folder"
elif [[ -n "$prepare" ]]; then
    echo "gpu_check.sh: --prepare: this is such a folder" >&2
    exit 2
fi

# ---------------------------------------------------------------------------------------------------------- the tests

run() { LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$here/bin/$@"; }
say() { printf '\n== %s [%dm%02ds]\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

# The library's own sentence where there is no device.
if ! answer="$(run dwconv run --help 2>&1)"; then
    echo "gpu_check.sh: the programs do not run here: $answer" >&2
    exit 1
fi
if ! answer="$(run dwconv explain --force-target "$target" \
    f32_nlc_n1_l8_c8_k4_m1_s1_d1_pl3_pr0_bias_linear 2>&1)"; then
    echo "gpu_check.sh: $answer" >&2
    exit 3
fi

failed=0 filter="All/Kernel.*/*_$target"
[[ "$quick" == yes ]] && filter="All/Kernel.RandomProblems/*_$target"
say "Every kernel of $target on a grid of problems"
kernels="$(run kernels_test --gtest_filter="$filter" --gtest_brief=1 2>&1 | tee >(cat >&2) | tail -3)" || failed=1
[[ "$kernels" == *"PASSED"* && "$kernels" != *"FAILED"* ]] || failed=1

say "Recorded behaviour of Keras on $target"
oracle="$(DWC_FORCE_TARGET="$target" run dwconv check "$here/keras_oracle" \
    --only cases,activations,models,errors,accepted 2>&1 | tail -1)" || failed=1
echo "$oracle"
[[ "$oracle" == *" 0 failed"* ]] || failed=1

# -------------------------------------------------------------------------------------------------------- the timings

say "Workloads on $target"
arguments=(--tune --peers)
[[ "$quick" == yes ]] && arguments=(--megabytes 8 --rounds 3)
python3 "$here/gpu_bench.py" --library "$here/lib/libdwconv.so" --target "$target" \
    --problems "$here/workloads.problems" --out "$out.bench" "${arguments[@]}" || failed=1
[[ -s "$out.bench" ]] || exit 1

python3 - "$out" "$kernels" "$oracle" "$failed" <<'PYTHON'
import json, os, sys
out, kernels, oracle, failed = sys.argv[1:]
with open(out + ".bench", encoding="utf-8") as file:
    lines = [json.loads(line) for line in file]
tests = {"type": "tests", "kernels": " ".join(kernels.split()), "oracle": oracle, "failed": failed != "0"}
with open(out + ".part", "w", encoding="utf-8") as file:
    file.write("".join(json.dumps(line) + "\n" for line in [lines[0], tests, *lines[1:]]))
os.replace(out + ".part", out)
os.remove(out + ".bench")
rows = [line for line in lines if line["type"] == "row"]
print(f"\n{lines[0]['device']}: copies {lines[0]['copy_gb_s']:.0f} GB/s")
print(f"{'us':>10} {'of copy':>8} {'launch':>7}  problem")
for row in rows:
    print(f"{row['us']:10.1f} {100 * row['share_of_copy']:7.0f}% {row['launch_us']:7.1f}  {row['problem']}"
          f"  {row['kernel']}" + (f", best {row['best_kernel']}" if row.get("best_kernel", row["kernel"]) != row["kernel"]
                                  else ""))
PYTHON
say "Results are in $out"
exit "$failed"
