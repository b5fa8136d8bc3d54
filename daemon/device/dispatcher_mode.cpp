// SPDX-License-Identifier: Apache-2.0
#include "device/dispatcher.h"
#include "device/make_flush.h"
#include "device/status_map.h"

// MODE SELECT and SET TARGET PORT GROUPS. The LUN's strand is who changes a view, so the command
// waits for it. Where the write cache is switched off there is a FLUSH before, so that one that
// fails changes nothing, and one behind, for what was written meanwhile.
namespace tcmud::device {

using scsi::Status;

Dispatcher::Next Dispatcher::begin_mode(Slot& slot, const scsi::ModeChange& mode) {
  slot.plan = Plan{};
  slot.answer_length = kNoDataIn;
  slot.mode = mode;
  const scsi::Lun& lun = *view_.lun;
  if (mode.write_cache && view_.props.write_cache == 0) {
    completion_ = make_completion(
        Status::kCheckCondition,
        {.key = scsi::SenseKey::kIllegalRequest, .code = scsi::asc::kInvalidFieldInParameterList});
    return Next::kAnswered;
  }
  if (lun.write_cache && !mode.write_cache && view_.flushes()) {
    make_flush(slot.request.c);
    slot.plan.then = Plan::Then::kModeFlushed;
    slot.plan.flush_at_end = true;
    return Next::kSubmit;
  }
  return ask_for_mode(slot);
}

Dispatcher::Next Dispatcher::begin_group_states(Slot& slot, std::span<const uint8_t> list) {
  slot.plan = Plan{};
  slot.answer_length = kNoDataIn;
  state_requests_ = scsi::requested_states(*view_.lun, list);
  return ask_strand(slot, Next::kGroupStates);
}

Dispatcher::Next Dispatcher::ask_for_mode(Slot& slot) {
  return ask_strand(slot, Next::kMode);
}

Dispatcher::Next Dispatcher::ask_strand(Slot& slot, Next how) {
  if (refuse_modes_) {
    completion_ = make_completion(Status::kBusy, {});
    return Next::kAnswered;
  }
  slot.mode_ticket = ++last_mode_ticket_;
  slot.next_completed = nullptr;
  (modes_first_ == nullptr ? modes_first_ : modes_last_->next_completed) = &slot;
  modes_last_ = &slot;
  return how;
}

void Dispatcher::mode_changed(uint64_t ticket) {
  if (modes_first_ != nullptr && modes_first_->mode_ticket == ticket) {
    finish_mode(Slot::Wait::kMode);
  }
}

void Dispatcher::group_states_set(uint64_t ticket, bool all) {
  if (modes_first_ != nullptr && modes_first_->mode_ticket == ticket) {
    finish_mode(all ? Slot::Wait::kMode : Slot::Wait::kStatesNotSet);
  }
}

void Dispatcher::refuse_modes(bool refuse) {
  refuse_modes_ = refuse;
  while (refuse && modes_first_ != nullptr) {
    finish_mode(Slot::Wait::kModeRefused);
  }
}

void Dispatcher::finish_mode(Slot::Wait how) {
  Slot* slot = modes_first_;
  modes_first_ = slot->next_completed;
  release(*slot, how);
}

Dispatcher::Next Dispatcher::mode_in_force(Slot& slot) {
  if (!slot.plan.flush_at_end) {
    return answer_good(slot, slot.answer_length);
  }
  make_flush(slot.request.c);
  slot.plan.then = Plan::Then::kAnswer;
  return Next::kSubmit;
}

}  // namespace tcmud::device
