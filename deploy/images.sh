#!/usr/bin/env bash
# Builds the images of the services with whichever of docker, podman and buildah is there:
#   IMAGES=mqtt-video TAG=<version of the workspace> PLATFORM=<this machine's> BASE= BINARIES= deploy/images.sh
# They are called $IMAGES/gatekeeper:$TAG and $IMAGES/transcoder:$TAG. Set IMAGES to a registry of yours, to push them there.
# PLATFORM=linux/amd64 or linux/arm64. BASE and BINARIES are explained in the files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

has() { command -v "$1" >/dev/null 2>&1; }

# A docker command without an engine behind it is of no use.
if has docker && docker info >/dev/null 2>&1; then
  build=(docker build)
  export DOCKER_BUILDKIT=1
elif has podman; then
  build=(podman build --format docker)
elif has buildah; then
  build=(buildah build --format docker)
else
  echo "images: docker (with its engine running), podman or buildah is needed" >&2
  exit 1
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
arguments=(--build-arg "VERSION=$version")
if revision=$(git rev-parse HEAD 2>/dev/null); then arguments+=(--build-arg "REVISION=$revision"); fi
for name in BASE BINARIES; do
  if [ -n "${!name:-}" ]; then arguments+=(--build-arg "$name=${!name}"); fi
done
if [ -n "${PLATFORM:-}" ]; then arguments+=(--platform "$PLATFORM"); fi

for service in gatekeeper transcoder; do
  image=${IMAGES:-mqtt-video}/$service:${TAG:-$version}
  echo "images: ${build[0]} builds $image" >&2
  "${build[@]}" "${arguments[@]}" --tag "$image" --file "deploy/$service.Dockerfile" .
done
