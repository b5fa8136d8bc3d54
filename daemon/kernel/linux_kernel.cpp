// SPDX-License-Identifier: Apache-2.0
#include "kernel/linux_kernel.h"

#include "kernel/configfs.h"

namespace tcmud::kernel {

Result<std::vector<FoundDevice>> LinuxKernel::scan() {
  return scan_uio(paths_);
}

Result<UioPort> LinuxKernel::open_uio(uint32_t minor) {
  return open_uio_node(paths_, minor);
}

Result<std::string> LinuxKernel::read_attribute(const DeviceName& device, std::string_view path) {
  return attribute_path(paths_, device, path).and_then(read_small_file);
}

Result<void> LinuxKernel::write_attribute(const DeviceName& device, std::string_view path,
                                          std::string_view value) {
  return attribute_path(paths_, device, path).and_then([value](const std::string& file) {
    return write_small_file(file, value);
  });
}

Result<std::vector<std::string>> LinuxKernel::list_port_groups(const DeviceName& device) {
  return attribute_path(paths_, device, "alua").and_then(subdirectories);
}

Result<void> LinuxKernel::watch(const DeviceName& device,
                                const std::shared_ptr<ChangeCount>& changes) {
  return watch_.watch(device, changes);
}

}  // namespace tcmud::kernel
