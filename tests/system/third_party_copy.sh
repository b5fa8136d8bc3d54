#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# EXTENDED COPY and ROD tokens, between two LUNs and within one, as sg3-utils and ddptctl use them.
# usage: third_party_copy.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for tool in sg_xcopy sg_copy_results sg_raw ddptctl; do
  command -v "$tool" >/dev/null || fail "$tool is missing: scripts/install-deps --with-vm brings it"
done

# Two LUNs of 64 MiB, of one target: who reaches one reaches both. The first 32 MiB of the first are noise.
set_up() {
  folder=$(disk_folder)
  bytes=$((64 << 20))
  daemon_start
  for lun in first second; do
    rm -f "$folder/$lun.img" # of a case that failed
    lun_create "$lun" "$(image_config "$folder/$lun.img" create)" "$bytes"
  done
  first=$(loop_attach first) second=$(loop_attach_beside second first)
  first_sg=$(sg_of "$first") second_sg=$(sg_of "$second")
  dd if=/dev/urandom of="$first" bs=1M count=32 oflag=direct status=none
}

tear_down() {
  loop_detach_beside second first
  loop_detach first
  lun_remove first
  lun_remove second
  expect_stop
  rm "$folder/first.img" "$folder/second.img"
}

# part DISK LBA BLOCKS: prints them.
part() { dd if="$1" bs=64K skip=$(($2 * 512)) count=$(($3 * 512)) iflag=direct,skip_bytes,count_bytes status=none; }
# same DISK LBA DISK LBA BLOCKS
same() { cmp <(part "$1" "$2" "$5") <(part "$3" "$4" "$5") || fail "what was copied is not what there was"; }

told_what_it_can() {
  set_up
  output_has 'Third party copy' sg_vpd "$first_sg"
  output_has 'Extended copy\(LID1\)' sg_vpd -p 0x8f "$first_sg"
  output_has 'Write using token' sg_vpd -p 0x8f "$first_sg"
  output_has 'Maximum target descriptor count: [1-9]' sg_copy_results --params "$first_sg"
  output_has 'Extended copy\(LID1\)' sg_opcodes "$first_sg"
  output_has 'Populate token' sg_opcodes "$first_sg"
  tear_down
}

# Both LUNs may be asked.
between_two_luns() {
  set_up
  local side
  for side in --on_src --on_dst; do
    dd if=/dev/urandom of="$first" bs=1M count=4 seek=2 oflag=direct status=none
    output_has '[0-9] blocks, [0-9]+ command' sg_xcopy "$side" if="$first_sg" of="$second_sg" bs=512 skip=4096 seek=100 count=20000
    same "$first" 4096 "$second" 100 20000
    cmp -n $((100 * 512)) <(part "$second" 0 100) /dev/zero || fail "written before the destination"
    cmp -n 512 <(part "$second" 20100 1) /dev/zero || fail "written behind the destination"
  done
  tear_down
}

within_one_lun() {
  set_up
  output_has '[0-9] blocks, [0-9]+ command' sg_xcopy if="$first_sg" of="$first_sg" bs=512 skip=0 seek=70000 count=60000
  same "$first" 0 "$first" 70000 60000
  tear_down
}

holes_stay_holes() {
  set_up
  # The second half of the source is a hole; the destination is full of noise.
  dd if=/dev/urandom of="$second" bs=1M count=64 oflag=direct status=none
  sync "$folder/second.img"
  local before
  before=$(stat -c %b "$folder/second.img")
  output_has '[0-9] blocks, [0-9]+ command' sg_xcopy if="$first_sg" of="$second_sg" bs=512 skip=65536 seek=65536 count=65536
  sync "$folder/second.img"
  cmp -n $((32 << 20)) <(part "$second" 65536 65536) /dev/zero || fail "the hole was not copied"
  [[ $(stat -c %b "$folder/second.img") -le $((before - (31 << 11))) ]] || fail "a hole was written as zeroes"
  tear_down
}

results_are_told() {
  set_up
  output_has '[0-9] blocks, [0-9]+ command' sg_xcopy id_usage=hold list_id=9 if="$first_sg" of="$second_sg" bs=512 count=128
  # A LUN of no other daemon's, by a designator that nobody has: 0A/0D/02.
  local list
  list=$(mktemp)
  {
    printf '\x07\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x1c\x00\x00\x00\x00'
    printf '\xe4\x00\x00\x00\x01\x03\x00\x10\x60\x01\x40\x5f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'
    printf '\x00\x00\x00\x00\x00\x00\x02\x00'
    printf '\x02\x00\x00\x18\x00\x00\x00\x00\x00\x00\x00\x01'
    printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
  } >"$list"
  output=$(sg_raw -s 76 -i "$list" "$first_sg" 83 00 00 00 00 00 00 00 00 00 00 00 00 4c 00 00 2>&1) &&
    fail "a copy to nowhere was taken: $output"
  grep -Eiq 'copy aborted' <<<"$output" || fail "instead of COPY ABORTED: $output"
  grep -Eiq 'copy target device not reachable' <<<"$output" || fail "instead of 0D/02: $output"
  tear_down
}

# be BYTES NUMBER: the number in big-endian order.
be() {
  # shellcheck disable=SC2059 # the format is the data
  printf "$(printf "%0$((2 * $1))x" "$2" | sed 's/../\\x&/g')"
}
# ranges LBA,BLOCKS...: block device range descriptors, SBC-4 5.25.
ranges() {
  local range
  for range in "$@"; do be 8 "${range%,*}" && be 4 "${range#*,}" && be 4 0; done
}
# Sends $folder/list with one of the two commands. By hand: ddpt and ddptctl 0.97 put the range descriptors of both one byte
# too early, so that LBAs become 256 times what they should be.
third_party_copy_out() {
  local disk=$1 service_action=$2 length
  length=$(stat -c %s "$folder/list")
  # shellcheck disable=SC2046 # words are what sg_raw takes
  sg_raw -s "$length" -i "$folder/list" "$disk" 83 "$service_action" 00 00 00 00 00 00 01 01 \
    $(printf %08x "$length" | sed 's/../& /g') 00 00 2>&1
}

# token_of DISK LBA,BLOCKS...: POPULATE TOKEN, and RECEIVE ROD TOKEN INFORMATION by ddptctl; the token is in $folder/token.
token_of() {
  local disk=$1
  shift
  { be 2 $((14 + 16 * $#)) && be 6 0 && be 6 0 && be 2 $((16 * $#)) && ranges "$@"; } >"$folder/list"
  output_has 'SCSI Status: Good' third_party_copy_out "$disk" 10
  output_has '' ddptctl --receive --list_id=257 --rtf="$folder/token" "$disk"
  [[ $(stat -c %s "$folder/token") -ge 512 ]] || fail "a token of $(stat -c %s "$folder/token") bytes"
}
# write_using_token DISK OFFSET LBA,BLOCKS...: of $folder/token.
write_using_token() {
  local disk=$1 offset=$2
  shift 2
  { be 2 $((534 + 16 * $#)) && be 6 0 && be 8 "$offset" && head -c 512 "$folder/token" && be 6 0 && be 2 $((16 * $#)) &&
    ranges "$@"; } >"$folder/list"
  third_party_copy_out "$disk" 11
}

tokens_between_two_luns() {
  set_up
  # Two ranges of the source become three of the destination; the first 100 blocks of the token are left out.
  token_of "$first_sg" 2048,30000 40000,2000
  output_has 'SCSI Status: Good' write_using_token "$second_sg" 100 4096,10000 20000,19000 60000,2900
  same "$first" 2148 "$second" 4096 10000
  same "$first" 12148 "$second" 20000 19000
  same "$first" 31148 "$second" 60000 900
  same "$first" 40000 "$second" 60900 2000
  cmp -n $((4096 * 512)) <(part "$second" 0 4096) /dev/zero || fail "written before the destination"
  cmp -n 512 <(part "$second" 62900 1) /dev/zero || fail "written behind the destination"
  # And within the LUN.
  output_has 'SCSI Status: Good' write_using_token "$first_sg" 0 100000,30000
  same "$first" 2048 "$first" 100000 30000
  rm "$folder/token" "$folder/list"
  tear_down
}

a_written_token_is_revoked() {
  set_up
  token_of "$first_sg" 0,128
  output_has 'SCSI Status: Good' write_using_token "$second_sg" 0 0,128
  same "$first" 0 "$second" 0 128
  dd if=/dev/urandom of="$first" bs=512 seek=64 count=1 oflag=direct status=none
  output=$(write_using_token "$second_sg" 0 0,128) && fail "the token outlived a write: $output"
  grep -Eiq 'token revoked' <<<"$output" || fail "instead of 05/23/06: $output"
  # And one that nobody ever gave out.
  head -c 512 /dev/urandom >"$folder/token"
  output=$(write_using_token "$second_sg" 0 0,128) && fail "noise was taken for a token: $output"
  grep -Eiq 'token' <<<"$output" || fail "instead of 05/23/xx: $output"
  rm "$folder/token" "$folder/list"
  tear_down
}

zeroes_by_token() {
  set_up
  # SBC-4 "Block zero ROD token".
  { printf '\xff\xff\x00\x01\x00\x00\x01\xf8' && head -c 504 /dev/zero; } >"$folder/token"
  output_has 'SCSI Status: Good' write_using_token "$first_sg" 0 1000,4096
  cmp -n $((4096 * 512)) <(part "$first" 1000 4096) /dev/zero || fail "not zero"
  cmp -s -n 512 <(part "$first" 5096 1) /dev/zero && fail "zeroed one block too many"
  cmp -s -n 512 <(part "$first" 999 1) /dev/zero && fail "zeroed one block too early"
  rm "$folder/token" "$folder/list"
  tear_down
}

a_lun_goes_while_it_copies() {
  set_up
  sg_xcopy if="$first_sg" of="$second_sg" bs=512 count=131072 >/dev/null 2>&1 &
  local copying=$!
  loop_detach_beside second first
  lun_remove second
  wait "$copying" || true
  sg_turs "$first_sg" >/dev/null 2>&1 || true # a unit attention condition of the kernel's: the target has a LUN less
  output_has '' sg_turs "$first_sg"
  loop_detach first
  lun_remove first
  expect_stop
  rm "$folder/first.img" "$folder/second.img"
}

# copied: a copy of the first LUN's beginning to the second's, which the first is asked for, is good; refused: it is as if the
# second were not there.
copied() { output_has '[0-9] blocks, [0-9]+ command' sg_xcopy --on_src if="$first_sg" of="$second_sg" bs=512 count=128; }
refused() {
  local output
  output=$(sg_xcopy --on_src -vvv if="$first_sg" of="$second_sg" bs=512 count=128 2>&1) && fail "a copy that is not allowed was done: $output"
  grep -Eiq 'copy target device not reachable' <<<"$output" || fail "instead of 0A/0D/02: $output"
}

# map GROUP INITIATOR LUN [WRITE_PROTECT]
map() {
  mkdir -p "$1/acls/$2/$3"
  ln -s "$1/lun/$3" "$1/acls/$2/$3/mapped"
  echo "${4:-0}" >"$1/acls/$2/$3/write_protect"
}
unmap() { rm "$1/acls/$2/$3/mapped" && rmdir "$1/acls/$2/$3"; }

# The commands come by the loopback, which reaches both; besides, a target of iSCSI exports both to who has an ACL there. What
# is taken away counts after a second.
only_what_every_initiator_reaches() {
  set_up
  local one=iqn.2024-01.org.tcmud:one two=iqn.2024-01.org.tcmud:two group
  group=$lio_target/iscsi/$(iscsi_export first generate_node_acls=0 cache_dynamic_acls=0)/tpgt_1
  mkdir "$group/lun/lun_1"
  ln -s "$(lun_folder second)" "$group/lun/lun_1/backstore"
  copied # nobody has an ACL
  map "$group" "$one" lun_0
  map "$group" "$one" lun_1
  sleep 1.1
  copied
  map "$group" "$two" lun_0
  sleep 1.1
  refused
  grep -q "acls/$two leads to this LUN and not to that one" "$(daemon_log)" || fail "the log does not say why"
  unmap "$group" "$two" lun_0
  rmdir "$group/acls/$two"
  sleep 1.1
  copied
  echo 1 >"$group/acls/$one/lun_1/write_protect"
  sleep 1.1
  refused
  echo 0 >"$group/acls/$one/lun_1/write_protect"
  # Open to anybody, and nobody may write: demo mode of LIO.
  echo 1 >"$group/attrib/demo_mode_write_protect"
  echo 1 >"$group/attrib/generate_node_acls"
  sleep 1.1
  refused
  echo 0 >"$group/enable"
  sleep 1.1
  copied
  unmap "$group" "$one" lun_0
  unmap "$group" "$one" lun_1
  rmdir "$group/acls/$one"
  rm "$group/lun/lun_1/backstore"
  rmdir "$group/lun/lun_1"
  iscsi_unexport first
  tear_down
}

run_case told_what_it_can
run_case only_what_every_initiator_reaches
run_case between_two_luns
run_case within_one_lun
run_case holes_stay_holes
run_case results_are_told
run_case tokens_between_two_luns
run_case a_written_token_is_revoked
run_case zeroes_by_token
run_case a_lun_goes_while_it_copies
finish_cases
