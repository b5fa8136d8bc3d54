// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>

#include "base/fd.h"

namespace tcmud::test {

// The file descriptors of one open UIO node: a pipe for events and a pipe for kicks.
//
// The event pipe holds at most one message, the 4-byte event counter: before each event an unread
// one is taken out again, so that any waiter is woken by each event, edge-triggered or not, reading
// or not, and a late reader finds one event with the newest count, as uio does it. When the device
// goes the waiter sees EPOLLIN|EPOLLHUP and a kick fails (EPIPE here, EIO there).
class UioChannel {
 public:
  UioChannel();  // throws std::system_error

  // The daemon's ends, non-blocking; to be taken once.
  [[nodiscard]] Fd take_event_fd() { return std::move(event_out_); }
  [[nodiscard]] Fd take_kick_fd() { return std::move(kick_in_); }

  void notify();         // one event
  void hang_up();        // the device goes
  bool take_kicks();     // true: there were some
  void wait_for_kick();  // sleeps until there is a kick, or the daemon has closed; takes nothing
  [[nodiscard]] bool closed_by_daemon() const;
  [[nodiscard]] int kick_poll_fd() const { return kick_out_.get(); }

 private:
  Fd event_in_;
  Fd event_out_;
  Fd event_drain_;  // a second, non-blocking opening of event_out_
  Fd kick_in_;
  Fd kick_out_;
  int32_t events_ = 0;
};

}  // namespace tcmud::test
