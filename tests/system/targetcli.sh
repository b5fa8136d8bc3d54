#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Debian's own targetcli works with the daemon over D-Bus.
# usage: targetcli.sh [CASE]

# shellcheck disable=SC2119 # daemon_start and expect_stop without arguments
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

start_bus() {
  [[ ! -S /run/dbus/system_bus_socket ]] || return 0
  mkdir -p /run/dbus /etc/dbus-1/system.d
  cp "$tree"/dbus/org.kernel.*.conf /etc/dbus-1/system.d/
  dbus-daemon --system --fork --nopidfile
  lio_wait 10 test -S /run/dbus/system_bus_socket
}

cli() {
  local status=0
  timeout 300 targetcli "$@" || status=$?
  [[ $status -ne 124 ]] || printf 'targetcli %s took more than 300 s\n' "$*" >&2
  return "$status"
}

owns_name() {
  gdbus call --system --dest org.freedesktop.DBus --object-path /org/freedesktop/DBus \
    --method org.freedesktop.DBus.NameHasOwner org.kernel.TCMUService1 | grep -q true
}

targetcli_makes_lists_and_deletes_a_backstore() {
  local folder output disk hba
  folder=$(memory_folder)
  start_bus
  make_image "$folder/cli.img" 64M >/dev/null
  daemon_start
  lio_wait 10 owns_name || fail "the daemon has no name on the bus"
  output=$(cli /backstores ls)
  grep -q 'user:file' <<<"$output" || fail "targetcli shows no user:file: $output"
  ! grep -q 'user:HandlerManager1' <<<"$output" || fail "targetcli takes HandlerManager1 for a handler: $output"
  output=$(cli /backstores/user:file help create)
  grep -q 'cfgstring' <<<"$output" || fail "no help: $output"
  cli /backstores/user:file create name=cli size=64M "cfgstring=$folder/cli.img"
  output=$(cli /backstores/user:file ls)
  grep -Eq 'cli .*cli.img.*64.0MiB' <<<"$output" || fail "the new backstore is not listed: $output"
  hba=$(basename "$(dirname "$(lun_folder cli)")")
  output=$(setpriv --reuid=65534 --regid=65534 --clear-groups gdbus call --system --dest org.kernel.TCMUD1 \
    --object-path "/org/kernel/TCMUD1/devices/${hba#user_}_cli" \
    --method org.freedesktop.DBus.Properties.Get org.kernel.TCMUD1.Device State)
  [[ $output == "(<'running'>,)" ]] || fail "D-Bus tells a user: $output"

  # rtslib names the LUN after enable: its serial number must be in the pages all the same.
  disk=$(loop_attach cli)
  sg_vpd -p 0x80 "$disk" | grep -q "$(sed 's/.*: //' "$(lun_folder cli)/wwn/vpd_unit_serial")" ||
    fail "the serial number is not $(cat "$(lun_folder cli)/wwn/vpd_unit_serial")"
  dd if=/dev/zero of="$disk" bs=1M count=4 oflag=direct status=none
  loop_detach cli

  cli /backstores/user:file delete cli
  ! lun_folder cli || fail "the backstore is still there"
  expect_stop
}

a_bad_configuration_is_refused_with_the_reason() {
  local output
  start_bus
  daemon_start
  lio_wait 10 owns_name || fail "the daemon has no name on the bus"
  output=$(cli /backstores/user:file create name=bad size=64M 'cfgstring=/tmp/x.img;frobnicate=1' 2>&1) &&
    fail "targetcli made it: $output"
  grep -q 'frobnicate' <<<"$output" || fail "the reason is not told: $output"
  ! lun_folder bad || fail "something was made"
  expect_stop
}

a_saved_configuration_is_restored() {
  local folder
  folder=$(memory_folder)
  start_bus
  make_image "$folder/saved.img" 64M >/dev/null
  daemon_start
  lio_wait 10 owns_name || fail "the daemon has no name on the bus"
  cli /backstores/user:file create name=saved size=64M "cfgstring=$folder/saved.img"
  cli saveconfig "$LIO_STATE/saved.json"
  cli clearconfig confirm=True
  ! lun_folder saved || fail "clearconfig left it"
  output=$(cli restoreconfig "$LIO_STATE/saved.json" 2>&1) || fail "restoreconfig failed: $output"
  ! grep -iE 'error|cannot|fail' <<<"$output" || fail "restoreconfig complained: $output"
  lun_folder saved >/dev/null || fail "it did not come back"
  cli clearconfig confirm=True
  expect_stop
}

run_case targetcli_makes_lists_and_deletes_a_backstore
run_case a_bad_configuration_is_refused_with_the_reason
run_case a_saved_configuration_is_restored
finish_cases
