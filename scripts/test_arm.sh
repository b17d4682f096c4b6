#!/usr/bin/env bash
# Builds everything for 64-bit ARM (library, Keras layer, command line, tests) into build/arm-64 and runs every test under
# qemu. scripts/test.sh runs the core tests that way; this takes the libraries of the Keras layer, too, and an hour of a
# slow machine. Starts from a bare Debian 12 machine; may be run again.
#
#   scripts/test_arm.sh [arguments of ctest]     for example: scripts/test_arm.sh -R Keras

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

[[ "$(uname -m)" == x86_64 ]] || { echo "This is a cross build from x86-64; this is $(uname -m)." >&2; exit 1; }

dwc_packages build-essential python3-venv git ccache pkg-config libcli11-dev nlohmann-json3-dev libhdf5-dev \
    libzip-dev libopenblas-dev googletest llvm-19 qemu-user-static g++-aarch64-linux-gnu libc6-dev-arm64-cross
dwc_venv
dwc_say "Libraries for arm-64 in build/arm-sysroot"
scripts/arm_sysroot.sh build/arm-sysroot
# The generator of this machine compiles the kernels of the other.
dwc_configure quick
dwc_build quick --target dwc_generator
dwc_configure arm-64
dwc_build arm-64
dwc_say "Testing"
ctest --preset arm-64 --no-tests=error --parallel "${DWC_JOBS:-$(nproc)}" "$@" </dev/null
dwc_say "All tests passed"
