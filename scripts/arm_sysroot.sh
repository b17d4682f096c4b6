#!/usr/bin/env bash
# Puts what dwconv_keras, the command line and their tests need on arm-64 into a folder, for the preset arm-64: Debian's
# packages for that processor, unpacked beside the ones of this machine and not installed. Needs no root.
#
#   scripts/arm_sysroot.sh FOLDER      for example build/arm-sysroot; does nothing where it is complete
set -euo pipefail
[[ $# == 1 ]] || { echo "usage: $0 FOLDER" >&2; exit 2; }
packages=(libc6-dev libstdc++-12-dev libhdf5-dev libzip-dev libopenblas-dev nlohmann-json3-dev libcli11-dev)
mkdir -p "$1"
root="$(cd "$1" && pwd)"
stamp="${packages[*]}"
[[ -f "$root/.complete" && "$(<"$root/.complete")" == "$stamp" ]] && exit 0
find "$root" -mindepth 1 -delete

# An apt of its own: the machine's sources and keys, no installed packages, one architecture.
state="$root/.apt"
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
: >"$state/status"
apt=(apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State=$state" -o Dir::State::lists=lists
    -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=
    -o APT::Install-Recommends=0)
"${apt[@]}" update
"${apt[@]}" install --yes --download-only "${packages[@]}"
for package in "$state"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$root"; done

# Links that packages make when they are installed, and those that lead out of the folder.
triplet=aarch64-linux-gnu
for file in libopenblas.so libopenblas.so.0; do
    ln -sfn "openblas-pthread/$file" "$root/usr/lib/$triplet/$file"
done
ln -sfn ../openblas-pthread/pkgconfig/openblas.pc "$root/usr/lib/$triplet/pkgconfig/openblas.pc"
find "$root/usr" "$root/lib" -type l -lname '/*' | while read -r link; do
    ln -sfn "$root$(readlink "$link")" "$link"
done
rm -rf "$state"
printf '%s' "$stamp" >"$root/.complete"
