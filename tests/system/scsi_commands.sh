#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What sg3-utils, an implementation of SCSI that is not ours, makes of the disk.
# usage: scsi_commands.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/sg_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/sg_lib.sh"

identity() {
  set_up
  output_has 'Vendor identification: LIO-ORG' sg_inq "$sg"
  output_has 'Product identification: TCMU device' sg_inq "$sg"
  output_has 'Supported VPD pages' sg_vpd "$sg"
  # The serial number is what configfs has, as for tcmu-runner.
  output_has "Unit serial number: $(cut -d: -f2 "$(lun_folder scsi)/wwn/vpd_unit_serial" | tr -d ' ')" sg_vpd -p 0x80 "$sg"
  output_has 'designator type: NAA' sg_vpd -p 0x83 "$sg"
  output_has '6001405' sg_vpd -p 0x83 "$sg"
  # Two LUNs are two disks.
  lun_create other "$(image_config "$(disk_folder)/other.img" create)" $((16 << 20))
  other=$(loop_attach other)
  [[ $(sg_vpd -p 0x83 -q -i "$sg") != $(sg_vpd -p 0x83 -q -i "$(sg_of "$other")") ]] ||
    fail "two LUNs have the same designator"
  loop_detach other
  lun_remove other
  tear_down
}

capacity_and_limits() {
  set_up
  output_has "last LBA=$((bytes / 512 - 1)) " sg_readcap "$sg"
  output_has "Device size: $bytes bytes" sg_readcap --16 "$sg"
  output_has 'Logical block length=512 bytes' sg_readcap --16 "$sg"
  output_has 'Maximum transfer length: [1-9]' sg_vpd -p 0xb0 "$sg"
  output_has 'Maximum unmap LBA count: (-1|[1-9])' sg_vpd -p 0xb0 "$sg"
  output_has 'rotation rate' sg_vpd -p 0xb1 "$sg"
  output_has 'Unmap command supported \(LBPU\): 1' sg_vpd -p 0xb2 "$sg"
  # A page that is not there. Not with sg_vpd, which refuses by itself what page 00h does not list.
  refuses_field 2 12 01 bf 00 ff 00
  tear_down
}

mode_pages() {
  set_up
  output_has 'Caching' sg_modes -a "$sg"
  output_has 'Control' sg_modes -6 -a "$sg"
  output_has 'WP=0' sg_modes "$sg"
  # SBC-4 6.5.6: the page itself has 20 bytes, the header of MODE SENSE(10) 8.
  [[ $(sg_modes --page=0x8 --raw "$sg" | wc -c) -ge 28 ]] || fail "the caching page is too short"
  ends_with 5 sg_modes --page=0x3e "$sg"
  tear_down
}

state() {
  set_up
  output_has '' sg_turs -n 20 "$sg"
  output_has 'No sense|sense key: No Sense|00' sg_requests "$sg"
  output_has '' sg_start --start "$sg"
  output_has '' sg_sync "$sg"
  output_has 'Unmap' sg_opcodes "$sg"
  output_has 'Write same\(16\)' sg_opcodes "$sg"
  output_has '' sg_luns "$sg"
  tear_down
}

commands_we_do_not_have_are_illegal_requests() {
  set_up
  # 05/20/00: sg3-utils' status 9. READ ELEMENT STATUS, MOVE MEDIUM, and a vendor's opcode.
  local opcode
  for opcode in b8 a5 ff; do
    ends_with 9 sg_raw "$sg" "$opcode" 00 00 00 00 00 00 00 00 00 00 00
  done
  # LBA out of range, 05/21/00, and a field that must be zero, 05/24/00.
  output=$(sg_raw -r 512 "$sg" 28 00 ff ff ff ff 00 00 01 00 2>&1) && fail "READ(10) behind the end was taken"
  grep -Eiq 'address out of range' <<<"$output" || fail "instead of 05/21/00: $output"
  output_has '' sg_turs "$sg"
  tear_down
}

unmap_and_write_same() {
  set_up
  dd if=/dev/urandom of="$disk" bs=1M count=16 oflag=direct status=none
  sync "$image"
  local before
  before=$(allocated)
  [[ $before -ge $((16 << 20)) ]] || fail "only $before bytes of the image are allocated"
  # 8 MiB from 4 MiB on.
  output_has '' sg_unmap --lba=8192 --num=16384 "$sg"
  sync "$image"
  [[ $(allocated) -le $((before - (7 << 20))) ]] || fail "UNMAP gave back only $((before - $(allocated))) bytes"
  cmp -n $((8 << 20)) <(dd if="$disk" bs=1M skip=4 count=8 iflag=direct status=none) /dev/zero
  # WRITE SAME(16) of a pattern, and of zeros with UNMAP.
  head -c 512 /dev/urandom >"$LIO_STATE/pattern"
  output_has '' sg_write_same --16 --lba=100 --num=300 --in="$LIO_STATE/pattern" --xferlen=512 "$sg"
  local block
  for block in 100 250 399; do
    cmp -n 512 <(dd if="$disk" bs=512 skip="$block" count=1 iflag=direct status=none) "$LIO_STATE/pattern"
  done
  cmp -s -n 512 <(dd if="$disk" bs=512 skip=400 count=1 iflag=direct status=none) "$LIO_STATE/pattern" &&
    fail "WRITE SAME wrote one block too many"
  output_has '' sg_write_same --16 --unmap --lba=0 --num=4096 --xferlen=512 "$sg"
  cmp -n $((2 << 20)) <(dd if="$disk" bs=1M count=2 iflag=direct status=none) /dev/zero
  tear_down
}

# fills BYTE: the whole disk holds nothing else.
fills() {
  cmp <(dd if="$disk" bs=1M iflag=direct status=none) <(head -c "$bytes" /dev/zero | tr '\0' "\\$1") ||
    fail "not every byte is $1 (octal)"
}

format_unit() {
  set_up
  dd if=/dev/urandom of="$disk" bs=1M count=64 oflag=direct status=none
  output_has '' sg_format --format --quick --wait "$sg"
  fills 000
  # In the background: others learn that it goes on, and how far it is, until the disk is there again.
  dd if=/dev/urandom of="$disk" bs=1M count=64 oflag=direct status=none
  output_has '' sg_format --format --quick --early "$sg"
  wait_until_ready
  fills 000
  tear_down
}

# The commands that find out whether the disk is ready again must not be refused.
wait_until_ready() {
  local i
  for ((i = 0; i < 600; i++)); do
    ! sg_turs "$sg" >/dev/null 2>&1 || return 0
    output_has '' sg_requests "$sg"
    output_has '' sg_inq "$sg"
    sleep 0.1
  done
  fail "the disk does not become ready"
}

sanitize() {
  set_up
  head -c 3 /dev/zero | tr '\0' '\245' >"$LIO_STATE/pattern"
  dd if=/dev/urandom of="$disk" bs=1M count=64 oflag=direct status=none
  output_has '' sg_sanitize --overwrite --pattern="$LIO_STATE/pattern" --count=2 --invert --quick --wait "$sg"
  fills 245
  # A dozen passes take long enough to be seen.
  output_has '' sg_sanitize --overwrite --zero --ipl=4 --count=12 --quick --early "$sg"
  ends_with 2 sg_turs "$sg"
  output_has 'sanitize in progress' sg_requests "$sg"
  output_has 'progress indication: [0-9.]+' sg_requests --progress "$sg"
  ends_with 2 sg_raw -r 512 "$sg" 28 00 00 00 00 00 00 00 01 00
  output_has '' sg_inq "$sg"
  wait_until_ready
  fills 000
  dd if=/dev/urandom of="$disk" bs=1M count=64 oflag=direct status=none
  output_has '' sg_sanitize --block --quick --wait "$sg"
  fills 000
  output_has '' sg_sanitize --fail --quick "$sg"
  output_has 'Sanitize, overwrite' sg_opcodes "$sg"
  output_has 'Format unit' sg_opcodes "$sg"
  tear_down
}

# A LUN that goes while it is overwritten waits for no more than what is under way.
removal_during_a_sanitize() {
  local begin
  set_up
  output_has '' sg_sanitize --overwrite --zero --ipl=4 --count=12 --quick --early "$sg"
  begin=$SECONDS
  tear_down
  [[ $((SECONDS - begin)) -lt 20 ]] || fail "the removal took $((SECONDS - begin)) seconds"
}

# write_block LBA FLAGS: WRITE(10) of one block; FLAGS is byte 1 of the CDB, in hex.
write_block() {
  head -c 512 /dev/urandom >"$LIO_STATE/block"
  output_has '' sg_raw -s 512 -i "$LIO_STATE/block" "$sg" 2a "$2" 00 00 00 "$(printf %02x "$1")" 00 00 01 00
}

# What was asked to be durable has reached the disk below, every time; the odd flush is the file system's own.
fua_and_synchronize_cache_reach_the_disk_below() {
  local before plain fua sync lba rounds=20
  set_up
  [[ $(cat /sys/block/vda/queue/write_cache) == 'write back' ]] || fail "the disk below has no cache: this tests nothing"
  # Its journal is emptied every five seconds otherwise, with a flush.
  mount -o remount,commit=600 "$(disk_folder)"
  before=$(flushes)
  for ((lba = 0; lba < rounds; lba++)); do write_block "$lba" 00; done
  plain=$(($(flushes) - before))
  before=$(flushes)
  for ((lba = 0; lba < rounds; lba++)); do write_block "$lba" 08; done
  fua=$(($(flushes) - before))
  before=$(flushes)
  for ((lba = 0; lba < rounds; lba++)); do
    write_block "$lba" 00
    output_has '' sg_sync "$sg"
  done
  sync=$(($(flushes) - before))
  printf '  %d writes: %d flushes; with FUA %d; with SYNCHRONIZE CACHE %d\n' "$rounds" "$plain" "$fua" "$sync"
  [[ $plain -lt $rounds ]] || fail "writes that need not be durable are flushed: nothing can be told from the count"
  [[ $fua -ge $rounds ]] || fail "only $fua of $rounds writes with FUA were flushed"
  [[ $sync -ge $rounds ]] || fail "only $sync of $rounds SYNCHRONIZE CACHE commands were passed on"
  tear_down
}

run_case identity
run_case capacity_and_limits
run_case mode_pages
run_case state
run_case commands_we_do_not_have_are_illegal_requests
run_case unmap_and_write_same
run_case format_unit
run_case sanitize
run_case removal_during_a_sanitize
run_case fua_and_synchronize_cache_reach_the_disk_below
finish_cases
