// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// configfs of the fabrics, to be looked through. An rmdir or rm there has its directory locked
// until the commands of a LUN are answered, so each call may wait for commands of ours: never to be
// called by one whom such a command waits for. It depends on no KernelPort, so that a thread that
// hangs in it can be left behind. Any thread.
class FabricTree {
 public:
  virtual ~FabricTree() = default;

  struct Entry {
    std::string name;
    std::string target{};  // what a symbolic link says; "" for a directory
  };
  // The directories and symbolic links of a directory below target/, e.g.
  // "iscsi/iqn.2024-01.org.x:y/tpgt_1/acls"; "": of target/ itself. In no order.
  virtual Result<std::vector<Entry>> list(std::string_view path) = 0;

  // An attribute, as KernelPort::read_fabric_attribute.
  virtual Result<std::string> read(std::string_view path) = 0;
};

// The running kernel's.
std::shared_ptr<FabricTree> make_fabric_tree(const KernelPaths& paths);

}  // namespace tcmud::kernel
