#!/usr/bin/env bash
# The first process of a node: node.sh NUMBER control-plane|worker, in process, mount, network and host name namespaces of its own,
# where killing it is a power cut. cluster.sh starts it and says where things are.
#
# Containers and their images live in memory, and go with the mount namespace.
set -euo pipefail
number=$1 role=$2
name=node$number address=$NETWORK.$((10 + number)) pods=$PODS.$number.0/24
state=$RUN/$name
mkdir -p "$state"/{kubelet,containerd,etcd,pods,containers,cni,log,lan}

hostname "$name"
mount --make-rprivate /
# This network's own view of /sys, with the cgroups that are there.
mkdir "$state/cgroup"
mount --rbind /sys/fs/cgroup "$state/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$state/cgroup" /sys/fs/cgroup
umount -l "$state/cgroup"
mount -t tmpfs tmpfs /run
mount -t tmpfs -o size=8g tmpfs "$state/containerd"
mount -t tmpfs tmpfs "$state/etcd"
mkdir -p /run/lock /run/cni /run/kernel
for pair in kubelet:/var/lib/kubelet pods:/var/log/pods containers:/var/log/containers cni:/var/lib/cni; do
  mkdir -p "${pair#*:}"
  mount --bind "$state/${pair%%:*}" "${pair#*:}"
done
# The kubelet insists on three settings of the whole machine: it is shown what it wants to see.
for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
  file=/run/kernel/$(basename "${setting%=*}")
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
mount --make-rshared /

ip link set lo up
until ip link set lan up 2>/dev/null; do sleep 0.02; done # cluster.sh lays the cable
ip address add "$address/24" dev lan
ip route add default via "$NETWORK.1"
echo 1 >/proc/sys/net/ipv4/ip_forward
# What pods of one node say to each other by a Service passes through its rules, too.
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables

cat >/run/cni/pods.conflist <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
cat >/run/containerd.toml <<END
version = 2
root = "$state/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "mqtt-video-test/parts:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/run/cni"
END
: >/run/resolv.conf
cat >/run/kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $KEYS/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $KEYS/$name-server.crt
tlsPrivateKeyFile: $KEYS/$name-server.key
cgroupDriver: cgroupfs
cgroupRoot: /mqtt-video-test/$name
failCgroupV1: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDomain: cluster.local
clusterDNS: [$SERVICES.0.10]
resolvConf: /run/resolv.conf
failSwapOn: false
evictionHard: {memory.available: 200Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
# What is removed cannot be pulled again.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
serializeImagePulls: false
END
cat >/run/proxy.yaml <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: $PODS.0.0/16
hostnameOverride: $name
bindAddress: $address
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 127.0.0.1:10256
clientConnection: {kubeconfig: $KEYS/proxy.conf}
# Limits of the whole machine, which a namespace cannot set.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 0s}
END

start() { # log, command
  local log=$state/log/$1.log
  shift
  "$@" >>"$log" 2>&1 &
}

start containerd containerd --config /run/containerd.toml
if [ "$role" = control-plane ]; then
  start etcd etcd --name "$name" --data-dir "$state/etcd/data" --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
    --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster "$name=http://127.0.0.1:2380"
  start apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address="$address" --secure-port=6443 \
    --tls-cert-file="$KEYS/apiserver.crt" --tls-private-key-file="$KEYS/apiserver.key" --client-ca-file="$KEYS/ca.crt" \
    --kubelet-client-certificate="$KEYS/kubelet-client.crt" --kubelet-client-key="$KEYS/kubelet-client.key" \
    --kubelet-certificate-authority="$KEYS/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file="$KEYS/accounts.pub" \
    --service-account-signing-key-file="$KEYS/accounts.key" --requestheader-client-ca-file="$KEYS/front-proxy-ca.crt" \
    --requestheader-allowed-names=front-proxy-client --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
    --proxy-client-cert-file="$KEYS/front-proxy-client.crt" --proxy-client-key-file="$KEYS/front-proxy-client.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --service-cluster-ip-range="$SERVICES.0.0/16"
  until curl --silent --fail --max-time 2 --cacert "$KEYS/ca.crt" --cert "$KEYS/admin.crt" --key "$KEYS/admin.key" \
    https://127.0.0.1:6443/readyz >/dev/null; do sleep 0.1; done
  # One of each, so nobody leads; and an autoscaler whose turns a test can wait for.
  start controller-manager kube-controller-manager --kubeconfig="$KEYS/controller-manager.conf" --leader-elect=false \
    --bind-address=127.0.0.1 --kube-api-qps=200 --kube-api-burst=400 --use-service-account-credentials \
    --service-account-private-key-file="$KEYS/accounts.key" --root-ca-file="$KEYS/ca.crt" \
    --horizontal-pod-autoscaler-sync-period=5s --horizontal-pod-autoscaler-initial-readiness-delay=5s \
    --horizontal-pod-autoscaler-cpu-initialization-period=20s
  start scheduler kube-scheduler --kubeconfig="$KEYS/scheduler.conf" --leader-elect=false --bind-address=127.0.0.1 \
    --kube-api-qps=200 --kube-api-burst=400
fi
until ctr --address /run/containerd/containerd.sock version >/dev/null 2>&1; do sleep 0.1; done
xargs --arg-file "$RUN/images" --max-procs 2 --max-args 1 \
  ctr --address /run/containerd/containerd.sock --namespace k8s.io images import >>"$state/log/images.log" 2>&1
start kubelet kubelet --config=/run/kubelet.yaml --kubeconfig="$KEYS/$name.conf" --hostname-override="$name" --node-ip="$address"
start proxy kube-proxy --config=/run/proxy.yaml

trap 'exit 0' TERM
# As the first process it also reaps what others leave.
while :; do wait -n || sleep 0.5; done
