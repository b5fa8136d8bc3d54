#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What iscsi-test-cu, the test suite of libiscsi, makes of a LUN behind the kernel's iSCSI target. What it should make of it
# stands, test by test, in iscsi_test_cu.expect; a table of what was skipped and why is printed.
# usage: iscsi_test_cu.sh [CASE [HANDLER]]; HANDLER is what stands behind the LUN (default file).

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
handler=${2:-file}
bytes=$((100 << 20))

# backing_HANDLER NAME: makes something of $bytes bytes that is all unmapped, and prints the configuration of a LUN on it.
backing_file() {
  local image
  image=$(memory_folder)/$1.img
  make_image "$image" "$bytes" >/dev/null
  image_config "$image"
}

# slowed CONFIGURATION: of the same LUN with writes that take 0.4 s, of which the daemon's overwriting has four at a time.
slowed() { printf 'fault/%s;fault_rule=delay:ops=write:us=400000\n' "$1"; }

declare -F "backing_$handler" >/dev/null || fail "no backing is known for the handler $handler"

# offer NAME [KEY=VALUE...]: a LUN, as lun_create makes it, behind a target of its own. Prints what a URL has behind the portal.
offer() {
  local name=$1 target
  shift
  lun_create "$name" "$("backing_$handler" "$name")" "$bytes" "$@"
  target=$(iscsi_export "$name")
  printf '%s/0\n' "$target"
}

family() {
  local lun judged portal=iscsi://127.0.0.1:3260 luns=()
  daemon_start
  # More than the longest command of any test.
  judged=$(offer judged hw_max_sectors=65536)
  iscsi_add_portal judged 127.0.0.1:3261
  if [[ $1 != iSCSI ]]; then
    # Takes the longest transfer for the longest atomic one, and of that it only hears from a disk of this machine.
    lun_create atomic "$("backing_$handler" atomic)" "$bytes" hw_max_sectors=8
    luns+=(--lun "WriteAtomic16=$(loop_attach atomic)")
    # Looks three seconds after the start, and again after a reset, whether an overwrite still goes on. A LUN of its own, too,
    # as the kernel keeps the reservation that the test before leaves behind.
    lun_create slow "$(slowed "$("backing_$handler" slow)")" "$bytes" hw_max_sectors=2048
    luns+=(--lun "Sanitize.Reset=$portal/$(iscsi_export slow)/0")
    # Takes the number of logical blocks in a physical one for 1.
    luns+=(--lun "GetLBAStatus=$portal/$(offer large_blocks hw_block_size=4096 hw_max_sectors=2048)")
  fi
  "$here/run-iscsi-tests" --expect "$here/iscsi_test_cu.expect" --logs "$VM_OUT/iscsi-test-cu-$handler" "${luns[@]}" "$1" \
    "$portal/$judged" "iscsi://127.0.0.1:3261/$judged"
  [[ $1 == iSCSI ]] || loop_detach atomic
  for lun in judged slow large_blocks; do
    ! lun_folder "$lun" >/dev/null || iscsi_unexport "$lun"
  done
  for lun in judged atomic slow large_blocks; do
    ! lun_folder "$lun" >/dev/null || lun_remove "$lun"
  done
  expect_stop
}

family_scsi() { family SCSI; }
family_iscsi() { family iSCSI; }
family_linux() { family LINUX; }

run_case family_scsi
run_case family_iscsi
run_case family_linux
finish_cases
