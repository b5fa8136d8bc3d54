// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/configfs_watch.h"
#include "kernel/fabric_tree.h"
#include "kernel/kernel_port.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// The running kernel, through sysfs, configfs and /dev/uio*.
class LinuxKernel final : public KernelPort {
 public:
  explicit LinuxKernel(KernelPaths paths = {}) : paths_(std::move(paths)), watch_(paths_) {}

  Result<std::vector<FoundDevice>> scan() override;
  Result<UioPort> open_uio(uint32_t minor) override;
  Result<std::unique_ptr<DeviceDirectory>> open_directory(const DeviceName& device) override;
  std::shared_ptr<FabricTree> fabrics() override { return fabrics_; }
  [[nodiscard]] int changes_fd() const override { return watch_.fd(); }
  void take_changes() override { watch_.take_events(); }

 private:
  const KernelPaths paths_;
  const std::shared_ptr<FabricTree> fabrics_ = make_fabric_tree(paths_);
  ConfigfsWatch watch_;
};

}  // namespace tcmud::kernel
