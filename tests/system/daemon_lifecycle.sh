#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The daemon comes, goes and crashes; the LUNs stay.
# usage: daemon_lifecycle.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# write_load DISK: verified writes in the background until the file "enough" is there. Its outcome: finish_load.
write_load() {
  local disk=$1 seed=0
  rm -f "$LIO_STATE/enough" "$LIO_STATE/load.status"
  (
    while [[ ! -e $LIO_STATE/enough ]]; do
      seed=$((seed + 1))
      fio --name=load --filename="$disk" --rw=randwrite --bssplit=4k/60:64k/30:512k/10 --iodepth=32 --ioengine=libaio \
        --direct=1 --io_size=24m --verify=crc32c --verify_fatal=1 --serialize_overlap=1 --randseed="$seed" \
        >"$LIO_STATE/load.out" 2>&1 || break
    done
    [[ -e $LIO_STATE/enough ]] && echo 0 >"$LIO_STATE/load.status" || echo 1 >"$LIO_STATE/load.status"
  ) &
  disown
}

finish_load() {
  : >"$LIO_STATE/enough"
  lio_wait 120 test -s "$LIO_STATE/load.status" || fail "the load does not end: $(tail -n 5 "$LIO_STATE/load.out")"
  [[ $(cat "$LIO_STATE/load.status") -eq 0 ]] || {
    cat "$LIO_STATE/load.out"
    fail "the initiator had an error or found damage"
  }
}

# completed DISK: how many requests the disk has completed.
completed() { awk '{ print $1 + $5 }' "/sys/block/${1##*/}/stat"; }
has_completed_more() { [[ $(completed "$1") -gt $2 ]]; }
expect_progress() { lio_wait 30 has_completed_more "$1" "$(($(completed "$1") + 20))" || fail "no progress on $1"; }

# Must be the first case of its boot: later the kernel waits for an answer before a new LUN is there.
a_daemon_started_after_the_lun_adopts_it() {
  local image disk bytes
  image=$(memory_folder)/adopt.img
  bytes=$(make_image "$image" 64M)
  lun_create adopt "$(image_config "$image")" "$bytes"
  daemon_start
  disk=$(loop_attach adopt)
  head -c 1M /dev/urandom >"$(memory_folder)/data"
  dd if="$(memory_folder)/data" of="$disk" bs=64k oflag=direct status=none
  cmp -n $((1 << 20)) "$(memory_folder)/data" "$image"
  loop_detach adopt
  lun_remove adopt
  expect_stop
}

sigterm_under_load_ends_within_10_s() {
  local image disk bytes begin
  image=$(disk_folder)/stop.img
  bytes=$(make_image "$image" 256M)
  daemon_start
  lun_create stop "$(image_config "$image")" "$bytes" hw_max_sectors=2048
  disk=$(loop_attach stop)
  write_load "$disk"
  expect_progress "$disk"
  begin=$(date +%s%N)
  expect_stop TERM 10
  printf '  ended after %d ms\n' $((($(date +%s%N) - begin) / 1000000))
  # The initiator only sees a pause.
  daemon_start
  expect_progress "$disk"
  finish_load
  loop_detach stop
  lun_remove stop
  expect_stop
}

a_mounted_file_system_survives_restarts() {
  local image disk bytes folder round writer
  image=$(disk_folder)/mounted.img
  bytes=$(make_image "$image" 256M)
  daemon_start
  lun_create mounted "$(image_config "$image")" "$bytes"
  disk=$(loop_attach mounted)
  mkfs.ext4 -q -F "$disk"
  folder=$(mount_at "$disk" mounted)
  (
    number=0
    while [[ ! -e $folder/enough ]]; do
      number=$((number + 1))
      head -c 200000 /dev/urandom >"$folder/file.$((number % 50))" || exit 1
      sync -f "$folder" || exit 1
    done
  ) &
  writer=$!
  for round in 1 2 3; do
    sleep 1
    expect_stop TERM 10
    sleep 1
    daemon_start
    expect_progress "$disk"
    kill -0 "$writer" || fail "the writer had an error in round $round"
  done
  : >"$folder/enough"
  wait "$writer" || fail "the writer had an error"
  grep -q "$folder ext4 rw" /proc/mounts || fail "the file system is read-only now"
  umount "$folder"
  fsck.ext4 -fn "$disk" || fail "fsck found damage"
  loop_detach mounted
  lun_remove mounted
  expect_stop
}

no_write_is_lost_in_a_crash() {
  local image disk bytes round
  image=$(disk_folder)/crash.img
  bytes=$(make_image "$image" 256M)
  daemon_start
  lun_create crash "$(image_config "$image")" "$bytes" hw_max_sectors=2048
  disk=$(loop_attach crash)
  write_load "$disk"
  for round in 1 2 3; do
    expect_progress "$disk"
    crash_daemon
    [[ $round -ne 2 ]] || sleep 3
    daemon_start
  done
  expect_progress "$disk"
  finish_load
  loop_detach crash
  lun_remove crash
  expect_stop
}

a_second_daemon_is_turned_away() {
  daemon_start
  expect_fail timeout 20 "$DAEMON" >"$LIO_STATE/second.out" 2>&1
  [[ -s $LIO_STATE/second.out ]] || fail "the second daemon says nothing"
  daemon_running || fail "the first daemon is gone"
  expect_stop
}

run_case a_daemon_started_after_the_lun_adopts_it
run_case sigterm_under_load_ends_within_10_s
run_case a_mounted_file_system_survives_restarts
run_case no_write_is_lost_in_a_crash
run_case a_second_daemon_is_turned_away
finish_cases
