// SPDX-License-Identifier: Apache-2.0
#include "kernel/linux_kernel.h"

#include "kernel/configfs_directory.h"

namespace tcmud::kernel {

Result<std::vector<FoundDevice>> LinuxKernel::scan() {
  return scan_uio(paths_);
}

Result<UioPort> LinuxKernel::open_uio(uint32_t minor) {
  return open_uio_node(paths_, minor);
}

Result<std::unique_ptr<DeviceDirectory>> LinuxKernel::open_directory(const DeviceName& device) {
  return ConfigfsDirectory::open(paths_, device, watch_);
}

}  // namespace tcmud::kernel
