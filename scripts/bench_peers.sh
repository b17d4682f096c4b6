#!/usr/bin/env bash
# Times dwconv against other libraries on this machine, in turns on the same buffers, results compared first.
#
#   scripts/bench_peers.sh [--light] [--out DIR] [--suite peers|workloads] [arguments of bench/peers/drive.py]
#
# Installs what it measures: XNNPACK (Debian); oneDNN 3.2, 3.6 and 3.13, ONNX Runtime, OpenVINO, JAX, TensorFlow with
# Keras, LiteRT and PyTorch (Python packages, into build/peers). --light leaves out the two heaviest, PyTorch and oneDNN
# 3.13 (3 GB). What cannot be installed stays in the tables as a gap with its reason. --suite: the eleven shapes of
# bench/peers.problems in both layouts (the default), or the core and extra rows of bench/workloads.csv, whose batch is cut
# where x and y exceed 150 MB. Useful arguments: --threads 1,2 --cold --isa avx2 --peers dwconv,onednn-3.6.
# Writes DIR (build/peers/results): peers.json, peers.md, peers.html.
#
# Exit status: 0 done; 3 packages are missing and may not be installed (the line to run is printed); else failed.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

light=no suite=peers out=build/peers/results arguments=()
while (($#)); do
    case "$1" in
        --light) light=yes ;;
        --out) out="${2:?--out: needs a folder}"; shift ;;
        --suite) suite="${2:?--suite: needs peers or workloads}"; shift ;;
        -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) arguments+=("$1") ;;
    esac
    shift
done
[[ "$suite" == peers || "$suite" == workloads ]] || { echo "--suite: $suite is neither peers nor workloads" >&2; exit 2; }

cache="$DWC_ROOT/build/peers/installed"
mkdir -p "$cache"

# dwc_once NAME COMMAND...: runs the command until it has succeeded once; a failure is said, and is no end.
dwc_once() {
    local name="$1"
    shift
    [[ -e "$cache/.$name" ]] && return 0
    dwc_say "Installing $name"
    if "$@"; then touch "$cache/.$name"; else echo "$name CANNOT BE INSTALLED here: it will be a gap in the tables." >&2; fi
}

# An environment in $cache/NAME with the packages of the other arguments.
peer_venv() {
    local folder="$cache/$1"
    shift
    rm -rf "$folder"
    "$(dwc_find_python)" -m venv "$folder" &&
        "$folder/bin/python" -m pip install --disable-pip-version-check --no-input --only-binary :all: "$@" </dev/null
}

# peer_wheel PACKAGE==VERSION: fetches a wheel without what it depends on and unpacks it into $cache/wheel.
peer_wheel() {
    rm -rf "$cache/wheel"
    "$DWC_VENV/bin/python" -m pip download --disable-pip-version-check --no-input --no-deps --only-binary :all: \
        --dest "$cache/wheel" "$1" </dev/null && (cd "$cache/wheel" && "$DWC_VENV/bin/python" -m zipfile -e ./*.whl .)
}

onednn_32() {
    mkdir -p "$cache/onednn-3.2/lib"
    peer_wheel onednn-cpu-gomp==2023.2.0 && cp "$cache"/wheel/*.data/data/lib/libdnnl.so.3 "$cache/onednn-3.2/lib/" &&
        peer_wheel onednn-devel-cpu-gomp==2023.2.0 && cp -r "$cache"/wheel/*.data/data/include "$cache/onednn-3.2/" &&
        # The sparse types of that header do not exist in later libraries.
        sed -i 's/^#define DNNL_EXPERIMENTAL_SPARSE$/#undef DNNL_EXPERIMENTAL_SPARSE/' \
            "$cache/onednn-3.2/include/oneapi/dnnl/dnnl_config.h"
}
# PaddlePaddle ships oneDNN 3.6.2 as a library of its own.
onednn_36() {
    mkdir -p "$cache/onednn-3.6/lib"
    peer_wheel paddlepaddle==3.3.1 && cp "$cache/wheel/paddle/libs/libdnnl.so.3" "$cache/onednn-3.6/lib/"
}
onednn_313() {
    peer_venv onednn-3.13 onednn==2026.1.0
}

dwc_packages g++ python3-venv git ccache pkg-config libcli11-dev nlohmann-json3-dev libhdf5-dev libzip-dev \
    libopenblas-dev libxnnpack-dev libpthreadpool-dev
dwc_venv
dwc_once onednn-3.2 onednn_32
dwc_once onednn-3.6 onednn_36
dwc_once venv peer_venv venv -r bench/peers/requirements.txt
if [[ "$light" == no ]]; then
    dwc_once onednn-3.13 onednn_313
    dwc_once torch peer_venv torch torch==2.15.0 numpy
fi
rm -rf "$cache/wheel"

onednn=()
[[ -e "$cache/.onednn-3.2" ]] && onednn=(-DDWC_ONEDNN="$cache/onednn-3.2")
dwc_configure quick -DDWC_BUILD_PEERS=ON "${onednn[@]}"
dwc_build quick

mkdir -p "$out"
if [[ "$suite" == peers ]]; then
    cp bench/peers.problems "$out/problems"
else
    python3 scripts/workload_problems.py --no-state --megabytes 150 --cut-batch >"$out/problems"
fi
dwc_say "Measuring"
"$DWC_VENV/bin/python" bench/peers/drive.py --build build/quick/bench/peers --cache "$cache" \
    --cli build/quick/cli/dwconv --problems "$out/problems" --out "$out" "${arguments[@]}"
"$DWC_VENV/bin/python" bench/peers/table.py "$out/peers.json" | tee "$out/peers.md"
build/quick/cli/dwconv report "$out/peers.json" -o "$out/peers.html"
dwc_say "Done: $out/peers.json, peers.md, peers.html"
