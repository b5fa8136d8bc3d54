// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "base/result.h"
#include "kernel/kernel_port.h"

namespace tcmud::kernel {

// Where the kernel's file systems are mounted; tests put a directory of theirs in their place.
struct KernelPaths {
  std::string sysfs = "/sys";
  std::string dev = "/dev";

  // configfs of the target core and its fabrics.
  [[nodiscard]] std::string target() const { return sysfs + "/kernel/config/target"; }
};

// The TCMU devices among <sysfs>/class/uio/*, in the order of their minors. None if there is no
// such class yet.
Result<std::vector<FoundDevice>> scan_uio(const KernelPaths& paths);

// See KernelPort::open_uio. ENODEV: uio<minor> is no TCMU device any more, or never was.
Result<UioPort> open_uio_node(const KernelPaths& paths, uint32_t minor);

// A file of sysfs or configfs: its path, perhaps from an open directory on, and what errors call
// it.
struct SmallFile {
  SmallFile(std::string file_path) : path(std::move(file_path)), shown(path) {}  // NOLINT: implicit
  SmallFile(int from_directory, std::string file_path, std::string full_path)
      : directory(from_directory), path(std::move(file_path)), shown(std::move(full_path)) {}

  int directory = AT_FDCWD;
  std::string path;
  std::string shown;
};

// Up to 64 KiB, without the newlines, blanks and NULs at the end.
Result<std::string> read_small_file(const SmallFile& name);

// One write(2) of the whole value, as sysfs and configfs want it.
Result<void> write_small_file(const SmallFile& name, std::string_view value);

}  // namespace tcmud::kernel
