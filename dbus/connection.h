// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <systemd/sd-bus.h>

#include "base/result.h"
#include "dbus/main_loop.h"

namespace tcmud::dbus {

// What a connection serves.
class Objects {
 public:
  // On a bus that is being connected to.
  virtual Result<void> export_on(sd_bus* bus) = 0;
  // Before that bus is closed for good: each export holds a share of it.
  virtual void withdraw() = 0;

 protected:
  ~Objects() = default;
};

// A name on the system bus ($DBUS_SYSTEM_BUS_ADDRESS where set), and the objects behind it. Where
// there is no bus this looks for one from time to time. A connection for each name, since a bus's
// policy for one name counts for whatever its owner has. Main thread; nothing here waits for the
// bus.
class Connection {
 public:
  struct Timing {
    std::chrono::milliseconds first_retry{1000};  // doubled from one failure to the next,
    std::chrono::milliseconds last_retry{10000};  // up to this
    std::chrono::milliseconds settle{5000};       // for a bus that takes us but gives no answer
  };

  // `objects` outlive this.
  Connection(MainLoop& loop, const char* name, Objects& objects, Timing timing);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `settled` is called once: when the name is ours, or when it is clear that it won't be for now.
  void start(std::function<void()> settled);

  [[nodiscard]] bool owns_name() const { return owns_name_; }

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
  const char* const name_;
  Objects& objects_;
  const Timing timing_;
  std::unique_ptr<sd_bus, CloseBus> bus_;
  bool owns_name_ = false;
  std::string told_;  // the last failure in the log, which is not told again
  std::chrono::milliseconds next_retry_;
  MainLoop::Timer retry_timer_;
  MainLoop::Timer settle_timer_;
  std::function<void()> settled_;
};

}  // namespace tcmud::dbus
