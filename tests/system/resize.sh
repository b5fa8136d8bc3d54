#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A LUN grows while it is in use, and the initiator is told.
# usage: resize.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

disk_bytes() { echo $(($(cat "/sys/block/${1##*/}/size") * 512)); }

a_mounted_lun_grows() {
  local folder image disk bytes mounted told
  folder=$(disk_folder)
  image=$folder/grow.img
  bytes=$(make_image "$image" 128M)
  daemon_start
  lun_create grow "$(image_config "$image")" "$bytes"
  disk=$(loop_attach grow)
  mkfs.ext4 -q -F "$disk"
  mounted=$(mount_at "$disk" grow)
  head -c 20M /dev/urandom >"$mounted/before"
  sum=$(b2sum <"$mounted/before")

  truncate -s 256M "$image"
  lun_attrib grow dev_size $((256 << 20))
  # The unit attention: exactly one command is told, ours or one of the file system's, and the kernel's log has it.
  sg_turs "$disk" 2>"$folder/turs" || grep -qi 'capacity data has changed' "$folder/turs" ||
    fail "instead of the unit attention: $(cat "$folder/turs")"
  sg_turs "$disk" || fail "the unit attention came twice"
  told=$(kernel_log_of_case a_mounted_lun_grows | grep -c 'Capacity data has changed' || true)
  [[ $told -eq 1 ]] || fail "unit attentions in the kernel's log: $told, not 1"
  sg_readcap --16 "$disk" | grep -q "$((256 << 20)) bytes" || fail "READ CAPACITY: $(sg_readcap --16 "$disk")"
  echo 1 >"/sys/block/${disk##*/}/device/rescan"
  lio_wait 10 test "$(disk_bytes "$disk")" -eq $((256 << 20)) || fail "the disk has $(disk_bytes "$disk") bytes"

  resize2fs "$disk" >/dev/null 2>&1
  head -c 150M /dev/urandom >"$mounted/after"
  [[ $(b2sum <"$mounted/before") == "$sum" ]] || fail "the old data changed"
  umount "$mounted"
  fsck.ext4 -fn "$disk"
  loop_detach grow
  lun_remove grow
  expect_stop
}

# The kernel must go on showing the size that the LUN really has.
a_size_that_the_image_does_not_have_is_refused() {
  local image disk bytes
  image=$(disk_folder)/refuse.img
  bytes=$(make_image "$image" 64M)
  daemon_start
  lun_create refuse "$(image_config "$image")" "$bytes"
  disk=$(loop_attach refuse)
  expect_fail lun_attrib refuse dev_size $((128 << 20))
  [[ $(lun_attrib refuse dev_size) -eq $bytes ]] || fail "dev_size is $(lun_attrib refuse dev_size)"
  sg_readcap --16 "$disk" | grep -q "$bytes bytes" || fail "READ CAPACITY: $(sg_readcap --16 "$disk")"
  # And it still works.
  dd if=/dev/zero of="$disk" bs=1M count=4 oflag=direct status=none
  loop_detach refuse
  lun_remove refuse
  expect_stop
}

# `targetctl restore` writes every attribute back as it was.
the_same_values_are_taken_without_complaint() {
  local image disk bytes
  image=$(disk_folder)/same.img
  bytes=$(make_image "$image" 64M)
  daemon_start
  lun_create same "$(image_config "$image")" "$bytes"
  disk=$(loop_attach same)
  lun_attrib same dev_size "$bytes"
  lun_attrib same dev_config "$(image_config "$image")"
  lun_attrib same emulate_write_cache "$(lun_attrib same emulate_write_cache)"
  sg_turs "$disk" || fail "a unit attention although nothing changed"
  loop_detach same
  lun_remove same
  expect_stop
}

run_case a_mounted_lun_grows
run_case a_size_that_the_image_does_not_have_is_refused
run_case the_same_values_are_taken_without_complaint
finish_cases
