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
    --bssplit=512/10:4k/40:16k/20:64k/15:256k/10:1m/5 --io_size=32m --verify=crc32c --verify_fatal=1 \
    --serialize_overlap=1 --group_reporting "$@" >"$LIO_STATE/fio.out" 2>&1 || {
    cat "$LIO_STATE/fio.out"
    fail "fio found damage or an error in pass $seed"
  }
  grep -E '^ *(READ|WRITE):' "$LIO_STATE/fio.out" | sed "s/^ */  pass $seed /"
}

# verified_writes ATTACH DETACH
verified_writes() {
  local attach=$1 detach=$2 begin=$SECONDS pass=0 bytes disk
  bytes=$(rbd_image verify 64M)
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

# Whoever grows the image tells nobody else: the LUN follows, and the initiator is told.
resize_is_followed() {
  local disk log=$LIO_STATE/turs mounted sum
  daemon_start
  lun_create grow "$(rbd_config grow)" "$(rbd_image grow 64M)"
  disk=$(loop_attach grow)
  mkfs.ext4 -q -F "$disk"
  mounted=$(mount_at "$disk" grow)
  head -c 8M /dev/urandom >"$mounted/before"
  sum=$(b2sum <"$mounted/before")
  sync -f "$mounted"
  rbd resize --no-progress --size 96M grow
  lio_wait 30 sees_bytes "$(sg_of "$disk")" $((96 << 20)) ||
    fail "the LUN does not follow: $(sg_readcap --16 "$disk")"
  # One command is told, ours or one of the file system's, and the kernel's log has it.
  sg_turs "$disk" >"$log" 2>&1 || grep -qi 'capacity data has changed' "$log" || fail "instead of the unit attention: $(<"$log")"
  sg_turs "$disk" || fail "the unit attention came twice"
  kernel_log_of_case resize_is_followed | grep -q 'Capacity data has changed' || fail "the kernel was not told"
  echo 1 >"/sys/block/${disk##*/}/device/rescan"
  lio_wait 10 test "$(disk_bytes "$disk")" -eq $((96 << 20)) || fail "the disk has $(disk_bytes "$disk") bytes"
  resize2fs "$disk" >/dev/null 2>&1
  [[ $(b2sum <"$mounted/before") == "$sum" ]] || fail "the old data changed"
  head -c 40M /dev/urandom >"$mounted/after"
  umount "$mounted"
  fsck.ext4 -fn "$disk" >/dev/null 2>&1 || fail "the file system is damaged"
  same_as_exported grow "$disk"
  loop_detach grow
  lun_remove grow
  expect_stop
  rbd rm --no-progress grow
}

sees_bytes() { sg_readcap --16 "$1" 2>/dev/null | grep -q "$2 bytes"; }

a_snapshot_is_a_read_only_lun() {
  local bytes disk status=0
  bytes=$(rbd_image snap 32M)
  head -c "$bytes" /dev/urandom >"$LIO_STATE/earlier"
  daemon_start
  lun_create image "$(rbd_config snap)" "$bytes"
  disk=$(loop_attach image)
  dd if="$LIO_STATE/earlier" of="$disk" bs=1M oflag=direct status=none
  rbd snap create --no-progress snap@earlier
  lun_create earlier "$(rbd_config snap@earlier)" "$bytes"
  dd if=/dev/zero of="$disk" bs=1M count=32 oflag=direct status=none
  disk=$(loop_attach earlier)
  [[ $(blockdev --getro "$disk") -eq 1 ]] || fail "the initiator takes it for writable"
  # Past the initiator's own check: 7 is data protect.
  sg_raw --send=512 --infile=/dev/zero "$(sg_of "$disk")" 2a 00 00 00 00 00 00 00 01 00 >/dev/null 2>&1 || status=$?
  [[ $status -eq 7 ]] || fail "a write ended with status $status, not 7 (data protect)"
  cmp "$LIO_STATE/earlier" <(read_disk "$disk") || fail "it is not what was there when the snapshot was taken"
  loop_detach earlier
  lun_remove earlier
  loop_detach image
  lun_remove image
  expect_stop
  rbd snap rm --no-progress snap@earlier
  rbd rm --no-progress snap
}

an_image_without_exclusive_lock_is_refused() {
  rbd create bare --size 16M --image-feature layering
  daemon_start
  expect_fail lun_create bare "$(rbd_config bare)" $((16 << 20)) 2>/dev/null
  grep -i 'exclusive-lock' "$(daemon_log)" | grep -q 'rbd feature enable' ||
    fail "the log does not say what is missing and what to do: $(tail -n 3 "$(daemon_log)")"
  lun_create bare "$(rbd_config bare nolock)" $((16 << 20))
  disk=$(loop_attach bare)
  dd if=/dev/urandom of="$disk" bs=1M count=16 oflag=direct status=none
  same_as_exported bare "$disk"
  loop_detach bare
  lun_remove bare
  expect_stop
  rbd rm --no-progress bare
}

ceph_start
run_case verified_writes_over_tcm_loop
run_case verified_writes_over_iscsi
run_case unmap_frees_space
run_case resize_is_followed
run_case a_snapshot_is_a_read_only_lun
run_case an_image_without_exclusive_lock_is_refused
finish_cases
