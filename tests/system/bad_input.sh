#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What cannot work is refused at once, and one line of the daemon's log says what and why.
# usage: bad_input.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# refused NAME CONFIG BYTES PATTERN: enable fails within 5 s, and a line with NAME that matches PATTERN is in the log.
refused() {
  local begin=$SECONDS
  expect_fail lun_create "$1" "$2" "$3" 2>/dev/null
  ((SECONDS - begin <= 5)) || fail "it took $((SECONDS - begin)) s"
  lio_wait 5 grep -Eiq "$1.*($4)" "$(daemon_log)" || fail "the log has no line with $1 and '$4'"
  [[ $(grep -c "$1" "$(daemon_log)") -eq 1 ]] || fail "more than one line: $(grep "$1" "$(daemon_log)")"
}

each_mistake_is_refused_with_one_line() {
  local folder bytes
  folder=$(memory_folder)
  bytes=$(make_image "$folder/good.img" 16M)
  make_image "$folder/small.img" 8M >/dev/null
  daemon_start
  # The first LUN of a boot waits for modules that the kernel loads.
  lun_create good "$(image_config "$folder/good.img")" "$bytes"
  refused bad-missing "file/$folder/nowhere.img" "$bytes" 'no such file'
  refused bad-directory "file/$folder" "$bytes" 'directory'
  refused bad-size "file/$folder/small.img" "$bytes" 'size|bytes|smaller|larger'
  refused bad-option "file/$folder/small.img;frobnicate=1" "$bytes" 'frobnicate'
  refused bad-subtype "nosuch/$folder/good.img" "$bytes" 'nosuch'
  refused bad-relative "file/good.img" "$bytes" 'absolute|path|no such file'
  [[ $(find /sys/class/uio -type l | wc -l) -eq 1 ]] || fail "left in /sys/class/uio: $(ls /sys/class/uio)"
  # None of it spoiled anything for a good one.
  loop_attach good >/dev/null
  loop_detach good
  lun_remove good
  expect_stop
}

# A thin image on a full disk: the initiator must not take it for a broken medium (SBC-4 4.7.3.8).
out_of_space_is_a_space_allocation_failure() {
  local folder=$mounts_root/small disk output status=0
  mkdir -p "$folder"
  mount -t tmpfs -o size=8M small "$folder"
  make_image "$folder/thin.img" 64M >/dev/null
  daemon_start
  lun_create thin "$(image_config "$folder/thin.img")" $((64 << 20))
  disk=$(loop_attach thin)
  output=$(sg_dd if=/dev/zero of="$disk" oflag=sgio,nocache bs=512 bpt=128 count=65536 verbose=1 2>&1) || status=$?
  [[ $status -ne 0 ]] || fail "32 MiB fitted on 8 MiB"
  grep -Eiq 'data protect' <<<"$output" || fail "the sense key is not DATA PROTECT: $output"
  grep -Eiq 'space allocation failed' <<<"$output" || fail "instead of 27/07: $output"
  # Reads go on, and so do writes once there is room.
  dd if="$disk" of=/dev/null bs=64k count=8 iflag=direct status=none
  mount -o remount,size=80M "$folder"
  dd if=/dev/zero of="$disk" bs=1M count=32 oflag=direct status=none
  loop_detach thin
  lun_remove thin
  expect_stop
  umount "$folder"
}

a_read_only_lun_refuses_writes_as_protected() {
  local image disk bytes output
  image=$(memory_folder)/readonly.img
  bytes=$(make_image "$image" 16M)
  head -c 1M /dev/urandom | dd of="$image" conv=notrunc status=none
  sum=$(b2sum <"$image")
  chmod 444 "$image"
  daemon_start
  lun_create readonly "$(image_config "$image" readonly)" "$bytes"
  disk=$(loop_attach readonly)
  [[ $(cat "/sys/block/${disk##*/}/ro") -eq 1 ]] || fail "the initiator takes the disk for writable"
  # WRITE(10) past the initiator's own check.
  output=$(sg_raw --send=512 --infile=/dev/zero "$(sg_of "$disk")" 2a 00 00 00 00 00 00 00 01 00 2>&1) &&
    fail "WRITE(10) was taken"
  grep -Eiq 'write protected' <<<"$output" || fail "instead of 07/27/00: $output"
  dd if="$disk" of=/dev/null bs=1M iflag=direct status=none
  loop_detach readonly
  lun_remove readonly
  [[ $(b2sum <"$image") == "$sum" ]] || fail "the image changed"
  expect_stop
}

create_makes_a_sparse_image() {
  local image disk
  image=$(disk_folder)/created.img
  rm -f "$image"
  daemon_start
  lun_create created "$(image_config "$image" create)" $((64 << 20))
  disk=$(loop_attach created)
  [[ $(stat -c %s "$image") -eq $((64 << 20)) ]] || fail "the image has $(stat -c %s "$image") bytes"
  [[ $(stat -c %b "$image") -lt 1024 ]] || fail "the image takes $(stat -c %b "$image") blocks"
  dd if=/dev/zero of="$disk" bs=1M count=4 oflag=direct status=none
  loop_detach created
  lun_remove created
  expect_stop
}

run_case each_mistake_is_refused_with_one_line
run_case out_of_space_is_a_space_allocation_failure
run_case a_read_only_lun_refuses_writes_as_protected
run_case create_makes_a_sparse_image
finish_cases
