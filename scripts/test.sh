#!/usr/bin/env bash
# Builds everything (all targets, tests, benchmark, warnings as errors) into build/dev and runs every test, those for
# arm-64 under qemu. Starts from a bare Debian 12 machine; may be run again.
#
#   scripts/test.sh [--with-keras] [arguments of ctest]     for example: scripts/test.sh -R install --verbose
#
# --with-keras also runs the tests of label `keras`, in which real Keras opens our files and we open its: it needs
# tests/with_keras/requirements.txt (some 500 MB of Python packages) in build/keras-venv, which is made here. Where they
# cannot be installed, these tests are reported as skipped.
#
# Exit status: 0 all passed; 3 packages are missing and may not be installed (the line to run is printed); else failed.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

[[ "$(uname -m)" == x86_64 ]] || { echo "dwconv builds on x86-64 Linux; this is $(uname -m)." >&2; exit 1; }

with_keras=no arguments=()
for argument in "$@"; do
    if [[ "$argument" == --with-keras ]]; then with_keras=yes; else arguments+=("$argument"); fi
done

# build/keras-venv with the versions of tests/with_keras/requirements.txt. A failure leaves no environment behind and is
# not the end: the tests then say that they were skipped.
dwc_keras_venv() {
    local venv="$DWC_ROOT/build/keras-venv" requirements=tests/with_keras/requirements.txt python wanted
    wanted="$(sha256sum <"$requirements") $venv"
    if [[ -f "$venv/.satisfied" && "$(<"$venv/.satisfied")" == "$wanted" ]]; then
        dwc_say "Keras environment: up to date"
        return 0
    fi
    dwc_say "Keras environment: installing $requirements into build/keras-venv"
    rm -rf "$venv"
    python="$(dwc_find_python)"
    if "$python" -m venv "$venv" && "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        --only-binary :all: -r "$requirements" </dev/null; then
        printf '%s' "$wanted" >"$venv/.satisfied"
    else
        rm -rf "$venv"
        echo "Keras CANNOT BE INSTALLED here: the tests with real Keras will be skipped." >&2
    fi
}

# NVIDIA's assembler alone, out of a wheel, in build/ptxas. Where it cannot be had its test says that it was skipped.
dwc_ptxas() {
    local folder="$DWC_ROOT/build/ptxas" wanted=nvidia-cuda-nvcc-cu12==12.8.93
    if [[ -f "$folder/.satisfied" && "$(<"$folder/.satisfied")" == "$wanted" ]]; then
        dwc_say "ptxas: up to date"
        return 0
    fi
    dwc_say "ptxas: installing $wanted into build/ptxas"
    rm -rf "$folder"
    if "$DWC_VENV/bin/python" -m pip install --disable-pip-version-check --no-input --no-deps --only-binary :all: \
        --target "$folder" "$wanted" </dev/null; then
        chmod +x "$folder"/nvidia/*/bin/ptxas
        printf '%s' "$wanted" >"$folder/.satisfied"
    else
        echo "ptxas CANNOT BE INSTALLED here: the test of the CUDA kernels' registers will be skipped." >&2
    fi
}

dwc_packages build-essential python3-venv git ccache pkg-config libcli11-dev nlohmann-json3-dev libhdf5-dev \
    libzip-dev libopenblas-dev libgtest-dev googletest libbenchmark-dev llvm-19 qemu-user-static xz-utils \
    g++-aarch64-linux-gnu libc6-dev-arm64-cross pocl-opencl-icd ocl-icd-libopencl1
dwc_venv
dwc_ptxas
dwc_configure dev
dwc_build dev
if [[ "$with_keras" == yes ]]; then
    dwc_keras_venv
else
    arguments+=(--label-exclude '^keras$')
fi
dwc_say "Testing"
# --no-tests=error: a test run without tests is no success.
ctest --preset dev --no-tests=error --parallel "${DWC_JOBS:-$(nproc)}" "${arguments[@]}" </dev/null
dwc_say "All tests passed"
if [[ "$with_keras" == yes && ! -e build/keras-venv ]]; then
    echo "EXCEPT those with real Keras, which were SKIPPED: it could not be installed (see above)." >&2
fi
