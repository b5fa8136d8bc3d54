# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the tests of this folder share: cases, their report, and places for images. A test is a script that runs as root on a
# kernel with TCMU (scripts/vm -- tests/system/NAME.sh), calls `run_case` for each of its cases and ends with
# `finish_cases`. A case is a function; it fails when it returns non-zero, calls `fail`, or any command in it fails. After a
# failed case the daemon's log and the kernel's are shown, and the ground is cleared for the next one. A case fails, too,
# when the kernel complained while it ran, or when a daemon that was never stopped is gone.

set -euo pipefail
# shellcheck source=scripts/lib/lio.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib/lio.sh"

cases_run=0
cases_failed=0
only_case=${1:-} # the name of a case: run that one alone

fail() {
  printf 'failed: %s\n' "$*" >&2
  exit 1
}

# output_has PATTERN COMMAND...: the command succeeds and its output has a line like that.
output_has() {
  local pattern=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  [[ $status -eq 0 ]] || fail "$* ended with status $status: $output"
  grep -Eiq -- "$pattern" <<<"$output" || fail "$* has no line like '$pattern': $output"
}

# The kernel's complaints that no case may provoke.
kernel_complaints='BUG:|WARNING:|Oops|general protection|blocked for more than|ring is broken|Invalid addr to data|lockup'

# kernel_log_of_case: what the kernel said since run_case began its case.
kernel_log_of_case() { dmesg | awk -v mark="case $1 begins" 'index($0, mark) { text = ""; next } { text = text $0 "\n" } END { printf "%s", text }'; }

# run_case NAME [ARGUMENT...]: NAME is a function of the test; its underscores are read as spaces.
run_case() {
  local name=$1 begin=$SECONDS status=0 complaint
  [[ -z $only_case || $only_case == "$name" ]] || return 0
  cases_run=$((cases_run + 1))
  printf 'tests/system: case %s begins\n' "$name" >/dev/kmsg
  : >"$LIO_STATE/daemon.log"
  set +e
  (
    set -eE
    trap 'printf "failed: line %s: %s\n" "${BASH_LINENO[0]:-?}" "$BASH_COMMAND" >&2' ERR
    "$@"
  )
  status=$?
  set -e
  if [[ $status -eq 0 ]] && daemon_died; then
    printf 'failed: the daemon ended with status %s\n' "$(cat "$LIO_STATE/daemon.status")"
    status=1
  fi
  complaint=$(kernel_log_of_case "$name" | grep -E "$kernel_complaints" | head -n 3 || true)
  if [[ -n $complaint ]]; then
    printf 'failed: the kernel complained: %s\n' "$complaint"
    status=1
  fi
  if [[ $status -eq 0 ]]; then
    printf 'ok      %s (%d s)\n' "${name//_/ }" $((SECONDS - begin))
  else
    cases_failed=$((cases_failed + 1))
    printf 'NOT OK  %s (%d s)\n' "${name//_/ }" $((SECONDS - begin))
    show_logs "$name"
    unmount_all
    lio_clear
  fi
}

# A daemon that was stopped on purpose has no pid file any more.
daemon_died() { [[ -s $LIO_STATE/daemon.status && -s $LIO_STATE/daemon.pid ]]; }

show_logs() {
  printf -- '--- the log of %s\n' "$DAEMON"
  tail -n 60 "$(daemon_log)"
  [[ ! -s $LIO_STATE/tcmu-runner.log ]] || tail -n 40 "$LIO_STATE/tcmu-runner.log"
  printf -- '--- the log of the kernel\n'
  kernel_log_of_case "$1" | tail -n 40
  printf -- '---\n'
}

finish_cases() {
  unmount_all
  lio_clear
  lio_is_clear || fail "the kernel did not let go of everything: $(ls -d "$lio_target"/core/user_*/*/ "$lio_target"/iscsi/iqn.* 2>/dev/null)"
  [[ $cases_run -gt 0 ]] || fail "no case ran"
  if [[ $cases_failed -gt 0 ]]; then
    printf '%d of %d cases failed\n' "$cases_failed" "$cases_run"
    exit 1
  fi
  printf 'all %d cases are well\n' "$cases_run"
}

# expect_stop [SIGNAL [SECONDS]]: the daemon ends with status 0 within the time.
expect_stop() {
  local status=0
  daemon_stop "${1:-TERM}" "${2:-10}" || status=$?
  [[ $status -ne 124 ]] || fail "$DAEMON was still there after ${2:-10} s"
  [[ $status -eq 0 ]] || fail "$DAEMON ended with status $status"
  rm -f "$LIO_STATE/daemon.pid"
}

# Kills the daemon as a crash would.
crash_daemon() {
  daemon_stop KILL 5 || true
  rm -f "$LIO_STATE/daemon.pid"
}

expect_fail() {
  if "$@"; then fail "should have failed: $*"; fi
}

# ---- places

# mounts_root/NAME is where cases mount things.
mounts_root=/run/tcmud-mounts

unmount_all() {
  local target
  while read -r _ target _; do
    [[ $target != "$mounts_root"/* ]] || umount -l "$target" 2>/dev/null || true
  done < <(tac /proc/mounts)
}

# mount_at DEVICE NAME [OPTION...]: prints where.
mount_at() {
  local device=$1 folder=$mounts_root/$2
  shift 2
  mkdir -p "$folder"
  mount "$@" "$device" "$folder" >&2
  printf '%s\n' "$folder"
}

# disk_folder: a folder on an ext4 that lies on a disk of its own: direct I/O, hole punching, everything. Prints its path.
disk_folder() {
  local folder=/run/tcmud-disk
  if ! mountpoint -q "$folder"; then
    modprobe virtio_blk
    lio_wait 10 test -b /dev/vda || fail "the guest has no scratch disk"
    mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 -O ^metadata_csum /dev/vda >/dev/null
    mkdir -p "$folder"
    mount -o discard /dev/vda "$folder"
  fi
  printf '%s\n' "$folder"
}

# memory_folder: a folder in memory. tmpfs refuses some of what other file systems do (direct I/O, zeroing a range).
memory_folder() {
  local folder=/run/tcmud-memory
  mkdir -p "$folder"
  mountpoint -q "$folder" || mount -t tmpfs -o size=1536M memory "$folder"
  printf '%s\n' "$folder"
}

# make_image FILE SIZE: a new sparse file; SIZE as truncate takes it. Prints its size in bytes.
make_image() {
  rm -f "$1"
  truncate -s "$2" "$1"
  stat -c %s "$1"
}

# sg_of DISK: its sg node, which takes what the disk's driver would refuse to send.
sg_of() {
  local node
  for node in "/sys/block/${1##*/}"/device/scsi_generic/sg*; do
    printf '/dev/%s\n' "${node##*/}"
  done
}

lio_setup
