// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

// READ and WRITE of every CDB size. This is the hot path: one Outcome is built, in place, and no
// other.
namespace tcmud::scsi {
namespace {

// What both have to check. False: `outcome` is the answer. True: outcome.block holds everything but
// the operation; a length of 0 means that there is nothing to do.
bool decode(const Context& c, Outcome& outcome) {
  BlockRequest& block = outcome.block;
  if (c.description.has(kHasDpoFua)) {
    const uint8_t flags = c.cdb()[1];
    if ((flags & 0xE0) != 0) {  // RDPROTECT, WRPROTECT
      outcome = invalid_field(1, 7);
      return false;
    }
    if ((flags & 0x18) != 0 && !c.lun.can_fua) {
      outcome = invalid_field(1, (flags & 0x10) != 0 ? 4 : 3);  // DPO, FUA
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
      outcome = invalid_field(c.description.length.offset);
      return outcome;
    }
    outcome.block.length = c.command.data_length;
  }
  ask(outcome, BlockOp::kRead);
  return outcome;
}

Outcome write_blocks(const Context& c) {
  Outcome outcome;
  if (!decode(c, outcome)) {
    return outcome;
  }
  if (outcome.block.length > c.command.data_length) {
    outcome = invalid_field(c.description.length.offset);
    return outcome;
  }
  ask(outcome, BlockOp::kWrite);
  return outcome;
}

Outcome compare_and_write(const Context& c) {
  Outcome outcome;
  if (!decode(c, outcome)) {
    return outcome;
  }
  if (2 * outcome.block.length != c.command.data_length) {
    outcome = invalid_field(c.description.length.offset);
    return outcome;
  }
  ask(outcome, BlockOp::kCompareAndWrite);
  return outcome;
}

}  // namespace tcmud::scsi
