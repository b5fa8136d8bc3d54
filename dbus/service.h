// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include "dbus/check_runner.h"
#include "dbus/connection.h"
#include "dbus/handler_objects.h"
#include "dbus/main_loop.h"
#include "plugin/registry.h"

namespace tcmud::dbus {

// org.kernel.TCMUService1 on the system bus. Main thread.
class Service {
 public:
  struct Timing {
    Connection::Timing bus{};
    std::chrono::milliseconds check{10000};  // for a handler's check_config; callers wait 25 s
  };

  // `registry` is filled already and outlives this.
  Service(MainLoop& loop, const plugin::Registry& registry, Timing timing)
      : checks_(loop, registry, timing.check),
        objects_(registry.list(), checks_),
        connection_(loop, kBusName, objects_, timing.bus) {}

  // See Connection.
  void start(std::function<void()> settled) { connection_.start(std::move(settled)); }
  [[nodiscard]] bool owns_name() const { return connection_.owns_name(); }

  // A handler is looking at a configuration, so that our destructor would wait for it.
  [[nodiscard]] bool busy() const { return checks_.busy(); }

 private:
  CheckRunner checks_;
  HandlerObjects objects_;
  Connection connection_;
};

}  // namespace tcmud::dbus
