// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "device/dispatcher.h"
#include "device/status_map.h"

// Commands of the daemon's own. They are counted as special from start_internal() on, so that every
// command that ends asks take_released(), which is where they get slots and where their ends are
// told: never in the middle of another command's step.
namespace tcmud::device {

using scsi::BlockOp;
using scsi::Status;

namespace {

// Of the slots, one in so many is theirs at most.
constexpr uint32_t kShare = 4;

}  // namespace

void Dispatcher::InternalList::push(InternalCommand& command) {
  command.next = nullptr;
  (first == nullptr ? first : last->next) = &command;
  last = &command;
}

InternalCommand* Dispatcher::InternalList::pop() {
  InternalCommand* command = first;
  if (command != nullptr) {
    first = command->next;
  }
  return command;
}

void Dispatcher::start_internal(InternalCommand& command) {
  if (refuse_internal_) {
    end_refused(command);
    return;
  }
  ++special_;
  internal_waiting_.push(command);
}

void Dispatcher::refuse_internal(bool refuse) {
  refuse_internal_ = refuse;
  while (refuse && internal_waiting_.first != nullptr) {
    --special_;
    end_refused(*internal_waiting_.pop());
  }
}

void Dispatcher::end_refused(InternalCommand& command) {
  command.verdict = {
      Status::kCheckCondition,
      {.key = scsi::SenseKey::kNotReady, .code = scsi::asc::kNotReadyCauseNotReportable}};
  internal_ended_.push(command);
}

Slot* Dispatcher::take_internal() {
  if (internal_waiting_.first == nullptr ||
      internal_running_ >= std::max(1U, slab_.capacity() / kShare)) {
    return nullptr;
  }
  Slot* slot = slab_.take();
  if (slot != nullptr) {
    ++internal_running_;
    slot->internal = internal_waiting_.pop();
    slot->special = true;
    slot->wait = Slot::Wait::kInternal;
  }
  return slot;
}

void Dispatcher::end_internal(Slot& slot) {
  --internal_running_;
  internal_ended_.push(*std::exchange(slot.internal, nullptr));
}

Dispatcher::Next Dispatcher::begin_internal(Slot& slot) {
  InternalCommand& command = *slot.internal;
  command.verdict = refusal(command);
  if (!command.verdict.good()) {
    return Next::kAnswered;
  }
  slot.answer_length = 0;
  slot.data_length = 0;
  slot.iov = slab_.iovecs(slot).first(command.iov.size());
  for (size_t i = 0; i < command.iov.size(); ++i) {
    slot.iov[i] = command.iov[i];
    slot.data_length += command.iov[i].iov_len;
  }
  scsi::BlockRequest block = command.block;
  block.immediate = false;  // there is nobody to answer ahead
  return begin(slot, block);
}

Verdict Dispatcher::refusal(const InternalCommand& command) const {
  const scsi::Lun& lun = *view_.lun;
  if (!command.covered) {
    const scsi::Sense sense = scsi::medium_refusal(lun, scsi::writes(command.block.op));
    if (sense.key != scsi::SenseKey::kNoSense) {
      return {Status::kCheckCondition, sense};
    }
  }
  // It may have been decided upon when the LUN was larger.
  const uint64_t size = lun.blocks * lun.block_size;
  const auto within = [size](uint64_t offset, uint64_t length) {
    return offset <= size && length <= size - offset;
  };
  const auto ranges = command.block.op == BlockOp::kUnmap
                          ? command.ranges.first(command.block.ranges)
                          : std::span<const scsi::Range>();
  if (!within(command.block.offset, command.block.length) ||
      !std::all_of(ranges.begin(), ranges.end(), [&within](const scsi::Range& range) {
        return within(range.offset, range.length);
      })) {
    return verdict_of_status(TCMUD_OUT_OF_RANGE, TCMUD_NO_INFO, lun.block_size);
  }
  return {};
}

void Dispatcher::tell_ended() {
  while (InternalCommand* command = internal_ended_.pop()) {
    command->done(*command, *this);
  }
}

}  // namespace tcmud::device
