// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/kernel_port.h"

namespace tcmud::kernel {

using EventHandler = std::function<void(Event&&)>;
// Tells the kernel how an event ended: the event's TCMU_CMD_*, the device's id, 0 or a negative
// errno.
using SendDone = std::function<void(uint8_t command, uint32_t device_id, int status)>;

// Takes the messages of family `family` out of one datagram and hands its events on, each with a
// Reply that ends in `send_done`. What can't be used is logged, and answered with its error if it
// is an event that shows its device's id.
void dispatch_datagram(std::span<const std::byte> datagram, uint16_t family,
                       const SendDone& send_done, const EventHandler& handler);

// The TCM-USER generic netlink family.
//
// Events come in on one socket, on the main thread. Replies go out on another one, each with its
// acknowledgement awaited, from any thread (the kernel does all its work inside sendmsg, so that
// wait is short); a Reply may outlive this object.
class Netlink {
 public:
  // Joins the family's multicast group. ENOENT: the kernel has no such family (the module isn't
  // loaded).
  static Result<std::unique_ptr<Netlink>> open();
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // Readable when there are events. Nonblocking. For poll only.
  [[nodiscard]] int fd() const { return events_.get(); }

  enum class Dispatched {
    kAll,   // everything that was there has been handed on
    kLost,  // so it has, but the kernel had dropped events before
  };
  // Hands on every event that is there. The main thread only. An error other than lost events means
  // that the socket is of no more use.
  Result<Dispatched> dispatch(const EventHandler& handler);

  // After kLost, for a device that a scan shows and no event did: the answer that its enabling
  // still waits for. `device_id` is in the device's attribute statistics/scsi_dev/indx. Never for a
  // device whose attribute enable is 1: should another event of its be waited for, this answer
  // would be of the wrong type, and the kernel would wait for ever. Whoever else waits (for a lost
  // removal or reconfiguration) can't be seen; free_waiters() lets them go. Any thread.
  [[nodiscard]] Reply reply_to_lost_added(uint32_t device_id);

  // Tells the kernel to wait for our answers to events, from now on and for devices yet to be
  // enabled (SUPP_KERN_CMD_REPLY).
  Result<void> demand_replies();

 private:
  class Requests;
  Netlink(Fd events, uint16_t family, std::shared_ptr<Requests> requests);
  [[nodiscard]] SendDone sender() const;

  Fd events_;
  uint16_t family_;
  std::shared_ptr<Requests> requests_;  // shared with every Reply not yet sent
  std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace tcmud::kernel
