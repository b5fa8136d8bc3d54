// SPDX-License-Identifier: Apache-2.0
#include "device/emulation.h"

#include <algorithm>
#include <new>

#include "device/iovec_ops.h"
#include "device/lba_status.h"

namespace tcmud::device {

using scsi::BlockOp;
using Stage = Progress::Stage;

namespace {

// What PRE-FETCH reads at most: it may always stop where the cache is full (SBC-4, PRE-FETCH).
constexpr uint64_t kMaxPrefetch = 4 << 20;

uint64_t bytes_to_read(const Slot& slot) {
  return slot.block.op == BlockOp::kPrefetch ? std::min(slot.block.length, kMaxPrefetch)
                                             : slot.block.length;
}

Emulation::Step submit(Slot& slot, Stage stage, uint16_t op, uint64_t offset, uint64_t length,
                       std::span<const iovec> iov) {
  slot.progress.stage = stage;
  tcmud_request& request = slot.request.c;
  request.op = op;
  request.flags = 0;
  request.offset = offset;
  request.length = length;
  request.iov = iov.data();
  request.iovcnt = static_cast<uint32_t>(iov.size());
  return Emulation::Step::kSubmit;
}

Emulation::Step flush(Slot& slot, Stage stage) {
  return submit(slot, stage, TCMUD_OP_FLUSH, 0, 0, {});
}

Emulation::Step fail_with(Slot& slot, int32_t status, uint64_t info) {
  slot.status = status;
  slot.info = info;
  return Emulation::Step::kFailed;
}

// Does it reach into more than one aligned unit of so many bytes? 0 = there are no units.
bool crosses(const scsi::BlockRequest& block, uint32_t unit) {
  return unit != 0 && block.offset / unit != (block.offset + block.length - 1) / unit;
}

}  // namespace

bool Emulation::wanted(const scsi::BlockRequest& block, const View& view) {
  switch (block.op) {
    case BlockOp::kCompareAndWrite:
      return view.props.compare_and_write != TCMUD_NATIVE ||
             crosses(block, view.props.compare_and_write_unit);
    case BlockOp::kOrWrite:
    case BlockOp::kVerify:
    case BlockOp::kVerifyData:
    case BlockOp::kWriteAndVerify:
    case BlockOp::kPrefetch:
    case BlockOp::kLbaStatus:
      return true;
    default:
      return false;
  }
}

Emulation::Step Emulation::begin(Slot& slot, const View& view) {
  slot.progress = Progress{};
  switch (slot.block.op) {
    case BlockOp::kVerify:
    case BlockOp::kVerifyData:
      // It is the medium that is verified, so newer cached data goes there first.
      return view.flushes() ? flush(slot, Stage::kFlush) : read_next(slot, view);
    case BlockOp::kWriteAndVerify:
      return write(slot, view, Stage::kWriteFirst);
    case BlockOp::kLbaStatus:
      return ask_status(slot, view);
    default:
      return read_next(slot, view);
  }
}

Emulation::Step Emulation::go_on(Slot& slot, const View& view) {
  return slot.block.op == BlockOp::kLbaStatus ? ask_status(slot, view) : read_next(slot, view);
}

Emulation::Step Emulation::resume(Slot& slot, const View& view) {
  switch (slot.progress.stage) {
    case Stage::kFlush:
      return read_next(slot, view);
    case Stage::kRead:
      return consume(slot, view);
    case Stage::kWriteFirst:
    case Stage::kWriteLast:
      return after_write(slot, view);
    case Stage::kFlushLast:
      return Step::kDone;
    case Stage::kStatus:
      return tell_status(slot, view);
  }
  return Step::kDone;
}

Emulation::Step Emulation::read_next(Slot& slot, const View& view) {
  if (slot.scratch == nullptr && !scratch_.take(slot)) {
    return Step::kWait;
  }
  uint64_t length =
      std::min<uint64_t>(bytes_to_read(slot) - slot.progress.done, ScratchPool::kBytes);
  if (view.props.max_transfer != 0) {
    length = std::min<uint64_t>(length, view.props.max_transfer);
  }
  slot.progress.piece = {slot.scratch, length};
  return submit(slot, Stage::kRead, TCMUD_OP_READ, slot.block.offset + slot.progress.done, length,
                {&slot.progress.piece, 1});
}

// A piece was read.
Emulation::Step Emulation::consume(Slot& slot, const View& view) {
  const std::span<const std::byte> piece(slot.scratch, slot.progress.piece.iov_len);
  const uint64_t done = slot.progress.done;
  uint64_t difference = kNoDifference;
  switch (slot.block.op) {
    case BlockOp::kCompareAndWrite:
    case BlockOp::kWriteAndVerify:
      difference = first_difference(slot.iov, done, piece);
      break;
    case BlockOp::kVerifyData:
      if (slot.block.one_block) {
        const uint32_t block = view.lun->block_size;
        for (uint64_t at = 0; at < piece.size() && difference == kNoDifference; at += block) {
          difference = first_difference(slot.iov, 0, piece.subspan(at, block));
          difference += difference == kNoDifference ? 0 : at;
        }
      } else {
        difference = first_difference(slot.iov, done, piece);
      }
      break;
    case BlockOp::kOrWrite:
      // The data buffer is this command's own until it is answered.
      or_into(slot.iov, done, piece);
      break;
    default:
      break;
  }
  if (difference != kNoDifference) {
    return fail_with(slot, TCMUD_MISCOMPARE, done + difference);
  }
  slot.progress.done += piece.size();
  if (slot.progress.done < bytes_to_read(slot)) {
    if (scratch_.wanted()) {
      scratch_.give_back(slot);
    }
    return read_next(slot, view);
  }
  scratch_.give_back(slot);
  if (slot.block.op == BlockOp::kCompareAndWrite) {
    slot.iov = advance(slot.iov, slot.block.length);
    return write(slot, view, Stage::kWriteLast);
  }
  return slot.block.op == BlockOp::kOrWrite ? write(slot, view, Stage::kWriteLast) : Step::kDone;
}

Emulation::Step Emulation::write(Slot& slot, const View& view, Stage stage) {
  slot.iov = slot.iov.first(trim(slot.iov, slot.block.length));
  submit(slot, stage, TCMUD_OP_WRITE, slot.block.offset, slot.block.length, slot.iov);
  const bool durable =
      slot.block.fua || view.write_through || slot.block.op == BlockOp::kWriteAndVerify;
  if (durable && view.props.fua == TCMUD_NATIVE) {
    slot.request.c.flags = TCMUD_FLAG_FUA;
  }
  return Step::kSubmit;
}

Emulation::Step Emulation::after_write(Slot& slot, const View& view) {
  const bool verify = slot.block.op == BlockOp::kWriteAndVerify;
  const bool durable = (slot.request.c.flags & TCMUD_FLAG_FUA) != 0;
  const bool wanted = slot.block.fua || view.write_through || verify;
  if (wanted && !durable && view.flushes()) {
    return flush(slot, verify ? Stage::kFlush : Stage::kFlushLast);
  }
  return verify ? read_next(slot, view) : Step::kDone;
}

Emulation::Step Emulation::ask_status(Slot& slot, const View& view) {
  const uint64_t length = view.lun->blocks * view.lun->block_size - slot.block.offset;
  if (slot.scratch == nullptr && !scratch_.take(slot)) {
    return Step::kWait;
  }
  // The buffer: the question, the extents, and behind them the parameter data.
  auto* status = new (slot.scratch) tcmud_lba_status{};
  status->size = sizeof *status;
  status->capacity = lba_status_capacity(slot.block.allocation_length);
  status->extents = reinterpret_cast<tcmud_extent_status*>(status + 1);
  if (view.props.lba_status != TCMUD_NATIVE) {
    status->count = 1;
    status->extents[0] = {.length = length, .state = TCMUD_MAPPED, .reserved_ = 0};
    return tell_status(slot, view);
  }
  slot.request.c.lba_status = status;
  return submit(slot, Stage::kStatus, TCMUD_OP_LBA_STATUS, slot.block.offset, length, {});
}

Emulation::Step Emulation::tell_status(Slot& slot, const View& view) {
  const auto* status = reinterpret_cast<const tcmud_lba_status*>(slot.scratch);
  const uint32_t block_size = view.lun->block_size;
  const uint64_t length = slot.request.c.length;
  if (view.props.lba_status == TCMUD_NATIVE && !is_valid(*status, length, block_size)) {
    return fail_with(slot, TCMUD_INTERNAL, TCMUD_NO_INFO);
  }
  // Behind the handler's extents: what SCSI says of them, and the parameter data.
  constexpr size_t kDescriptors = ScratchPool::kBytes / 4, kData = ScratchPool::kBytes / 2;
  static_assert(kDescriptors >=
                sizeof(tcmud_lba_status) + kMaxLbaStatusExtents * sizeof(tcmud_extent_status));
  static_assert(kData - kDescriptors >= kMaxLbaStatusExtents * sizeof(scsi::LbaStatus));
  auto* const descriptors = new (slot.scratch + kDescriptors) scsi::LbaStatus[kMaxLbaStatusExtents];
  const auto told = to_lba_status({status->extents, status->count}, slot.block.offset, block_size,
                                  {descriptors, kMaxLbaStatusExtents});
  const std::span out(reinterpret_cast<uint8_t*>(slot.scratch + kData),
                      std::min<size_t>(ScratchPool::kBytes - kData, slot.block.allocation_length));
  slot.answer_length = copy_to(slot.iov, out.first(scsi::lba_status_data(told, out)));
  return Step::kDone;
}

}  // namespace tcmud::device
