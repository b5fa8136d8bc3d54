// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

// What is asked of the cache: SYNCHRONIZE CACHE and PRE-FETCH.
namespace tcmud::scsi {
namespace {

constexpr uint8_t kImmed = 0x02;

}  // namespace

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
                      .immediate = (c.cdb()[1] & kImmed) != 0,
                      .offset = extent.lba * c.lun.block_size,
                      .length = extent.blocks * c.lun.block_size});
}

Outcome pre_fetch(const Context& c) {
  Extent extent = decode_extent(c);
  if (!within_medium(c.lun, extent)) {
    return lba_out_of_range(c);
  }
  if (extent.blocks == 0) {
    extent.blocks = c.lun.blocks - extent.lba;
  }
  if (extent.blocks == 0 || !c.lun.has(kCanPrefetch)) {
    return good();
  }
  return ask_handler({.op = BlockOp::kPrefetch,
                      .immediate = (c.cdb()[1] & kImmed) != 0,
                      .offset = extent.lba * c.lun.block_size,
                      .length = extent.blocks * c.lun.block_size});
}

}  // namespace tcmud::scsi
