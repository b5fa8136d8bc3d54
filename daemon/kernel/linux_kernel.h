// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/kernel_port.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// The running kernel, through sysfs, configfs and /dev/uio*. Holds nothing but paths: any thread.
class LinuxKernel final : public KernelPort {
 public:
  explicit LinuxKernel(KernelPaths paths = {}) : paths_(std::move(paths)) {}

  Result<std::vector<FoundDevice>> scan() override;
  Result<UioPort> open_uio(uint32_t minor) override;
  Result<std::string> read_attribute(const DeviceName& device, std::string_view path) override;
  Result<void> write_attribute(const DeviceName& device, std::string_view path,
                               std::string_view value) override;

 private:
  KernelPaths paths_;
};

}  // namespace tcmud::kernel
