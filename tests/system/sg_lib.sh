# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the tests that speak SCSI to a disk share: a LUN behind tcm_loop, and what sg3-utils, an implementation of SCSI that is
# not ours, makes of its answers. Sourced, as lib.sh is, which it brings.

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ends_with STATUS COMMAND...: sg3-utils' exit statuses tell the sense (5 illegal request, 9 unsupported opcode, ...).
ends_with() {
  local wanted=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  [[ $status -eq $wanted ]] || fail "$* ended with status $status, not $wanted: $output"
}

# refuses_field BYTE CDB...: 05/24/00 that points to the byte of the CDB; that is, what the disk says, whatever status a tool
# makes of it.
refuses_field() {
  local byte=$1 output line
  shift
  output=$(sg_raw -r 512 "$sg" "$@" 2>&1) && fail "$* was taken: $output"
  for line in 'sense key: illegal request' 'additional sense: invalid field in cdb' "error in command: byte $byte\\b"; do
    grep -Eiq "$line" <<<"$output" || fail "$*: instead of 05/24/00 at byte $byte: $output"
  done
}

set_up() {
  image=$(disk_folder)/scsi.img
  bytes=$(make_image "$image" 64M)
  daemon_start
  lun_create scsi "$(image_config "$image")" "$bytes"
  disk=$(loop_attach scsi)
  sg=$(sg_of "$disk")
}

tear_down() {
  loop_detach scsi
  lun_remove scsi
  expect_stop
  rm "$image"
}

# allocated: how many bytes of the image are allocated.
allocated() { echo $(($(stat -c %b "$image") * 512)); }

# flushes: how often the disk below the image was told to empty its cache.
flushes() { awk '{ print $16 }' /sys/block/vda/stat; }
