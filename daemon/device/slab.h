// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <sys/uio.h>

#include "base/cache_line.h"
#include "base/mapping.h"
#include "base/result.h"
#include "copy/copier.h"
#include "device/internal_command.h"
#include "plugin/request.h"
#include "scsi/execute.h"
#include "scsi/rod_token.h"

namespace tcmud::device {

// What is left to do for one command, beyond the request that the handler has now.
struct Plan {
  enum class Then : uint8_t {
    kAnswer,       // the request was the last one
    kNextPiece,    // go on at `offset` with `remaining` bytes of the same kind
    kNextRanges,   // UNMAP: go on with the ranges from `first_range`
    kRead,         // FUA: what was cached is on the medium now, read `remaining` bytes at `offset`
    kEmulation,    // Emulation knows
    kModeFlushed,  // MODE SELECT: nothing is left in the cache that is switched off
    kAnswered,     // the initiator has its answer: nothing
  };
  Then then = Then::kAnswer;
  bool flush_at_end = false;  // a FLUSH behind the last request makes it durable: FUA by emulation
  uint16_t first_range = 0, ranges = 0;
  uint64_t remaining = 0;  // bytes behind the present request
  uint64_t piece = 0;      // bytes of a full piece
  uint64_t offset = 0;     // kRead: bytes
};

// The blocks that a command touches, in bytes on the LUN; of an UNMAP, from the first to the last.
struct Extent {
  uint64_t begin = 0, end = 0;  // equal: none
};

// Where a command stands that Emulation composes of others.
struct Progress {
  enum class Stage : uint8_t { kFlush, kWriteFirst, kRead, kWriteLast, kFlushLast, kStatus };
  Stage stage = Stage::kRead;
  uint64_t done = 0;  // kRead: bytes behind which to go on
  iovec piece{};      // kRead: in the scratch buffer
};

inline constexpr uint64_t kNoDataIn = UINT64_MAX;

// One command on its way: everything about it, allocated once.
struct alignas(kCacheLine) Slot {
  plugin::Request request;  // what the handler has or had last
  Slot* next_completed =
      nullptr;                // link of the one list that the slot is in: completed, ready, parked
  int32_t status = TCMUD_OK;  // of the request, once completed
  uint16_t command_id = 0;    // the kernel's
  uint16_t index = 0;
  uint64_t info = TCMUD_NO_INFO;
  uint64_t data_length = 0;  // bytes of the initiator's buffer
  // Bytes of data-in that count with GOOD; kNoDataIn where the data goes the other way.
  uint64_t answer_length = 0;
  InternalCommand* internal = nullptr;  // whose work this is; nullptr: an initiator's
  std::span<iovec> iov;                 // the initiator's buffer
  Plan plan;
  std::array<uint8_t, 32> cdb{};  // no command of ours has a longer one
  uint8_t cdb_length = 0;

  // ExtentLocks. From start to end of the command; empty in a slot that nobody has.
  Extent extent;
  bool exclusive = false;  // no other command may touch the extent meanwhile
  bool answered = false;   // its initiator has its answer; the work goes on
  // What take_released() is to go on with.
  enum class Wait : uint8_t {
    kExtent,
    kScratch,
    kMode,
    kStatesNotSet,
    kModeRefused,
    kInternal,
    kHeld,
    kToken,
    kLockless,
  };
  Wait wait = Wait::kExtent;
  bool special = false;  // see Dispatcher::special_
  scsi::ModeChange mode;
  uint64_t mode_ticket = 0;
  uint64_t awaited_changes = 0;  // see Dispatcher::start_again
  uint64_t awaits_ways = 0;     // when an EXTENDED COPY came that waits for them (ns); 0: none does
  uint64_t ways_told = 0;       // Dispatcher::ways_told_ at that time
  Verdict verdict;              // of a command that was held, see Dispatcher::hold()
  uint16_t blockers = 0;        // commands that this one waits for
  Slot* next_holder = nullptr;  // exclusive ones that go on

  std::shared_ptr<copy::Copier> copier{};         // of a held EXTENDED COPY or WRITE USING TOKEN
  std::unique_ptr<scsi::PopulateToken> populate;  // of a POPULATE TOKEN
  uint32_t token_identifier = 0;                  // likewise

  // Only of commands that waited or are composed of others.
  scsi::BlockRequest block;
  Progress progress;
  std::byte* scratch = nullptr;  // of the ScratchPool, ScratchPool::kBytes

  std::unique_ptr<iovec[]> spill;  // iovecs of a buffer in more pieces than kIovecs
};

// Every slot of one LUN with its handler's context and its iovecs, in memory that is reserved once
// and becomes resident only as deep as the queue has ever been. Slots are taken lowest first, so
// that a shallow queue stays in the cache. One thread at a time: the holder of the loop role.
class Slab {
 public:
  // Enough for 1 MiB in scattered pages, with room; longer lists spill to the heap.
  static constexpr uint32_t kIovecs = 512;

  static Result<std::unique_ptr<Slab>> create(uint32_t slots, uint32_t context_size);
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // nullptr: all are taken.
  [[nodiscard]] Slot* take();
  void give_back(Slot* slot);

  // The memory for a slot's iovecs; also used for UNMAP's ranges.
  [[nodiscard]] std::span<iovec> iovecs(const Slot& slot) const {
    return {reinterpret_cast<iovec*>(iovecs_ + slot.index * kIovecStride), kIovecs};
  }
  // Every slot that was ever used, free ones too.
  [[nodiscard]] std::span<Slot> slots() const { return {at(0), constructed_}; }
  [[nodiscard]] uint32_t in_use() const { return in_use_; }
  [[nodiscard]] uint32_t capacity() const { return slots_; }
  [[nodiscard]] bool full() const { return in_use_ == slots_; }

 private:
  // Not a power of two, or the first iovec of every slot would want the same cache set.
  static constexpr size_t kIovecStride = kIovecs * sizeof(iovec) + kCacheLine;

  Slab() = default;
  [[nodiscard]] Slot* at(uint32_t index) const { return reinterpret_cast<Slot*>(base_) + index; }

  Mapping memory_;
  std::byte* base_ = nullptr;
  std::byte* contexts_ = nullptr;
  std::byte* iovecs_ = nullptr;
  size_t context_stride_ = 0;
  uint32_t slots_ = 0;
  uint32_t in_use_ = 0;
  uint32_t constructed_ = 0;  // slots [0, constructed_) exist
  Slot* free_ = nullptr;      // of the constructed ones, last given back first
};

static_assert(sizeof(iovec) == sizeof(scsi::Range) && sizeof(iovec) == sizeof(tcmud_range));
static_assert(Slab::kIovecs >= scsi::kMaxUnmapDescriptors);

}  // namespace tcmud::device
