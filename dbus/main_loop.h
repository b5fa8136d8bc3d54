// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <systemd/sd-event.h>

namespace tcmud::dbus {

// What the service asks of the main thread's loop. Tasks run on that thread and must not throw.
class MainLoop {
 public:
  virtual ~MainLoop() = default;

  // For sd-bus, which brings its own sources.
  [[nodiscard]] virtual sd_event* get() const = 0;

  // Has a task done soon. Any thread.
  virtual void post(std::function<void()> task) = 0;

  // Has it done once, unless the timer goes before. Main thread.
  using Timer = std::shared_ptr<void>;
  [[nodiscard]] virtual Timer after(std::chrono::milliseconds delay,
                                    std::function<void()> task) = 0;
};

}  // namespace tcmud::dbus
