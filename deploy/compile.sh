#!/bin/sh
# Compiles one service for an architecture, in the builder of an image: compile.sh PACKAGE amd64|arm64 DIRECTORY
#
# A builder of another architecture compiles across, which takes a tenth of the time of doing it under emulation.
set -eu
package=$1 architecture=${2:-$(dpkg --print-architecture)} out=$3

case $architecture in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*)
  echo "no image for the architecture $architecture: amd64 or arm64" >&2
  exit 2
  ;;
esac
target=$machine-unknown-linux-gnu

if [ "$architecture" != "$(dpkg --print-architecture)" ]; then
  apt-get update
  # Debian spells x86_64 with a hyphen in names of packages.
  apt-get install -y --no-install-recommends "gcc-$(echo "$machine" | tr _ -)-linux-gnu" "libc6-dev-$architecture-cross"
  underscored=$(echo "$target" | tr - _)
  export "CC_$underscored=$machine-linux-gnu-gcc"
  export "CARGO_TARGET_$(echo "$underscored" | tr '[:lower:]' '[:upper:]')_LINKER=$machine-linux-gnu-gcc"
fi
rustup target add "$target"
cargo build --locked --release --package "$package" --target "$target"
install -D -t "$out" "target/$target/release/$package"
