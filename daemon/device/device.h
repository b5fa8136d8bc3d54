// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "copy/copy_manager.h"
#include "device/lun_status.h"
#include "device/way_reader.h"
#include "kernel/kernel_port.h"
#include "plugin/registry.h"

namespace tcmud::device {

// Daemon-wide settings that a LUN takes at open; options in its configuration string override them.
struct Settings {
  // How long the loop may look at the ring before it sleeps, at most (µs, 0..1000; 0 = never). It
  // adapts below that. Per LUN: ";poll_us=N".
  uint32_t poll_limit_us = 50;
  // What LUNs have in common that copy between each other; nullptr: no third-party copies.
  std::shared_ptr<copy::CopyManager> copies{};
  // Who tells which of them a copy may name; nullptr: it may name all.
  std::shared_ptr<WayReader> ways{};
};

// One LUN from ADDED (or adoption) to REMOVED. Every call returns at once: the work is done on the
// LUN's own control strand, one piece after the other, so that a slow backend costs this LUN alone.
class Device {
 public:
  // status() tells something new. Called on any thread, and not again before status() was read;
  // must not block or call back into the device.
  using StatusChanged = StatusBoard::Changed;

  Device(kernel::KernelPort& kernel, const plugin::Registry& registry, const Settings& settings,
         kernel::DeviceName name, uint32_t minor, StatusChanged status_changed);
  // Waits for the strand. State must be kClosed, or shut down.
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // A new device: the outcome is the reply. On failure everything is unmapped and closed before the
  // reply goes out (the kernel frees the mailbox then), and the state becomes kClosed.
  void add(kernel::Reply reply);

  // A device that existed before us: blocked, reset, unblocked. A backend that can't be opened is
  // retried with back-off.
  void adopt();

  void reconfigure(kernel::Change change, kernel::Reply reply);

  // The kernel removes the device: finish what is in flight, close, reply, kClosed. No configfs
  // access. That takes as long as the handler takes; who won't wait replies himself.
  void remove(kernel::Reply reply);

  // The daemon ends: take nothing more from the ring, finish what is in flight, close, kClosed.
  // What the ring still holds is left to the next daemon. Nothing is waited for beyond `deadline`;
  // a LUN whose handler hangs stays kRemoving.
  void shut_down(std::chrono::steady_clock::time_point deadline);

  // Any thread.
  [[nodiscard]] State state() const;
  [[nodiscard]] LunStatus status();
  [[nodiscard]] const kernel::DeviceName& name() const;
  [[nodiscard]] uint32_t minor() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcmud::device
