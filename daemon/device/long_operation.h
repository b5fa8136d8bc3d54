// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/mapping.h"
#include "base/result.h"
#include "device/internal_command.h"
#include "scsi/execute.h"

namespace tcmud::device {

struct Slot;

// A FORMAT UNIT or SANITIZE under way: fills the LUN from its first block to its last, once or more
// often, with a few requests at a time and a FLUSH behind each pass. The first request that fails
// is the last one that was started.
//
// It is the dispatcher who keeps everybody else off the medium meanwhile, who tells how far it is,
// and what becomes of the LUN behind it. The LUN's size is looked at again and again: blocks that
// come while it goes on are filled too.
//
// Nothing of it is stored. When the LUN closes it ends behind the requests that are under way, as
// failed; a LUN that is opened again does not know of it, and what its blocks hold is what was
// written by then: some filled, some with their old data.
//
// Runs on the holder of the loop role and nowhere else.
class LongOperation {
 public:
  enum class Kind : uint8_t { kFormat, kSanitize };
  struct Work {
    Kind kind = Kind::kFormat;
    // SANITIZE's EXIT FAILURE MODE is allowed if it fails.
    bool unrestricted_exit = false;
    // One block's bytes to write; empty: zeroes by whatever means the handler has, MAY_UNMAP where
    // `may_unmap` says so.
    std::span<const uint8_t> pattern{};
    bool may_unmap = false;
    uint8_t passes = 1;
    bool invert = false;  // from pass to pass; the last one writes `pattern` as it is
  };

  // `slot` is the command that keeps the LUN locked, and is answered at the end.
  static Result<std::unique_ptr<LongOperation>> create(const Work& work, Slot& slot);

  // Starts what can be started. True: nothing is under way, and verdict() is the end. Called at the
  // beginning, and behind each request by Dispatcher::advance_operation().
  [[nodiscard]] bool advance(Dispatcher& dispatcher);

  // GOOD, or what the first request that failed came to.
  [[nodiscard]] const Verdict& verdict() const { return verdict_; }
  // In 65536ths, of a LUN of `size` bytes.
  [[nodiscard]] uint16_t progress(uint64_t size) const;
  [[nodiscard]] Kind kind() const { return work_.kind; }
  [[nodiscard]] bool overwrites() const { return !work_.pattern.empty(); }
  [[nodiscard]] bool unrestricted_exit() const { return work_.unrestricted_exit; }
  [[nodiscard]] Slot& slot() const { return slot_; }

 private:
  struct Piece : InternalCommand {
    LongOperation* operation = nullptr;
    iovec data{};
    bool busy = false;
  };

  LongOperation(const Work& work, Slot& slot) : work_(work), slot_(slot) {}
  void fill_buffer();
  void start(Piece& piece, const scsi::BlockRequest& block, Dispatcher& dispatcher);
  static void ended(InternalCommand& command, Dispatcher& dispatcher);

  Work work_;  // `pattern` is at the beginning of the buffer, from create() on
  Slot& slot_;
  Verdict verdict_;
  std::array<Piece, 4> pieces_;
  uint32_t busy_ = 0;
  Mapping buffer_;     // the pattern, again and again
  uint8_t pass_ = 0;   // passes done
  uint64_t next_ = 0;  // bytes of this pass that were started
  uint64_t done_ = 0;  // bytes of this pass that are done
  bool flushed_ = false;
};

}  // namespace tcmud::device
