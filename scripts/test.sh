#!/usr/bin/env bash
# Builds everything (all targets, tests, benchmark, warnings as errors) into build/dev and runs every test, those for
# arm-64 under qemu. Starts from a bare Debian 12 machine; may be run again.
#
#   scripts/test.sh [arguments of ctest]     for example: scripts/test.sh -R install --verbose
#
# Exit status: 0 all passed; 3 packages are missing and may not be installed (the line to run is printed); else failed.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

[[ "$(uname -m)" == x86_64 ]] || { echo "dwconv builds on x86-64 Linux; this is $(uname -m)." >&2; exit 1; }

dwc_packages build-essential python3-venv git ccache pkg-config libcli11-dev nlohmann-json3-dev libhdf5-dev \
    libzip-dev libopenblas-dev libgtest-dev googletest libbenchmark-dev llvm-19 qemu-user-static g++-aarch64-linux-gnu libc6-dev-arm64-cross
dwc_venv
dwc_configure dev
dwc_build dev
dwc_say "Testing"
# --no-tests=error: a test run without tests is no success.
ctest --preset dev --no-tests=error --parallel "${DWC_JOBS:-$(nproc)}" "$@" </dev/null
dwc_say "All tests passed"
