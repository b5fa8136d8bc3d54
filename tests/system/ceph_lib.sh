# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the tests with a Ceph cluster share: one cluster of the guest's own for all cases of a script, images in its pool
# `rbd`, and LUNs on them. Sourced after lib.sh.

ceph_folder=/run/tcmud-ceph
ceph_tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

ceph_cluster() { "$ceph_tree/scripts/ceph-cluster" "$@"; }

# ceph_start [OPTION...]: of `scripts/ceph-cluster start`. The cluster is the one that programs take without being told.
ceph_start() {
  mkdir -p /etc/ceph
  ceph_cluster start "$ceph_folder" "$@" || {
    tail -n 20 "$ceph_folder"/log/*.out >&2
    fail "there is no Ceph cluster"
  }
  ln -sf "$ceph_folder/ceph.conf" /etc/ceph/ceph.conf
  # Whatever these tests ask of the cluster is answered at once, or something is wrong.
  export CEPH_ARGS='--rados-mon-op-timeout 120 --rados-osd-op-timeout 120'
}

ceph_stop() { ceph_cluster stop "$ceph_folder"; }

# rbd_image NAME SIZE [OPTION...]: a new image, with options of `rbd create`; prints its size in bytes. A second client is
# to find the lock free, and usage to be known, without a manager: hence the features.
rbd_image() {
  local name=$1 size=$2
  shift 2
  rbd create "$name" --size "$size" --image-feature layering,exclusive-lock,object-map,fast-diff "$@" >&2 || return 1
  rbd_bytes "$name"
}

# rbd_bytes IMAGE
rbd_bytes() { rbd info --format json "$1" | sed -nE 's/.*"size":([0-9]+).*/\1/p'; }

# rbd_used IMAGE: the bytes of the objects that the image has.
rbd_used() { rbd du --format json "$1" | sed -nE 's/.*"used_size":([0-9]+).*/\1/p'; }

# rbd_config IMAGE [OPTION...]: the part after "user:".
rbd_config() {
  local image=$1
  shift
  printf 'rbd/rbd/%s' "$image"
  [[ $# -eq 0 ]] || printf ';%s' "$@"
  printf '\n'
}

# iscsi_attach NAME, iscsi_detach NAME: as loop_attach and loop_detach.
iscsi_attach() {
  iscsi_export "$1" >/dev/null
  iscsi_login "$1"
}

iscsi_detach() {
  iscsi_logout "$1"
  iscsi_unexport "$1"
}

disk_bytes() { echo $(($(<"/sys/block/${1##*/}/size") * 512)); }

# read_disk DISK: its contents, past the page cache, on stdout.
read_disk() { dd if="$1" bs=1M iflag=direct status=none; }

# same_as_exported IMAGE DISK: what another client of the cluster finds in the image is what the initiator reads.
same_as_exported() {
  local exported there
  exported=$(rbd export "$1" - --no-progress | b2sum)
  there=$(read_disk "$2" | b2sum)
  [[ $exported == "$there" ]] || fail "rbd export of $1 is not what $2 has"
}
