// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

constexpr uint8_t kWriteProtect = 0xE0;
constexpr uint8_t kAnchor = 0x10;
constexpr uint8_t kUnmap = 0x08;
constexpr uint8_t kPbdata = 0x04;
constexpr uint8_t kLbdata = 0x02;
constexpr uint8_t kNdob = 0x01;  // reserved in WRITE SAME (10)

}  // namespace

Outcome write_same(const Context& c) {
  const uint8_t flags = c.flags();
  const bool may_unmap = (flags & kUnmap) != 0;
  if ((flags & kWriteProtect) != 0) {
    return invalid_flag(c, 7);
  }
  if ((flags & kAnchor) != 0) {
    return invalid_flag(c, 4);
  }
  if (may_unmap && !c.lun.can_unmap) {
    return invalid_flag(c, 3);
  }
  if ((flags & (kPbdata | kLbdata)) != 0) {
    return invalid_flag(c, (flags & kPbdata) != 0 ? 2 : 1);
  }
  const Extent extent = decode_extent(c);
  if (!within_medium(c.lun, extent)) {
    return lba_out_of_range(c);
  }
  const uint64_t limit = c.lun.max_write_same_blocks;
  if (extent.blocks == 0 || (limit != 0 && extent.blocks > limit)) {
    return invalid_field(c.description.length.offset);
  }
  const bool no_data = c.description.cdb_length != 10 && (flags & kNdob) != 0;
  if (!no_data && c.command.data_length != c.lun.block_size) {
    return invalid_field(c.description.length.offset);
  }
  return ask_handler({.op = no_data ? BlockOp::kWriteZeroes : BlockOp::kWriteSame,
                      .may_unmap = may_unmap,
                      .offset = extent.lba * c.lun.block_size,
                      .length = extent.blocks * c.lun.block_size});
}

}  // namespace tcmud::scsi
