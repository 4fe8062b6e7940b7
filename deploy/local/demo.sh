#!/usr/bin/env bash
# The whole product on this machine, on the loopback interface: demo.sh [SOURCES.yaml]
#
# Starts a broker, two cameras (none when a sources file is given), two transcoders, a gatekeeper and a Prometheus that
# watches them, each on free ports, prints the page's address, and follows the logs until Ctrl-C, SIGTERM or the end of the
# terminal. Then nothing is left.
#
# Ownership: every part is a direct child and leads a session of its own. So a Ctrl-C in the terminal reaches this script
# alone, which stops the parts in order; a part that does not stop in time is killed with its whole session; and should
# this script itself be killed outright, the kernel kills the parts (--pdeathsig). It does not build: `make demo` does.
#
# Environment: DEMO_BIN_DIR, where the binaries are (default: target/release); DEMO_PLAYER_DIR, where the page is.
# Exit status: 1 when a part fails; else that of the signal which ended it, such as 130 for Ctrl-C.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${DEMO_BIN_DIR:-$root/target/release}
player=${DEMO_PLAYER_DIR:-$root/services/player/dist}
sources=${1:-}
# Debian keeps daemons where only root's PATH looks.
PATH=$PATH:/usr/local/sbin:/usr/sbin

# How long a part may take to start, and to stop, in seconds.
START_TIMEOUT=20
STOP_TIMEOUT=5

if [ -t 1 ]; then terminal=yes bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else terminal='' bold='' dim='' plain=''; fi

# A terminal that is gone makes printing fail. That must not keep us from cleaning up.
say() { printf '%s\n' "$*" 2>/dev/null || true; }

# --- parts ---------------------------------------------------------------------------------------------------------------

declare -A name_of=() # by process id
parts=()              # process ids, in order of start
relays=()             # process ids of what carries the parts' output

# Prints a part's lines with its name before each, and keeps its addresses where address_of finds them. It reads to the
# end whatever happens, so that no part ever blocks on a full pipe.
relay() { # name
  trap '' INT TERM HUP
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    if [[ $line == "listening "* ]]; then printf '%s\n' "${line#listening }" >>"$dir/$1.listening"; fi
    printf '%s%-12s |%s %s\n' "$dim" "$1" "$plain" "$line" 2>/dev/null || true
  done
}

start() { # name, command...
  local name=$1 output
  shift
  exec {output}> >(relay "$name")
  relays+=("$!")
  setsid setpriv --pdeathsig KILL "$@" <&- >&"$output" 2>&1 &
  parts+=("$!")
  name_of[$!]=$name
  exec {output}>&-
}

alive() { kill -0 "$1" 2>/dev/null; }

# Waits until the command after it succeeds; gives up when the part that was started last has ended, or takes too long.
await() { # what for, command...
  local what=$1 part=${parts[-1]} deadline=$((SECONDS + START_TIMEOUT))
  shift
  until "$@"; do
    if ! alive "$part"; then fail "${name_of[$part]} ended before $what; its last lines above say why"; fi
    if [ "$SECONDS" -ge "$deadline" ]; then fail "${name_of[$part]} took over ${START_TIMEOUT} s: still waiting until $what"; fi
    pause 0.1
  done
}

# A wait that a signal ends at once, as it would not end a foreground command.
pause() { # seconds
  sleep "$1" &
  wait "$!" || true
}

# HOST:PORT that a part said it listens on: address_of NAME PROTOCOL.
address_of() { sed -n "s/^$2=//p" "$dir/$1.listening" 2>/dev/null | grep -m 1 .; }
listening() { address_of "$@" >/dev/null; }
accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
ready() { # HOST:PORT [PATH]; true when PATH, or else /ready, answers 200
  local status
  { exec 3<>"/dev/tcp/${1/://}"; } 2>/dev/null || return 1
  printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "${2:-/ready}" "$1" >&3
  read -r -t 5 status <&3 || status=
  cat <&3 >/dev/null
  exec 3>&-
  [[ $status == *" 200 "* ]]
}

# The preferred ports as far as they are free, others in place of those that are not.
free_ports() { # preferred...
  /usr/bin/python3 - "$@" <<'PYTHON'
import socket
import sys

held = []
for preferred in sys.argv[1:]:
    for port in (int(preferred), 0):
        try:
            listener = socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
        held.append(listener)  # so that no later one is given the same
        break
print(*(listener.getsockname()[1] for listener in held))
PYTHON
}

# --- the end -------------------------------------------------------------------------------------------------------------

fail() {
  say "${bold}demo: $*${plain}" >&2
  stop
  exit 1
}

# Ends as the signal would have, once everything is gone, so that a caller sees what happened.
on_signal() { # name
  say ''
  say "demo: stopping"
  stop
  trap - "$1"
  kill -s "$1" "$BASHPID"
}

# The last first: services still find a broker to take leave of, and each part what it depends on.
stop() {
  trap '' INT TERM HUP
  local index part deadline
  for ((index = ${#parts[@]} - 1; index >= 0; index--)); do
    part=${parts[index]}
    deadline=$((SECONDS + STOP_TIMEOUT))
    kill -s TERM "$part" 2>/dev/null || true
    while alive "$part" && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.05; done
    if alive "$part"; then say "demo: ${name_of[$part]} did not stop within ${STOP_TIMEOUT} s and is killed"; fi
    # Its whole group: what it may have left behind, too.
    kill -s KILL -- "-$part" 2>/dev/null || true
    wait "$part" 2>/dev/null || true
  done
  for part in "${relays[@]}"; do wait "$part" 2>/dev/null || true; done
  rm -rf -- "$dir"
}

# --- start ---------------------------------------------------------------------------------------------------------------

for needed in "$bin/gatekeeper" "$bin/transcoder" "$player/index.html" ${sources:+"$sources"}; do
  if [ ! -e "$needed" ]; then
    say "demo: $needed is missing; \`make demo\` builds what the demo needs" >&2
    exit 1
  fi
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/mqtt-video-demo.XXXXXX")
# The broker may read its configuration as another user.
chmod 755 "$dir"
trap 'on_signal INT' INT
trap 'on_signal TERM' TERM
trap 'on_signal HUP' HUP

read -r mqtt websocket http prometheus <<<"$(free_ports 1883 9001 8080 9090)"

# socket_domain: without it, this listener of mosquitto 2.0 binds every address of the machine.
# user: a broker that changed its user would outlive us if we were killed, since the kernel then forgets --pdeathsig.
cat >"$dir/mosquitto.conf" <<CONF
user $(id -un)
allow_anonymous true
set_tcp_nodelay true
persistence false
log_type error
listener $mqtt 127.0.0.1
listener $websocket 127.0.0.1
protocol websockets
socket_domain ipv4
CONF
start broker mosquitto -c "$dir/mosquitto.conf"
await "it accepts connections" accepts "$mqtt"
await "it accepts WebSocket connections" accepts "$websocket"

watch='/'
wall='/wall'
if [ -z "$sources" ]; then
  start camera-1 /usr/bin/python3 -u "$here/camera.py" clock=aac --plain
  await "it serves RTSP" listening camera-1 rtsp
  start camera-2 /usr/bin/python3 -u "$here/camera.py" yard=g711 --plain
  await "it serves RTSP" listening camera-2 rtsp
  sources=$dir/sources.yaml
  cat >"$sources" <<YAML
sources:
  - name: clock
    url: rtsp://$(address_of camera-1 rtsp)/clock
  - name: yard
    url: rtsp://$(address_of camera-2 rtsp)/yard
YAML
  watch='/?source=clock&autoplay'
  wall='/wall?sources=clock,yard'
fi

broker=mqtt://127.0.0.1:$mqtt
transcoders=()
for number in 1 2; do
  # Nobody takes streams over from a demo that ends: a drain has nothing to wait for.
  start "transcoder-$number" "$bin/transcoder" --name "transcoder-$number" --broker "$broker" \
    --grpc 127.0.0.1:0 --http 127.0.0.1:0 --drain-timeout 1s
  await "it listens" listening "transcoder-$number" grpc
  await "it listens" listening "transcoder-$number" http
  await "it is ready" ready "$(address_of "transcoder-$number" http)"
  transcoders+=(--transcoder "http://$(address_of "transcoder-$number" grpc)")
done

start gatekeeper "$bin/gatekeeper" --broker "$broker" --broker-websocket "ws://127.0.0.1:$websocket" \
  --http "127.0.0.1:$http" --sources "$sources" --player-dir "$player" "${transcoders[@]}"
await "it listens" listening gatekeeper http
page=http://$(address_of gatekeeper http)
await "it is ready" ready "${page#http://}"

# Scrapes each second: a demo is looked at for minutes. Labels are those that Kubernetes gives, with the part as the pod.
rules=$root/helm/mqtt-video/rules/mqtt-video.rules.yaml
target() { # part
  printf '{targets: ["%s"], labels: {instance: %s, pod: %s}}' "$(address_of "$1" http)" "$1" "$1"
}
cat >"$dir/prometheus.yml" <<YAML
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [$([ ! -e "$rules" ] || printf '"%s"' "$rules")]
scrape_configs:
  - job_name: gatekeeper
    static_configs: [$(target gatekeeper)]
  - job_name: transcoder
    static_configs: [$(target transcoder-1), $(target transcoder-2)]
YAML
start prometheus prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/prometheus" \
  --web.listen-address="127.0.0.1:$prometheus" --log.level=warn
await "it is ready" ready "127.0.0.1:$prometheus" /-/ready

say ''
say "  ${bold}Watch    $page$watch${plain}"
say "  ${bold}Wall     $page$wall${plain}"
say "  ${bold}Status   $page/status${plain}"
say ''
say "  Prometheus  http://127.0.0.1:$prometheus"
say "  Broker      mqtt://127.0.0.1:$mqtt, WebSocket ws://127.0.0.1:$websocket"
say "  Sources     $sources"
say "  Ctrl-C stops everything."
say ''

# Until a signal comes, or a part ends, which none does by itself. Or until the terminal is gone: its hang-up reaches only
# the first process in it, and when that is `make`, we are not told.
while [ -z "$terminal" ] || [ -t 1 ]; do
  for part in "${parts[@]}"; do
    if ! alive "$part"; then
      status=0
      wait "$part" 2>/dev/null || status=$?
      fail "${name_of[$part]} ended with status $status"
    fi
  done
  pause 0.5
done
on_signal HUP
