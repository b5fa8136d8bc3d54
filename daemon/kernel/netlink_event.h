// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "kernel/kernel_port.h"

namespace tcmud::kernel {

// A message of the TCM-USER family that can't be used. If it is an event the kernel's writer may be
// waiting all the same, and must be told.
struct BadMessage {
  Error error;
  uint8_t command = 0;                // TCMU_CMD_*, 0 if not even that is there
  std::optional<uint32_t> device_id;  // present: an answer is owed, if there is one to the command
};

// `message` is what a netlink message of the family carries: the generic netlink header and the
// attributes. Any bytes. The event's `reply` owes nothing yet.
tl::expected<Event, BadMessage> decode_event(std::span<const std::byte> message);

// TCMU_CMD_*_DONE for the command of an event, or nothing for a command that isn't one. The
// kernel's waiter hangs for ever if it gets the wrong one.
[[nodiscard]] std::optional<uint8_t> done_command(uint8_t command);

}  // namespace tcmud::kernel
