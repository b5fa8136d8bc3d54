// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <utility>

#include "control/device_manager.h"
#include "dbus/connection.h"
#include "dbus/device_objects.h"

namespace tcmud::control {

// Shows LUNs as org.kernel.TCMUD1 on the system bus, as soon as and as long as there is one. Main
// thread.
class DeviceDisplay final : public DeviceManager::Display {
 public:
  DeviceDisplay(dbus::MainLoop& loop, dbus::Connection::Timing timing)
      : connection_(loop, dbus::kDeviceBusName, objects_, timing) {}

  // See Connection.
  void start(std::function<void()> settled) { connection_.start(std::move(settled)); }

  void show(uint64_t id, const kernel::DeviceName& name, const device::LunStatus& status) override;
  void forget(uint64_t id) override { objects_.forget(id); }

 private:
  dbus::DeviceObjects objects_;
  dbus::Connection connection_;
};

}  // namespace tcmud::control
