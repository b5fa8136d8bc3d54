// SPDX-License-Identifier: Apache-2.0
#include "device/dispatcher.h"
#include "device/make_flush.h"
#include "device/status_map.h"

// MODE SELECT. The LUN's strand is who changes a view, so the command waits for it. Where the write
// cache is switched off there is a FLUSH before, so that one that fails changes nothing, and one
// behind, for what was written meanwhile.
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

Dispatcher::Next Dispatcher::ask_for_mode(Slot& slot) {
  if (refuse_modes_) {
    completion_ = make_completion(Status::kBusy, {});
    return Next::kAnswered;
  }
  slot.mode_ticket = ++last_mode_ticket_;
  slot.next_completed = nullptr;
  (modes_first_ == nullptr ? modes_first_ : modes_last_->next_completed) = &slot;
  modes_last_ = &slot;
  return Next::kMode;
}

void Dispatcher::mode_changed(uint64_t ticket) {
  if (modes_first_ != nullptr && modes_first_->mode_ticket == ticket) {
    finish_mode(Slot::Wait::kMode);
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
