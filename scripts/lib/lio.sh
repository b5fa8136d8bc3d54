# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Recipes for a machine with LIO: start and stop the daemon, make user backstores, attach them through tcm_loop or iSCSI,
# find the disk that appears. For the tests in the VM, the demo and the benchmarks. Sourced, with `set -euo pipefail`, by a
# script that runs as root on a kernel with TCMU.
#
#   DAEMON      the program under test: tcmud (default), or tcmu-runner for comparisons (scripts/vm unpacks one)
#   LIO_STATE   folder for logs, pid files and sockets (default /run/tcmud-lio)
#
# Every state is kept in configfs or in files below LIO_STATE, so that the functions can be called from subshells and in
# parallel. A function that fails says why on stderr and returns non-zero.

DAEMON=${DAEMON:-tcmud}
LIO_STATE=${LIO_STATE:-/run/tcmud-lio}
lio_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
lio_configfs=/sys/kernel/config
lio_target=$lio_configfs/target
lio_iqn_prefix=iqn.2024-01.org.tcmud

lio_error() {
  printf '%s\n' "$*" >&2
  return 1
}

# Starting a program is slow in an emulated guest whose programs come over 9p, so this file uses few: a nap is a read from a
# pipe into which nobody writes.
exec {lio_nap_pipe}<> <(:)
lio_nap() { read -r -t 0.05 -u "$lio_nap_pipe" || true; }

# lio_wait SECONDS COMMAND...: until COMMAND succeeds, tried every 50 ms.
lio_wait() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    lio_nap
  done
}

# lio_setup: modules and configfs. Safe to call again.
lio_setup() {
  mkdir -p "$LIO_STATE" /etc/target/pr /var/target/pr
  modprobe -a target_core_user tcm_loop sd_mod sg || return 1
  mountpoint -q "$lio_configfs" || mount -t configfs configfs "$lio_configfs"
}

# ---- the daemon

daemon_log() { printf '%s\n' "$LIO_STATE/daemon.log"; }
daemon_pid() { [[ -s $LIO_STATE/daemon.pid ]] && printf '%s\n' "$(<"$LIO_STATE/daemon.pid")"; }
daemon_running() {
  local pid
  pid=$(daemon_pid) && [[ -d /proc/$pid && $(<"/proc/$pid/stat") != *') Z '* ]]
} 2>/dev/null

daemon_exited() { ! daemon_running; }

# Runs the daemon as a child of this shell's grandchild, and records its exit status: a subshell that calls daemon_start
# must not have to outlive it.
daemon_launch() {
  rm -f "$LIO_STATE/daemon.status" "$LIO_STATE/daemon.pid"
  (
    trap '' HUP
    "$@" </dev/null >>"$LIO_STATE/daemon.log" 2>&1 &
    echo $! >"$LIO_STATE/daemon.pid"
    wait $!
    echo $? >"$LIO_STATE/daemon.status"
  ) &
  disown
  lio_wait 5 test -s "$LIO_STATE/daemon.pid"
}

# daemon_start [ARGUMENT...]: returns when the daemon has adopted what there is and serves new devices. Its log is
# appended to.
daemon_start() {
  ! daemon_running || lio_error "$DAEMON already runs" || return 1
  local seconds=${DAEMON_START_SECONDS:-60}
  printf -- '--- %s %s\n' "$DAEMON" "$*" >>"$LIO_STATE/daemon.log"
  case ${DAEMON##*/} in
    tcmu-runner)
      local root=${TCMU_RUNNER_ROOT:?names the folder where tcmu-runner is unpacked}
      local lib=$root/usr/lib/x86_64-linux-gnu log=$LIO_STATE/tcmu-runner.log
      mkdir -p /etc/tcmu
      [[ -e /etc/tcmu/tcmu.conf ]] || cp "$root/etc/tcmu/tcmu.conf" /etc/tcmu/
      rm -f "$log"
      LD_LIBRARY_PATH=$lib daemon_launch "$root/usr/bin/tcmu-runner" --handler-path "$lib/tcmu-runner" \
        --tcmu-log-dir "$LIO_STATE" "$@"
      # It does not tell when it is ready.
      lio_wait "$seconds" test -s "$log" && sleep 2
      daemon_running || lio_error "$DAEMON did not come up" || return 1
      ;;
    *)
      local socket=$LIO_STATE/notify.$BASHPID waiter
      rm -f "$socket"
      "$lio_lib/notify-wait" "$socket" "$seconds" &
      waiter=$!
      lio_wait "$seconds" test -S "$socket" || lio_error "no notification socket" || return 1
      NOTIFY_SOCKET=$socket daemon_launch "$DAEMON" "$@"
      while kill -0 "$waiter" 2>/dev/null; do
        if ! daemon_running; then
          kill "$waiter"
          rm -f "$socket"
          lio_error "$DAEMON ended with status $(cat "$LIO_STATE/daemon.status" 2>/dev/null) before it was ready"
          return 1
        fi
        lio_nap
      done
      rm -f "$socket"
      wait "$waiter" || lio_error "$DAEMON was not ready after $seconds s" || return 1
      ;;
  esac
}

# daemon_stop [SIGNAL [SECONDS]]: sends SIGNAL (default TERM), waits, and returns the daemon's exit status (124 when it was
# still there after SECONDS, default 15).
daemon_stop() {
  local pid
  pid=$(daemon_pid) || lio_error "no daemon to stop" || return 1
  kill "-${1:-TERM}" "$pid" || return 1
  daemon_wait "${2:-15}"
}

# daemon_wait SECONDS: waits for an end that something else brings about; as daemon_stop.
daemon_wait() {
  lio_wait "$1" test -s "$LIO_STATE/daemon.status" || return 124
  return "$(cat "$LIO_STATE/daemon.status")"
}

# ---- user backstores

# image_config PATH [OPTION...]: the part after "user:" for a raw image, in the way of the daemon under test. The options
# are the file handler's; tcmu-runner has none.
image_config() {
  case ${DAEMON##*/} in
    tcmu-runner) printf 'qcow/%s\n' "$1" ;;
    *)
      printf 'file/%s' "$1"
      shift
      [[ $# -eq 0 ]] || printf ';%s' "$@"
      printf '\n'
      ;;
  esac
}

# lun_folder NAME: the backstore's folder in configfs.
lun_folder() {
  local folder
  for folder in "$lio_target"/core/user_*/"$1"; do
    [[ -d $folder ]] && printf '%s\n' "$folder" && return 0
  done
  return 1
}

# lun_create NAME CONFIG BYTES [KEY=VALUE...]: KEYs are those of the kernel's control file (hw_block_size, hw_max_sectors,
# max_data_area_mb, data_pages_per_blk, cmd_ring_size_mb, nl_reply_supported). Returns when the daemon has answered; on
# failure nothing is left behind. Each gets an HBA of its own, as rtslib does it: the folder of an HBA is locked while one of
# its devices is being removed.
lun_create() {
  local name=$1 config=$2 bytes=$3 index=$BASHPID folder control
  shift 3
  # mkdir is atomic: two callers, started at the same time, can't take the same one.
  while [[ -d $lio_target/core/user_$index ]] || ! mkdir "$lio_target/core/user_$index"; do
    index=$((index + 1))
    ((index < BASHPID + 10000)) || lio_error "cannot make an HBA" || return 1
  done
  folder=$lio_target/core/user_$index/$name
  mkdir "$folder" || return 1
  control="dev_config=$config,dev_size=$bytes"
  [[ $# -eq 0 ]] || control+=$(printf ',%s' "$@")
  if ! printf '%s' "$control" >"$folder/control" || ! echo 1 >"$folder/enable"; then
    rmdir "$folder" "${folder%/*}"
    return 1
  fi
  # After enable, as rtslib does it. A LUN's NAA designator has the first 25 digits: what differs must be among them.
  printf '%08x-c0ff-4ee0-8000-000000000000' "$index" >"$folder/wwn/vpd_unit_serial"
}

# lun_remove NAME: must not be attached to anything any more.
lun_remove() {
  local folder
  folder=$(lun_folder "$1") || lio_error "there is no LUN $1" || return 1
  rmdir "$folder" "${folder%/*}"
}

lun_index() {
  local folder
  folder=$(lun_folder "$1") || return 1
  folder=${folder%/*}
  printf '%s\n' "${folder##*_}"
}

# lun_attrib NAME KEY [VALUE]: reads or writes an attribute.
lun_attrib() {
  local folder
  folder=$(lun_folder "$1") || lio_error "there is no LUN $1" || return 1
  if [[ $# -eq 2 ]]; then
    cat "$folder/attrib/$2"
  else
    printf '%s' "$3" >"$folder/attrib/$2"
  fi
}

# ---- tcm_loop

loop_target() { printf '%s/loopback/naa.6001405%09x\n' "$lio_target" "$(($(lun_index "$1") * 2))"; }

# loop_disk_of H:B:T [LUN]
loop_disk_of() {
  local block
  for block in /sys/class/scsi_device/"$1:${2:-0}"/device/block/*; do
    [[ -d $block && -b /dev/${block##*/} ]] && printf '/dev/%s\n' "${block##*/}" && return 0
  done
  return 1
}

# loop_attach NAME: prints the disk, /dev/sdX.
loop_attach() {
  local target address
  target=$(loop_target "$1") || return 1
  mkdir -p "$target/tpgt_1/lun/lun_0" || return 1
  printf 'naa.6001405%09x' "$(($(lun_index "$1") * 2 + 1))" >"$target/tpgt_1/nexus" || return 1
  # Returns when the initiator has scanned the LUN, that is when the daemon has answered its first commands.
  ln -s "$(lun_folder "$1")" "$target/tpgt_1/lun/lun_0/backstore" || return 1
  address=$(<"$target/tpgt_1/address")
  lio_wait 20 loop_disk_of "$address" >"$LIO_STATE/disk.$1" ||
    lio_error "no disk appeared for LUN $1 at $address" || return 1
  printf '%s\n' "$(<"$LIO_STATE/disk.$1")"
}

# loop_attach_beside NAME FIRST: as the second LUN of the target that FIRST is the first of; prints the disk.
loop_attach_beside() {
  local target address
  target=$(loop_target "$2") || return 1
  mkdir "$target/tpgt_1/lun/lun_1" || return 1
  ln -s "$(lun_folder "$1")" "$target/tpgt_1/lun/lun_1/backstore" || return 1
  address=$(<"$target/tpgt_1/address")
  lio_wait 20 loop_disk_of "$address" 1 >"$LIO_STATE/disk.$1" ||
    lio_error "no disk appeared for LUN $1 at $address:1" || return 1
  printf '%s\n' "$(<"$LIO_STATE/disk.$1")"
}

# loop_detach_beside NAME FIRST
loop_detach_beside() {
  local lun
  lun=$(loop_target "$2")/tpgt_1/lun/lun_1 || return 1
  rm -f "$LIO_STATE/disk.$1"
  rm "$lun/backstore" || return 1
  rmdir "$lun"
}

# loop_detach NAME
loop_detach() {
  local target
  target=$(loop_target "$1") || return 1
  rm -f "$LIO_STATE/disk.$1"
  rm "$target/tpgt_1/lun/lun_0/backstore" || return 1
  rmdir "$target/tpgt_1/lun/lun_0" || return 1
  echo NULL >"$target/tpgt_1/nexus"
  rmdir "$target/tpgt_1" "$target"
}

# ---- iSCSI on the loopback interface

iscsi_name() { printf '%s:%s\n' "$lio_iqn_prefix" "$1"; }

# iscsi_export NAME [KEY=VALUE...]: a target with this one LUN on 127.0.0.1:3260, open to any initiator. KEYs are attributes
# of the portal group. Prints the target's name.
iscsi_export() {
  local name=$1 group pair
  shift
  modprobe iscsi_target_mod || return 1
  group=$lio_target/iscsi/$(iscsi_name "$name")/tpgt_1
  mkdir -p "$group/lun/lun_0" "$group/np/127.0.0.1:3260" || return 1
  for pair in authentication=0 generate_node_acls=1 cache_dynamic_acls=1 demo_mode_write_protect=0 "$@"; do
    printf '%s' "${pair#*=}" >"$group/attrib/${pair%%=*}" || return 1
  done
  ln -s "$(lun_folder "$name")" "$group/lun/lun_0/backstore" || return 1
  echo 1 >"$group/enable" || return 1
  iscsi_name "$name"
}

# iscsi_add_portal NAME ADDRESS:PORT: another way to what iscsi_export made.
iscsi_add_portal() { mkdir "$lio_target/iscsi/$(iscsi_name "$1")/tpgt_1/np/$2"; }

# iscsi_unexport NAME: all sessions must be gone.
iscsi_unexport() {
  local target
  target=$lio_target/iscsi/$(iscsi_name "$1")
  echo 0 >"$target/tpgt_1/enable" || return 1
  rm "$target/tpgt_1/lun/lun_0/backstore" && rmdir "$target/tpgt_1/lun/lun_0" "$target"/tpgt_1/np/* \
    "$target/tpgt_1" "$target"
}

# The kernel's own initiator, by way of open-iscsi.
iscsi_initiator_start() {
  modprobe -a iscsi_tcp libiscsi || return 1
  mkdir -p /run/lock/iscsi /etc/iscsi
  [[ -s /etc/iscsi/initiatorname.iscsi ]] ||
    printf 'InitiatorName=%s:initiator\n' "$lio_iqn_prefix" >/etc/iscsi/initiatorname.iscsi
  if ! iscsi_initiator_running; then
    (
      trap '' HUP
      exec iscsid --foreground </dev/null >"$LIO_STATE/iscsid.log" 2>&1
    ) &
    echo $! >"$LIO_STATE/iscsid.pid"
    disown
  fi
  lio_wait 20 grep -q '@ISCSIADM_ABSTRACT_NAMESPACE' /proc/net/unix || lio_error "iscsid did not come up"
}

iscsi_initiator_running() {
  local pid
  pid=$(cat "$LIO_STATE/iscsid.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

iscsi_disk_of() {
  local session block
  for session in /sys/class/iscsi_session/session*; do
    [[ $(cat "$session/targetname" 2>/dev/null) == "$1" ]] || continue
    for block in "$session"/device/target*/*/block/*; do
      [[ -d $block && -b /dev/${block##*/} ]] && printf '/dev/%s\n' "${block##*/}" && return 0
    done
  done
  return 1
}

# iscsi_login NAME: logs the kernel's initiator in to what iscsi_export made; prints the disk, /dev/sdX.
iscsi_login() {
  local target
  target=$(iscsi_name "$1")
  iscsi_initiator_start || return 1
  iscsiadm --mode node --targetname "$target" --portal 127.0.0.1:3260 --op new >/dev/null || return 1
  iscsiadm --mode node --targetname "$target" --portal 127.0.0.1:3260 --login >/dev/null || return 1
  lio_wait 20 iscsi_disk_of "$target" >"$LIO_STATE/disk.$1" || lio_error "no disk appeared for $target" || return 1
  cat "$LIO_STATE/disk.$1"
}

iscsi_logout() {
  local target
  target=$(iscsi_name "$1")
  rm -f "$LIO_STATE/disk.$1"
  iscsiadm --mode node --targetname "$target" --portal 127.0.0.1:3260 --logout >/dev/null || return 1
  iscsiadm --mode node --targetname "$target" --portal 127.0.0.1:3260 --op delete >/dev/null
}

# ---- everything

# lio_bounded SECONDS FUNCTION...: a function that may hang in the kernel; 124 when it did.
lio_bounded() {
  local seconds=$1 pid
  shift
  "$@" &
  pid=$!
  lio_wait "$seconds" lio_gone "$pid" || {
    kill -KILL "$pid" 2>/dev/null
    return 124
  }
  wait "$pid"
}

lio_gone() { ! kill -0 "$1" 2>/dev/null; }

# Others call the links to LUNs and backstores something else than we do.
lio_unlink() {
  local link
  for link in "$@"; do
    [[ ! -L $link ]] || rm -f "$link"
  done
}

lio_clear_iscsi_target() {
  local group
  for group in "$1"/tpgt_*; do
    echo 0 >"$group/enable"
    lio_unlink "$group"/acls/*/lun_*/*
    rmdir "$group"/acls/*/lun_* "$group"/acls/*
    lio_unlink "$group"/lun/lun_*/*
    rmdir "$group"/lun/lun_* "$group"/np/* "$group"
  done
  rmdir "$1"
}

lio_clear_loop_target() {
  rm -f "$1"/tpgt_1/lun/lun_*/backstore
  rmdir "$1"/tpgt_1/lun/lun_*
  echo NULL >"$1"/tpgt_1/nexus
  rmdir "$1"/tpgt_1 "$1"
}

# lio_clear: whatever is attached is detached, whatever LUN there is is removed, the daemon is stopped. Carries on over
# errors: it runs after something went wrong. lio_is_clear tells how it went.
lio_clear() (
  set +e
  if compgen -G '/sys/class/iscsi_session/session*' >/dev/null; then
    timeout 60 iscsiadm --mode node --logoutall=all
    timeout 20 iscsiadm --mode node --op delete
  fi
  for folder in "$lio_target"/iscsi/iqn.*; do
    [[ ! -d $folder ]] || lio_bounded 60 lio_clear_iscsi_target "$folder"
  done
  for folder in "$lio_target"/loopback/naa.*; do
    [[ ! -d $folder ]] || lio_bounded 60 lio_clear_loop_target "$folder"
  done
  for folder in "$lio_target"/core/user_*/*/alua/*/; do
    [[ ! -d $folder || $folder == */default_tg_pt_gp/ ]] || lio_bounded 30 rmdir "$folder" || true
  done
  for folder in "$lio_target"/core/user_*/*/; do
    [[ ! -d $folder ]] || lio_bounded 30 rmdir "$folder"
  done
  for folder in "$lio_target"/core/user_*/; do
    [[ ! -d $folder ]] || lio_bounded 30 rmdir "$folder"
  done
  if daemon_running; then
    daemon_stop TERM 15 || daemon_stop KILL 5
  fi
  return 0
) >/dev/null 2>&1

lio_is_clear() { ! compgen -G "$lio_target/core/user_*/*/" >/dev/null && ! compgen -G "$lio_target/iscsi/iqn.*" >/dev/null; }
