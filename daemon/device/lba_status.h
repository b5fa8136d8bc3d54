// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tcmud/handler.h>

namespace tcmud::device {

// Parameter data of GET LBA STATUS (SBC-4 5.6.2): 8 bytes, and 16 for each descriptor.
inline constexpr size_t kLbaStatusHeader = 8;
inline constexpr size_t kLbaStatusDescriptor = 16;
inline constexpr uint32_t kMaxLbaStatusExtents = 256;

// How many descriptors an initiator has room for, at least 1 and at most kMaxLbaStatusExtents.
[[nodiscard]] uint32_t lba_status_capacity(uint32_t allocation_length);

// Did the handler keep to its contract: extents of whole blocks that end within `length` bytes?
[[nodiscard]] bool is_valid(const tcmud_lba_status& status, uint64_t length, uint32_t block_size);

// Writes the parameter data for extents from byte `offset` on, as many as fit into `out`, which has
// room for one. An extent of more blocks than a descriptor can tell is cut, and is then the last.
// Returns the length.
size_t encode_lba_status(std::span<const tcmud_extent_status> extents, uint64_t offset,
                         uint32_t block_size, std::span<std::byte> out);

}  // namespace tcmud::device
