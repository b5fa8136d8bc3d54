#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# LUNs on images of a real Ceph cluster: what an initiator writes is what any other client of the cluster reads, space that
# it gives back is free, and what happens to the image is seen by the initiator.
# usage: rbd.sh [CASE]; FIO_SECONDS is about how long each of the cases with fio writes (default 20).

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/ceph_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/ceph_lib.sh"
seconds=${FIO_SECONDS:-20}

# fio_verify DISK SEED [OPTION...]
fio_verify() {
  local disk=$1 seed=$2
  shift 2
  fio --name="pass$seed" --filename="$disk" --randseed="$seed" --ioengine=libaio --direct=1 --iodepth=16 --rw=randwrite \
    --bssplit=512/10:4k/40:16k/20:64k/15:256k/10:1m/5 --io_size=64m --verify=crc32c --verify_fatal=1 \
    --serialize_overlap=1 --group_reporting "$@" >"$LIO_STATE/fio.out" 2>&1 || {
    cat "$LIO_STATE/fio.out"
    fail "fio found damage or an error in pass $seed"
  }
  grep -E '^ *(READ|WRITE):' "$LIO_STATE/fio.out" | sed "s/^ */  pass $seed /"
}

# verified_writes ATTACH DETACH
verified_writes() {
  local attach=$1 detach=$2 begin=$SECONDS pass=0 bytes disk
  bytes=$(rbd_image verify 256M)
  daemon_start
  lun_create verify "$(rbd_config verify)" "$bytes"
  disk=$("$attach" verify)
  while ((pass == 0 || SECONDS - begin < seconds)); do
    pass=$((pass + 1))
    fio_verify "$disk" "$pass"
  done
  same_as_exported verify "$disk"
  "$detach" verify
  expect_stop
  # The LUN is still there: the daemon finds it again.
  daemon_start
  disk=$("$attach" verify)
  fio_verify "$disk" "$pass" --verify_only=1
  "$detach" verify
  lun_remove verify
  expect_stop
  rbd rm --no-progress verify
}

verified_writes_over_tcm_loop() { verified_writes loop_attach loop_detach; }
verified_writes_over_iscsi() { verified_writes iscsi_attach iscsi_detach; }

unmap_frees_space() {
  local bytes disk used
  bytes=$(rbd_image thin 128M)
  daemon_start
  lun_create thin "$(rbd_config thin)" "$bytes"
  disk=$(loop_attach thin)
  [[ $(rbd_used thin) -eq 0 ]] || fail "a new image takes $(rbd_used thin) bytes"
  dd if=/dev/urandom of="$disk" bs=1M count=64 oflag=direct status=none
  used=$(rbd_used thin)
  [[ $used -eq $((64 << 20)) ]] || fail "64 MiB were written, and $used bytes are used"
  blkdiscard --offset $((16 << 20)) --length $((32 << 20)) "$disk"
  used=$(rbd_used thin)
  [[ $used -eq $((32 << 20)) ]] || fail "32 of 64 MiB were given back, and $used bytes are used"
  cmp -n $((32 << 20)) <(dd if="$disk" bs=1M skip=16 count=32 iflag=direct status=none) /dev/zero ||
    fail "what was given back does not read as zeros"
  same_as_exported thin "$disk"
  blkdiscard "$disk"
  used=$(rbd_used thin)
  [[ $used -eq 0 ]] || fail "everything was given back, and $used bytes are used"
  loop_detach thin
  lun_remove thin
  expect_stop
  rbd rm --no-progress thin
}

ceph_start
run_case verified_writes_over_tcm_loop
run_case verified_writes_over_iscsi
run_case unmap_frees_space
finish_cases
