#!/usr/bin/env bash
# Fuzzes what reads files of strangers (fuzz/*.cpp) with clang's libFuzzer, AddressSanitizer and UBSan.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]    SECONDS of fuzzing per target, default 60; targets: config keras h5 npy
#                                            safetensors, default all, one after the other
#
# Seeds: fuzz/corpus/<target>/ and files of tests/data/keras_oracle. What is found lies in build/fuzz/found/<target>/;
# move a fixed finding to fuzz/corpus/<target>/, where tests/fuzz_corpus_test.cpp runs it ever after.
# DWC_LIBRARY names a libdwconv.a to link; without, that of any build under build/ is taken, or build/quick is built.
# Exit status: 0 nothing was found; 3 packages are missing; else a target failed.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

seconds="${1:-60}"
shift $(($# > 0 ? 1 : 0))
targets=("$@")
((${#targets[@]} > 0)) || targets=(config keras h5 npy safetensors)
[[ "$seconds" =~ ^[0-9]+$ ]] || { echo "SECONDS is a whole number, not '$seconds'." >&2; exit 2; }
for target in "${targets[@]}"; do
    [[ -f "fuzz/$target.cpp" ]] || { echo "No fuzz target '$target'." >&2; exit 2; }
done

dwc_packages clang-19 libclang-rt-19-dev build-essential python3-venv git pkg-config nlohmann-json3-dev libhdf5-dev \
    libzip-dev libopenblas-dev unzip
dwc_venv

# The kernels take long to build and are not what is fuzzed: any build of them will do.
library="${DWC_LIBRARY:-}"
for candidate in build/*/libdwconv.a build/*/*/libdwconv.a; do
    [[ -z "$library" && -f "$candidate" ]] && library="$candidate"
done
if [[ -z "$library" ]]; then
    dwc_configure quick
    dwc_build quick --target dwconv
    library="$(find build/quick -name libdwconv.a | head -n 1)"
fi

build=build/fuzz
dwc_say "Building the fuzzers with clang, linked to $library"
cmake -G Ninja -S fuzz -B "$build" -DCMAKE_CXX_COMPILER=clang++-19 -DDWC_LIBRARY="$(realpath "$library")" >/dev/null
cmake --build "$build" --parallel "${DWC_JOBS:-$(nproc)}"

# Small files of the oracle that are of the target's kind.
seeds_of() {
    local oracle=tests/data/keras_oracle into="$build/seeds/$1"
    rm -rf "$into"
    mkdir -p "$into"
    case "$1" in
        config)
            python3 - "$oracle" "$into" <<'PYTHON'
import json, pathlib, sys
oracle, into = map(pathlib.Path, sys.argv[1:])
texts = set()
for name, key in (("models.jsonl", "config"), ("cases.jsonl", "config"), ("errors.jsonl", "kwargs"), ("accepted.jsonl", "kwargs")):
    for line in (oracle / name).read_text().splitlines():
        texts.add(json.dumps(json.loads(line).get(key)))
for number, text in enumerate(sorted(texts)):
    (into / f"{number}.json").write_text(text)
PYTHON
            ;;
        keras) find "$oracle/models" -name '*.keras' -size -24k -exec cp -t "$into" {} + ;;
        h5)
            find "$oracle/models" -name '*.h5' -size -32k -exec cp -t "$into" {} +
            for archive in "$oracle"/models/{seq_single,nested,functional}.keras; do
                unzip -p "$archive" model.weights.h5 >"$into/$(basename "$archive").h5"
            done
            ;;
        npy) find "$oracle/cases" -name '*.npy' -size -2k -exec cp -t "$into" {} + ;;
    esac
}

failed=()
for target in "${targets[@]}"; do
    seeds_of "$target"
    mkdir -p "$build/corpus/$target" "$build/found/$target" "fuzz/corpus/$target"
    dwc_say "Fuzzing $target for $seconds s"
    arguments=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
        -artifact_prefix="$build/found/$target/")
    [[ -f "fuzz/$target.dict" ]] && arguments+=(-dict="fuzz/$target.dict")
    "$build/fuzz_$target" "${arguments[@]}" "$build/corpus/$target" "fuzz/corpus/$target" "$build/seeds/$target" ||
        failed+=("$target")
done

if ((${#failed[@]} > 0)); then
    echo "Found something in: ${failed[*]}; the inputs lie in $build/found/." >&2
    exit 1
fi
dwc_say "Nothing found in: ${targets[*]}"
