#!/usr/bin/env bash
# Packs dwconv-bench-kit-<target>.tar.xz: a static command line, workloads and run.sh, for a machine with neither a
# network nor Halide. There: unpack, ./run.sh; then here: dwconv report the-file.json -o report.html.
#
#   scripts/bench_kit.sh --target x86-64|arm-64 [-o DIR] [--build DIR]
#
# -o: where the tarball goes (build/kit). --build: a build folder that has the program already; without it, it is built
# in build/kit. x86-64 holds the kernels of all x86-64 targets of that build.
#
# Exit status: 0 done; 2 wrong usage; 3 packages are missing and may not be installed (the line to run is printed).

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

# setup.sh has changed to the root of the tree.
from_caller() { if [[ "$1" == /* ]]; then echo "$1"; else echo "$OLDPWD/$1"; fi; }

target='' out="$DWC_ROOT/build/kit" build=''
while (($#)); do
    case "$1" in
        --target | -o | --build)
            [[ -n "${2:-}" ]] || { echo "bench_kit.sh: $1 needs a value" >&2; exit 2; } ;;&
        --target) target="$2" ;;
        -o) out="$(from_caller "$2")" ;;
        --build) build="$(from_caller "$2")" ;;
        -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "bench_kit.sh: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift 2
done
case "$target" in
    x86-64) kernels='x86-64-sse41;x86-64-avx2;x86-64-avx512;x86-64-avx512-intel' what=dwconv_kit folder=. ;;
    arm-64) kernels='x86-64-sse41;arm-64' what=dwc_foreign_aarch64 folder=arm-64 ;;
    *) echo "bench_kit.sh: --target ${target:-is missing:} must be x86-64 or arm-64" >&2; exit 2 ;;
esac

if [[ -z "$build" ]]; then
    cross=()
    [[ "$target" == arm-64 ]] && cross=(g++-aarch64-linux-gnu libc6-dev-arm64-cross)
    dwc_packages g++ python3-venv git ccache pkg-config libcli11-dev nlohmann-json3-dev xz-utils "${cross[@]}"
    dwc_venv
    build="$DWC_ROOT/build/kit/$target"
    dwc_say "Building $build"
    cmake --preset quick -B "$build" -DDWC_TARGETS="$kernels" -DDWC_BUILD_KERAS=OFF
    NINJA_STATUS="[%f/%t %es] " cmake --build "$build" --parallel "${DWC_JOBS:-$(nproc)}" --target "$what"
fi

program="$build/$folder/cli/kit/dwconv"
[[ -x "$program" ]] || { echo "bench_kit.sh: $program is missing: build $what first" >&2; exit 2; }
name="dwconv-bench-kit-$target" packing="$(mktemp -d)"
trap 'rm -rf "$packing"' EXIT
mkdir "$packing/$name"
cp "$program" bench/kit/run.sh bench/kit/README.txt bench/peers.problems LICENSE "$packing/$name"
chmod 755 "$packing/$name/dwconv" "$packing/$name/run.sh"
# The models' workloads, their batch cut so that small boards hold them.
python3 scripts/workload_problems.py --suite core --megabytes 64 --cut-batch >"$packing/$name/workloads.problems"
mkdir -p "$out"
tar --create --xz --file "$packing/kit" --directory "$packing" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@${SOURCE_DATE_EPOCH:-0}" "$name"
mv "$packing/kit" "$out/$name.tar.xz"
echo "$out/$name.tar.xz: $(stat -c %s "$out/$name.tar.xz") bytes"
