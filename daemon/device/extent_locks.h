// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "device/slab.h"

namespace tcmud::device {

// Keeps commands that must look atomic (COMPARE AND WRITE, ORWRITE, ...) apart from every other
// command that touches their blocks, and from no other.
//
// Runs on the holder of the loop role and nowhere else; allocates nothing. While no exclusive
// command is about, the only cost is the question whether there is one.
//
// A command waits only for commands that came before it, so there is no deadlock; and a command
// that came later waits for a waiting one that it overlaps, so nobody starves and no two that
// overlap change places. How many a command waits for is counted once, when it comes:
//  - where one of the two is exclusive, each that is there, until that one ends;
//  - where neither is, each that waits itself, until that one goes on.
class ExtentLocks {
 public:
  explicit ExtentLocks(Slab& slab) : slab_(slab) {}

  // Is there an exclusive command, going on or waiting?
  [[nodiscard]] bool engaged() const { return exclusives_ > 0; }

  // A command comes; slot.extent and slot.exclusive are set. Must be asked where it is exclusive or
  // engaged(). True: it may go on. False: it waits, until take_admitted() hands it out.
  [[nodiscard]] bool admit(Slot& slot);

  // A command that went on has ended. Must be called where engaged(), before slot.extent changes.
  void release(Slot& slot);

  // The next command that waited and may go on now; nullptr: none.
  [[nodiscard]] Slot* take_admitted();

 private:
  Slab& slab_;
  uint32_t exclusives_ = 0;
  Slot* holders_ = nullptr;        // exclusive ones that go on, by next_holder
  Slot* waiting_first_ = nullptr;  // FIFO by next_completed
  Slot* waiting_last_ = nullptr;
  bool unblocked_ = false;  // one of the waiting may have no blockers any more
};

}  // namespace tcmud::device
