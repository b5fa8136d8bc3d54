#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Data survives the way down and up again: random writes of 512 B to 1 MiB at queue depth 32, each checked by a crc32c that
# fio wrote into it, through tcm_loop and through iSCSI. The last pass is read once more after the daemon was started anew.
# usage: fio.sh [CASE]; FIO_SECONDS is the length of each case (default 60).

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
seconds=${FIO_SECONDS:-60}
size=1G
job=(
  --ioengine=libaio --direct=1 --iodepth=32 --rw=randwrite --bssplit=512/20:4k/30:16k/20:64k/15:256k/10:1m/5
  --io_size=256m --verify=crc32c --verify_fatal=1 --serialize_overlap=1 --group_reporting
)

fio_pass() {
  local disk=$1 seed=$2
  shift 2
  fio --name="pass$seed" --filename="$disk" --randseed="$seed" "${job[@]}" "$@" >"$LIO_STATE/fio.out" 2>&1 || {
    cat "$LIO_STATE/fio.out"
    fail "fio found damage or an error in pass $seed"
  }
  grep -E '^ *(READ|WRITE):' "$LIO_STATE/fio.out" | sed "s/^ */  pass $seed /"
}

# verified_writes ATTACH DETACH FOLDER
verified_writes() {
  local attach=$1 detach=$2 image=$3/verify.img begin pass=0 disk bytes
  bytes=$(make_image "$image" "$size")
  daemon_start
  lun_create verify "$(image_config "$image")" "$bytes" hw_max_sectors=2048
  disk=$("$attach" verify)
  begin=$SECONDS
  while ((SECONDS - begin < seconds)); do
    pass=$((pass + 1))
    fio_pass "$disk" "$pass"
  done
  "$detach" verify
  expect_stop
  # The LUN is still there: the daemon finds it again, and every acknowledged write with it.
  daemon_start
  disk=$("$attach" verify)
  fio_pass "$disk" "$pass" --verify_only=1
  "$detach" verify
  lun_remove verify
  expect_stop
  rm "$image"
}

iscsi_attach() {
  iscsi_export "$1" >/dev/null
  iscsi_login "$1"
}

iscsi_detach() {
  iscsi_logout "$1"
  iscsi_unexport "$1"
}

verified_writes_over_tcm_loop() { verified_writes loop_attach loop_detach "$(disk_folder)"; }
verified_writes_over_iscsi() { verified_writes iscsi_attach iscsi_detach "$(memory_folder)"; }

run_case verified_writes_over_tcm_loop
run_case verified_writes_over_iscsi
finish_cases
