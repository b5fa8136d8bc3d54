// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "kernel/configfs_watch.h"
#include "kernel/kernel_port.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// <sysfs>/kernel/config/target/core/user_<hba>/<name>, by descriptors of the directories in it: a
// path looked up from one of them meets no lock that an rmdir of the device holds.
class ConfigfsDirectory final : public DeviceDirectory {
 public:
  // ENOENT: there is no such device. `watch` must live longer.
  static Result<std::unique_ptr<DeviceDirectory>> open(const KernelPaths& paths,
                                                       const DeviceName& device,
                                                       ConfigfsWatch& watch);

  [[nodiscard]] const DeviceName& device() const override { return device_; }
  // EINVAL: the path would lead out of the directory.
  Result<std::string> read(std::string_view path) override;
  Result<void> write(std::string_view path, std::string_view value) override;
  Result<std::vector<std::string>> list_port_groups() override;
  Result<void> watch(const std::shared_ptr<ChangeCount>& changes) override;

 private:
  struct Held {
    std::string_view name;
    Fd directory;

    // A path that leads to the directory itself, for calls that take no descriptor.
    [[nodiscard]] std::string path() const;
  };

  ConfigfsDirectory(std::string path, DeviceName device, ConfigfsWatch& watch);
  Result<SmallFile> find(std::string_view path) const;

  const std::string path_;
  const DeviceName device_;
  ConfigfsWatch& watch_;
  Held attrib_{"attrib", Fd()};
  Held wwn_{"wwn", Fd()};
  Held alua_{"alua", Fd()};
  Held action_{"action", Fd()};
  const std::array<Held*, 4> held_ = {&attrib_, &wwn_, &alua_, &action_};
};

}  // namespace tcmud::kernel
