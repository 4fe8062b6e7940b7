# Programs and images that are made once for each version, in a cache outside the tree. To be sourced.

# A function that fails in $(built …) must not leave half of what it makes.
shopt -s inherit_errexit

cache=${CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mqtt-video-cluster}

has() { command -v "$1" >/dev/null 2>&1; }

# built NAME-VERSION COMMAND...: prints a directory that the command has filled as $out, now or in an earlier run.
built() {
  local target=$cache/$1
  shift
  if [ ! -d "$target" ]; then
    printf 'cluster: making %s, once\n' "${target##*/}" >&2
    out=$target.part
    rm -rf "$out"
    mkdir -p "$out"
    "$@" >&2
    mv "$out" "$target"
  fi
  echo "$target"
}

# What the contents of files stand for, as a version.
version_of() { cat "$@" | sha256sum | cut -c -12; }

needs_go() {
  if ! has go; then
    echo "cluster: Go 1.26 or later is missing: see https://go.dev/dl" >&2
    exit 1
  fi
}
