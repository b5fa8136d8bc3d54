# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What every script of this tree needs: where the tree is, how to say something, how to build a preset.
# Sourced, never run. Callers have `set -euo pipefail`.

tree_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
build_root=$tree_root/build
# shellcheck disable=SC2034 # read by the scripts that source this file
cache_root=$build_root/cache

say() { printf '%s\n' "$*"; }
step() { printf '\n==> %s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  warn "$*"
  exit 1
}

# print_help FILE: the comment block at the top of a script, below its SPDX line, is its --help text.
print_help() {
  awk 'NR > 2 { if ($0 !~ /^#/) exit; sub(/^# ?/, ""); print }' "$1"
}

# with_lock NAME COMMAND...: one at a time across all processes that use this tree.
with_lock() {
  local name=$1
  shift
  mkdir -p "$build_root"
  (
    # Only this subshell holds the lock: a compiler server left behind by COMMAND must not inherit it.
    exec 9>"$build_root/.$name.lock"
    flock 9
    "$@" 9>&-
  )
}

# build_preset PRESET [TARGET...]: configures when that was never done, then builds what changed (CMake itself
# configures again when its own files changed).
build_preset() {
  local preset=$1 dir=$build_root/$1 log args=()
  shift
  [[ $# -eq 0 ]] || args=(--target "$@")
  if [[ ! -f $dir/build.ninja ]]; then
    log=$dir/configure.log
    mkdir -p "$dir"
    if ! (cd "$tree_root" && cmake --preset "$preset") >"$log" 2>&1; then
      cat "$log" >&2
      return 1
    fi
  fi
  cmake --build "$dir" "${args[@]}" 2>&1
}

# build_progress: ninja's lines, for a reader who wants to see that it goes on: warnings and errors whole, of the rest a line
# every ten seconds.
build_progress() {
  local line shown=-10
  while IFS= read -r line; do
    if [[ $line =~ ^(\[[0-9]+/[0-9]+\]) ]]; then
      ((SECONDS - shown >= 10)) || continue
      printf '    %s\n' "${BASH_REMATCH[1]}"
      shown=$SECONDS
    elif [[ $line != 'ninja: no work to do.' ]]; then
      printf '%s\n' "$line"
    fi
  done
}

# build_quietly PRESET [TARGET...]: like build_preset, for callers whose own output matters: speaks on stderr, and only
# when there is something to say.
build_quietly() {
  local log status=0
  mkdir -p "$build_root"
  log=$(mktemp "$build_root/build-log.XXXXXX")
  with_lock "$1.build" build_preset "$@" >"$log" 2>&1 || status=$?
  [[ $status -eq 0 ]] || cat "$log" >&2
  rm -f "$log"
  return "$status"
}
