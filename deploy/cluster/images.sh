#!/usr/bin/env bash
# Prints the archives of the images that a node needs. Those of the services are made by the recipe of `make images` from what
# `make build` left; all stand on Debian's base system, since nothing is pulled here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./built.sh
programs=$(./build.sh)
root=$(cd ../.. && pwd)
BASE=localhost/mqtt-video-test/base:1

# A store of our own, since the machine's belongs to others.
mkdir -p "$cache"
export CONTAINERS_STORAGE_CONF=$cache/storage.conf BUILDAH_ISOLATION=chroot BUILDAH_LAYERS=true
printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$cache/containers" "$cache/containers-run" \
  >"$CONTAINERS_STORAGE_CONF"

# archive IMAGE NAME: writes an image of the store to $out, under a name of its own
archive() { buildah push --quiet "$1" "docker-archive:$out/${2//[\/:]/-}.tar:$2"; }

base() {
  local container
  debootstrap --variant=minbase bookworm "$out/root"
  rm -rf "$out"/root/var/cache/apt/archives/*.deb
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$out/root" / >/dev/null
  buildah commit --quiet --rm "$container" "$BASE" >/dev/null
  rm -rf "$out/root"
}

parts() {
  mkdir "$out/context"
  cp "$programs/coredns" "$programs/metrics-server" ../local/camera.py "$out/context"
  buildah build --quiet --format docker --build-arg "BASE=$BASE" --tag mqtt-video-test/parts:1 --file parts.Dockerfile \
    "$out/context" >/dev/null
  rm -rf "$out/context"
  archive localhost/mqtt-video-test/parts:1 docker.io/mqtt-video-test/parts:1
}

services() {
  local name
  BASE=$BASE BINARIES=prebuilt IMAGES=localhost/mqtt-video-test TAG=1 ../images.sh >/dev/null
  # The names that the chart has by default.
  for name in gatekeeper transcoder; do
    archive "localhost/mqtt-video-test/$name:1" "docker.io/mqtt-video/$name:$(sed -n 's/^appVersion: "\{0,1\}\([^"]*\)"\{0,1\}/\1/p' \
      "$root/helm/mqtt-video/Chart.yaml")"
  done
}

built base-bookworm base >/dev/null
parts=$(built "parts-$(version_of parts.Dockerfile ../local/camera.py images.sh)-${programs##*-}" parts)
version=$(cd "$root" && find target/release/{gatekeeper,transcoder} services/player/dist deploy/*.Dockerfile helm/mqtt-video/Chart.yaml \
  -type f | sort | xargs cat | sha256sum | cut -c -12)
services=$(built "services-$version" services)
# Each commit makes others.
find "$cache" -maxdepth 1 -name 'services-*' ! -path "$services" -exec rm -rf {} +
ls "$parts"/*.tar "$services"/*.tar
