#!/usr/bin/env bash
# A real Kubernetes on this machine, in namespaces of its own, without a way out:
#   cluster.sh up               one node with the control plane, CoreDNS and metrics-server; `make test-cluster` does it by itself
#   cluster.sh outside CMD...   runs a command beside the cluster, with KUBECONFIG: on its network, and reaching its Services
#   cluster.sh add N            one more node, 2 to 9
#   cluster.sh cut N            cuts the power of that node
#   cluster.sh inside N CMD...  runs a command on a node
#   cluster.sh down             ends all of it and leaves nothing
# Nothing else of the machine changes. It needs root, cgroup v1, and what install.sh says.
set -euo pipefail
caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./built.sh
programs=$(./build.sh)

# What node.sh reads.
export RUN=$cache/run
export KEYS=$RUN/keys NETWORK=10.240.0 PODS=10.244 SERVICES=10.96
export PATH=$programs:$PATH:/usr/local/sbin:/usr/sbin:/sbin KUBECONFIG=$KEYS/admin.conf

say() { printf 'cluster: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

# The machine beside the nodes, which is their switch and their router; its end is the end of all of them.
wire() { [ -s "$RUN/wire" ] && kill -0 "$(<"$RUN/wire")" 2>/dev/null && cat "$RUN/wire"; }
outside() { nsenter --target "$(<"$RUN/wire")" --net -- "$@"; }
# The first process of a node.
node() { cat "$RUN/node$1/pid"; }

awaited() { # seconds, what, command...
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || fail "no $what, see $RUN"
    sleep 0.1
  done
}

# Processes as others see them: unshare's only child is the first of its namespaces.
child() { cat "/proc/$1/task/$1/children" 2>/dev/null | tr -d ' ' | grep .; }
start_apart() { # file for the id, log, command...
  local file=$1 log=$2
  shift 2
  setsid unshare --fork --pid --kill-child=KILL --mount --mount-proc --net --uts "$@" >"$log" 2>&1 </dev/null &
  awaited 5 "namespaces" child $!
  child $! >"$file"
}

up() {
  if wire >/dev/null; then fail "is up already"; fi
  [ -d /sys/fs/cgroup/cpuset ] || fail "this machine has cgroup v2 only, for which there is no way here yet: set KUBECONFIG"
  down
  local images
  images=$(./images.sh)
  mkdir -p "$KEYS"
  echo "$images" >"$RUN/images"
  start_apart "$RUN/wire" "$RUN/wire.log" sleep infinity
  outside ip link set lo up
  outside ip link add lan type bridge
  outside ip address add "$NETWORK.1/24" dev lan
  outside ip link set lan up
  outside ip route add "$SERVICES.0.0/16" via "$NETWORK.11"
  outside sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  (cd "$KEYS" && "$OLDPWD/certificates.sh" control-plane "$NETWORK.11" "$SERVICES.0.1")
  plug 1 control-plane
  awaited 60 "API server" outside kubectl get --raw /readyz
  outside kubectl apply --filename coredns.yaml --filename metrics-server.yaml >/dev/null
  joined 1
  awaited 20 "service account" outside kubectl get serviceaccount default
  outside kubectl rollout status --namespace kube-system deployment/coredns --timeout 60s >/dev/null
}

plug() { # number, role
  local directory=$RUN/node$1
  if [ -s "$directory/pid" ]; then fail "node$1 is up already"; fi
  # Of one whose power was cut.
  rm -rf "$directory"
  mkdir -p "$directory"
  (cd "$KEYS" && "$OLDPWD/certificates.sh" node "node$1" "$NETWORK.$((10 + $1))")
  for hierarchy in /sys/fs/cgroup/*/; do
    if [ -e "$hierarchy/cgroup.procs" ]; then mkdir -p "$hierarchy/mqtt-video-test/node$1"; fi
  done
  for level in mqtt-video-test "mqtt-video-test/node$1"; do
    for file in cpus mems; do cat "/sys/fs/cgroup/cpuset/cpuset.$file" >"/sys/fs/cgroup/cpuset/$level/cpuset.$file"; done
  done
  start_apart "$directory/pid" "$directory/node.log" ./node.sh "$1" "$2"
  outside ip link add "node$1" type veth peer name lan netns "$(node "$1")"
  outside ip link set "node$1" master lan up
  outside ip route replace "$PODS.$1.0/24" via "$NETWORK.$((10 + $1))"
}

joined() {
  awaited 120 "node$1 in the cluster" outside kubectl get node "node$1"
  outside kubectl wait --for condition=Ready "node/node$1" --timeout 60s >/dev/null
}

# Nothing that its processes say when they end comes through, as with a real one.
cut() {
  outside ip link set "node$1" down
  end "$RUN/node$1/pid"
  # Its namespace may take a moment to go, and the cable with it.
  outside ip link delete "node$1" 2>/dev/null || true
  remove_cgroups "$1"
}

end() { # file with an id
  local pid
  [ -s "$1" ] || return 0
  pid=$(<"$1")
  rm "$1"
  # Not one that got the id later.
  [ "$(readlink "/proc/$pid/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] || return 0
  kill -KILL "$pid" 2>/dev/null || return 0
  awaited 20 "end of $pid" gone "$pid"
}
gone() { [ ! -e "/proc/$1" ]; }

remove_cgroups() {
  local directory
  for directory in /sys/fs/cgroup/*/mqtt-video-test/${1:+node$1}; do
    if [ -d "$directory" ]; then find "$directory" -depth -type d -exec rmdir {} \; 2>/dev/null || true; fi
  done
}

down() {
  local file
  for file in "$RUN"/node*/pid "$RUN/wire"; do end "$file"; done
  remove_cgroups
  rm -rf "$RUN"
}

command=${1:-}
case $command in
up | down)
  "$command"
  ;;
outside)
  wire >/dev/null || fail "is not up: cluster.sh up"
  shift
  cd "$caller"
  outside "$@"
  ;;
inside)
  number=$2
  shift 2
  nsenter --target "$(node "$number")" --mount --net --pid --uts -- env CONTAINERD_ADDRESS=/run/containerd/containerd.sock \
    CONTAINERD_NAMESPACE=k8s.io "$@"
  ;;
add)
  plug "$2" worker
  joined "$2"
  ;;
cut) cut "$2" ;;
*)
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
