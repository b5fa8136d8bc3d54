# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the guest of scripts/vm is made of: Debian's stock kernel and a few programs that cannot be installed on a
# developer's machine without starting services there. All of it is downloaded with apt and unpacked below build/cache;
# nothing is installed. Sourced after common.sh.

guest_root=${cache_root:?}/guest
guest_initramfs=$cache_root/initramfs.img

# Laid over the machine's root in the guest.
guest_packages=(
  open-iscsi libopeniscsiusr libisns0
  targetcli-fb python3-rtslib-fb python3-configshell-fb python3-pyudev python3-urwid python3-six python3-pyparsing
  ceph-iscsi python3-flask python3-werkzeug python3-jinja2 python3-itsdangerous python3-click python3-netifaces
)
# The daemon that this project replaces, unpacked aside, for comparisons: DAEMON=tcmu-runner in the guest.
reference_packages=(tcmu-runner libtcmu2)

# Loaded before the root is there; everything else is loaded by modprobe later.
guest_boot_modules=(virtio_pci 9pnet_virtio 9p overlay virtio_console)

# The exact package behind the metapackage: apt-get download of the metapackage brings an empty package.
kernel_package() {
  apt-cache depends --no-recommends --no-suggests linux-image-amd64 2>/dev/null |
    awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

# apt_can_download PACKAGE...: whether the package lists know them all.
apt_can_download() {
  apt-get download --print-uris "$@" >/dev/null 2>&1
}

# refresh_apt_lists: as root or through sudo; a no-op with a message when neither is to be had.
refresh_apt_lists() {
  if [[ $(id -u) -eq 0 ]]; then
    apt-get -qq update
  elif command -v sudo >/dev/null; then
    sudo apt-get -qq update
  else
    warn "the package lists are out of date, and there is neither root nor sudo to update them"
    return 1
  fi
}

# unpack_package FILE DIR: like dpkg -x, but keeps DIR's lib -> usr/lib and friends.
unpack_package() {
  dpkg --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink --no-same-owner
}

fetch_guest_root_locked() {
  local stamp wanted kernel dir=$guest_root.new
  wanted="${guest_packages[*]} ${reference_packages[*]} layout 2"
  stamp=$guest_root/.complete
  if [[ -f $stamp && $(cat "$stamp") == "$wanted" ]]; then
    return 0
  fi
  command -v dpkg >/dev/null || die "the VM's kernel comes from Debian's packages, and there is no dpkg here"
  warn "fetching the guest's kernel and programs into ${guest_root#"$tree_root"/} (once, about 75 MB)"
  rm -rf "$dir" "$dir.debs"
  mkdir -p "$dir/usr"/{bin,sbin,lib} "$dir/reference/usr"/{bin,sbin,lib} "$dir.debs"
  ln -s usr/bin usr/sbin usr/lib "$dir/"
  ln -s usr/bin usr/sbin usr/lib "$dir/reference/"

  kernel=$(kernel_package)
  if [[ -z $kernel ]] || ! apt_can_download "$kernel" "${guest_packages[@]}" "${reference_packages[@]}"; then
    refresh_apt_lists || return 1
    kernel=$(kernel_package)
    [[ -n $kernel ]] || die "apt knows no linux-image-amd64: the VM needs Debian's package lists"
  fi
  (
    cd "$dir.debs"
    # apt drops to its own user when it can; below a private folder it cannot, and says so at length.
    apt-get -qq download "$kernel" "${guest_packages[@]}" "${reference_packages[@]}" 2>"$dir.debs/apt.log" || {
      cat "$dir.debs/apt.log" >&2
      exit 1
    }
  ) || return 1
  local package deb
  for package in "$kernel" "${guest_packages[@]}" "${reference_packages[@]}"; do
    deb=$(find "$dir.debs" -name "${package}_*.deb" -print -quit)
    [[ -n $deb ]] || die "apt-get download brought no $package"
    case " ${reference_packages[*]} " in
      *" $package "*) unpack_package "$deb" "$dir/reference" ;;
      *) unpack_package "$deb" "$dir" ;;
    esac || return 1
  done
  /sbin/depmod -b "$dir" "${kernel#linux-image-}" || return 1
  printf '%s\n' "${kernel#linux-image-}" >"$dir/.kernel"
  "$tree_root/scripts/lib/unpack-kernel" "$dir/boot/vmlinuz-${kernel#linux-image-}" "$dir/boot/vmlinux" || true
  printf '%s\n' "$wanted" >"$dir/.complete"
  rm -rf "$guest_root" "$dir.debs"
  mv "$dir" "$guest_root"
}

make_initramfs_locked() {
  local version key init=$tree_root/scripts/lib/vm-init dir=$guest_initramfs.d module
  version=$(cat "$guest_root/.kernel")
  key="$version ${guest_boot_modules[*]} $(cksum <"$init")"
  if [[ -f $guest_initramfs && -f $guest_initramfs.key && $(cat "$guest_initramfs.key") == "$key" ]]; then
    return 0
  fi
  rm -rf "$dir"
  mkdir -p "$dir"/{bin,modules,dev,proc,sys,lower,packages,rw,newroot}
  cp /bin/busybox "$dir/bin/busybox"
  cp "$init" "$dir/init"
  chmod +x "$dir/init"
  for module in "${guest_boot_modules[@]}"; do
    /sbin/modprobe -d "$guest_root" -S "$version" --show-depends "$module" || die "the guest's kernel has no $module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$dir.modules"
  while read -r module; do
    cp "$module" "$dir/modules/"
    basename "$module"
  done <"$dir.modules" >"$dir/modules/order"
  (cd "$dir" && find . | cpio --quiet -o -H newc | gzip -1) >"$guest_initramfs.new"
  mv "$guest_initramfs.new" "$guest_initramfs"
  printf '%s\n' "$key" >"$guest_initramfs.key"
  rm -rf "$dir" "$dir.modules"
}

# prepare_guest: kernel, programs and initramfs are in the cache afterwards.
prepare_guest() {
  mkdir -p "$cache_root"
  with_lock guest-fetch fetch_guest_root_locked
  with_lock guest-initramfs make_initramfs_locked
}

guest_kernel() {
  if [[ -f $guest_root/boot/vmlinux ]]; then
    printf '%s\n' "$guest_root/boot/vmlinux"
  else
    printf '%s/boot/vmlinuz-%s\n' "$guest_root" "$(cat "$guest_root/.kernel")"
  fi
}
