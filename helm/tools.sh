#!/usr/bin/env bash
# Prints directories of helm and helm-unittest, one a line, for PATH. What is not installed is built from Go modules, once for
# each version, into a cache outside the tree.
set -euo pipefail
HELM_VERSION=3.22.0
UNITTEST_VERSION=1.1.2

cache=${CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mqtt-video-cluster}

say() { printf 'helm: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

# built NAME-VERSION COMMAND...: runs the command, which fills $out, unless that was done before
built() {
  local target=$cache/$1
  shift
  if [ ! -d "$target" ]; then
    if ! has go; then
      say "Go 1.26 or later is missing, to build ${target##*/}: see https://go.dev/dl"
      exit 1
    fi
    say "building ${target##*/}, once"
    out=$target.part
    rm -rf "$out"
    mkdir -p "$out"
    "$@"
    mv "$out" "$target"
  fi
  echo "$target"
}

export CGO_ENABLED=0 GOFLAGS=-buildvcs=false

build_helm() {
  GOBIN=$out go install -trimpath -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=v$HELM_VERSION" \
    "helm.sh/helm/v3/cmd/helm@v$HELM_VERSION"
}

# It replaces a module of others by its own, which `go install` refuses.
build_unittest() {
  local source
  source=$(go mod download -json "github.com/helm-unittest/helm-unittest@v$UNITTEST_VERSION" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  (cd "$source" && go build -mod=readonly -trimpath -ldflags '-s -w' -o "$out/helm-unittest" ./cmd/helm-unittest)
}

has helm || built "helm-$HELM_VERSION" build_helm
has helm-unittest || built "helm-unittest-$UNITTEST_VERSION" build_unittest
