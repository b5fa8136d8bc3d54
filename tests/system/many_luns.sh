#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Many LUNs come and go at once, and none notices the others.
# usage: many_luns.sh [CASE]; MANY_LUNS is their number (default 32).

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
count=${MANY_LUNS:-32}
half=$((count / 2))

# each FIRST LAST FUNCTION: runs FUNCTION with each number at the same time; fails when one of them failed.
each() {
  local number pids=() failed=0 pid
  for ((number = $1; number <= $2; number++)); do
    "$3" "$number" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || failed=$((failed + 1))
  done
  [[ $failed -eq 0 ]] || fail "$3 failed for $failed of $(($2 - $1 + 1)) LUNs"
}

create() { lun_create "many$1" "$(image_config "$images/many$1.img")" "$((16 << 20))"; }
attach() { loop_attach "many$1" >/dev/null; }
disk_of() { printf '%s\n' "$(<"$LIO_STATE/disk.many$1")"; }
take_down() {
  loop_detach "many$1"
  lun_remove "many$1"
}

# load NUMBER: writes and checks until the stop file is there; the LUN is told apart by what is written.
load() {
  local disk
  disk=$(disk_of "$1")
  while [[ ! -e $LIO_STATE/enough ]]; do
    fio --name="many$1" --filename="$disk" --rw=randwrite --bs=4k --iodepth=4 --ioengine=libaio --direct=1 \
      --io_size=512k --verify=pattern --verify_pattern="0x$(printf '%02x%02x' "$1" $((255 - $1)))%o" --verify_fatal=1 \
      --randseed=$RANDOM >"$LIO_STATE/load.$1" 2>&1 || return 1
  done
}

thirty_two_luns_come_and_go_at_once() {
  local number begin loads=() pid
  images=$(memory_folder)
  for ((number = 1; number <= count; number++)); do
    make_image "$images/many$number.img" 16M >/dev/null
  done
  rm -f "$LIO_STATE/enough"
  daemon_start

  begin=$SECONDS
  each 1 "$count" create
  printf '  %d LUNs created in %d s\n' "$count" $((SECONDS - begin))
  begin=$SECONDS
  each 1 "$count" attach
  printf '  attached in %d s\n' $((SECONDS - begin))

  for ((number = 1; number <= count; number++)); do
    load "$number" &
    loads[number]=$!
  done
  sleep 5
  # The first half goes while all of them work: its own initiators get errors, nobody else does.
  begin=$SECONDS
  each 1 "$half" take_down
  printf '  %d LUNs removed under load in %d s\n' "$half" $((SECONDS - begin))
  each 1 "$half" create
  each 1 "$half" attach
  : >"$LIO_STATE/enough"
  for ((number = half + 1; number <= count; number++)); do
    wait "${loads[number]}" || {
      cat "$LIO_STATE/load.$number"
      fail "LUN $number had an error while others were removed"
    }
  done
  for ((number = 1; number <= half; number++)); do
    wait "${loads[number]}" || true
  done
  each 1 "$count" take_down
  [[ -z $(ls /sys/class/uio) ]] || fail "left in /sys/class/uio: $(ls /sys/class/uio)"
  pid=$(daemon_pid)
  # Whatever was opened for a LUN is closed with it.
  open=$(find "/proc/$pid/fd" -type l -printf "%l\n" | grep -E "uio|many[0-9]+.img" || true)
  [[ -z $open ]] || fail "still open: $open"
  expect_stop
}

run_case thirty_two_luns_come_and_go_at_once
finish_cases
