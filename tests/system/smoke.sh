#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The shortest way through everything: a LUN that takes data and gives it back. When this one fails, look here first.
# usage: smoke.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

data_comes_back() {
  local folder disk bytes
  folder=$(memory_folder)
  bytes=$(make_image "$folder/smoke.img" 64M)
  daemon_start
  lun_create smoke "$(image_config "$folder/smoke.img")" "$bytes"
  disk=$(loop_attach smoke)
  [[ $(blockdev --getsize64 "$disk") -eq $bytes ]] || fail "the disk has $(blockdev --getsize64 "$disk") bytes"
  head -c 8M /dev/urandom >"$folder/data"
  dd if="$folder/data" of="$disk" bs=64k oflag=direct status=none
  dd if="$disk" of="$folder/back" bs=256k count=32 iflag=direct status=none
  cmp "$folder/data" "$folder/back"
  # What the initiator wrote is in the image, where it put it.
  cmp -n $((8 << 20)) "$folder/data" "$folder/smoke.img"
  loop_detach smoke
  lun_remove smoke
  ! lun_folder smoke || fail "the LUN is still there"
  expect_stop
}

no_device_is_left_behind() {
  [[ -z $(ls /sys/class/uio 2>/dev/null) ]] || fail "left in /sys/class/uio: $(ls /sys/class/uio)"
}

run_case data_comes_back
run_case no_device_is_left_behind
finish_cases
