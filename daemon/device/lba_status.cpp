// SPDX-License-Identifier: Apache-2.0
#include "device/lba_status.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace tcmud::device {

uint32_t lba_status_capacity(uint32_t allocation_length) {
  const uint64_t room = allocation_length <= kLbaStatusHeader
                            ? 0
                            : (allocation_length - kLbaStatusHeader + kLbaStatusDescriptor - 1) /
                                  kLbaStatusDescriptor;
  return static_cast<uint32_t>(std::clamp<uint64_t>(room, 1, kMaxLbaStatusExtents));
}

bool is_valid(const tcmud_lba_status& status, uint64_t length, uint32_t block_size) {
  if (status.count == 0 || status.count > status.capacity) {
    return false;
  }
  for (uint32_t i = 0; i < status.count; ++i) {
    const tcmud_extent_status& extent = status.extents[i];
    if (extent.length == 0 || extent.length > length || extent.length % block_size != 0 ||
        extent.state > TCMUD_ANCHORED) {
      return false;
    }
    length -= extent.length;
  }
  return true;
}

size_t encode_lba_status(std::span<const tcmud_extent_status> extents, uint64_t offset,
                         uint32_t block_size, std::span<std::byte> out) {
  auto* const bytes = reinterpret_cast<uint8_t*>(out.data());
  size_t size = kLbaStatusHeader;
  for (const tcmud_extent_status& extent : extents) {
    if (size + kLbaStatusDescriptor > out.size()) {
      break;
    }
    const uint64_t blocks = std::min<uint64_t>(extent.length / block_size, UINT32_MAX);
    uint8_t* descriptor = bytes + size;
    std::memset(descriptor, 0, kLbaStatusDescriptor);
    store_be64(descriptor, offset / block_size);
    store_be32(descriptor + 8, static_cast<uint32_t>(blocks));
    descriptor[12] = static_cast<uint8_t>(extent.state);
    size += kLbaStatusDescriptor;
    offset += extent.length;
    if (blocks * block_size < extent.length) {
      break;
    }
  }
  std::memset(bytes, 0, kLbaStatusHeader);
  // PARAMETER DATA LENGTH: what follows the field.
  store_be32(bytes, static_cast<uint32_t>(size - 4));
  return size;
}

}  // namespace tcmud::device
