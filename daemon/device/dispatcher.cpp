// SPDX-License-Identifier: Apache-2.0
#include "device/dispatcher.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "device/iovec_ops.h"
#include "device/status_map.h"

namespace tcmud::device {

using scsi::BlockOp;
using scsi::Status;

namespace {

// What a WRITE that stands for a part of a WRITE SAME carries at most.
constexpr uint64_t kMaxRepeat = 1 << 20;
// WRITE_ZEROES and WRITE_SAME are cut to this where the handler has no limit of its own, so that no
// command keeps a handler busy for long at a stretch.
constexpr uint64_t kMaxZeroes = uint64_t{1} << 30;

constexpr uint8_t kRequestSense = 0x03, kInquiry = 0x12;

// Zeroes to write where the handler has no other way: never written to.
alignas(4096) constinit const std::array<uint8_t, 4096> kZeroes{};

void make_flush(tcmud_request& request) {
  request.op = TCMUD_OP_FLUSH;
  request.flags = 0;
  request.offset = 0;
  request.length = 0;
  request.iov = nullptr;
  request.iovcnt = 0;
}

constexpr scsi::Sense kCapacityChanged{.key = scsi::SenseKey::kUnitAttention,
                                       .code = scsi::asc::kCapacityDataHasChanged};

}  // namespace

Dispatcher::Next Dispatcher::start(Slot& slot) {
  const std::span<const uint8_t> cdb(slot.cdb.data(), slot.cdb_length);
  slot.answer_length = 0;
  if (capacity_changed_ && !scsi::ignores_unit_attention(cdb)) {
    capacity_changed_ = false;
    completion_ = make_completion(Status::kCheckCondition, kCapacityChanged);
    return Next::kAnswered;
  }
  if (cdb[0] == kInquiry && monotonic_ns() > identity_fresh_until_) {
    return Next::kIdentity;
  }
  scsi::Command command{.cdb = cdb, .data_length = slot.data_length, .parameters = {}};
  if (const size_t wanted = scsi::parameter_list_length(cdb, slot.data_length); wanted > 0) {
    const size_t got = copy_from(slot.iov, std::span(parameters_).first(wanted));
    command.parameters = std::span<const uint8_t>(parameters_).first(got);
  }
  if (capacity_changed_ && cdb[0] == kRequestSense) {
    command.pending_sense = &kCapacityChanged;  // telling it is done with it
    capacity_changed_ = false;
  }
  const scsi::Outcome outcome = scsi::execute(*view_.lun, command, response_, ranges_);
  switch (outcome.kind) {
    case scsi::Outcome::Kind::kReply:
      return reply(slot, outcome);
    case scsi::Outcome::Kind::kBlock:
      return begin(slot, outcome.block);
    case scsi::Outcome::Kind::kModeSelect:
    case scsi::Outcome::Kind::kFormat:
    case scsi::Outcome::Kind::kSanitize:
    case scsi::Outcome::Kind::kExtendedCopy:
    case scsi::Outcome::Kind::kReceiveCopyResults:
    case scsi::Outcome::Kind::kPopulateToken:
    case scsi::Outcome::Kind::kWriteUsingToken:
    case scsi::Outcome::Kind::kReceiveRodTokenInformation:
      break;
  }
  return not_there();
}

// A LUN without the Feature does not offer it, so nobody gets here.
Dispatcher::Next Dispatcher::not_there() {
  completion_ = make_completion(
      Status::kCheckCondition,
      {.key = scsi::SenseKey::kIllegalRequest, .code = scsi::asc::kInvalidOperationCode});
  return Next::kAnswered;
}

Dispatcher::Next Dispatcher::reply(Slot& slot, const scsi::Outcome& outcome) {
  if (outcome.status != Status::kGood) {
    completion_ = make_completion(outcome.status, outcome.sense);
    return Next::kAnswered;
  }
  copy_to(slot.iov, std::span<const uint8_t>(response_).first(outcome.response_length));
  return answer_good(slot, outcome.response_length);
}

Dispatcher::Next Dispatcher::answer_good(Slot& slot, uint64_t data_in) {
  completion_.status = static_cast<uint8_t>(Status::kGood);
  completion_.sense_length = 0;
  completion_.has_read_length = false;
  if (data_in < slot.data_length) {
    // The kernel hands the whole buffer to the initiator unless told how much of it counts, and
    // what the last user of these blocks left there is nobody's business. "Nothing" can't be told:
    // READ_LEN 0 means everything.
    if (data_in > 0 && has_read_length_) {
      completion_.has_read_length = true;
      completion_.read_length = static_cast<uint32_t>(data_in);
    } else {
      zero_from(slot.iov, data_in);
    }
  }
  return Next::kAnswered;
}

Dispatcher::Next Dispatcher::begin(Slot& slot, const scsi::BlockRequest& block) {
  tcmud_request& request = slot.request.c;
  slot.plan = Plan{};
  slot.answer_length = kNoDataIn;
  request.flags = 0;
  request.offset = block.offset;
  request.length = block.length;
  request.iov = nullptr;
  request.iovcnt = 0;
  request.nranges = 0;
  request.ranges = nullptr;
  const bool durable = block.fua || view_.write_through;
  switch (block.op) {
    case BlockOp::kRead:
    case BlockOp::kWrite:
      if (block.length != slot.data_length) {
        if (block.op == BlockOp::kRead && !has_read_length_) {
          zero_from(slot.iov, block.length);
        }
        slot.iov = slot.iov.first(trim(slot.iov, block.length));
      }
      request.iov = slot.iov.data();
      request.iovcnt = static_cast<uint32_t>(slot.iov.size());
      if (block.op == BlockOp::kRead) {
        slot.answer_length = block.length;
        request.op = TCMUD_OP_READ;
        if (block.fua && view_.props.flush == TCMUD_NATIVE) {
          // What is read has to be on the medium, so newer cached data goes there first (SBC-4,
          // READ (10), FUA).
          slot.plan.then = Plan::Then::kRead;
          slot.plan.offset = block.offset;
          slot.plan.remaining = block.length;
          make_flush(request);
        }
        return Next::kSubmit;
      }
      request.op = TCMUD_OP_WRITE;
      break;
    case BlockOp::kFlush:
      request.op = TCMUD_OP_FLUSH;
      return Next::kSubmit;
    case BlockOp::kUnmap: {
      const auto ranges = slab_.iovecs(slot);
      std::memcpy(ranges.data(), ranges_.data(), block.ranges * sizeof(scsi::Range));
      request.op = TCMUD_OP_UNMAP;
      slot.plan.ranges = static_cast<uint16_t>(block.ranges);
      next_ranges(slot);
      return Next::kSubmit;
    }
    case BlockOp::kWriteSame:
    case BlockOp::kWriteZeroes:
      slot.plan.flush_at_end = durable && view_.props.flush != TCMUD_NONE;
      return begin_write_same(slot, block);
    case BlockOp::kCompareAndWrite:
    case BlockOp::kVerify:
    case BlockOp::kVerifyData:
    case BlockOp::kWriteAndVerify:
    case BlockOp::kOrWrite:
    case BlockOp::kPrefetch:
    case BlockOp::kLbaStatus:
      return not_there();
  }
  if (durable) {
    if (view_.props.fua == TCMUD_NATIVE) {
      request.flags = TCMUD_FLAG_FUA;
    } else if (view_.props.flush != TCMUD_NONE) {
      slot.plan.flush_at_end = true;
    }
  }
  return Next::kSubmit;
}

Dispatcher::Next Dispatcher::begin_write_same(Slot& slot, const scsi::BlockRequest& block) {
  const bool zeroes =
      block.op == BlockOp::kWriteZeroes || is_zero(slot.iov[0].iov_base, view_.lun->block_size);
  if (zeroes) {
    begin_zeroes(slot, block);
  } else if (view_.props.write_same == TCMUD_NATIVE) {
    slot.request.c.op = TCMUD_OP_WRITE_SAME;
    slot.iov = slot.iov.first(trim(slot.iov, view_.lun->block_size));
    slot.request.c.iov = slot.iov.data();
    slot.request.c.iovcnt = static_cast<uint32_t>(slot.iov.size());
    slot.plan.piece =
        view_.props.max_write_zeroes_length != 0 ? view_.props.max_write_zeroes_length : kMaxZeroes;
    slot.plan.remaining = block.length;
    next_piece(slot);
  } else {
    repeat(slot, block, slot.iov[0].iov_base, view_.lun->block_size);
  }
  return Next::kSubmit;
}

void Dispatcher::begin_zeroes(Slot& slot, const scsi::BlockRequest& block) {
  tcmud_request& request = slot.request.c;
  if (view_.props.write_zeroes == TCMUD_NATIVE) {
    request.op = TCMUD_OP_WRITE_ZEROES;
    request.flags = block.may_unmap ? TCMUD_FLAG_MAY_UNMAP : 0;
    slot.plan.piece =
        view_.props.max_write_zeroes_length != 0 ? view_.props.max_write_zeroes_length : kMaxZeroes;
    slot.plan.remaining = block.length;
    next_piece(slot);
  } else {
    repeat(slot, block, kZeroes.data(), kZeroes.size());
  }
}

void Dispatcher::repeat(Slot& slot, const scsi::BlockRequest& block, const void* data,
                        uint32_t data_size) {
  // No buffer is filled: the iovecs of each WRITE all point at the same data.
  uint64_t piece = std::min<uint64_t>(uint64_t{Slab::kIovecs} * data_size, kMaxRepeat);
  if (view_.props.max_transfer != 0) {
    piece = std::min<uint64_t>(piece, view_.props.max_transfer);
  }
  const auto iov = slab_.iovecs(slot);
  for (uint64_t at = 0; at < std::min(piece, block.length); at += data_size) {
    iov[at / data_size] = {const_cast<void*>(data), data_size};
  }
  slot.iov = iov;
  slot.request.c.op = TCMUD_OP_WRITE;
  slot.plan.piece = piece;
  slot.plan.remaining = block.length;
  next_piece(slot);
}

void Dispatcher::next_ranges(Slot& slot) {
  tcmud_request& request = slot.request.c;
  const uint16_t left = static_cast<uint16_t>(slot.plan.ranges - slot.plan.first_range);
  const auto count = static_cast<uint16_t>(std::min<uint32_t>(left, view_.props.max_unmap_ranges));
  request.ranges =
      reinterpret_cast<const tcmud_range*>(slab_.iovecs(slot).data()) + slot.plan.first_range;
  request.nranges = count;
  request.offset = 0;
  request.length = 0;
  slot.plan.first_range = static_cast<uint16_t>(slot.plan.first_range + count);
  slot.plan.then =
      slot.plan.first_range < slot.plan.ranges ? Plan::Then::kNextRanges : Plan::Then::kAnswer;
}

void Dispatcher::next_piece(Slot& slot) {
  tcmud_request& request = slot.request.c;
  const uint64_t length = std::min(slot.plan.remaining, slot.plan.piece);
  request.length = length;
  slot.plan.remaining -= length;
  if (request.op == TCMUD_OP_WRITE) {
    // Pieces of equal length need equal iovecs; only the last may be shorter.
    const size_t count = trim(slot.iov, length);
    request.iov = slot.iov.data();
    request.iovcnt = static_cast<uint32_t>(count);
  }
  slot.plan.then = slot.plan.remaining > 0 ? Plan::Then::kNextPiece : Plan::Then::kAnswer;
}

Dispatcher::Next Dispatcher::resume(Slot& slot) {
  if (slot.status != TCMUD_OK) {
    completion_ = completion_of_status(slot.status, slot.info, view_.lun->block_size);
    return Next::kAnswered;
  }
  tcmud_request& request = slot.request.c;
  switch (slot.plan.then) {
    case Plan::Then::kNextPiece:
      request.offset += request.length;
      next_piece(slot);
      return Next::kSubmit;
    case Plan::Then::kNextRanges:
      next_ranges(slot);
      return Next::kSubmit;
    case Plan::Then::kRead:
      request.op = TCMUD_OP_READ;
      request.offset = slot.plan.offset;
      request.length = slot.plan.remaining;
      request.iov = slot.iov.data();
      request.iovcnt = static_cast<uint32_t>(slot.iov.size());
      slot.plan.then = Plan::Then::kAnswer;
      return Next::kSubmit;
    case Plan::Then::kAnswer:
      break;
  }
  if (!slot.plan.flush_at_end || request.op == TCMUD_OP_FLUSH) {
    return answer_good(slot, slot.answer_length);
  }
  make_flush(request);
  slot.plan.then = Plan::Then::kAnswer;
  return Next::kSubmit;
}

}  // namespace tcmud::device
