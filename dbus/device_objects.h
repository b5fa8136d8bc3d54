// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <systemd/sd-bus.h>

#include "base/result.h"
#include "dbus/connection.h"

namespace tcmud::dbus {

inline constexpr const char* kDeviceBusName = "org.kernel.TCMUD1";
inline constexpr const char* kDeviceRootPath = "/org/kernel/TCMUD1";
inline constexpr const char* kDeviceInterface = "org.kernel.TCMUD1.Device";

// What the properties of a device say; dbus/org.kernel.TCMUD1.xml tells what each means.
struct DeviceStatus {
  std::string name{};
  std::string handler{};
  std::string config{};
  uint64_t size = 0;
  uint32_t block_size = 0;
  std::string state{};
  uint64_t state_since = 0;
  std::string state_reason{};
  std::string task{};
  uint64_t retry_at = 0;
  std::string backend_state{};
  uint64_t backend_since = 0;
  std::string backend_reason{};
  std::string lock_state{};
  uint64_t lock_since = 0;
  std::string lock_holder{};
  int32_t lock_group = -1;
  uint64_t lock_acquired = 0;
  uint64_t lock_lost = 0;
};

// One connection's tree of our own objects:
//
//   /org/kernel/TCMUD1                      org.freedesktop.DBus.ObjectManager
//   /org/kernel/TCMUD1/devices/<hba>_<name> org.kernel.TCMUD1.Device
//
// apart from org.kernel.TCMUService1, where targetcli takes each object for a kind of backstore. In
// <name>, what may not stand in a path is _xx, its byte in hexadecimal digits. Main thread.
class DeviceObjects final : public Objects {
 public:
  Result<void> export_on(sd_bus* bus) override;
  void withdraw() override;

  // Also while there is no bus. Of several devices of one name, the one with the greatest id is
  // there to be seen: the others are still on their way out.
  void show(uint64_t id, uint32_t hba, const std::string& name, DeviceStatus status);
  void forget(uint64_t id);

 private:
  struct Unref {
    void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
  };
  using Devices = std::map<uint64_t, DeviceStatus>;

  static int find(sd_bus*, const char* path, const char*, void* data, void** found, sd_bus_error*);
  static int list(sd_bus*, const char*, void* data, char*** nodes, sd_bus_error*);
  void tell_added(const std::string& path);
  void tell_removed(const std::string& path);
  void tell_changes(const std::string& path, const DeviceStatus& before, const DeviceStatus& after);

  std::map<std::string, Devices, std::less<>> by_path_;  // none of them is empty
  std::map<uint64_t, std::string> paths_;
  sd_bus* bus_ = nullptr;  // while exported
  std::vector<std::unique_ptr<sd_bus_slot, Unref>> slots_;
};

}  // namespace tcmud::dbus
