#!/usr/bin/env bash
# Has the API server of KUBECONFIG judge what the chart renders, for each set of values, without creating any of it. With --fetch
# it only gets what it needs from elsewhere, for where there is no way out.
#
# Kinds that the cluster lacks are defined for that time: ours, and from their Go modules those of Gateway API, KEDA and the
# Prometheus operator. Everything is applied in a namespace of its own that enforces the restricted Pod Security Standard.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../deploy/cluster/built.sh
tools=$(./tools.sh)
PATH=$(paste -sd: <<<"$tools")${tools:+:}$PATH
namespace=mqtt-video-validation-$$

say() { printf 'chart: %s\n' "$*" >&2; }

fetch() {
  needs_go
  local module directory
  while read -r module file; do
    directory=$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    install --mode 644 "$directory/$file" "$out"
  done <<END
sigs.k8s.io/gateway-api@v1.4.1 config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
github.com/kedacore/keda/v2@v2.21.0 config/crd/bases/keda.sh_scaledobjects.yaml
github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml
github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml
END
}
definitions=$(built "definitions-$(version_of validate.sh)" fetch)
if [ "${1:-}" = --fetch ]; then exit; fi

created=()
clean() {
  kubectl delete namespace "$namespace" --ignore-not-found --wait=false >/dev/null
  if [ ${#created[@]} -gt 0 ]; then kubectl delete crd "${created[@]}" >/dev/null; fi
}
trap clean EXIT

defined() { # name of a definition, file
  if kubectl get crd "$1" >/dev/null 2>&1; then return; fi
  kubectl create --filename "$2" >/dev/null
  created+=("$1")
  kubectl wait --for condition=Established "crd/$1" --timeout 20s >/dev/null
}
defined videosources.mqttvideo.io mqtt-video/crds/videosources.mqttvideo.io.yaml
defined httproutes.gateway.networking.k8s.io "$definitions/gateway.networking.k8s.io_httproutes.yaml"
defined scaledobjects.keda.sh "$definitions/keda.sh_scaledobjects.yaml"
defined podmonitors.monitoring.coreos.com "$definitions/monitoring.coreos.com_podmonitors.yaml"
defined prometheusrules.monitoring.coreos.com "$definitions/monitoring.coreos.com_prometheusrules.yaml"

kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null

for values in '' mqtt-video/values-ha.yaml mqtt-video/ci/*.yaml; do
  rendered=$(helm template test mqtt-video --namespace "$namespace" --kube-version 1.37 ${values:+--values "$values"})
  answer=$(kubectl apply --namespace "$namespace" --dry-run=server --filename - <<<"$rendered" 2>&1) ||
    { say "${values:-the default} is refused: $answer" && exit 1; }
  # A pod that the standard forbids is a warning, as long as it is only a template's.
  if grep -i '^warning' <<<"$answer"; then
    say "${values:-the default} is warned about"
    exit 1
  fi
  say "${values:-the default}: $(wc -l <<<"$answer") objects are valid"
done
