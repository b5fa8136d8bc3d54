// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/result.h"
#include "dbus/main_loop.h"

namespace tcmud::control {

// The main thread's sd-event loop. All but post() is for that thread.
class EventLoop final : public dbus::MainLoop {
 public:
  using Task = std::function<void()>;
  // Something the loop waits for, as long as it lives. Its own task may let it go.
  using Source = std::shared_ptr<void>;

  static Result<std::unique_ptr<EventLoop>> create();
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Result<Source> on_readable(int fd, Task task);
  // The signal must be blocked in every thread (see block_signals).
  Result<Source> on_signal(int signal, Task task);
  [[nodiscard]] Timer after(std::chrono::milliseconds delay, Task task) override;

  // Any thread. In order; what is still queued when the loop goes is dropped.
  void post(Task task) override;

  // Pings the watchdog of a unit with WatchdogSec, from this loop alone.
  void feed_watchdog();

  // Until stop(). The error is the loop's own.
  Result<void> run();
  void stop();

  [[nodiscard]] sd_event* get() const override { return loop_.get(); }

 private:
  struct Waiting;
  struct Unref {
    void operator()(sd_event* loop) const { sd_event_unref(loop); }
  };
  EventLoop(sd_event* loop, Fd wake) : loop_(loop), wake_(std::move(wake)) {}
  void run_posted();

  std::unique_ptr<sd_event, Unref> loop_;
  Fd wake_;  // readable while something is posted
  Source wake_source_;
  std::mutex mutex_;
  std::vector<Task> posted_;  // guarded by mutex_
};

// Blocks the signals that the loop takes in the calling thread and those it starts later, and
// ignores SIGPIPE: a kick of a LUN that has gone fails instead.
void block_signals();

}  // namespace tcmud::control
