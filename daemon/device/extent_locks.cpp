// SPDX-License-Identifier: Apache-2.0
#include "device/extent_locks.h"

namespace tcmud::device {

namespace {

bool overlap(const Slot& a, const Slot& b) {
  return a.extent.begin < b.extent.end && b.extent.begin < a.extent.end;
}

}  // namespace

bool ExtentLocks::admit(Slot& slot) {
  uint16_t blockers = 0;
  if (slot.exclusive) {
    ++exclusives_;
    // The slots of commands that ended have an empty extent; this command's own is passed over, and
    // those that wait are among them.
    for (const Slot& other : slab_.slots()) {
      blockers = static_cast<uint16_t>(blockers + (&other != &slot && overlap(other, slot)));
    }
  } else {
    for (const Slot* other = holders_; other != nullptr; other = other->next_holder) {
      blockers = static_cast<uint16_t>(blockers + overlap(*other, slot));
    }
    for (const Slot* other = waiting_first_; other != nullptr; other = other->next_completed) {
      blockers = static_cast<uint16_t>(blockers + overlap(*other, slot));
    }
  }
  slot.blockers = blockers;
  if (blockers == 0) {
    if (slot.exclusive) {
      slot.next_holder = holders_;
      holders_ = &slot;
    }
    return true;
  }
  slot.next_completed = nullptr;
  (waiting_first_ == nullptr ? waiting_first_ : waiting_last_->next_completed) = &slot;
  waiting_last_ = &slot;
  return false;
}

void ExtentLocks::release(Slot& slot) {
  if (slot.exclusive) {
    --exclusives_;
    Slot** link = &holders_;
    while (*link != &slot) {
      link = &(*link)->next_holder;
    }
    *link = slot.next_holder;
    slot.exclusive = false;
    // By whatever waits for it, an exclusive command was counted.
    for (Slot* other = waiting_first_; other != nullptr; other = other->next_completed) {
      if (overlap(*other, slot)) {
        unblocked_ |= --other->blockers == 0;
      }
    }
    return;
  }
  for (Slot* other = waiting_first_; other != nullptr; other = other->next_completed) {
    if (other->exclusive && overlap(*other, slot)) {
      unblocked_ |= --other->blockers == 0;
    }
  }
}

Slot* ExtentLocks::take_admitted() {
  if (!unblocked_) {
    return nullptr;
  }
  Slot* before = nullptr;
  for (Slot* slot = waiting_first_; slot != nullptr; before = slot, slot = slot->next_completed) {
    if (slot->blockers > 0) {
      continue;
    }
    Slot* const behind = slot->next_completed;
    (before == nullptr ? waiting_first_ : before->next_completed) = behind;
    if (waiting_last_ == slot) {
      waiting_last_ = before;
    }
    if (slot->exclusive) {
      slot->next_holder = holders_;
      holders_ = slot;
    } else {
      for (Slot* other = behind; other != nullptr; other = other->next_completed) {
        if (!other->exclusive && overlap(*other, *slot)) {
          --other->blockers;
        }
      }
    }
    return slot;
  }
  unblocked_ = false;
  return nullptr;
}

}  // namespace tcmud::device
