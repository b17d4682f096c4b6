#!/usr/bin/env bash
# Sourced by quickstart.sh and test.sh: packages, Python environment, configure. Every step does nothing when its work
# is already there.
#
#   dwc_packages PACKAGE...   Debian packages: installs what is missing, or prints the line that does and exits 3
#   dwc_venv                  build/venv with the versions of requirements.txt; puts its cmake and ninja on PATH
#   dwc_configure PRESET ...  cmake --preset, with ccache where there is one; more arguments go to cmake
#   dwc_build PRESET ...      cmake --build --preset

set -euo pipefail

DWC_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
DWC_VENV="$DWC_ROOT/build/venv"
cd "$DWC_ROOT"

dwc_say() { printf '\n== %s [%dm%02ds]\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

dwc_installed() {
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

dwc_packages() {
    local package missing=()
    if ! command -v dpkg-query >/dev/null; then
        echo "This is not a Debian system. Install what these Debian packages hold, then run again with" \
            "DWC_SKIP_PACKAGES=1: $*" >&2
        [[ -n "${DWC_SKIP_PACKAGES:-}" ]] && return 0
        exit 3
    fi
    [[ -n "${DWC_SKIP_PACKAGES:-}" ]] && return 0
    for package in "$@"; do
        dwc_installed "$package" || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        dwc_say "Debian packages: all $# there"
        return 0
    fi
    dwc_say "Debian packages: ${#missing[@]} of $# are missing: ${missing[*]}"
    local as_root=()
    if [[ "$(id -u)" != 0 ]]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            echo "They need root. Run this line, then run this script again:" >&2
            echo "sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
            exit 3
        fi
    fi
    # Ten minutes for another apt that holds the lock.
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600)
    "${apt[@]}" update </dev/null
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null
}

# The first interpreter that the Halide wheel supports and that can make a venv.
dwc_find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10 python3.9; do
        [[ -n "$candidate" ]] || continue
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))' \
            >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    echo "No Python 3.9 to 3.13 with venv was found; set PYTHON to one." >&2
    exit 3
}

dwc_venv() {
    local python stamp="$DWC_VENV/.satisfied" wanted
    # A moved checkout needs a new environment: its scripts name their interpreter by absolute path.
    wanted="$(sha256sum <requirements.txt) $DWC_VENV"
    if [[ -f "$stamp" && "$(<"$stamp")" == "$wanted" ]] && "$DWC_VENV/bin/cmake" --version >/dev/null 2>&1; then
        dwc_say "Python environment: up to date"
    else
        python="$(dwc_find_python)"
        dwc_say "Python environment: installing requirements.txt into build/venv ($python)"
        rm -rf "$DWC_VENV"
        "$python" -m venv "$DWC_VENV"
        "$DWC_VENV/bin/python" -m pip install --disable-pip-version-check --no-input --only-binary :all: \
            -r requirements.txt </dev/null
        # One path for every Python version; CMakePresets.json looks here.
        ln -sfn "$("$DWC_VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/halide" \
            "$DWC_VENV/halide"
        printf '%s' "$wanted" >"$stamp"
    fi
    PATH="$DWC_VENV/bin:$PATH"
}

dwc_configure() {
    local preset="$1" launcher=()
    shift
    if command -v ccache >/dev/null; then
        launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    fi
    dwc_say "Configuring build/$preset"
    cmake --preset "$preset" "${launcher[@]}" "$@"
}

dwc_build() {
    local preset="$1"
    shift
    dwc_say "Building build/$preset"
    # Progress with finished/total and seconds, also where output is no terminal.
    NINJA_STATUS="[%f/%t %es] " cmake --build --preset "$preset" --parallel "${DWC_JOBS:-$(nproc)}" "$@"
}
