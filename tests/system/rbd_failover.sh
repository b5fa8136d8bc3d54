#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Two gateways to one image, and an initiator with a path through each: what happens when one dies or hangs. Both are daemons
# of this machine, each with a LUN of its own; the other's it can't open. The initiator is the kernel's: dm-multipath with
# its ALUA handler over two tcm_loop disks that tell the same name.
# usage: rbd_failover.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/ceph_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/ceph_lib.sh"
state=$LIO_STATE
paths=/dev/mapper/both

# as GATEWAY COMMAND...: lio.sh's functions of the daemon, for one of the two.
as() {
  local LIO_STATE=$state/$1 DAEMON=$state/$1/gateway
  shift
  "$@"
}

# gateway_make NAME OTHER: what starts the daemon in a place where the other's LUN is nothing: it would try to serve that one,
# too, and tell the kernel to keep initiators away for as long as it can't.
gateway_make() {
  local uio core
  uio=$(gateway_uio "$2")
  core=$(dirname "$(lun_folder "$2")")
  mkdir -p "$state/$1" "$state/nothing"
  cat >"$state/$1/gateway" <<END
#!/bin/bash
exec unshare --mount --propagation private bash -c \
  'mount --bind /dev/null /dev/$uio && mount --bind $state/nothing $core &&
   exec tcmud --lock-file $state/$1/lock --tcmu-log-dir $state/$1'
END
  chmod +x "$state/$1/gateway"
}

# After a failure.
gateways_kill() {
  local name
  for name in a b; do
    printf -- '--- the log of gateway %s\n' "$name"
    tail -n 40 "$(as "$name" daemon_log)" || true
    pid=$(as "$name" daemon_pid) || continue
    kill -CONT "$pid" 2>/dev/null || true
    as "$name" daemon_stop KILL 5 || true
  done
}

gateway_uio() {
  local file
  for file in /sys/class/uio/uio*/name; do
    [[ $(<"$file") != tcm-user/*/"$1"/* ]] || basename "$(dirname "$file")"
  done
}

# port_groups NAME OWN: as ceph-iscsi makes them: one for each gateway, which change state on their own (implicitly).
port_groups() {
  local groups id
  groups=$(lun_folder "$1")/alua
  for id in 1 2; do
    mkdir "$groups/g$id"
    echo "$id" >"$groups/g$id/tg_pt_gp_id"
    echo 1 >"$groups/g$id/alua_access_type"
    echo $((id - 1)) >"$groups/g$id/alua_access_state"
  done
}

# set_up SIZE: sets image, bytes, disk_a and disk_b.
set_up() {
  local name
  image=${FUNCNAME[1]}
  bytes=$(rbd_image "$image" "$1")
  trap gateways_kill EXIT
  # Nobody answers for either before both daemons run, and each of them is told of both.
  for name in a b; do
    lun_create "$name" "$(rbd_config "$image")" "$bytes" nl_reply_supported=-1
    echo 5ca1ab1e-0000-4000-8000-000000000001 >"$(lun_folder "$name")/wwn/vpd_unit_serial"
    port_groups "$name"
  done
  # The first is the one that fails: what it had is to be given up soon. The other has its time to get the lock.
  lun_attrib a cmd_time_out 4
  gateway_make a b
  gateway_make b a
  as a daemon_start
  as b daemon_start
  disk_a=$(attach_in_group a g1)
  disk_b=$(attach_in_group b g2)
}

# attach_in_group NAME GROUP: prints the disk. It is scanned anew: the initiator asks for groups only then, and tcm_loop has
# the LUN scanned before it can have one.
attach_in_group() {
  local disk target address
  disk=$(loop_attach "$1")
  target=$(loop_target "$1")/tpgt_1
  echo "$2" >"$target/lun/lun_0/alua_tg_pt_gp"
  address=$(<"$target/address")
  echo 1 >"/sys/block/${disk##*/}/device/delete"
  echo '- - -' >"/sys/class/scsi_host/host${address%%:*}/scan"
  lio_wait 20 loop_disk_of "$address" || fail "no disk of LUN $1 appeared again"
}

tear_down() {
  local name
  for name in a b; do
    loop_detach "$name"
    rmdir "$(lun_folder "$name")"/alua/g?
    lun_remove "$name"
    as "$name" expect_stop
  done
  trap - EXIT
  rbd rm --no-progress "$image"
}

multipath_make() {
  modprobe -a dm_multipath dm_round_robin scsi_dh_alua
  dmsetup create --noudevsync both --table "0 $((bytes / 512)) multipath 1 queue_if_no_path 1 alua 2 1 round-robin 0 1 1 $disk_a 1 \
    round-robin 0 1 1 $disk_b 1"
  dmsetup mknodes both
  lio_wait 10 test -b "$paths" || fail "no $paths"
}

multipath_remove() { dmsetup remove --noudevsync --retry both; }

# lock_owner: the client that has the image's lock.
lock_owner() { rbd lock ls --format json "$image" | sed -nE 's/.*"locker":"([^"]*)".*/\1/p'; }

# written_within SECONDS DISK: one block can be written through it by then; says when.
written_within() {
  local begin=${EPOCHREALTIME/./} took
  timeout "$1" dd if=/dev/zero of="$2" bs=4k count=1 seek=$((bytes / 4096 - 1)) oflag=direct status=none ||
    fail "no write through $2 within $1 s"
  took=$((${EPOCHREALTIME/./} - begin))
  printf '  the first write through the other gateway was done after %d ms\n' $((took / 1000))
}

fio_through_both() {
  fio --name=both --filename="$paths" --size=$((bytes - (1 << 20))) --ioengine=libaio --direct=1 --iodepth=8 --rw=randwrite \
    --bssplit=4k/60:64k/30:256k/10 --io_size=12m --randseed=4 --verify=crc32c --verify_fatal=1 --serialize_overlap=1 \
    "$@" >"$state/fio.out" 2>&1 || {
    cat "$state/fio.out"
    return 1
  }
}

sectors_written() { awk '{ print $7 }' "/sys/block/${1##*/}/stat"; }
wrote_more() { (($(sectors_written "$1") > $2)); }

the_owner_is_killed_under_verified_writes() {
  local fio owner
  set_up 32M
  multipath_make
  fio_through_both --rate=,1m &
  fio=$!
  lio_wait 60 wrote_more "$disk_a" 2048 || fail "nothing was written through the first gateway"
  owner=$(lock_owner)
  [[ -n $owner ]] || fail "nobody has the lock"
  as a crash_daemon
  written_within 60 "$disk_b"
  [[ $(lock_owner) != "$owner" ]] || fail "$owner still has the lock"
  wait "$fio" || fail "fio found damage or an error"
  wrote_more "$disk_b" 2048 || fail "nothing went through the second gateway"
  same_as_exported "$image" "$paths"
  # The first comes back, finds the other's writes, and is of use.
  as a daemon_start
  [[ $(read_disk "$disk_a" | b2sum) == $(read_disk "$disk_b" | b2sum) ]] || fail "the gateways show different data"
  multipath_remove
  tear_down
}

# What a gateway that hung was given before must not be written when it goes on: meanwhile others wrote there.
a_hung_gateway_writes_nothing_afterwards() {
  local sg i
  set_up 8M
  sg=$(sg_of "$disk_a")
  head -c 512 /dev/zero | tr '\0' o >"$state/old"
  head -c 65536 /dev/zero | tr '\0' n >"$state/new"
  dd if="$state/new" of="$disk_a" bs=64k oflag=direct status=none # it has the lock from now on
  kill -STOP "$(as a daemon_pid)"
  # The kernel gives up each of them, the ring keeps them.
  for i in {0..15}; do
    sg_raw --timeout=60 --send=512 --infile="$state/old" "$sg" 2a 00 00 00 00 "$(printf %02x "$i")" 00 00 01 00 \
      >>"$state/late" 2>&1 &
  done
  sleep 1
  dd if="$state/new" of="$disk_b" bs=64k oflag=direct status=none
  wait_for_jobs
  [[ $(grep -c 'SCSI Status: Good' "$state/late") -eq 0 ]] || fail "one of them ended well: $(<"$state/late")"
  kill -CONT "$(as a daemon_pid)"
  # It is back when it writes again, and then it is through with what it found.
  written_within 60 "$disk_a"
  cmp -n 65536 "$state/new" "$disk_b" || fail "a late write landed"
  same_as_exported "$image" "$disk_a"
  tear_down
}

wait_for_jobs() {
  local job
  for job in $(jobs -p); do wait "$job" || true; done
}

ceph_start
run_case the_owner_is_killed_under_verified_writes
run_case a_hung_gateway_writes_nothing_afterwards
finish_cases
