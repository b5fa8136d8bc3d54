#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Many LUNs come and go at once, and none notices the others.
# usage: many_luns.sh [CASE]; MANY_LUNS is their number (default 32).

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
here=$(dirname "${BASH_SOURCE[0]}")
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

uio_nodes() { compgen -G '/sys/class/uio/*' | wc -l; }
uio_nodes_are() { [[ $(uio_nodes) -eq $1 ]]; }
# job_waits PID: it, or a child of its, sleeps in the kernel and can't be woken.
job_waits() { ps -o stat= --pid "$1" --ppid "$1" | grep -q '^D'; }

# resize_to BYTES: of LUN 1. bash's own printf would try again when it is interrupted.
resize_to() { exec /usr/bin/env printf %s "$1" >"$(lun_folder many1)/attrib/dev_size"; }

# overflow: the daemon sleeps while more happens than its receive buffer can hold. Whoever waits for its answer can't even be
# killed.
overflow() {
  local number added=10 gone=3 pid job creating resizing removing=() size resized=$((32 << 20))
  images=$(memory_folder)
  for ((number = 1; number <= gone + added; number++)); do
    make_image "$images/many$number.img" 16M >/dev/null
  done
  daemon_start
  each 1 "$gone" create
  each 1 1 attach
  truncate -s "$resized" "$images/many1.img"
  pid=$(daemon_pid)
  "$here/shrink-event-buffer" "$pid"

  kill -STOP "$pid"
  each $((gone + 1)) $((gone + added)) create &
  creating=$!
  lio_wait 60 uio_nodes_are $((gone + added)) || {
    cat /sys/class/uio/*/name
    ps -eo pid,ppid,stat,wchan:24,args
    fail "only $(uio_nodes) devices came up"
  }
  # The buffer is full now: what comes is lost.
  resize_to "$resized" 2>"$LIO_STATE/resize.log" &
  resizing=$!
  for ((number = 2; number <= gone; number++)); do
    lun_remove "many$number" &
    removing+=($!)
  done
  sleep 2
  if [[ $1 == with_listener ]]; then
    for job in "$resizing" "${removing[@]}"; do
      job_waits "$job" || fail "nobody waits for the answer to a lost event: this tests nothing"
    done
  fi
  kill -CONT "$pid"

  for job in "$creating" "$resizing" "${removing[@]}"; do
    lio_wait 60 lio_gone "$job" || fail "somebody still waits in the kernel for an answer: $(cat "/proc/$job/wchan")"
  done
  wait "$creating" || fail "not every LUN was added"
  for job in "${removing[@]}"; do
    wait "$job" || fail "a LUN could not be removed"
  done
  # What was lost has failed, and then nothing has changed; else it has.
  size=$resized
  wait "$resizing" || size=$((16 << 20))
  [[ $(lun_attrib many1 dev_size) -eq $size ]] || fail "dev_size is $(lun_attrib many1 dev_size), not $size"
  blockdev --rereadpt "$(disk_of 1)" || true
  sg_readcap --16 "$(sg_of "$(disk_of 1)")" | grep -q "Device size: $size bytes" || fail "the disk has another size than $size"
  grep -q 'events were lost' "$(daemon_log)" || fail "no event was lost: this tests nothing"
  [[ $(grep -c 'added all the same' "$(daemon_log)") -ge 1 ]] || fail "no ADDED event was lost: this tests nothing"
  lio_wait 20 grep -q 'made good for' "$(daemon_log)" || fail "it is still at it"
  printf '  %d of %d ADDED events were lost\n' "$(grep -c 'added all the same' "$(daemon_log)")" "$added"
  [[ $(grep -c 'user_[0-9]*/many[23]: removed' "$(daemon_log)") -eq 2 ]] || fail "the daemon did not learn of a removal"

  # Every LUN is served, and the next events are heard.
  each $((gone + 1)) $((gone + added)) attach
  for ((number = gone + 1; number <= gone + added; number++)); do
    printf 'this is LUN %d' "$number" | dd of="$(disk_of "$number")" bs=512 conv=sync oflag=direct status=none
  done
  for ((number = gone + 1; number <= gone + added; number++)); do
    [[ $(head -c "$(printf 'this is LUN %d' "$number" | wc -c)" "$images/many$number.img") == "this is LUN $number" ]] ||
      fail "LUN $number does not store what is written to it"
  done
  each 1 1 take_down
  each $((gone + 1)) $((gone + added)) take_down
  uio_nodes_are 0 || fail "left in /sys/class/uio: $(ls /sys/class/uio)"
  expect_stop
}

# The kernel sees that nobody got the event: it waits for the answer to ADDED alone.
events_that_overflow_are_made_good_for() { overflow alone; }

# It can't see who got it: it waits for the answers to all.
events_that_overflow_and_are_heard_by_another_daemon_are_made_good_for() {
  local listener
  rm -f "$LIO_STATE/listening"
  "$here/listen-to-events" "$LIO_STATE/listening" &
  listener=$!
  lio_wait 30 test -e "$LIO_STATE/listening" || fail "the listener did not come up"
  overflow with_listener
  kill "$listener"
}

run_case thirty_two_luns_come_and_go_at_once
run_case events_that_overflow_are_made_good_for
run_case events_that_overflow_and_are_heard_by_another_daemon_are_made_good_for
finish_cases
