// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <systemd/sd-bus.h>

#include "base/result.h"
#include "dbus/check_runner.h"
#include "dbus/handler_objects.h"
#include "dbus/main_loop.h"
#include "plugin/registry.h"

namespace tcmud::dbus {

// org.kernel.TCMUService1 on the system bus ($DBUS_SYSTEM_BUS_ADDRESS where set). Where there is no
// bus the daemon serves all the same, and this looks for one from time to time. Main thread;
// nothing here waits for the bus.
class Service {
 public:
  struct Timing {
    std::chrono::milliseconds first_retry{1000};  // doubled from one failure to the next,
    std::chrono::milliseconds last_retry{10000};  // up to this
    std::chrono::milliseconds settle{5000};       // for a bus that takes us but gives no answer
    std::chrono::milliseconds check{10000};       // for a handler's check_config; callers wait 25 s
  };

  // `registry` is filled already and outlives this.
  Service(MainLoop& loop, const plugin::Registry& registry, Timing timing);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // `settled` is called once: when the name is ours, or when it is clear that it won't be for now.
  void start(std::function<void()> settled);

  [[nodiscard]] bool owns_name() const { return owns_name_; }
  // A handler is looking at a configuration, so that our destructor would wait for it.
  [[nodiscard]] bool busy() const { return checks_.busy(); }

 private:
  struct CloseBus {
    void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  };

  void connect();
  Result<void> open();
  static int on_name(sd_bus_message* reply, void* data, sd_bus_error*);
  static int on_disconnected(sd_bus_message*, void* data, sd_bus_error*);
  void lost(const std::string& why);
  void settle();

  MainLoop& loop_;
  Timing timing_;
  CheckRunner checks_;
  HandlerObjects objects_;
  std::unique_ptr<sd_bus, CloseBus> bus_;
  bool owns_name_ = false;
  std::string told_;  // the last failure in the log, which is not told again
  std::chrono::milliseconds next_retry_;
  MainLoop::Timer retry_timer_;
  MainLoop::Timer settle_timer_;
  std::function<void()> settled_;
};

}  // namespace tcmud::dbus
