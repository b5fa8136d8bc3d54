// SPDX-License-Identifier: Apache-2.0
#include "device/long_operation.h"

#include <algorithm>
#include <cstring>

#include <sys/mman.h>

#include "device/dispatcher.h"

namespace tcmud::device {

using scsi::BlockOp;

namespace {

// Zeroing in steps of this: soon done, so that a LUN that closes need not wait, and still few for a
// large LUN.
constexpr uint64_t kZeroStep = 32 << 20;
// What a WRITE of the pattern carries at most.
constexpr uint64_t kBuffer = 1 << 20;
constexpr uint64_t kWhole = 65536;  // of a progress indication

}  // namespace

Result<std::unique_ptr<LongOperation>> LongOperation::create(const Work& work, Slot& slot) {
  std::unique_ptr<LongOperation> operation(new LongOperation(work, slot));
  if (work.pattern.empty()) {
    return operation;
  }
  void* base = ::mmap(nullptr, kBuffer, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) {
    return fail(errno, "no memory for {} bytes of pattern: {}", kBuffer, std::strerror(errno));
  }
  operation->buffer_ = Mapping(base, kBuffer);
  auto* const first = static_cast<uint8_t*>(base);
  // An even number of passes begins with the inverted pattern (SBC-4 "OVERWRITE service action").
  const bool inverted = work.invert && work.passes % 2 == 0;
  std::transform(work.pattern.begin(), work.pattern.end(), first, [inverted](uint8_t byte) {
    return static_cast<uint8_t>(inverted ? ~byte : byte);
  });
  operation->work_.pattern = {first, work.pattern.size()};
  operation->fill_buffer();
  return operation;
}

void LongOperation::fill_buffer() {
  const std::span<std::byte> buffer = buffer_.bytes();
  for (size_t at = work_.pattern.size(); at < buffer.size(); at += work_.pattern.size()) {
    std::memcpy(&buffer[at], buffer.data(), work_.pattern.size());
  }
}

bool LongOperation::advance(Dispatcher& dispatcher) {
  while (verdict_.good()) {
    const View& view = dispatcher.view();
    const uint64_t size = view.lun->blocks * view.lun->block_size;
    if (next_ < size) {
      const auto piece = std::find_if(pieces_.begin(), pieces_.end(),
                                      [](const Piece& candidate) { return !candidate.busy; });
      if (piece == pieces_.end()) {
        return false;
      }
      scsi::BlockRequest block{.op = BlockOp::kWriteZeroes, .offset = next_};
      if (work_.pattern.empty()) {
        block.may_unmap = work_.may_unmap;
        block.length = std::min(kZeroStep, size - next_);
      } else {
        const uint64_t limit = view.props.max_transfer;
        block.op = BlockOp::kWrite;
        block.length = std::min({limit == 0 ? kBuffer : limit, kBuffer, size - next_});
        block.length -= block.length % view.lun->block_size;
      }
      start(*piece, block, dispatcher);
      next_ += block.length;
      continue;
    }
    if (busy_ > 0) {
      return false;
    }
    if (!flushed_ && view.flushes()) {
      // Each pass has to get to the medium, or the cache would make one of them all.
      flushed_ = true;
      start(pieces_.front(), {.op = BlockOp::kFlush}, dispatcher);
      return false;
    }
    if (++pass_ == work_.passes) {
      return true;
    }
    next_ = 0;
    done_ = 0;
    flushed_ = false;
    if (work_.invert) {
      for (std::byte& byte : buffer_.bytes()) {
        byte = ~byte;
      }
    }
  }
  return busy_ == 0;
}

void LongOperation::start(Piece& piece, const scsi::BlockRequest& block, Dispatcher& dispatcher) {
  piece.block = block;
  if (block.op == BlockOp::kWrite) {
    piece.data = {buffer_.bytes().data(), block.length};
    piece.iov = {&piece.data, 1};
  } else {
    piece.iov = {};
  }
  piece.covered = true;
  piece.done = ended;
  piece.operation = this;
  piece.busy = true;
  ++busy_;
  dispatcher.start_internal(piece);
}

void LongOperation::ended(InternalCommand& command, Dispatcher& dispatcher) {
  Piece& piece = static_cast<Piece&>(command);
  LongOperation& operation = *piece.operation;
  piece.busy = false;
  --operation.busy_;
  operation.done_ += piece.block.length;
  if (operation.verdict_.good()) {
    operation.verdict_ = piece.verdict;
  }
  dispatcher.advance_operation();  // which may be the end of *this
}

uint16_t LongOperation::progress(uint64_t size) const {
  const double done =
      static_cast<double>(pass_) +
      static_cast<double>(std::min(done_, size)) / static_cast<double>(std::max<uint64_t>(size, 1));
  const double part = done / work_.passes * kWhole;
  return static_cast<uint16_t>(std::clamp(part, 0.0, static_cast<double>(kWhole - 1)));
}

}  // namespace tcmud::device
