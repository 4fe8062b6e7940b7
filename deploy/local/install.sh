#!/usr/bin/env bash
# Makes sure that what `make demo`, `make build`, `make test` or `make test-cluster` needs is there:
#   install.sh demo|build|test|cluster
#
# The one place that knows what is needed. It asks for capabilities (a command, a GStreamer element) rather than for
# packages, so a mosquitto or ffmpeg of one's own will do. What is missing it installs with apt when it may, and else
# names. Rust and Node are the caller's to choose, hence only checked. It starts no service and relies on none: the
# broker that Debian's package may start is never spoken to, and a Prometheus for the whole machine is kept from starting.
set -euo pipefail

what=${1:-}
case $what in
demo | build | test | cluster) ;;
*)
  echo "usage: $0 demo|build|test|cluster" >&2
  exit 2
  ;;
esac

# Debian keeps daemons where only root's PATH looks.
PATH=$PATH:/usr/local/sbin:/usr/sbin

say() { printf 'install: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

check_toolchains() {
  has cargo || fail "Rust is missing: see https://rustup.rs (rust-toolchain.toml chooses the version)."
  has node && has npm || fail "Node is missing: version 20.19 or later with npm, see https://nodejs.org/en/download."
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node $(node --version) is too old: version 20.19 or later is needed."
  # The receiver that tests export traces to is built from Go modules.
  [ "$what" != test ] || has go || fail "Go is missing: version 1.26 or later, see https://go.dev/dl"
}

# What the cameras are made of: the RTSP server and each element that deploy/local/camera.py puts in a pipeline.
has_gstreamer() {
  [ -x /usr/bin/python3 ] && /usr/bin/python3 - 2>/dev/null <<'PYTHON'
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
needed = """appsrc x264enc x265enc jpegenc rtph264pay rtph265pay rtpjpegpay audiotestsrc audioconvert avenc_aac aacparse
    rtpmp4gpay alawenc rtppcmapay""".split()
sys.exit(any(Gst.ElementFactory.find(name) is None for name in needed))
PYTHON
}

gstreamer_packages=(
  python3 python3-gi python3-gst-1.0 gir1.2-gst-rtsp-server-1.0
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav
)

# Debian starts what it installs, at once and at each boot. A Prometheus that records this machine for good is more than a
# demo may leave behind. It is asked for by what Debian asks before it starts anything; an answer that is there already is
# the owner's, and stays.
POLICY=/usr/sbin/policy-rc.d
forbid_prometheus() {
  [ ! -e "$POLICY" ] || return 0
  trap 'rm -f "$POLICY"' EXIT
  printf '#!/bin/sh\ncase "$*" in *prometheus*) exit 101 ;; esac\n' >"$POLICY"
  chmod 755 "$POLICY"
}
disable_prometheus() {
  update-rc.d prometheus disable
  # Where the owner's answer was to start everything.
  if [ -d /run/systemd/system ]; then systemctl stop prometheus.service; fi
}

missing=()
needs() { # command, package
  has "$1" || missing+=("$2")
}

needs cc build-essential
if [ "$what" = demo ] || [ "$what" = test ]; then
  needs mosquitto mosquitto
  needs ffmpeg ffmpeg
  needs prometheus prometheus
  needs setpriv util-linux
  has_gstreamer || missing+=("${gstreamer_packages[@]}")
fi
if [ "$what" = test ]; then
  needs ffprobe ffmpeg
  needs mosquitto_sub mosquitto-clients
  needs chromium chromium
  needs script bsdutils
  # For a worker whose clock is wrong.
  compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || missing+=(libfaketime)
fi
if [ "$what" = test ] || [ "$what" = cluster ]; then
  needs promtool prometheus
fi
if [ "$what" = cluster ]; then
  needs chromium chromium
  # A cluster of one's own needs nothing to run it, and no images.
  if [ -z "${KUBECONFIG:-}" ]; then
    needs containerd containerd
    needs runc runc
    [ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
    needs iptables iptables
    needs conntrack conntrack
    needs ip iproute2
    needs nsenter util-linux
    needs openssl openssl
    needs curl curl
    needs buildah buildah
    needs debootstrap debootstrap
  fi
fi

if [ ${#missing[@]} -gt 0 ]; then
  command_line="apt-get install --no-install-recommends ${missing[*]}"
  if ! has apt-get; then
    fail "missing here: what Debian 12 calls ${missing[*]}."
  elif [ "$(id -u)" -ne 0 ]; then
    fail "some packages are missing. As root:  apt-get update && $command_line"
  fi
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  if [[ " ${missing[*]} " == *" prometheus "* ]]; then prometheus=ours; else prometheus=; fi
  if [ -n "$prometheus" ]; then forbid_prometheus; fi
  apt-get install -q -y --no-install-recommends "${missing[@]}"
  if [ -n "$prometheus" ]; then disable_prometheus; fi
fi

# After apt, so that a machine that lacks both learns of the slower one last.
check_toolchains

if [ "$what" = test ] && ! cargo deny --version >/dev/null 2>&1; then
  say "building cargo-deny, once"
  # Unoptimised: it runs for a second, and building it is what takes time.
  cargo install --locked --debug --no-default-features --version ^0.20 cargo-deny
fi
