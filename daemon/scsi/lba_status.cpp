// SPDX-License-Identifier: Apache-2.0
#include "scsi/lba_status.h"

#include "scsi/commands.h"

namespace tcmud::scsi {

size_t lba_status_data(std::span<const LbaStatus> extents, std::span<uint8_t> out) {
  DataWriter data(out);
  data.put32(4 + 16 * extents.size());  // PARAMETER DATA LENGTH
  data.put32(0);                        // RTP 0, COMPLETION CONDITION: not reported
  for (const LbaStatus& extent : extents) {
    data.put64(extent.lba);
    data.put32(extent.blocks);
    data.put8(static_cast<uint8_t>(extent.status));
    data.put24(0);
  }
  return data.size();
}

Outcome get_lba_status(const Context& c) {
  if (c.cdb()[14] != 0) {  // REPORT TYPE
    return invalid_field(14);
  }
  const uint64_t lba = load(c.cdb(), c.description.lba);
  if (lba >= c.lun.blocks) {
    return lba_out_of_range(c);
  }
  const uint64_t room = std::min<uint64_t>(DataIn::room(c), UINT32_MAX);
  return ask_handler({.op = BlockOp::kLbaStatus,
                      .offset = lba * c.lun.block_size,
                      .allocation_length = static_cast<uint32_t>(room)});
}

}  // namespace tcmud::scsi
