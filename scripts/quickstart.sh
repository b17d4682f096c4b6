#!/usr/bin/env bash
# From a bare Debian 12 machine to one Keras layer computed by an ahead-of-time kernel and compared with Keras' own
# output. Builds the library and the command line for this machine's kind of CPU into build/quick. May be run again.
#
#   scripts/quickstart.sh
#
# Exit status: 0 done; 3 packages are missing and may not be installed (the line to run is printed); 1 anything else.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

[[ "$(uname -m)" == x86_64 ]] || { echo "dwconv builds on x86-64 Linux; this is $(uname -m)." >&2; exit 1; }

dwc_packages g++ python3-venv git ccache pkg-config libcli11-dev nlohmann-json3-dev libhdf5-dev libzip-dev \
    libopenblas-dev
dwc_venv
dwc_configure quick
dwc_build quick --target dwconv_cli

models=tests/data/keras_oracle/models
dwc_say "Running a Keras model's DepthwiseConv1D and comparing with what Keras computed"
command=(build/quick/cli/dwconv run --model $models/seq_single.keras --x $models/seq_single_keras_0_x.npy
    --y build/quick/y.npy --expect $models/seq_single_keras_0_y.npy)
echo "\$ ${command[*]}"
"${command[@]}"
dwc_say "Done. The output is in build/quick/y.npy; try: build/quick/cli/dwconv --help"
