// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "device/device.h"
#include "kernel/kernel_port.h"

namespace tcmud::control {

// What the device manager asks of a device; see device::Device for what each does. None of them
// blocks.
class Lun {
 public:
  virtual ~Lun() = default;
  virtual void add(kernel::Reply reply) = 0;
  virtual void adopt() = 0;
  virtual void reconfigure(kernel::Change change, kernel::Reply reply) = 0;
  virtual void remove(kernel::Reply reply) = 0;
  virtual void shut_down(std::chrono::steady_clock::time_point deadline) = 0;
  [[nodiscard]] virtual device::LunStatus status() = 0;
};

using LunFactory = std::function<std::unique_ptr<Lun>(
    const kernel::DeviceName& name, uint32_t minor, device::Device::StatusChanged status_changed)>;

// Makes real ones. `settings` is read whenever one is made.
LunFactory make_lun_factory(kernel::KernelPort& kernel, const plugin::Registry& registry,
                            const device::Settings& settings);

}  // namespace tcmud::control
