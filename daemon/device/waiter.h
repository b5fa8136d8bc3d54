// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace tcmud::device {

// Where a LUN's threads sleep: until the kernel has news, the handler has, or somebody wakes them.
//
// The kernel's node and the wake-up are watched edge-triggered and never read, which saves a system
// call per wake-up: every event of the kernel and every wake() is an edge. An edge wakes one
// thread.
class Waiter {
 public:
  // handler_fd: -1 = none; level-triggered, the handler's reap() makes it unreadable.
  static Result<Waiter> create(int kernel_fd, int handler_fd);

  enum class Woken { kEvent, kTimeout, kGone };
  // timeout_ms: -1 = none. kGone: the kernel's node says error or hang-up; it is not watched any
  // more.
  Woken wait(int timeout_ms);

  // Any thread.
  void wake() const;

 private:
  Fd epoll_;
  Fd wake_;
  int kernel_fd_ = -1;
};

}  // namespace tcmud::device
