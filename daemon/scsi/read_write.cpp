// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

// READ, WRITE, WRITE ATOMIC and ORWRITE of every CDB size. This is the hot path: one Outcome is
// built, in place, and no other.
namespace tcmud::scsi {
namespace {

// What both have to check. False: `outcome` is the answer. True: outcome.block holds everything but
// the operation; a length of 0 means that there is nothing to do.
bool decode(const Context& c, Outcome& outcome) {
  BlockRequest& block = outcome.block;
  if (c.description.has(kHasDpoFua)) {
    const uint8_t flags = c.flags();
    if ((flags & 0xE0) != 0) {  // RDPROTECT, WRPROTECT, ORPROTECT
      outcome = invalid_flag(c, 7);
      return false;
    }
    if ((flags & 0x18) != 0 && !c.lun.can_fua) {
      outcome = invalid_flag(c, (flags & 0x10) != 0 ? 4 : 3);  // DPO, FUA
      return false;
    }
    block.fua = (flags & 0x08) != 0;
  }
  const Extent extent = decode_extent(c);
  if (!within_medium(c.lun, extent)) {
    outcome = lba_out_of_range(c);
    return false;
  }
  if (c.lun.max_transfer_blocks != 0 && extent.blocks > c.lun.max_transfer_blocks) {
    outcome = invalid_field(c.description.length.offset);
    return false;
  }
  block.offset = extent.lba * c.lun.block_size;
  block.length = extent.blocks * c.lun.block_size;
  return true;
}

void ask(Outcome& outcome, BlockOp op) {
  outcome.block.op = op;
  outcome.kind = outcome.block.length == 0 ? Outcome::Kind::kReply : Outcome::Kind::kBlock;
}

}  // namespace

Outcome read_blocks(const Context& c) {
  Outcome outcome;
  if (!decode(c, outcome)) {
    return outcome;
  }
  if (outcome.block.length > c.command.data_length) {
    if (c.command.data_length % c.lun.block_size != 0) {
      outcome = data_buffer_too_short();
      return outcome;
    }
    outcome.block.length = c.command.data_length;
  }
  ask(outcome, BlockOp::kRead);
  return outcome;
}

namespace {

// What every command with `length` blocks of data-out has to check.
bool decode_data_out(const Context& c, Outcome& outcome) {
  if (!decode(c, outcome)) {
    return false;
  }
  if (outcome.block.length > c.command.data_length) {
    outcome = data_buffer_too_short();
    return false;
  }
  return true;
}

}  // namespace

Outcome write_blocks(const Context& c) {
  Outcome outcome;
  if (decode_data_out(c, outcome)) {
    ask(outcome, BlockOp::kWrite);
  }
  return outcome;
}

Outcome or_write(const Context& c) {
  Outcome outcome;
  if (decode_data_out(c, outcome)) {
    ask(outcome, BlockOp::kOrWrite);
  }
  return outcome;
}

Outcome write_atomic(const Context& c) {
  Outcome outcome;
  if (!decode_data_out(c, outcome)) {
    return outcome;
  }
  const Extent extent = decode_extent(c);
  const uint32_t alignment = std::max(c.lun.atomic_alignment_blocks, 1u);
  const uint32_t granularity = std::max(c.lun.atomic_granularity_blocks, 1u);
  if (load_be16(c.cdb() + 10) != 0) {  // ATOMIC BOUNDARY
    return invalid_field(10);
  }
  if (extent.blocks > c.lun.max_atomic_blocks || extent.blocks % granularity != 0) {
    return invalid_field(c.description.length.offset);
  }
  if (extent.lba % alignment != 0) {
    return invalid_field(c.description.lba.offset);
  }
  outcome.block.atomic = true;
  ask(outcome, BlockOp::kWrite);
  return outcome;
}

}  // namespace tcmud::scsi
