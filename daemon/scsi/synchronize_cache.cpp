// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {

Outcome synchronize_cache(const Context& c) {
  Extent extent = decode_extent(c);
  if (!within_medium(c.lun, extent)) {
    return lba_out_of_range(c);
  }
  if (!c.lun.can_flush) {
    return good();
  }
  if (extent.blocks == 0) {
    extent.blocks = c.lun.blocks - extent.lba;
  }
  return ask_handler({.op = BlockOp::kFlush,
                      .offset = extent.lba * c.lun.block_size,
                      .length = extent.blocks * c.lun.block_size});
}

}  // namespace tcmud::scsi
