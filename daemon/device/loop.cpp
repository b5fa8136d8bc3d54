// SPDX-License-Identifier: Apache-2.0
#include "device/loop.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "device/pacing.h"
#include "device/status_map.h"

namespace tcmud::device {

namespace {

// The request is the first thing in its slot.
Slot& slot_of(plugin::Request& request) {
  return reinterpret_cast<Slot&>(request);
}

}  // namespace

Loop::Loop(kernel::Ring& ring, const kernel::UioPort& port, plugin::Backend& backend, Slab& slab,
           ScratchPool& scratch, View view, const std::string& lun, LoopOwner& owner)
    : ring_(ring),
      port_(port),
      backend_(backend),
      slab_(slab),
      dispatcher_(std::move(view), slab, scratch, ring.has_read_length(), lun),
      lun_(lun),
      owner_(owner),
      blocking_(backend.props().model == TCMUD_MODEL_BLOCKING),
      has_events_(!blocking_ && backend.props().event_fd >= 0) {}

bool Loop::turn(bool hold) {
  bool did = read_posts();
  did |= drain_completed();
  did |= take_commands();
  if (!blocking_) {
    submit_ready();
  }
  if (batch_open_) {
    batch_open_ = false;
    backend_.flush_batch();
  }
  if (in_handler_ > 0 || has_events_) {
    did |= backend_.reap();
    did |= drain_completed();
  }
  if (!hold) {
    // Also without an answer of ours: the ring itself passes over entries that need none.
    did |= kick();
  }
  return did || ready_first_ != nullptr;
}

bool Loop::read_posts() {
  if (!posts_->has_news()) {
    return false;
  }
  for (const PostBox::Message& message : posts_->take()) {
    message(dispatcher_);
  }
  run_released();
  for (Slot* slot = std::exchange(parked_, nullptr); slot != nullptr;) {
    Slot* next = slot->next_completed;
    act(*slot, dispatcher_.start_again(*slot));
    slot = next;
  }
  return true;
}

void Loop::close() {
  dispatcher_.refuse_internal(true);
  while (!posts_->close_if_empty()) {
    read_posts();
  }
}

bool Loop::drain_completed() {
  Slot* slot = completed_.take_all();
  const bool any = slot != nullptr;
  while (slot != nullptr) {
    Slot* next = slot->next_completed;
    if (!blocking_) {
      --in_handler_;
    }
    act(*slot, dispatcher_.resume(*slot));
    slot = next;
  }
  return any;
}

bool Loop::take_commands() {
  uint32_t taken = 0;
  while (taken < kTakePerTurn && !has_enough_ready() && taking() && take_one()) {
    ++taken;
    if (!blocking_) {
      submit_ready();
    }
  }
  return taken > 0;
}

bool Loop::take_one() {
  Slot* slot = slab_.take();
  if (slot == nullptr) {
    return false;
  }
  switch (ring_.next(slab_.iovecs(*slot), entry_, tmr_)) {
    case kernel::Ring::Next::kCommand:
      break;
    case kernel::Ring::Next::kTmr:
      slab_.give_back(slot);
      log::info(lun_, "task management function {} for {} commands in flight", tmr_.type,
                tmr_.command_ids.size());
      dispatcher_.cancel_copies(tmr_.command_ids);
      dispatcher_.release_lockless(Lockless::kBusy);
      run_released();
      if (const Slot* operation = dispatcher_.answer_operation(tmr_.command_ids)) {
        send(*operation);
      }
      return true;
    case kernel::Ring::Next::kBroken:
      broken_told_ = true;
      owner_.ring_broken(ring_.broken_reason());
      [[fallthrough]];
    case kernel::Ring::Next::kEmpty:
      slab_.give_back(slot);
      if (dispatcher_.take_settled()) [[unlikely]] {
        owner_.settled();
      }
      return false;
  }
  if (const uint32_t found = ring_.take_found(); found > 0) {
    kick_policy_.seen(found - 1 + slab_.in_use() + unkicked_);
  }
  slot->command_id = entry_.id;
  slot->data_length = entry_.data_length;
  slot->iov = entry_.iov;
  slot->spill = std::move(entry_.spill);
  slot->cdb_length = static_cast<uint8_t>(std::min<size_t>(entry_.cdb_length, slot->cdb.size()));
  std::memcpy(slot->cdb.data(), entry_.cdb.data(), slot->cdb.size());
  if (entry_.malformed != nullptr) {
    log::error(lun_, "a command of the kernel's {}; answered with CHECK CONDITION",
               entry_.malformed);
    slot->cdb_length = 1;  // FFh, no operation of ours: 05/20/00
  }
  // Whoever was told that something is done may have sent this command because of it. If so, the
  // look at the ring that found it was behind the post, and sees it.
  read_posts();
  act(*slot, dispatcher_.start(*slot));
  return true;
}

void Loop::act(Slot& slot, Dispatcher::Next next) {
  switch (next) {
    case Dispatcher::Next::kAnswered:
      answer(slot);
      break;
    case Dispatcher::Next::kSubmit:
      make_ready(slot);
      break;
    case Dispatcher::Next::kAnsweredAhead:
      send(slot);
      act(slot, dispatcher_.go_ahead(slot));
      break;
    case Dispatcher::Next::kDone:
      end(slot);
      break;
    case Dispatcher::Next::kWait:
      run_released();
      break;
    case Dispatcher::Next::kMode:
      owner_.mode_wanted(slot.mode, slot.mode_ticket);
      break;
    case Dispatcher::Next::kGroupStates:
      owner_.group_states_wanted(dispatcher_.take_state_requests(), slot.mode_ticket);
      break;
    case Dispatcher::Next::kConfigfs:
      park(slot);
      owner_.configfs_wanted();
      break;
    case Dispatcher::Next::kWays:
      park(slot);
      owner_.ways_wanted();
      break;
    case Dispatcher::Next::kLock:
      owner_.lock_wanted();
      break;
  }
}

void Loop::park(Slot& slot) {
  slot.next_completed = parked_;
  parked_ = &slot;
}

// A blocking handler's request is executed by the thread that took it, so one at a time: the others
// wait in the ring. But never for the daemon's own work alone, or one thread that does one piece of
// it after the other would leave initiators without any answer.
bool Loop::has_enough_ready() const {
  return blocking_ && ready_first_ != nullptr &&
         (ready_first_->internal == nullptr || ready_last_->internal == nullptr);
}

void Loop::make_ready(Slot& slot) {
  if (slot.request.sink == nullptr) {
    slot.request.sink = this;  // once: a stray completion reads it at any time
  }
  slot.next_completed = nullptr;
  (ready_first_ == nullptr ? ready_first_ : ready_last_->next_completed) = &slot;
  ready_last_ = &slot;
}

// Each request that is ready now gets its turn; one that is followed by another of its command goes
// to the end of the list, so that a long command of many inline steps keeps nobody waiting.
void Loop::submit_ready() {
  Slot* const last = ready_last_;
  while (Slot* slot = take_ready()) {
    const bool was_last = slot == last;
    ++in_handler_;
    const int32_t status = backend_.submit(slot->request);
    if (status == TCMUD_QUEUED) {
      batch_open_ = true;
    } else {
      --in_handler_;
      slot->status = status;
      slot->info = TCMUD_NO_INFO;
      act(*slot, dispatcher_.resume(*slot));
    }
    if (was_last) {
      break;
    }
  }
}

Slot* Loop::take_ready() {
  Slot* slot = ready_first_;
  if (slot != nullptr) {
    ready_first_ = slot->next_completed;
  }
  return slot;
}

void Loop::execute(Slot& slot) {
  const int32_t status = backend_.submit(slot.request);
  if (status != TCMUD_QUEUED) {
    slot.status = status;
    slot.info = TCMUD_NO_INFO;
    completed_.push(&slot);
  }
}

void Loop::completed(plugin::Request& request, int32_t status, uint64_t info) {
  Slot& slot = slot_of(request);
  slot.status = status;
  slot.info = info;
  if (completed_.push(&slot)) {
    waker_();
  }
}

void Loop::stray_completion(const plugin::Request&, int32_t status) {
  owner_.handler_misbehaved(status);
}

void Loop::answer(Slot& slot) {
  if (slot.internal != nullptr) [[unlikely]] {
    end(slot);
    return;
  }
  send(slot);
  end(slot);
  if (kick_policy_.due(unkicked_, unkicked_bytes_)) {
    kick();
  }
}

void Loop::end(Slot& slot) {
  const bool releases = dispatcher_.end(slot);
  slab_.give_back(&slot);
  if (releases) [[unlikely]] {
    run_released();
  }
}

// Before any other command is started, so that none overtakes one that waited for the same.
void Loop::run_released() {
  if (releasing_) {
    return;  // a command of the loop below ended at once; the loop goes on with what it left
  }
  releasing_ = true;
  while (Slot* slot = dispatcher_.take_released()) {
    act(*slot, dispatcher_.go_on(*slot));
  }
  releasing_ = false;
}

void Loop::send(const Slot& slot) {
  const kernel::Completion& completion = dispatcher_.completion();
  if (!ring_.complete(slot.command_id, completion) && !broken_told_) {
    broken_told_ = true;
    owner_.ring_broken(ring_.broken_reason());
  }
  unkicked_bytes_ += slot.answer_length == kNoDataIn ? 0 : slot.data_length;
  last_bytes_ = slot.data_length;
  ++unkicked_;
}

bool Loop::kick() {
  unkicked_ = 0;
  unkicked_bytes_ = 0;
  if (!ring_.publish()) {
    return false;
  }
  if (!port_.kick() && !gone_told_) {
    gone_told_ = true;
    owner_.device_gone();
  }
  return true;
}

}  // namespace tcmud::device
