// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/mapping.h"
#include "base/result.h"

namespace tcmud::device {

struct Slot;

// Memory for what a command has to read from the medium without its initiator asking for the data.
// A few buffers for a whole LUN: who finds none waits its turn. Who has one gives it up after a
// piece if somebody waits, so that no long VERIFY keeps a COMPARE AND WRITE from going on.
//
// Runs on the holder of the loop role and nowhere else.
class ScratchPool {
 public:
  static constexpr size_t kBytes = 256 << 10;  // of one buffer
  static constexpr uint32_t kBuffers = 4;

  // Reserves the memory; it becomes resident when it is first used.
  static Result<std::unique_ptr<ScratchPool>> create();

  // slot.scratch is a buffer then. False: the slot waits, until take_served() hands it out.
  [[nodiscard]] bool take(Slot& slot);
  void give_back(Slot& slot);
  [[nodiscard]] bool wanted() const { return waiting_first_ != nullptr; }

  // The next command that waited and has a buffer now; nullptr: none.
  [[nodiscard]] Slot* take_served();

 private:
  ScratchPool() = default;

  Mapping memory_;
  std::array<std::byte*, kBuffers> free_{};
  uint32_t free_count_ = 0;
  Slot* waiting_first_ = nullptr;  // FIFO by next_completed
  Slot* waiting_last_ = nullptr;
};

}  // namespace tcmud::device
