// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "kernel/kernel_port.h"
#include "kernel/netlink.h"

namespace tcmud::control {

// The kernel's events, once joined. Main thread.
class EventStream {
 public:
  virtual ~EventStream() = default;
  [[nodiscard]] virtual int fd() const = 0;
  virtual Result<kernel::Netlink::Dispatched> dispatch(const kernel::EventHandler& handler) = 0;
  // The answer to an ADDED event that was lost; see kernel::Netlink.
  [[nodiscard]] virtual kernel::Reply reply_to_lost_added(uint32_t device_id) = 0;
};

// All that the daemon needs of the kernel; tests have one of their own.
struct KernelLink {
  kernel::KernelPort& port;
  // Loads the module and joins its events; see kernel::join_kernel.
  std::function<Result<std::unique_ptr<EventStream>>()> join;
  // See kernel::free_waiters.
  std::function<Result<bool>(const std::function<bool()>& only_lost)> free_waiters;
};

// The running kernel.
KernelLink link_to(kernel::KernelPort& kernel);

}  // namespace tcmud::control
