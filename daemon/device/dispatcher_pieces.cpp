// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "device/dispatcher.h"
#include "device/iovec_ops.h"

// WRITE SAME, zeroing and UNMAP in as many requests as the handler's limits make of them.
namespace tcmud::device {

using scsi::BlockOp;

namespace {

// What a WRITE that stands for a part of a WRITE SAME carries at most.
constexpr uint64_t kMaxRepeat = 1 << 20;
// WRITE_ZEROES and WRITE_SAME are cut to this where the handler has no limit of its own, so that no
// command keeps a handler busy for long at a stretch.
constexpr uint64_t kMaxZeroes = uint64_t{1} << 30;

// Zeroes to write where the handler has no other way: never written to.
alignas(4096) constinit const std::array<uint8_t, 4096> kZeroes{};

}  // namespace

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

}  // namespace tcmud::device
