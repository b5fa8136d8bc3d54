#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Each of sg3-utils' programs asks the disk for what it is there for, and its reading of the answer is held against what is
# known to be so.
# usage: sg_utils.sh [CASE]

# shellcheck source=tests/system/sg_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/sg_lib.sh"

# within_a_minute COMMAND...: a program or a function of this file; nothing the disk is asked may hang.
within_a_minute() {
  if declare -F "$1" >/dev/null; then "$@"; else timeout 60 "$@"; fi
}

# says COMMAND... -- LINE...: the command succeeds, and each LINE, an extended regular expression, fits one of its lines.
says() {
  local command=() output status=0 line
  while [[ $1 != -- ]]; do
    command+=("$1")
    shift
  done
  shift
  output=$(within_a_minute "${command[@]}" 2>&1) || status=$?
  [[ $status -eq 0 ]] || fail "${command[*]} ended with status $status: $output"
  for line in "$@"; do
    grep -Eq -- "$line" <<<"$output" || fail "${command[*]} has no line like '$line': $output"
  done
}

# refused STATUS LINE COMMAND...: the command ends with sg3-utils' STATUS (5 illegal request, 7 data protect, 9 unsupported
# operation code, 14 miscompare, 22 LBA out of range), and its output has a line like LINE.
refused() {
  local wanted=$1 line=$2 output status=0
  shift 2
  output=$(within_a_minute "$@" 2>&1) || status=$?
  [[ $status -eq $wanted ]] || fail "$* ended with status $status, not $wanted: $output"
  grep -Eiq -- "$line" <<<"$output" || fail "$* has no line like '$line': $output"
}

# sense LINE CDB...: a CHECK CONDITION with sense data that sg_raw reads as LINE.
sense() {
  local line=$1 output
  shift
  output=$(timeout 60 sg_raw -r 512 "$sg" "$@" 2>&1) && fail "$* was taken: $output"
  grep -Eiq -- "$line" <<<"$output" || fail "$*: no '$line': $output"
}

# random FILE BLOCKS
random() { head -c $(($2 * 512)) /dev/urandom >"$1"; }

# fill LBA FILE: writes the file there, past the initiator's cache.
fill() { dd if="$2" of="$disk" bs=512 seek="$1" oflag=direct conv=notrunc status=none; }

# holds LBA FILE: from there on the disk has what the file has.
holds() {
  local blocks=$(($(stat -c %s "$2") / 512))
  cmp <(dd if="$disk" bs=512 skip="$1" count="$blocks" iflag=direct status=none) "$2" || fail "other data from block $1 on"
}

# is_zero LBA BLOCKS
is_zero() {
  cmp -n $(($2 * 512)) <(dd if="$disk" bs=512 skip="$1" count="$2" iflag=direct status=none) /dev/zero ||
    fail "not zero from block $1 on"
}

data=$LIO_STATE/data other=$LIO_STATE/other
last=$(((64 << 20) / 512 - 1))

inquiry() {
  local page
  set_up
  says sg_inq -d "$sg" -- 'RMB=0 .*version=0x06  \[SPC-4\]' 'HiSUP=0  Resp_data_format=2' 'Protect=0' 'CmdQue=1' \
    'length=96 \(0x60\)   Peripheral device type: disk' 'SAM-6 \(no' 'SPC-5 \(no' 'SBC-4 \(no' 'SPC-4 \(no' 'SBC-3 \(no'
  # The configuration, which may hold a password, is nobody's business.
  ! { sg_inq "$sg" && sg_vpd -a "$sg"; } | grep -F "$image" || fail "initiators are told where the image is"
  says sg_vpd -a "$sg" -- 'Supported VPD pages VPD page' 'Unit serial number VPD page' 'Device Identification VPD page' \
    'extended INQUIRY data VPD page' 'Block limits VPD page' 'Block device characteristics VPD page' \
    'Logical block provisioning VPD page' 'Block limits extension VPD page'
  # A page that page 00h names can be read, and one that it doesn't name can't.
  for page in $(sg_vpd -p 0 -H "$sg" | awk '/^ *00 / { for (i = 6; i <= NF && $i ~ /^[0-9a-f][0-9a-f]$/; i++) print $i }'); do
    says sg_raw -r 512 "$sg" 12 01 "$page" 02 00 00 -- "^ *00 +00 $page"
  done
  [[ -n ${page:-} ]] || fail "no page is named"
  refuses_field 2 12 01 b3 02 00 00
  says sg_vpd -p 0x86 "$sg" -- 'SIMPSUP=1' ' V_SUP=1' 'SPT=0 GRD_CHK=0'
  says sg_vpd -p 0xb0 "$sg" -- 'WSNZ\): 1' 'compare and write length: 128 blocks' 'Maximum transfer length: 128 blocks' \
    'Maximum unmap LBA count: -1' 'unmap block descriptor count: 256' 'Optimal unmap granularity: 8 blocks' \
    'granularity alignment valid: true' 'Maximum write same length: 0 blocks' 'Maximum atomic transfer length: 8 blocks' \
    'Atomic alignment: 8'
  says sg_vpd -p 0xb1 "$sg" -- 'Medium rotation rate is not reported' 'ZONED=0'
  says sg_vpd -p 0xb2 "$sg" -- '\(LBPU\): 1' '\(LBPWS\): 1' '\(LBPWS10\): 1' '\(LBPRZ\): 1' 'ANC_SUP\): 0' \
    'Provisioning type: 2'
  says sg_vpd -p 0xb7 "$sg" -- 'Maximum number of streams: 0'
  says sg_readcap --16 "$sg" -- 'prot_en=0' 'lbpme=1, lbprz=1' "Last LBA=$last " 'physical block length=4096'
  tear_down
}

operation_codes() {
  local listing code action length option count=0
  set_up
  listing=$(sg_opcodes "$sg")
  # Each command of the list is reported by itself, too, with the usage data of all of its CDB.
  while read -r code action length; do
    option=0x$code
    [[ $action == - ]] || option+=,0x$action
    says sg_opcodes --opcode="$option" "$sg" -- 'supported \[conforming to SCSI standard\]' \
      "Usage data: $code( [0-9a-f]{2}){$((length - 1))} *\$"
    count=$((count + 1))
  done < <(awk '{ for (i = 3; i < 5; i++) if ($i == "0,0") print $1, i == 4 ? $2 : "-", $(i - 1) }' <<<"$listing")
  [[ $count -ge 40 ]] || fail "only $count commands: $listing"
  says sg_opcodes --opcode=0x89 "$sg" -- 'Usage data: 89 f8 ff ff ff ff ff ff ff ff 00 00 00 ff 00 04'
  says sg_opcodes --opcode=0x7f,0x9 "$sg" -- 'Command is supported \[in a vendor specific manner\]'
  says sg_opcodes --opcode=0x3c,0x1 "$sg" -- 'Command is NOT supported'
  says sg_opcodes --opcode=0xff "$sg" -- 'Command is NOT supported'
  says sg_opcodes --rctd "$sg" -- 'Nominal  Recommended'
  says sg_opcodes --tmf "$sg" -- '^ *Abort task$' '^ *Logical unit reset$'
  tear_down
}

# What the list of commands doesn't have is an invalid operation code for everybody, and what it has for nobody.
what_is_not_there_is_refused() {
  local code listed length cdb
  set_up
  random "$data" 1
  refused 9 'invalid opcode' sg_read_buffer "$sg"
  refused 9 'invalid opcode' sg_write_buffer --mode=data --length=512 --in="$data" "$sg"
  refused 9 'invalid opcode' sg_senddiag -l "$sg"
  refused 9 'invalid opcode' sg_ident "$sg"
  refused 9 'not supported' sg_read_attr "$sg"
  refused 9 'not supported' sg_timestamp "$sg"
  refused 9 'not supported' sg_rep_zones "$sg"
  refused 9 'not supported' sg_stream_ctl --get "$sg"
  refused 9 'not supported' sg_get_elem_status "$sg"
  refused 9 'invalid opcode' sg_reassign --address=1 "$sg"
  refused 9 'invalid opcode' sg_read_long --lba=1 "$sg"
  refused 9 'invalid opcode' sg_write_long --wr_uncor --lba=1 "$sg"
  refused 9 'not supported' sg_sat_identify "$sg"
  refused 9 'invalid opcode' sg_write_x --or --in="$data" --lba=8 --num=1 --32 "$sg"
  listed=$(sg_opcodes "$sg" | awk '$1 ~ /^[0-9a-f][0-9a-f]$/ { print $1 }')
  # Not those that the kernel answers: reservations and REPORT LUNS.
  for code in 01 04 07 0b 13 1c 1d 2b 38 3b 3c 3e 3f 48 4c 50 52 83 84 85 8a 9b 9d a1 a2 a4 a5 b3 be; do
    ! grep -q "$code" <<<"$listed" || continue
    # sg_raw takes a CDB of another length than its group's for one of NVMe.
    case $code in
      [01]?) length=6 ;;
      [2-5]?) length=10 ;;
      [89]?) length=16 ;;
      *) length=12 ;;
    esac
    read -r -a cdb < <(printf " 00%.0s" $(seq $((length - 1))) && echo)
    sense 'invalid command operation code' "$code" "${cdb[@]}"
  done
  tear_down
}

# select_byte PAGE BYTE VALUE: MODE SELECT of the page's current values with another byte.
select_byte() {
  local bytes
  read -r -a bytes < <(sg_modes --page="$1" --raw "$sg" | tail -c +17 | od -An -v -tx1 | tr '\n' ' ')
  bytes[$2]=$3
  timeout 60 sg_wr_mode --page="$1" --contents="$(IFS=,; printf '%s' "${bytes[*]}")" "$sg"
}

mode_pages() {
  set_up
  says sg_modes --all "$sg" -- 'WP=0, DpoFua=1' 'Block descriptor length=8' '00 02 00 00 00 00 02 00' \
    '^>> Read-Write error recovery' '^>> Caching' '^>> Control,' '^>> Informational exceptions'
  says sg_modes --six --all "$sg" -- 'Mode parameter header from MODE SENSE\(6\)' 'WP=0, DpoFua=1'
  says sg_modes --all --llbaa "$sg" -- 'longlba=1' 'Block descriptor length=16' '00 00 00 00 00 02 00 00'
  says sg_modes --page=8 "$sg" -- '08 12 04'
  says sg_modes --page=8 --control=1 "$sg" -- 'changeable' '08 12 04 00'
  says sg_modes --page=8 --control=2 "$sg" -- 'default' '08 12 04 00'
  says sg_modes --page=0xa --control=1 "$sg" -- '0a 0a 00 00 08 00 00 00  00 00 00 00'
  says sg_modes --page=1 --control=1 "$sg" -- '01 0a 00 00 00 00 00 00  00 00 00 00'
  sense 'saving parameters not supported' 5a 00 c8 00 00 00 00 00 ff 00
  refused 5 'invalid field in cdb' sg_modes --page=0x3e "$sg"
  # What can't be changed is refused, and changes nothing, though another bit of the list could be.
  refused 5 'illegal request' select_byte 8 12 ff
  refused 5 'illegal request' select_byte 0xa 2 00
  refused 5 'illegal request' select_byte 1 2 80
  says sg_modes --page=8 "$sg" -- '08 12 04 00 00 00 00 00  00 00 00 00 00 00 00 00'
  tear_down
}

# The write cache is what the disk, the daemon's log and configfs say it is, and a write without it is as durable as one with
# FUA.
write_cache() {
  local before lba rounds=20
  set_up
  mount -o remount,commit=600 "$(disk_folder)"
  [[ $(lun_attrib scsi emulate_write_cache) -eq 1 ]] || fail "there is no write cache to switch off"
  says select_byte 8 2 00 --
  says sg_modes --page=8 "$sg" -- '08 12 00'
  says sg_modes --page=8 --control=2 "$sg" -- '08 12 04'
  [[ $(lun_attrib scsi emulate_write_cache) -eq 0 ]] || fail "configfs has not heard of it"
  random "$data" 1
  before=$(flushes)
  for ((lba = 0; lba < rounds; lba++)); do fill "$lba" "$data"; done
  [[ $(($(flushes) - before)) -ge $rounds ]] || fail "only $(($(flushes) - before)) of $rounds writes were flushed"
  says select_byte 8 2 04 --
  says sg_modes --page=8 "$sg" -- '08 12 04'
  [[ $(lun_attrib scsi emulate_write_cache) -eq 1 ]] || fail "configfs has not heard that it is on again"
  before=$(flushes)
  for ((lba = 0; lba < rounds; lba++)); do fill "$lba" "$data"; done
  [[ $(($(flushes) - before)) -lt $rounds ]] || fail "writes are still flushed"
  holds 0 "$data"
  tear_down
}

software_write_protection() {
  set_up
  random "$data" 8
  random "$other" 8
  fill 0 "$data"
  says select_byte 0xa 4 08 --
  says sg_modes "$sg" -- 'WP=1'
  says sg_modes --page=0xa "$sg" -- '0a 0a 02 10 08'
  refused 7 'data protect' sg_write_x --normal --in="$other" --lba=0 --num=8 --16 "$sg"
  refused 7 'data protect' sg_write_same --16 --lba=0 --num=8 --xferlen=512 "$sg"
  refused 7 'data protect' sg_unmap --force --lba=0 --num=8 "$sg"
  sense 'software write protected' 42 00 00 00 00 00 00 00 00 00
  holds 0 "$data"
  says select_byte 0xa 4 00 --
  says sg_modes "$sg" -- 'WP=0'
  says sg_write_x --normal --in="$other" --lba=0 --num=8 --16 "$sg" --
  holds 0 "$other"
  tear_down
}

log_pages() {
  set_up
  says sg_logs --all "$sg" -- '0x00 +Supported log pages' '0x0d +Temperature' 'Current temperature = <not available>'
  refused 5 'illegal' sg_logs --page=0x2f "$sg"
  tear_down
}

lba_status() {
  set_up
  random "$data" 2048
  fill 0 "$data"
  fill 8192 "$data"
  says sg_get_lba_status --lba=0 --maxlen=1024 "$sg" -- 'LBA: 0x0000000000000000  blocks: +2048  mapped' \
    'LBA: 0x0000000000000800  blocks: +6144  deallocated' 'LBA: 0x0000000000002000  blocks: +2048  mapped' \
    "LBA: 0x0000000000002800  blocks: +$((last + 1 - 10240))  deallocated"
  says sg_unmap --force --lba=0 --num=1024 "$sg" --
  says sg_get_lba_status --lba=0 --maxlen=1024 "$sg" -- '\[1\] LBA: 0x0000000000000000  blocks: +1024  deallocated' \
    'LBA: 0x0000000000000400  blocks: +1024  mapped'
  # The first descriptor begins with the block that was asked for.
  says sg_get_lba_status --lba=9000 --maxlen=24 "$sg" -- 'LBA: 0x0000000000002328  blocks: +1240  mapped'
  refused 22 'lba out of range' sg_get_lba_status --lba=$((last + 1)) "$sg"
  tear_down
}

verify() {
  set_up
  random "$data" 8
  random "$other" 8
  fill 0 "$data"
  says sg_verify --lba=0 --count=100 "$sg" --
  says sg_verify --16 --lba=0 --count=100 "$sg" --
  says sg_verify --lba=0 --count=8 --ndo=4096 --in="$data" "$sg" --
  says sg_verify --16 --lba=0 --count=8 --ndo=4096 --in="$data" "$sg" --
  refused 14 'miscompare' sg_verify --lba=1 --count=8 --ndo=4096 --in="$data" "$sg"
  refused 14 'miscompare' sg_verify --16 --lba=1 --count=8 --ndo=4096 --in="$data" "$sg"
  refused 14 'miscompare' sg_verify --lba=0 --count=8 --ebytchk=3 --ndo=512 --in="$data" "$sg"
  says sg_write_same --10 --lba=100 --num=8 --in="$data" --xferlen=512 "$sg" --
  says sg_verify --lba=100 --count=8 --ebytchk=3 --ndo=512 --in="$data" "$sg" --
  refused 22 'lba out of range' sg_verify --16 --lba=$((last)) --count=2 "$sg"
  # WRITE AND VERIFY
  says sg_write_verify --lba=50 --num=8 --ilen=4096 --in="$other" "$sg" --
  holds 50 "$other"
  says sg_write_verify --16 --lba=50 --num=8 --ilen=4096 --bytchk=1 --in="$data" "$sg" --
  holds 50 "$data"
  refused 22 'lba out of range' sg_write_verify --lba=$((last - 1)) --num=8 --ilen=4096 --in="$data" "$sg"
  tear_down
}

write_same_and_unmap() {
  set_up
  random "$data" 2048
  fill 0 "$data"
  head -c 512 "$data" >"$other"
  says sg_write_same --16 --lba=300 --num=8 --in="$other" --xferlen=512 "$sg" --
  says sg_write_same --32 --lba=308 --num=8 --in="$other" --xferlen=512 "$sg" --
  says sg_verify --lba=300 --count=16 --ebytchk=3 --ndo=512 --in="$other" "$sg" --
  says sg_write_same --16 --ndob --lba=400 --num=8 "$sg" --
  is_zero 400 8
  says sg_write_same --10 --unmap --lba=800 --num=800 --xferlen=512 "$sg" --
  is_zero 800 800
  refused 5 'illegal request' sg_write_same --16 --anchor --unmap --lba=300 --num=8 --xferlen=512 "$sg"
  refused 22 'lba out of range' sg_write_same --16 --lba=$((last - 1)) --num=8 --in="$other" --xferlen=512 "$sg"
  # As WSNZ says: a number that was forgotten must not cost what is behind it.
  fill $((last - 2047)) "$data"
  refused 5 'illegal request' sg_write_same --16 --lba=$((last - 7)) --num=0 --in="$other" --xferlen=512 "$sg"
  holds $((last - 2047)) "$data"
  # UNMAP, of more than one range.
  fill 0 "$data"
  says sg_unmap --force --lba=0,1024 --num=8,16 "$sg" --
  is_zero 0 8
  is_zero 1024 16
  dd if="$data" of="$LIO_STATE/between" bs=512 skip=8 count=1016 status=none
  holds 8 "$LIO_STATE/between"
  says sg_unmap --force --lba=0 --num=0 "$sg" --
  refused 5 'bad field in unmap cdb' sg_unmap --force --anchor --lba=0 --num=8 "$sg"
  refused 22 'lba out of range' sg_unmap --force --lba=8,$((last - 1)) --num=8,8 "$sg"
  holds 8 "$LIO_STATE/between"
  says sg_unmap --force --all=0,65536 "$sg" --
  is_zero 0 8192
  tear_down
}

compare_and_write() {
  set_up
  random "$data" 8
  random "$other" 8
  fill 0 "$data"
  cat "$data" "$other" >"$LIO_STATE/both"
  says sg_compare_and_write --in="$LIO_STATE/both" --lba=0 --num=8 --xferlen=8192 "$sg" --
  holds 0 "$other"
  # One byte differs: which one is told, and nothing is written.
  head -c 4096 /dev/zero >"$other"
  cat "$other" "$data" >"$LIO_STATE/both"
  printf 'x' | dd of="$other" bs=1 seek=1234 conv=notrunc status=none
  fill 0 "$other"
  refused 14 'miscompare at byte offset: 1234 ' sg_compare_and_write --in="$LIO_STATE/both" --lba=0 --num=8 --xferlen=8192 -v "$sg"
  holds 0 "$other"
  head -c $((2 * 129 * 512)) /dev/zero >"$LIO_STATE/both"
  refused 5 'illegal request' sg_compare_and_write --in="$LIO_STATE/both" --lba=0 --num=129 --xferlen=132096 -v "$sg"
  refused 22 'lba out of range' sg_compare_and_write --in="$LIO_STATE/both" --lba="$last" --num=2 --xferlen=2048 -v "$sg"
  tear_down
}

write_atomic_and_or() {
  set_up
  random "$data" 8
  random "$other" 8
  says sg_write_x --normal --in="$data" --lba=16 --num=8 --32 "$sg" --
  holds 16 "$data"
  says sg_write_x --atomic=0 --in="$other" --lba=16 --num=8 --16 "$sg" --
  holds 16 "$other"
  head -c 512 "$data" >"$LIO_STATE/one"
  says sg_write_x --atomic=0 --in="$LIO_STATE/one" --lba=8 --num=1 --16 "$sg" --
  holds 8 "$LIO_STATE/one"
  # A boundary, no alignment, too long.
  refused 5 'illegal request' sg_write_x --atomic=1 --in="$LIO_STATE/one" --lba=8 --num=1 --16 "$sg"
  refused 5 'illegal request' sg_write_x --atomic=0 --in="$LIO_STATE/one" --lba=9 --num=1 --16 "$sg"
  cat "$data" "$data" >"$LIO_STATE/both"
  refused 5 'illegal request' sg_write_x --atomic=0 --in="$LIO_STATE/both" --lba=8 --num=16 --16 "$sg"
  holds 16 "$other"
  says sg_write_x --or --in="$data" --lba=16 --num=8 --16 "$sg" --
  python3 - "$data" "$other" >"$LIO_STATE/or" <<'PYTHON'
import sys
first, second = (open(name, "rb").read() for name in sys.argv[1:])
sys.stdout.buffer.write(bytes(a | b for a, b in zip(first, second)))
PYTHON
  holds 16 "$LIO_STATE/or"
  says sg_write_x --same=1 --lba=16 --num=8 --16 --in=/dev/null "$sg" --
  is_zero 16 8
  tear_down
}

unit_state() {
  set_up
  says sg_requests "$sg" -- 'Fixed format, current; Sense key: No Sense' 'No additional sense information'
  says sg_requests --desc "$sg" -- 'Descriptor format, current; Sense key: No Sense'
  says sg_turs --num=3 "$sg" --
  says sg_prevent --allow "$sg" --
  says sg_prevent --prevent=1 "$sg" --
  refused 5 'illegal request' sg_prevent --prevent=2 "$sg"
  says sg_start --start "$sg" --
  refused 5 'illegal request' sg_start --stop "$sg"
  refused 5 'illegal request' sg_start --eject "$sg"
  refused 5 'illegal request' sg_start --pc=2 "$sg"
  says sg_sync --16 --lba=8 --count=8 "$sg" --
  says sg_sync --immed "$sg" --
  refused 22 'lba out of range' sg_sync --16 --lba=$((last + 2)) "$sg"
  says sg_reassign --grown "$sg" -- 'grown defect list: 0'
  says sg_luns "$sg" -- '1 lun entry' '0000000000000000'
  tear_down
}

run_case inquiry
run_case operation_codes
run_case what_is_not_there_is_refused
run_case mode_pages
run_case write_cache
run_case software_write_protection
run_case log_pages
run_case lba_status
run_case verify
run_case write_same_and_unmap
run_case compare_and_write
run_case write_atomic_and_or
run_case unit_state
finish_cases
