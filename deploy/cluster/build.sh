#!/usr/bin/env bash
# Prints the directory of the programs of a cluster: Kubernetes, etcd, CoreDNS, metrics-server, kubectl and helm. They are built
# from Go modules where the cache has none of this version; go.mod says which version that is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./built.sh

build() {
  needs_go
  local kubernetes helm version=k8s.io/component-base/version
  kubernetes=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  helm=$(go list -m -f '{{.Version}}' helm.sh/helm/v3)
  local minor=${kubernetes#v*.}
  # Clients compare these versions with each other.
  go build -trimpath -o "$out/" -ldflags "-s -w
    -X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=${minor%.*}
    -X $version.gitTreeState=clean -X $version.gitCommit=none -X $version.buildDate=1970-01-01T00:00:00Z
    -X helm.sh/helm/v3/internal/version.version=$helm" ./coredns tool
  mv "$out/server" "$out/etcd"
}

export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
built "programs-$(version_of go.mod coredns/main.go build.sh)" build
