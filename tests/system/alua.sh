#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Asymmetric access (ALUA): what sg3-utils is told of target port groups follows configfs, and what it sets is seen there.
# usage: alua.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

set_up() {
  image=$(memory_folder)/alua.img
  bytes=$(make_image "$image" 64M)
  daemon_start
  lun_create alua "$(image_config "$image")" "$bytes"
  groups=$(lun_folder alua)/alua
  disk=$(loop_attach alua)
  sg=$(sg_of "$disk")
  lun=$(loop_target alua)/tpgt_1/lun/lun_0
}

tear_down() {
  loop_detach alua
  rmdir "$groups"/g* 2>/dev/null || true
  lun_remove alua
  expect_stop
  rm "$image"
}

# make_group NAME ID: a target port group, that the kernel's defaults describe.
make_group() {
  mkdir "$groups/$1"
  echo "$2" >"$groups/$1/tg_pt_gp_id"
}

# The unit attention condition that the kernel raises when a state changes goes to whoever asks first.
clear_attention() { sg_turs "$sg" >/dev/null 2>&1 || true; }

# rtpg: REPORT TARGET PORT GROUPS in hex, without spaces.
rtpg() { sg_rtpg --raw "$sg" | od -An -v -tx1 | tr -d ' \n'; }

# told STATE: the first group is in that state; within a second, whatever the machine does besides.
told() { [[ $(rtpg 2>/dev/null) == ????????"$1"* ]]; }

# expect_told STATE: as told(), and says how long it took.
expect_told() {
  local begin=${EPOCHREALTIME/./} took
  clear_attention
  until told "$1"; do
    took=$((${EPOCHREALTIME/./} - begin))
    ((took < 1000000)) || fail "after $((took / 1000)) ms state $1 is not told: $(sg_rtpg "$sg" 2>&1)"
  done
}

tpgs() { sg_inq "$sg" | grep -o 'TPGS=[0-3]'; }

# refuses STATUS STATE GROUP: SET TARGET PORT GROUPS ends with one of sg3-utils' exit statuses, which tell the sense (5
# illegal request, 9 unsupported opcode). Not with sg_stpg, which asks the disk first and ends with 0 if it doesn't like
# the answer.
refuses() {
  local status=0 output
  # shellcheck disable=SC2059 # octal and hex digits
  printf "\\0\\0\\0\\0\\x$2\\0\\0\\x$3" >"$LIO_STATE/states"
  output=$(sg_raw -s 8 -i "$LIO_STATE/states" "$sg" a4 0a 00 00 00 00 00 00 00 08 00 00 2>&1) || status=$?
  [[ $status -eq $1 ]] || fail "state $2 for group $3 ended with status $status, not $1: $output"
}

a_plain_lun_has_no_groups() {
  set_up
  [[ $(tpgs) == TPGS=0 ]] || fail "$(tpgs)"
  local status=0
  sg_rtpg "$sg" >/dev/null 2>&1 || status=$?
  [[ $status -eq 9 ]] || fail "sg_rtpg ended with status $status, not 9 (05/20/00)"
  refuses 9 01 00
  tear_down
}

groups_follow_configfs() {
  set_up
  tpgs >/dev/null # known once, so that only word of a change can make it known anew
  make_group g1 258
  echo g1 >"$lun/alua_tg_pt_gp"
  expect_told 00
  # AO, all states but LBA dependent; group 102h; one port, the only one of the kernel's so far.
  local port
  port=$(printf '%04x' "$(<"$lun/statistics/scsi_port/indx")")
  [[ $(rtpg) == 0000000c00cf010200000001"0000$port" ]] || fail "RTPG is $(rtpg)"
  [[ $(tpgs) == TPGS=3 ]] || fail "$(tpgs)"
  local state
  for state in 1 2 1 0 1 3 0; do
    echo "$state" >"$groups/g1/alua_access_state"
    expect_told "0$state"
  done
  echo 1 >"$groups/g1/preferred"
  expect_told 80
  echo 0 >"$groups/g1/alua_support_standby"
  [[ $(rtpg) == ????????80cb* ]] || fail "standby is still supported: $(rtpg)"
  echo 45 >"$groups/g1/implicit_trans_secs"
  sg_rtpg --extended --decode "$sg" | grep -q 'Implicit transition time: 45' || fail "$(sg_rtpg -e -d "$sg")"
  local type
  for type in 1 2 0 3; do
    echo "$type" >"$groups/g1/alua_access_type"
    [[ $(tpgs) == "TPGS=$type" ]] || fail "access type $type: $(tpgs)"
  done
  tear_down
}

designators_are_those_of_the_one_port() {
  set_up
  local before after
  before=$(sg_vpd -p 0x83 -r "$sg" | od -An -v -tx1 | tr -d ' \n')
  make_group g1 9
  echo g1 >"$lun/alua_tg_pt_gp"
  after=$(sg_vpd -p 0x83 -r "$sg" | od -An -v -tx1 | tr -d ' \n')
  [[ ${after:8} == "${before:8}"* ]] || fail "the designators of the LUN changed: $before, $after"
  local page
  page=$(sg_vpd -p 0x83 "$sg")
  grep -Eq "Relative target port: 0x$(printf '%x' "$(<"$lun/statistics/scsi_port/indx")")\$" <<<"$page" || fail "$page"
  grep -q 'Target port group: 0x9$' <<<"$page" || fail "$page"
  grep -q "$(basename "$(loop_target alua)"),t,0x0001" <<<"$page" || fail "$page"
  # A second port that commands may come through: which one it was, nobody knows.
  iscsi_export alua >/dev/null
  echo g1 >"$lio_target/iscsi/$(iscsi_name alua)/tpgt_1/lun/lun_0/alua_tg_pt_gp"
  page=$(sg_vpd -p 0x83 "$sg")
  if grep -q 'Relative target port' <<<"$page"; then fail "$page"; fi
  grep -q 'Target port group: 0x9$' <<<"$page" || fail "$page"
  clear_attention # a new port makes one, too
  [[ $(rtpg) == ??????????????????????02* ]] || fail "not two ports: $(rtpg)"
  # What the kernel's own initiator makes of it: it finds the group by the designator, and learns of a new state by the
  # unit attention condition.
  local state
  modprobe scsi_dh_alua
  state=/sys/block/$(basename "$(iscsi_login alua)")/device/access_state
  lio_wait 10 grep -qx active/optimized "$state" || fail "the initiator takes the path for: $(<"$state")"
  echo 1 >"$groups/g1/alua_access_state"
  sg_turs "/dev/$(cut -d/ -f4 <<<"$state")" >/dev/null 2>&1 || true
  lio_wait 10 grep -qx active/non-optimized "$state" || fail "the initiator takes the path for: $(<"$state")"
  iscsi_logout alua
  # Unless it is disabled.
  echo 0 >"$lio_target/iscsi/$(iscsi_name alua)/tpgt_1/enable"
  page=$(sg_vpd -p 0x83 "$sg")
  grep -q 'Relative target port' <<<"$page" || fail "$page"
  iscsi_unexport alua
  tear_down
}

initiators_set_states() {
  set_up
  make_group g1 1
  echo g1 >"$lun/alua_tg_pt_gp"
  clear_attention
  refuses 5 0e 01
  refuses 5 01 07
  sg_stpg --active --tp=1 "$sg" || fail "sg_stpg ended with status $?"
  [[ $(<"$groups/g1/alua_access_state") == 1 ]] || fail "state $(<"$groups/g1/alua_access_state")"
  [[ $(<"$groups/g1/alua_access_status") == *'Explicit STPG'* ]] || fail "$(<"$groups/g1/alua_access_status")"
  # The kernel raises 06/2A/06, once.
  local first second
  first=$(sg_turs "$sg" 2>&1) && fail "no unit attention came of it"
  second=$(sg_turs "$sg" 2>&1) || fail "a second one came: $second ($first)"
  expect_told 01
  [[ $(rtpg) == ??????????????????01* ]] || fail "the status code is not 01: $(rtpg)"
  # The kernel lets nobody write the state of a group that changes explicitly only, but for this.
  echo 2 >"$groups/g1/alua_access_type"
  [[ $(tpgs) == TPGS=2 ]] || fail "$(tpgs)"
  sg_stpg --optimized --tp=1 "$sg" || fail "sg_stpg ended with status $?"
  [[ $(<"$groups/g1/alua_access_state") == 0 ]] || fail "state $(<"$groups/g1/alua_access_state")"
  [[ $(<"$groups/g1/alua_access_type") == Explicit ]] || fail "$(<"$groups/g1/alua_access_type")"
  expect_told 00
  # Implicit only: there is no such command.
  echo 1 >"$groups/g1/alua_access_type"
  refuses 9 01 01
  tear_down
}

# calls_during COMMAND...: the system calls of the daemon's threads while the command runs, with their numbers; not those
# of the main thread, which looks for a D-Bus now and then.
calls_during() {
  local log=$LIO_STATE/strace tracer
  rm -f "$log"
  strace -f -p "$(daemon_pid)" -o "$log" 2>"$log.err" &
  tracer=$!
  lio_wait 20 grep -q attached "$log.err" || fail "strace does not trace: $(<"$log.err")"
  sleep 1
  "$@" >/dev/null
  kill -INT "$tracer"
  wait "$tracer" || true
  sed -nE "/^$(daemon_pid) /d; s/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p" "$log" | sort | uniq -c
}

ask() {
  local i
  for ((i = 0; i < 20; i++)); do
    sg_raw -r 96 "$sg" 12 00 00 00 60 00
    sg_raw -r 252 "$sg" 12 01 83 00 fc 00
    sg_raw -r 512 "$sg" a3 0a 00 00 00 00 00 00 02 00 00 00
  done 2>/dev/null
}

change_and_ask() {
  echo 1 >"$groups/g1/alua_access_state"
  clear_attention
  rtpg
}

inquiry_and_rtpg_read_nothing() {
  set_up
  make_group g1 1
  echo g1 >"$lun/alua_tg_pt_gp"
  clear_attention
  rtpg >/dev/null
  local calls others
  calls=$(calls_during ask)
  printf '%s\n' "$calls"
  # To wait for the kernel, and to kick it; the clock is one only where the guest has no better.
  others=$(grep -Ev ' (epoll_wait|write|futex|restart_syscall|clock_gettime)$' <<<"$calls") || true
  [[ -z $others ]] || fail "INQUIRY and RTPG cost system calls: $others"
  [[ $(awk '$2 == "write" { print $1 }' <<<"$calls") -le 66 ]] || fail "more than a kick a command: $calls"
  # And that it would be seen if they did.
  calls=$(calls_during change_and_ask)
  grep -q openat <<<"$calls" || fail "a change was not read, or strace sees nothing: $calls"
  told 01 || fail "RTPG is $(rtpg)"
  tear_down
}

# A LUN that goes while its groups and ports are being changed keeps nobody waiting.
removal_amid_changes() {
  set_up
  local round target changer
  target=$(lun_folder alua)
  make_group g1 1
  for round in {1..5}; do
    echo g1 >"$lun/alua_tg_pt_gp"
    (
      trap 'exit 0' TERM
      while :; do
        echo $((RANDOM % 2)) >"$groups/g1/alua_access_state"
        echo $((RANDOM % 2)) >"$groups/g1/preferred"
      done 2>/dev/null
    ) &
    changer=$!
    sg_inq "$sg" >/dev/null 2>&1 || true
    rtpg >/dev/null 2>&1 || true
    lio_bounded 60 loop_detach alua || fail "the LUN could not be detached in round $round"
    kill "$changer"
    wait "$changer" || true
    disk=$(loop_attach alua)
    sg=$(sg_of "$disk")
  done
  lio_bounded 60 loop_detach alua || fail "the LUN could not be detached"
  rmdir "$groups/g1"
  (
    while [[ -d $target ]]; do echo 1 >"$groups/default_tg_pt_gp/preferred" || true; done 2>/dev/null
  ) &
  changer=$!
  lio_bounded 60 lun_remove alua || fail "the LUN could not be removed"
  wait "$changer"
  expect_stop
  rm "$image"
}

run_case a_plain_lun_has_no_groups
run_case groups_follow_configfs
run_case designators_are_those_of_the_one_port
run_case initiators_set_states
run_case inquiry_and_rtpg_read_nothing
run_case removal_amid_changes
finish_cases
