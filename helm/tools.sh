#!/usr/bin/env bash
# Prints directories of helm and helm-unittest, one a line, for PATH. What is not installed is built from Go modules, once for
# each version, into a cache outside the tree.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../deploy/cluster/built.sh
UNITTEST_VERSION=1.1.2

export CGO_ENABLED=0 GOFLAGS=-buildvcs=false

# The version of the test cluster.
build_helm() {
  needs_go
  local version
  version=$(go list -C ../deploy/cluster -m -f '{{.Version}}' helm.sh/helm/v3)
  go build -C ../deploy/cluster -trimpath -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$version" -o "$out/helm" \
    helm.sh/helm/v3/cmd/helm
}

# It replaces a module of others by its own, which `go install` refuses.
build_unittest() {
  needs_go
  local source
  source=$(go mod download -json "github.com/helm-unittest/helm-unittest@v$UNITTEST_VERSION" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  go build -C "$source" -mod=readonly -trimpath -ldflags '-s -w' -o "$out/helm-unittest" ./cmd/helm-unittest
}

has helm || built "helm-$(sed -n 's#^\thelm.sh/helm/v3 v\([^ ]*\).*#\1#p' ../deploy/cluster/go.mod)" build_helm
has helm-unittest || built "helm-unittest-$UNITTEST_VERSION" build_unittest
