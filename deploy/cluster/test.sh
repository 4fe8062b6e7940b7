#!/usr/bin/env bash
# Tests the chart: by itself, then on a real Kubernetes, that of KUBECONFIG or one that it brings up here and removes. Arguments
# go to Playwright.
#
# A cluster of one's own has to have the images: images.sh prints their archives. Cases that break machines are left out there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
here=$PWD root=$(cd ../.. && pwd)

kubernetes_tests=(cargo test --locked --package gatekeeper --features cluster-tests --test kubernetes)

# What needs no cluster, and what needs a registry, since a cluster of ours has no way out.
prepare() {
  tools=$(../../helm/tools.sh)
  PATH=$(paste -sd: <<<"$tools")${tools:+:}$PATH
  ../../helm/test.sh
  ../../helm/validate.sh --fetch
  (cd "$root" && "${kubernetes_tests[@]}" --no-run)
}

cases() {
  ../../helm/validate.sh
  (cd "$root" && "${kubernetes_tests[@]}")
  cd "$root/tests/browser"
  npx playwright test --config cluster/playwright.config.ts "$@"
}

if [ "${1:-}" = --cases ]; then
  shift
  cases "$@"
elif [ -n "${KUBECONFIG:-}" ]; then
  prepare
  cases "$@"
else
  PATH=$(./build.sh):$PATH
  prepare
  trap './cluster.sh down' EXIT
  ./cluster.sh up
  CLUSTER_SCRIPT=$here/cluster.sh ./cluster.sh outside ./test.sh --cases "$@"
fi
