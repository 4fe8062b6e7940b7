#!/usr/bin/env bash
# Checks the chart without a cluster: lint, what the templates render, refusals of values, and the README.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
tools=$(./tools.sh)
PATH=$(paste -sd: <<<"$tools")${tools:+:}$PATH

fail() {
  printf 'chart: %s\n' "$*" >&2
  exit 1
}
# A helm that was built from its module takes itself for one of Kubernetes 1.20.
render() { helm template test mqtt-video --kube-version 1.37 "$@"; }

for values in '' mqtt-video/values-ha.yaml mqtt-video/ci/*.yaml; do
  helm lint --quiet --strict --kube-version 1.37 mqtt-video ${values:+--values "$values"}
  render ${values:+--values "$values"} >/dev/null || fail "${values:-the default} does not render"
done

helm-unittest --strict mqtt-video

# The broker is one pod: whatever is not its own must not restart it.
broker() { render --show-only templates/broker/statefulset.yaml "$@" | sed -n '/^  template:/,$p'; }
diff <(broker) <(broker --values mqtt-video/ci/ingress-values.yaml --set imagePullSecrets=null --set log.level=debug \
  --set gatekeeper.replicas=3 --set transcoder.maxStreams=4 --set networkPolicy.enabled=false) || fail "values of others would restart the broker"
if diff <(broker) <(broker --set broker.maxQueuedMessages=7) >/dev/null; then
  fail "a change of its configuration would not restart the broker"
fi

# A misspelt variable would do nothing: each has to be one that the service reads.
for service in gatekeeper transcoder; do
  known=$(grep -rhoP 'env = "\KMQTT_VIDEO_[A-Z_]+' "../services/$service/src" ../services/runtime/src | sort -u)
  for values in mqtt-video/values.yaml mqtt-video/ci/*.yaml; do
    render --show-only "templates/$service/deployment.yaml" --values "$values"
  done | grep -oP 'name: \KMQTT_VIDEO_[A-Z_]+' | sort -u | comm -23 - <(echo "$known") | (! grep .) ||
    fail "the $service reads no such variable"
done
grep -oP '^ +\KMQTT_VIDEO_[A-Z_]+' ../deploy/compose.yaml | sort -u |
  comm -23 - <(grep -rhoP 'env = "\KMQTT_VIDEO_[A-Z_]+' ../services | sort -u) | (! grep .) ||
  fail "no service reads such a variable of deploy/compose.yaml"

# Viewers may do the same here and on one host.
acl() { sed -n 's/^ *\(topic .*\)/\1/p' "$@"; }
diff <(render --show-only templates/broker/config.yaml | sed -n '/user viewer/,/^ *$/p' | acl) <(acl ../deploy/compose/viewers.acl) ||
  fail "the rights of viewers differ between the chart and deploy/compose/viewers.acl"

# What an operator makes of the rules is what promtool judges.
render --show-only templates/monitoring/prometheusrule.yaml --values mqtt-video/ci/gateway-values.yaml |
  sed -n 's/^  //; /^groups:/,$p' | promtool check rules /dev/stdin >/dev/null || fail "the PrometheusRule's rules are no rules"

node readme.mjs --check
node dashboards.mjs --check
./rules.sh
echo "chart: checked" >&2
