// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

// What compares blocks: VERIFY, WRITE AND VERIFY, COMPARE AND WRITE.
namespace tcmud::scsi {
namespace {

constexpr uint8_t kFua = 0x08;

uint8_t byte_check(const Context& c) {  // BYTCHK
  return c.flags() >> 1 & 0x03;
}

// VRPROTECT or WRPROTECT, DPO and, where the command has it, FUA.
Outcome check_flags(const Context& c) {
  const uint8_t flags = c.flags();
  if ((flags & 0xE0) != 0) {
    return invalid_flag(c, 7);
  }
  if (!c.lun.can_fua) {
    if ((flags & 0x10) != 0) {  // DPO
      return invalid_flag(c, 4);
    }
    if (c.description.has(kHasDpoFua) && (flags & kFua) != 0) {
      return invalid_flag(c, 3);
    }
  }
  return good();
}

bool is_too_long(const Context& c, const Extent& extent) {
  return c.lun.max_transfer_blocks != 0 && extent.blocks > c.lun.max_transfer_blocks;
}

Outcome too_long(const Context& c) {
  return invalid_field(c.description.length.offset);
}

Outcome ask(const Context& c, BlockOp op, const Extent& extent) {
  return ask_handler({.op = op,
                      .offset = extent.lba * c.lun.block_size,
                      .length = extent.blocks * c.lun.block_size});
}

}  // namespace

Outcome verify(const Context& c) {
  enum ByteCheck : uint8_t { kNoData = 0, kAllBlocks = 1, kReserved = 2, kOneBlock = 3 };
  if (Outcome bad = check_flags(c); bad.status != Status::kGood) {
    return bad;
  }
  const uint8_t check = byte_check(c);
  if (check == kReserved) {
    return invalid_flag(c, 2);
  }
  const Extent extent = decode_extent(c);
  if (!within_medium(c.lun, extent)) {
    return lba_out_of_range(c);
  }
  if (check == kAllBlocks && is_too_long(c, extent)) {
    return too_long(c);
  }
  if (extent.blocks == 0) {
    return good();
  }
  if (check == kNoData) {
    return ask(c, BlockOp::kVerify, extent);
  }
  const uint64_t blocks = check == kOneBlock ? 1 : extent.blocks;
  if (blocks * c.lun.block_size > c.command.data_length) {
    return data_buffer_too_short();
  }
  Outcome outcome = ask(c, BlockOp::kVerifyData, extent);
  outcome.block.one_block = check == kOneBlock;
  return outcome;
}

Outcome write_and_verify(const Context& c) {
  if (Outcome bad = check_flags(c); bad.status != Status::kGood) {
    return bad;
  }
  if (byte_check(c) > 1) {
    return invalid_flag(c, 2);
  }
  const Extent extent = decode_extent(c);
  if (!within_medium(c.lun, extent)) {
    return lba_out_of_range(c);
  }
  if (is_too_long(c, extent)) {
    return too_long(c);
  }
  if (extent.blocks * c.lun.block_size > c.command.data_length) {
    return data_buffer_too_short();
  }
  return extent.blocks == 0 ? good() : ask(c, BlockOp::kWriteAndVerify, extent);
}

Outcome compare_and_write(const Context& c) {
  if (Outcome bad = check_flags(c); bad.status != Status::kGood) {
    return bad;
  }
  const Extent extent = decode_extent(c);
  if (!within_medium(c.lun, extent)) {
    return lba_out_of_range(c);
  }
  if (extent.blocks > c.lun.max_compare_and_write_blocks) {
    return too_long(c);
  }
  if (extent.blocks == 0) {
    return c.command.data_length == 0 ? good() : too_long(c);
  }
  if (c.command.data_length != 2 * extent.blocks * c.lun.block_size) {
    return data_buffer_too_short();
  }
  Outcome outcome = ask(c, BlockOp::kCompareAndWrite, extent);
  outcome.block.fua = (c.flags() & kFua) != 0;
  return outcome;
}

}  // namespace tcmud::scsi
