// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "control/command_line.h"
#include "control/config_file.h"
#include "control/device_display.h"
#include "control/device_manager.h"
#include "control/event_loop.h"
#include "control/instance_lock.h"
#include "control/kernel_link.h"
#include "control/logging.h"
#include "control/lost_events.h"
#include "dbus/service.h"
#include "device/device.h"
#include "plugin/registry.h"

namespace tcmud::control {

// The daemon as a whole: everything is wired here, nothing is done here. One per process; all of it
// on the main thread.
class Daemon {
 public:
  Daemon(Options options, KernelLink kernel, dbus::Service::Timing bus_timing = {},
         LostEvents::Timing lost_events_timing = {},
         std::chrono::milliseconds lun_patience = DeviceManager::kPatience);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // From the configuration to the last LUN's end. The signals must be blocked (block_signals).
  // Returns the exit status: 0 after SIGTERM or SIGINT, 1 where it could not start. Does not return
  // if a handler hangs when it is over: the process ends with status 1.
  int run();

 private:
  Result<void> start();
  Result<void> load_handlers();
  Result<void> watch();
  Result<void> join_kernel();
  void take_events();
  void rejoin_kernel();
  void reload();
  void apply(const Config& config);
  void tell_ready();
  void stop();

  Options options_;
  KernelLink kernel_;
  dbus::Service::Timing bus_timing_;
  LostEvents::Timing lost_events_timing_;
  std::chrono::milliseconds lun_patience_;

  std::optional<Logging> logging_;
  std::optional<ConfigFile> config_;
  std::optional<InstanceLock> lock_;
  std::filesystem::path log_dir_;
  // What LUNs are given of these is up to the configuration.
  const std::shared_ptr<copy::CopyManager> copies_ = std::make_shared<copy::CopyManager>();
  const std::shared_ptr<device::WayReader> ways_;
  device::Settings settings_;
  std::unique_ptr<EventLoop> loop_;
  // Handlers are loaded before anything that runs their code, and go after it.
  std::optional<plugin::Registry> handlers_;
  std::optional<DeviceDisplay> display_;
  std::optional<DeviceManager> devices_;
  std::unique_ptr<EventStream> events_;
  std::optional<LostEvents> lost_events_;
  std::optional<dbus::Service> bus_;

  std::vector<EventLoop::Source> sources_;
  EventLoop::Source events_source_;
  EventLoop::Timer timer_;  // the next attempt to join the kernel, or the end of patience
  int unsettled_names_ = 0;
  bool stopping_ = false;
};

}  // namespace tcmud::control
