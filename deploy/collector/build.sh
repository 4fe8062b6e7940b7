#!/usr/bin/env bash
# Prints the path of the receiver of traces for tests, built from Go modules where the cache has none of this version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../cluster/built.sh

build() {
  needs_go
  go build -trimpath -ldflags '-s -w' -o "$out/collector" .
}

export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
echo "$(built "collector-$(version_of go.mod main.go build.sh)" build)/collector"
