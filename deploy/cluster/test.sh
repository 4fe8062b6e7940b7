#!/usr/bin/env bash
# Tests the chart on a real Kubernetes: that of KUBECONFIG, or one that it brings up here and removes. Arguments go to Playwright.
#
# A cluster of one's own has to have the images: images.sh prints their archives. Cases that break machines are left out there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
here=$PWD root=$(cd ../.. && pwd)

# What needs a registry, since a cluster of ours has no way out.
prepare() {
  ../../helm/tools.sh >/dev/null
  ../../helm/validate.sh --fetch
  (cd "$root" && cargo test --locked --package gatekeeper --features cluster-tests --test kubernetes --no-run)
}

cases() {
  ../../helm/validate.sh
  (cd "$root" && cargo test --locked --package gatekeeper --features cluster-tests --test kubernetes)
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
