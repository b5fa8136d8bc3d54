// SPDX-License-Identifier: Apache-2.0
#include "support/ticket.h"

#include <fmt/core.h>

namespace tcmud::test {
namespace {

enum class SenseFormat { kNone, kFixed, kDescriptor };

SenseFormat format_of(uint8_t response_code) {
  switch (response_code & 0x7f) {
    case 0x70:
    case 0x71:
      return SenseFormat::kFixed;
    case 0x72:
    case 0x73:
      return SenseFormat::kDescriptor;
    default:
      return SenseFormat::kNone;
  }
}

uint8_t pick(const Outcome& outcome, size_t fixed, size_t descriptor) {
  switch (format_of(outcome.sense[0])) {
    case SenseFormat::kFixed:
      return outcome.sense[fixed];
    case SenseFormat::kDescriptor:
      return outcome.sense[descriptor];
    case SenseFormat::kNone:
      break;
  }
  return 0;
}

}  // namespace

uint8_t Outcome::sense_key() const {
  return pick(*this, 2, 1) & 0x0f;
}
uint8_t Outcome::asc() const {
  return pick(*this, 12, 2);
}
uint8_t Outcome::ascq() const {
  return pick(*this, 13, 3);
}

std::string Outcome::describe() const {
  if (!answered) {
    return "no answer";
  }
  switch (status) {
    case kStatusGood:
      return "GOOD";
    case kStatusBusy:
      return "BUSY";
    case kStatusTaskSetFull:
      return "TASK SET FULL";
    case kStatusTaskAborted:
      return "TASK ABORTED";
    case kStatusCheckCondition:
      return fmt::format("CHECK CONDITION {:02x}/{:02x}/{:02x}", sense_key(), asc(), ascq());
    default:
      return fmt::format("status {:#04x}", status);
  }
}

const Outcome& Ticket::wait(std::chrono::milliseconds limit) const {
  const auto deadline = Clock::now() + limit;
  std::unique_lock lock(state_->mutex);
  while (!state_->done) {
    if (Clock::now() >= deadline) {
      lock.unlock();
      state_->overdue();
      lock.lock();
      break;
    }
    if (state_->pump) {
      lock.unlock();
      state_->pump();
      lock.lock();
    } else {
      state_->changed.wait_until(lock, deadline);
    }
  }
  if (!state_->done) {
    static const Outcome kNone;
    return kNone;
  }
  return state_->outcome;
}

bool Ticket::ready() const {
  const std::lock_guard lock(state_->mutex);
  return state_->done;
}

CommandTag Ticket::tag() const {
  return state_->tag;
}

}  // namespace tcmud::test
