#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# File systems on a LUN: made, filled to the last block, unmounted, checked, and read again after the daemon was started anew.
# usage: filesystems.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# fill FOLDER: files of growing size, until the file system is full. Leaves their checksums in FOLDER.sums.
fill() {
  local number=0 size=4096
  while head -c "$size" /dev/urandom >"$1/file.$number" 2>/dev/null; do
    number=$((number + 1))
    size=$((size * 3 / 2 + 123))
    [[ $size -lt 50000000 ]] || size=4096
  done
  rm "$1/file.$number"
  [[ $number -gt 20 ]] || fail "only $number files fitted"
  (cd "$1" && b2sum -- file.*) >"$1.sums"
}

# full_file_system SIZE FSCK... -- MKFS...
full_file_system() {
  local size=$1 image disk bytes folder fsck=()
  shift
  while [[ $1 != -- ]]; do
    fsck+=("$1")
    shift
  done
  shift
  image=$(disk_folder)/filesystem.img
  bytes=$(make_image "$image" "$size")
  daemon_start
  lun_create filesystem "$(image_config "$image")" "$bytes" hw_max_sectors=2048
  disk=$(loop_attach filesystem)
  "$@" "$disk" || fail "$* failed"
  folder=$(mount_at "$disk" filesystem)
  fill "$folder"
  umount "$folder"
  "${fsck[@]}" "$disk" || fail "${fsck[*]} found damage"
  folder=$(mount_at "$disk" filesystem)
  (cd "$folder" && b2sum --quiet --check "$folder.sums")
  # Space is given back while the file system lives on.
  find "$folder" -name 'file.*[02468]' -delete
  fstrim "$folder"
  umount "$folder"
  "${fsck[@]}" "$disk" || fail "${fsck[*]} found damage after fstrim"
  loop_detach filesystem

  expect_stop
  daemon_start
  disk=$(loop_attach filesystem)
  folder=$(mount_at "$disk" filesystem)
  (cd "$folder" && b2sum --quiet --check --ignore-missing "$folder.sums")
  umount "$folder"
  loop_detach filesystem
  lun_remove filesystem
  expect_stop
  rm "$image"
}

ext4_is_made_filled_and_checked() { full_file_system 300M fsck.ext4 -fn -- mkfs.ext4 -q -F; }
xfs_is_made_filled_and_checked() { full_file_system 400M xfs_repair -n -- mkfs.xfs -q -f; }

run_case ext4_is_made_filled_and_checked
run_case xfs_is_made_filled_and_checked
finish_cases
