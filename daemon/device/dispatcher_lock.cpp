// SPDX-License-Identifier: Apache-2.0
#include "device/dispatcher.h"
#include "device/status_map.h"

// Storage that several hosts serve, of which one at a time may write. What needs the lock while it
// is not ours waits here until the strand knows more, and is then answered, never done: its
// initiator may have given it up meanwhile without our being told (a session that broke), may have
// written something newer by way of another host, and whoever is answered BUSY and still wants it
// sends it again.
namespace tcmud::device {

using scsi::Status;

namespace {

Verdict verdict_of(Lockless how) {
  if (how == Lockless::kStandby) {
    return {Status::kCheckCondition,
            {.key = scsi::SenseKey::kNotReady, .code = scsi::asc::kTargetPortInStandbyState}};
  }
  return {Status::kBusy, {}};
}

}  // namespace

bool Dispatcher::lacks_lock(const Slot& slot) const {
  return view_.props.lock != 0 && !slot.answered &&
         (slot.status == TCMUD_NO_LOCK || slot.status == TCMUD_LOCK_LOST);
}

Dispatcher::Next Dispatcher::wait_for_lock(Slot& slot) {
  if (settling_ || refuse_lockless_) {
    return answer_lockless(slot, Lockless::kBusy);
  }
  slot.next_completed = lockless_;
  lockless_ = &slot;
  return Next::kLock;
}

Dispatcher::Next Dispatcher::answer_lockless(Slot& slot, Lockless how) {
  const Verdict verdict = verdict_of(how);
  if (slot.internal != nullptr) {
    slot.internal->verdict = verdict;
  } else {
    completion_ = make_completion(verdict.status, verdict.sense);
  }
  return Next::kAnswered;
}

void Dispatcher::release_lockless(Lockless how) {
  while (Slot* slot = lockless_) {
    lockless_ = slot->next_completed;
    slot->verdict = verdict_of(how);
    release(*slot, Slot::Wait::kLockless);
  }
}

void Dispatcher::refuse_lockless(bool refuse) {
  refuse_lockless_ = refuse;
  if (refuse) {
    settling_ = false;
    release_lockless(Lockless::kBusy);
  }
}

void Dispatcher::settle() {
  settling_ = true;
  settled_told_ = false;
  release_lockless(Lockless::kBusy);
  // What a copy would write next was read before.
  for (const Slot& slot : slab_.slots()) {
    if (slot.copier != nullptr) {
      slot.copier->cancel();
    }
  }
}

// A command that waits for another's blocks, say, would be done only after the lock is enabled. So
// all of them end first: writes with BUSY, for the handler refuses them. A FORMAT UNIT or SANITIZE
// ends with its next request.
bool Dispatcher::has_settled() {
  for (const Slot& slot : slab_.slots()) {
    if (slot.extent.end != 0) {
      return false;
    }
  }
  settled_told_ = true;
  return true;
}

}  // namespace tcmud::device
