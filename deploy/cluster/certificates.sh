#!/usr/bin/env bash
# Keys, certificates and kubeconfigs of a cluster for tests, in the present directory:
#   certificates.sh control-plane ADDRESS SERVICE_ADDRESS    certificates.sh node NAME ADDRESS
set -euo pipefail
umask 077

authority() { # name
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -keyout "$1.key" -out "$1.crt" -subj "/CN=$1" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}
certificate() { # name, subject, authority, usage, names
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$1.key" -out "$1.csr" -subj "$2"
  openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -days 30 -out "$1.crt" -extfile <(
    printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$4"
    if [ -n "${5:-}" ]; then printf 'subjectAltName=%s\n' "$5"; fi
  )
}
kubeconfig() { # name of a certificate, address of the API server
  kubectl config --kubeconfig "$1.conf" set-cluster test --server "https://$2:6443" --certificate-authority ca.crt --embed-certs
  kubectl config --kubeconfig "$1.conf" set-credentials "$1" --client-certificate "$1.crt" --client-key "$1.key" --embed-certs
  kubectl config --kubeconfig "$1.conf" set-context test --cluster test --user "$1"
  kubectl config --kubeconfig "$1.conf" use-context test
}

case $1 in
control-plane)
  authority ca
  authority front-proxy-ca
  names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost
  certificate apiserver /CN=kube-apiserver ca serverAuth "$names,IP:127.0.0.1,IP:$2,IP:$3"
  certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client ca clientAuth
  certificate front-proxy-client /CN=front-proxy-client front-proxy-ca clientAuth
  certificate admin /O=system:masters/CN=admin ca clientAuth
  for component in controller-manager scheduler proxy; do
    certificate "$component" "/CN=system:kube-$component" ca clientAuth
  done
  for name in admin controller-manager scheduler proxy; do kubeconfig "$name" "$2"; done
  openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out accounts.key
  openssl ec -in accounts.key -pubout -out accounts.pub
  echo "$2" >address
  ;;
node)
  certificate "$2" "/O=system:nodes/CN=system:node:$2" ca clientAuth
  certificate "$2-server" "/O=system:nodes/CN=system:node:$2" ca serverAuth "DNS:$2,IP:$3"
  kubeconfig "$2" "$(<address)"
  ;;
esac >/dev/null 2>certificates.log || {
  cat certificates.log >&2
  exit 1
}
