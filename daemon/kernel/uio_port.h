// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <unistd.h>

#include "base/fd.h"
#include "base/mapping.h"

namespace tcmud::kernel {

// An open UIO node of one device: where its events come from, where kicks go, and the shared
// memory.
//
// Events are taken with EPOLLET and never read: uio's poll compares the event counter with the
// value at the last read, so an edge-triggered waiter learns of each new event with one system call
// less.
struct UioPort {
  Fd event_fd;  // pollable: EPOLLIN at each event, EPOLLERR|EPOLLHUP when the device is gone
  Fd kick_fd;   // invalid: event_fd is the one to write to, as with the kernel's own node
  Mapping map;  // mailbox, ring and data area

  // Tells the kernel to look at cmd_tail. Synchronous in the kernel: it completes the commands and
  // copies their data-in. False: the device is gone (EIO, EINVAL, EPIPE).
  [[nodiscard]] bool kick() const {
    const int32_t value = 1;
    const int fd = kick_fd.valid() ? kick_fd.get() : event_fd.get();
    for (;;) {
      if (::write(fd, &value, sizeof value) == sizeof value) {
        return true;
      }
      if (errno == EAGAIN) {
        return true;  // a fake's pipe is full: kicks are pending already
      }
      if (errno != EINTR) {
        return false;
      }
    }
  }
};

}  // namespace tcmud::kernel
