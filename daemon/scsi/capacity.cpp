// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

// A LUN without blocks has no last LBA that could be told.
Outcome no_capacity() {
  return check_condition({.key = SenseKey::kNotReady, .code = asc::kNotReadyCauseNotReportable});
}

}  // namespace

Outcome read_capacity_10(const Context& c) {
  if (c.lun.blocks == 0) {
    return no_capacity();
  }
  DataIn data(c);
  data.put32(std::min<uint64_t>(c.lun.blocks - 1, UINT32_MAX));
  data.put32(c.lun.block_size);
  return data.reply();
}

Outcome read_capacity_16(const Context& c) {
  if (c.lun.blocks == 0) {
    return no_capacity();
  }
  const uint32_t per_physical = std::max(c.lun.physical_block_size / c.lun.block_size, 1u);
  DataIn data(c);
  data.put64(c.lun.blocks - 1);
  data.put32(c.lun.block_size);
  data.put8(0x00);                                                 // P_TYPE 0, PROT_EN 0
  data.put8(std::min<int>(std::bit_width(per_physical) - 1, 15));  // LBPPBE
  // LBPME, LBPRZ; LOWEST ALIGNED LOGICAL BLOCK ADDRESS 0.
  data.put16(c.lun.can_unmap ? (c.lun.unmap_zeroes ? 0xC000 : 0x8000) : 0x0000);
  data.zeroes(32 - data.size());
  return data.reply();
}

}  // namespace tcmud::scsi
