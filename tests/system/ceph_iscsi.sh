#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Debian's own ceph-iscsi, unmodified, with this daemon in the place of tcmu-runner: gwcli makes a target, a gateway and a disk
# as the guides of Ceph do it, an initiator logs in with CHAP, and the disk is tuned, grown and taken away again. Each case goes
# on where the one before ended.
# usage: ceph_iscsi.sh

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/ceph_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/ceph_lib.sh"

target=iqn.2003-01.com.redhat.iscsi-gw:iscsi-igw
client=iqn.1994-05.com.redhat:rh7-client
address=192.168.122.101
user=myiscsiusername password=myiscsipassword
host=$(uname -n)
# Where they can be looked at afterwards, also when time ran out.
logs=${VM_OUT:-$LIO_STATE}
api_log=$logs/rbd-target-api.log

# A gateway has an address that is not the loopback interface's, and its name leads to it.
gateway_host() {
  ip address add "$address/32" dev lo
  { printf '%s %s\n' "$address" "$host" && grep -vw "$host" /etc/hosts; } >"$LIO_STATE/hosts"
  cp "$LIO_STATE/hosts" /etc/hosts
  mkdir -p /var/log/rbd-target-api
  cat >/etc/ceph/iscsi-gateway.cfg <<'END'
[config]
cluster_name = ceph
api_secure = false
minimum_gateways = 1
log_to_stderr = true
[device_status]
status_check_interval = 2
END
}

api_start() {
  # Not the time limits that our own commands have.
  env -u CEPH_ARGS PYTHONUNBUFFERED=1 rbd-target-api </dev/null >>"$api_log" 2>&1 &
  echo $! >"$LIO_STATE/api.pid"
  disown
  if ! lio_wait 200 api_listens_or_died || ! api_runs; then
    fail "rbd-target-api did not come up: $(tail -n 20 "$api_log")"
  fi
}

api_runs() { kill -0 "$(<"$LIO_STATE/api.pid")" 2>/dev/null; }
api_gone() { ! api_runs; }
api_listens_or_died() { api_gone || (: <"/dev/tcp/127.0.0.1/5000") 2>/dev/null; }

api_stop() {
  kill "$(<"$LIO_STATE/api.pid")"
  lio_wait 60 api_gone || fail "rbd-target-api does not end"
}

# gwcli_does COMMAND...: as if typed, all in one run: a start of it takes long. It ends with 0 whatever happens and says `ok`
# after each that changed something; what it said is in $logs/gwcli.
gwcli_does() {
  env -u CEPH_ARGS HOME=/root timeout 400 gwcli < <(printf '%s\n' "$@") 2>&1 | sed 's/\x1b\[[0-9;]*m//g' >"$logs/gwcli" ||
    fail "gwcli ended with status $?: $(<"$logs/gwcli")"
}

gwcli_said() { grep -Eq -- "$1" "$logs/gwcli" || fail "gwcli did not say '$1': $(<"$logs/gwcli")"; }

# gwcli_changed COUNT: that many commands went well.
gwcli_changed() {
  local count
  count=$(grep -cE '(^|> )ok$' "$logs/gwcli" || true)
  [[ $count -eq $1 ]] || fail "gwcli did $count things, not $1: $(<"$logs/gwcli")"
}

# node OPTION...: iscsiadm on the record of the target.
node() { iscsiadm --mode node --targetname "$target" --portal "$address:3260" "$@"; }

chap_with() {
  node --op update --name node.session.auth.authmethod --value CHAP
  node --op update --name node.session.auth.username --value "$user"
  node --op update --name node.session.auth.password --value "$1"
}

log_in() {
  node --login >/dev/null || fail "the initiator can't log in"
  lio_wait 30 iscsi_disk_of "$target" >"$LIO_STATE/disk" || fail "no disk appeared"
  disk=$(<"$LIO_STATE/disk")
}

# Cases run in subshells: each finds the disk anew.
logged_in() { disk=$(iscsi_disk_of "$target") || fail "there is no session"; }

log_out() { node --logout >/dev/null; }

gwcli_makes_target_gateway_and_disk() {
  gateway_host
  daemon_start
  api_start
  gwcli_does "/iscsi-targets create $target" \
    "/iscsi-targets/$target/gateways create $host $address" \
    "/disks create pool=rbd image=disk_1 size=64M backstore=user:rbd" \
    "/iscsi-targets/$target/hosts create $client" \
    "/iscsi-targets/$target/hosts/$client auth username=$user password=$password" \
    "/iscsi-targets/$target/hosts/$client disk add rbd/disk_1" \
    "/disks info rbd/disk_1" "/ ls"
  gwcli_changed 6
  gwcli_said 'Backstore +\.\. user:rbd'
  gwcli_said 'gateways \.+ \[Up: 1/1'
  gwcli_said "lun 0 .*rbd/disk_1\(64M\), Owner: $host"
  grep -q 'Config: rbd/rbd/disk_1;osd_op_timeout=30 ' "$(lun_folder rbd.disk_1)/info" || fail "$(<"$(lun_folder rbd.disk_1)/info")"
}

an_initiator_logs_in_with_chap_and_uses_it() {
  local mounted sum
  printf 'InitiatorName=%s\n' "$client" >/etc/iscsi/initiatorname.iscsi
  iscsi_initiator_start
  iscsiadm --mode discovery --type sendtargets --portal "$address" | grep -q "$target" || fail "the target is not announced"
  chap_with not-this-password
  expect_fail node --login >/dev/null 2>&1
  chap_with "$password"
  log_in
  # The group of a gateway that owns the disk is active/optimized, and changes implicitly.
  output_has 'asymmetric access state : 0x00 \(active/optimized\)' sg_rtpg --decode "$disk"
  output_has 'TPGS=1' sg_inq "$disk"
  mkfs.ext4 -q -F "$disk"
  mounted=$(mount_at "$disk" gateway)
  head -c 16M /dev/urandom >"$mounted/data"
  sum=$(b2sum <"$mounted/data")
  umount "$mounted"
  same_as_exported disk_1 "$disk"
  log_out
  log_in
  mounted=$(mount_at "$disk" gateway)
  [[ $(b2sum <"$mounted/data") == "$sum" ]] || fail "the data changed"
  umount "$mounted"
  fsck.ext4 -fn "$disk" >/dev/null 2>&1 || fail "the file system is damaged"
}

# The manager hears of it within some seconds, and the API asks the manager every now and then.
gwcli_tells_the_state_of_the_disk() {
  lio_wait 60 service_map_has '"lock_owner":"true"' || fail "the manager knows: $(ceph service status --format json)"
  service_map_has "\"$host:rbd/disk_1\"" || fail "the manager knows: $(ceph service status --format json)"
  ceph service dump --format json >"$LIO_STATE/services"
  local entry
  for entry in '"pool_name":"rbd"' '"image_name":"disk_1"' "\"daemon_prefix\":\"$host\"" '"daemon_type":"portal"'; do
    grep -q "$entry" "$LIO_STATE/services" || fail "the service map has no $entry: $(<"$LIO_STATE/services")"
  done
  ceph -s | grep -q 'tcmu-runner: 1 portal active (1 hosts)' || fail "$(ceph -s)"
  gwcli_does "/disks info rbd/disk_1" "/disks ls"
  gwcli_said "Lock Owner +\.\. $host"
  gwcli_said 'State +\.\. Online'
  gwcli_said 'disk_1 .*\(Online, 64M\)'
}

service_map_has() { ceph service status --format json | tr -d ' ' | grep -q "$1"; }

a_disk_and_a_target_are_reconfigured_and_grown() {
  local mounted
  logged_in
  # The image is grown under a mounted file system, all else with nobody logged in.
  mounted=$(mount_at "$disk" gateway)
  gwcli_does "/disks resize rbd/disk_1 96M"
  gwcli_changed 1
  [[ $(rbd_bytes disk_1) -eq $((96 << 20)) ]] || fail "the image has $(rbd_bytes disk_1) bytes"
  [[ $(lun_attrib rbd.disk_1 dev_size) -eq $((96 << 20)) ]] || fail "the LUN has $(lun_attrib rbd.disk_1 dev_size) bytes"
  sg_turs "$disk" >/dev/null 2>&1 || true
  echo 1 >"/sys/block/${disk##*/}/device/rescan"
  lio_wait 10 test "$(disk_bytes "$disk")" -eq $((96 << 20)) || fail "the disk has $(disk_bytes "$disk") bytes"
  resize2fs "$disk" >/dev/null 2>&1
  umount "$mounted"
  fsck.ext4 -fn "$disk" >/dev/null 2>&1 || fail "the file system is damaged"
  log_out
  gwcli_does "/disks reconfigure rbd/disk_1 max_data_area_mb 16" "/iscsi-targets/$target reconfigure cmdsn_depth 64" \
    "/disks info rbd/disk_1"
  gwcli_changed 2
  gwcli_said 'max_data_area_mb \.\. 16'
  [[ $(lun_attrib rbd.disk_1 max_data_area_mb) -eq 16 ]] || fail "the LUN has $(lun_attrib rbd.disk_1 max_data_area_mb)"
  log_in
  [[ $(disk_bytes "$disk") -eq $((96 << 20)) ]] || fail "the disk has $(disk_bytes "$disk") bytes"
  fsck.ext4 -fn "$disk" >/dev/null 2>&1 || fail "the file system is damaged"
  log_out
}

everything_is_taken_away() {
  gwcli_does "/iscsi-targets/$target/hosts/$client disk remove rbd/disk_1" \
    "/iscsi-targets/$target/hosts delete $client" \
    "/iscsi-targets/$target/disks delete rbd/disk_1" \
    "/disks delete rbd/disk_1" \
    "/iscsi-targets/$target/gateways delete gateway_name=$host confirm=true" \
    "/iscsi-targets delete $target"
  ! lun_folder rbd.disk_1 || fail "the LUN is still there: $(<"$logs/gwcli")"
  rbd info disk_1 >/dev/null 2>&1 && fail "the image is still there: $(<"$logs/gwcli")"
  [[ ! -d $lio_target/iscsi/$target ]] || fail "the target is still there: $(<"$logs/gwcli")"
  api_stop
  expect_stop
}

ceph_start --mgr
run_case gwcli_makes_target_gateway_and_disk
run_case an_initiator_logs_in_with_chap_and_uses_it
run_case gwcli_tells_the_state_of_the_disk
run_case a_disk_and_a_target_are_reconfigured_and_grown
run_case everything_is_taken_away
finish_cases
