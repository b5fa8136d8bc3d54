// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include <systemd/sd-bus.h>

#include "base/result.h"
#include "dbus/check_runner.h"
#include "dbus/connection.h"
#include "plugin/registry.h"

namespace tcmud::dbus {

inline constexpr const char* kBusName = "org.kernel.TCMUService1";
inline constexpr const char* kRootPath = "/org/kernel/TCMUService1";

// One connection's object tree, as targetcli knows it (dbus/org.kernel.TCMUService1.xml):
//
//   /org/kernel/TCMUService1             org.freedesktop.DBus.ObjectManager
//   /org/kernel/TCMUService1/<subtype>   org.kernel.TCMUService1: ConfigDesc, CheckConfig
//
// targetcli makes a backstore "user:<last path element>" of every object under the root, so nothing
// but handlers may be there. Main thread.
class HandlerObjects final : public Objects {
 public:
  HandlerObjects(const std::vector<plugin::HandlerInfo>& handlers, CheckRunner& checks);
  ~HandlerObjects();
  HandlerObjects(const HandlerObjects&) = delete;
  HandlerObjects& operator=(const HandlerObjects&) = delete;

  Result<void> export_on(sd_bus* bus) override;
  void withdraw() override { slots_.clear(); }

 private:
  struct Object;
  struct Unref {
    void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
  };
  static int get_config_desc(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                             void* object, sd_bus_error*);
  static int check_config(sd_bus_message* call, void* data, sd_bus_error*);
  static int get_managed_objects(sd_bus_message* call, void* data, sd_bus_error*);
  static const sd_bus_vtable kInterface[];

  std::vector<std::unique_ptr<Object>> objects_;  // sd-bus points to each
  std::vector<std::unique_ptr<sd_bus_slot, Unref>> slots_;
};

}  // namespace tcmud::dbus
