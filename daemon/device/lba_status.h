// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tcmud/handler.h>

#include "scsi/lba_status.h"

namespace tcmud::device {

inline constexpr uint32_t kMaxLbaStatusExtents = 256;

// How many descriptors an initiator has room for, at least 1 and at most kMaxLbaStatusExtents.
[[nodiscard]] uint32_t lba_status_capacity(uint32_t allocation_length);

// Did the handler keep to its contract: extents of whole blocks that end within `length` bytes?
[[nodiscard]] bool is_valid(const tcmud_lba_status& status, uint64_t length, uint32_t block_size);

// What SCSI says of the handler's extents from byte `offset` on, as many as there is room for. An
// extent of more blocks than a descriptor can tell is cut, and is then the last.
std::span<const scsi::LbaStatus> to_lba_status(std::span<const tcmud_extent_status> extents,
                                               uint64_t offset, uint32_t block_size,
                                               std::span<scsi::LbaStatus> out);

}  // namespace tcmud::device
