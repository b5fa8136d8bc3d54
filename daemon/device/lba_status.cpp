// SPDX-License-Identifier: Apache-2.0
#include "device/lba_status.h"

#include <algorithm>

namespace tcmud::device {

uint32_t lba_status_capacity(uint32_t allocation_length) {
  return static_cast<uint32_t>(std::clamp<uint64_t>(scsi::lba_status_descriptors(allocation_length),
                                                    1, kMaxLbaStatusExtents));
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

std::span<const scsi::LbaStatus> to_lba_status(std::span<const tcmud_extent_status> extents,
                                               uint64_t offset, uint32_t block_size,
                                               std::span<scsi::LbaStatus> out) {
  size_t count = 0;
  for (const tcmud_extent_status& extent : extents) {
    if (count == out.size()) {
      break;
    }
    const uint64_t blocks = std::min<uint64_t>(extent.length / block_size, UINT32_MAX);
    out[count++] = {.lba = offset / block_size,
                    .blocks = static_cast<uint32_t>(blocks),
                    .status = static_cast<scsi::ProvisioningStatus>(extent.state)};
    offset += extent.length;
    if (blocks * block_size < extent.length) {
      break;
    }
  }
  return out.first(count);
}

}  // namespace tcmud::device
