// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tcmud::scsi {

// SBC-4 "LBA status descriptor".
enum class ProvisioningStatus : uint8_t {
  kMapped = 0,  // or not known
  kDeallocated = 1,
  kAnchored = 2,
};

struct LbaStatus {
  uint64_t lba = 0;
  uint32_t blocks = 0;
  ProvisioningStatus status = ProvisioningStatus::kMapped;
};

// How many descriptors an answer of `length` bytes has room for, the last one in parts.
[[nodiscard]] constexpr size_t lba_status_descriptors(uint64_t length) {
  return length <= 8 ? 0 : (length - 8 + 15) / 16;
}

// The parameter data of GET LBA STATUS for consecutive extents, of which the first begins at the
// starting LBA of the command. Writes as much of it as `out` has room for, and returns how many
// bytes that are. Pure; any thread.
size_t lba_status_data(std::span<const LbaStatus> extents, std::span<uint8_t> out);

}  // namespace tcmud::scsi
