// SPDX-License-Identifier: Apache-2.0
#include "device/dispatcher.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "device/iovec_ops.h"
#include "device/make_flush.h"
#include "device/status_map.h"

namespace tcmud::device {

using scsi::BlockOp;
using scsi::Status;

namespace {

constexpr uint8_t kRequestSense = 0x03, kInquiry = 0x12;
constexpr uint8_t kMaintenanceIn = 0xA3, kMaintenanceOut = 0xA4;  // of target port groups
constexpr uint8_t kExtendedCopy = 0x83;                           // goes by the command time-out

bool tells_of_configfs(std::span<const uint8_t> cdb) {
  return cdb[0] == kInquiry || cdb[0] == kMaintenanceIn || cdb[0] == kMaintenanceOut ||
         (cdb[0] == kExtendedCopy && cdb.size() > 1 && (cdb[1] & 0x1F) == 0);
}

constexpr scsi::Sense kCapacityChanged{.key = scsi::SenseKey::kUnitAttention,
                                       .code = scsi::asc::kCapacityDataHasChanged};

}  // namespace

Dispatcher::Next Dispatcher::start(Slot& slot) {
  const std::span<const uint8_t> cdb(slot.cdb.data(), slot.cdb_length);
  slot.answer_length = 0;
  if (attention_ && !scsi::ignores_unit_attention(cdb)) {
    tell_attention();
    return Next::kAnswered;
  }
  if (tells_of_configfs(cdb) && view_.changes != nullptr && !refuse_modes_) [[unlikely]] {
    slot.awaited_changes = view_.changes->load(std::memory_order_acquire);
    if (view_.known_changes != slot.awaited_changes || view_.expired()) {
      return Next::kConfigfs;
    }
  }
  return execute(slot);
}

// What was changed before the command came is told; what changes later needn't be, or a command
// might wait for ever while somebody makes many changes.
Dispatcher::Next Dispatcher::start_again(Slot& slot) {
  if (slot.awaits_ways != 0) {
    return slot.ways_told != ways_told_ || refuse_copies_ ? execute(slot) : Next::kWays;
  }
  const bool known = view_.known_changes >= slot.awaited_changes && !view_.expired();
  return known || refuse_modes_ ? execute(slot) : Next::kConfigfs;
}

Dispatcher::Next Dispatcher::execute(Slot& slot) {
  const std::span<const uint8_t> cdb(slot.cdb.data(), slot.cdb_length);
  scsi::Command command{.cdb = cdb, .data_length = slot.data_length, .parameters = {}};
  if (const size_t wanted = scsi::parameter_list_length(cdb, slot.data_length); wanted > 0) {
    const size_t got = copy_from(slot.iov, std::span(parameters_).first(wanted));
    command.parameters = std::span<const uint8_t>(parameters_).first(got);
  }
  if (capacity_changed_ && cdb[0] == kRequestSense) {
    command.pending_sense = &kCapacityChanged;  // telling it is done with it
    capacity_changed_ = false;
    attention_ = has_deferred_;
  }
  const scsi::Outcome outcome = scsi::execute(*view_.lun, command, response_, ranges_);
  switch (outcome.kind) {
    case scsi::Outcome::Kind::kBlock:
      return begin(slot, outcome.block);
    case scsi::Outcome::Kind::kModeSelect:
      return begin_mode(slot, outcome.mode);
    case scsi::Outcome::Kind::kSetTargetPortGroups:
      return begin_group_states(slot, command.parameters);
    case scsi::Outcome::Kind::kFormat:
      return needs_lock_first() ? wait_for_lock(slot) : begin_format(slot, outcome.format);
    case scsi::Outcome::Kind::kSanitize:
      return needs_lock_first() ? wait_for_lock(slot) : begin_sanitize(slot, outcome.sanitize);
    case scsi::Outcome::Kind::kExtendedCopy:
    case scsi::Outcome::Kind::kWriteUsingToken:
      if (needs_lock_first()) {
        return wait_for_lock(slot);
      }
      [[fallthrough]];
    case scsi::Outcome::Kind::kReceiveCopyResults:
    case scsi::Outcome::Kind::kPopulateToken:
    case scsi::Outcome::Kind::kReceiveRodTokenInformation:
      return begin_copy(slot, outcome, command.parameters);
    case scsi::Outcome::Kind::kReply:
      break;
  }
  return reply(slot, outcome);
}

void Dispatcher::tell_attention() {
  if (has_deferred_) {
    has_deferred_ = false;
    completion_ = deferred_;
  } else {
    capacity_changed_ = false;
    completion_ = make_completion(Status::kCheckCondition, kCapacityChanged);
  }
  attention_ = capacity_changed_;
}

Dispatcher::Next Dispatcher::reply(Slot& slot, const scsi::Outcome& outcome) {
  if (outcome.status != Status::kGood) {
    completion_ = make_completion(outcome.status, outcome.sense);
    return Next::kAnswered;
  }
  copy_to(slot.iov, std::span<const uint8_t>(response_).first(outcome.response_length));
  return answer_good(slot, outcome.response_length);
}

Dispatcher::Next Dispatcher::answer_good(Slot& slot, uint64_t data_in) {
  completion_.status = static_cast<uint8_t>(Status::kGood);
  completion_.sense_length = 0;
  completion_.has_read_length = false;
  if (data_in < slot.data_length) {
    // The kernel hands the whole buffer to the initiator unless told how much of it counts, and
    // what the last user of these blocks left there is nobody's business. "Nothing" can't be told:
    // READ_LEN 0 means everything.
    if (data_in > 0 && has_read_length_) {
      completion_.has_read_length = true;
      completion_.read_length = static_cast<uint32_t>(data_in);
    } else {
      zero_from(slot.iov, data_in);
    }
  }
  return Next::kAnswered;
}

void Dispatcher::set_view(View view) {
  if (view.write_through && !view_.write_through && view.props.flush != TCMUD_NONE) {
    // Writes that are under way began with a cache, and would be answered without one.
    for (Slot& slot : slab_.slots()) {
      const tcmud_request& request = slot.request.c;
      const bool writes = request.op == TCMUD_OP_WRITE || request.op == TCMUD_OP_WRITE_ZEROES ||
                          request.op == TCMUD_OP_WRITE_SAME ||
                          request.op == TCMUD_OP_COMPARE_AND_WRITE;
      if (slot.extent.end != 0 && writes && (request.flags & TCMUD_FLAG_FUA) == 0) {
        slot.plan.flush_at_end = true;
      }
    }
  }
  view_ = std::move(view);
  lun_told_ = view_.lun;
  tell_medium_state();
}

Dispatcher::Next Dispatcher::begin(Slot& slot, const scsi::BlockRequest& block) {
  slot.extent = {block.offset, block.offset + block.length};
  // One question for all: nearly every command is a READ or WRITE, and has no special one beside
  // it.
  if ((block.op > BlockOp::kWrite) | block.atomic | (special_ > 0)) [[unlikely]] {
    return begin_specially(slot, block);
  }
  return launch(slot, block);
}

Dispatcher::Next Dispatcher::begin_specially(Slot& slot, const scsi::BlockRequest& block) {
  slot.block = block;
  bool exclusive = block.atomic;
  switch (block.op) {
    case BlockOp::kFlush:
    case BlockOp::kPrefetch:
    case BlockOp::kLbaStatus:
      slot.extent = {};  // they change nothing, and what they see may change at any time
      break;
    case BlockOp::kUnmap: {
      const std::span<const scsi::Range> ranges =
          slot.internal != nullptr ? slot.internal->ranges : std::span(ranges_);
      std::memcpy(slab_.iovecs(slot).data(), ranges.data(), block.ranges * sizeof(scsi::Range));
      slot.extent = {UINT64_MAX, 0};
      for (const scsi::Range& range : ranges.first(block.ranges)) {
        slot.extent.begin = std::min(slot.extent.begin, range.offset);
        slot.extent.end = std::max(slot.extent.end, range.offset + range.length);
      }
      break;
    }
    case BlockOp::kCompareAndWrite:
      exclusive = Emulation::wanted(block, view_);  // else the handler's is atomic
      break;
    case BlockOp::kOrWrite:
    case BlockOp::kWriteAndVerify:
      exclusive = true;
      break;
    default:
      break;
  }
  if (slot.internal != nullptr && slot.internal->covered) {
    slot.extent = {};
  }
  slot.exclusive = exclusive;
  if (!slot.special) {
    slot.special = exclusive || block.immediate || Emulation::wanted(block, view_);
    special_ += slot.special;
  }
  if ((exclusive || locks_.engaged()) && !locks_.admit(slot)) {
    slot.wait = Slot::Wait::kExtent;
    return Next::kWait;
  }
  if (guarding_) {
    before_launch(slot, block);
  }
  return launch(slot, block);
}

Dispatcher::Next Dispatcher::launch(Slot& slot, const scsi::BlockRequest& block) {
  tcmud_request& request = slot.request.c;
  if (block.immediate && !slot.answered) {
    slot.answered = true;
    answer_good(slot, 0);
    return Next::kAnsweredAhead;
  }
  slot.plan = Plan{};
  slot.answer_length = kNoDataIn;
  request.flags = 0;
  request.offset = block.offset;
  request.length = block.length;
  request.iov = nullptr;
  request.iovcnt = 0;
  request.nranges = 0;
  request.ranges = nullptr;
  const bool durable = block.fua || view_.write_through;
  switch (block.op) {
    case BlockOp::kRead:
    case BlockOp::kWrite:
      if (block.length != slot.data_length) {
        if (block.op == BlockOp::kRead && !has_read_length_) {
          zero_from(slot.iov, block.length);
        }
        slot.iov = slot.iov.first(trim(slot.iov, block.length));
      }
      request.iov = slot.iov.data();
      request.iovcnt = static_cast<uint32_t>(slot.iov.size());
      if (block.op == BlockOp::kRead) {
        slot.answer_length = block.length;
        request.op = TCMUD_OP_READ;
        if (block.fua && view_.props.flush == TCMUD_NATIVE) {
          // What is read has to be on the medium, so newer cached data goes there first (SBC-4,
          // READ (10), FUA).
          slot.plan.then = Plan::Then::kRead;
          slot.plan.offset = block.offset;
          slot.plan.remaining = block.length;
          make_flush(request);
        }
        return Next::kSubmit;
      }
      request.op = TCMUD_OP_WRITE;
      break;
    case BlockOp::kFlush:
      make_flush(request);
      slot.plan.then = slot.answered ? Plan::Then::kAnswered : Plan::Then::kAnswer;
      return Next::kSubmit;
    case BlockOp::kUnmap:
      request.op = TCMUD_OP_UNMAP;
      slot.plan.ranges = static_cast<uint16_t>(block.ranges);
      next_ranges(slot);
      return Next::kSubmit;
    case BlockOp::kWriteSame:
    case BlockOp::kWriteZeroes:
      slot.plan.flush_at_end = durable && view_.props.flush != TCMUD_NONE;
      return begin_write_same(slot, block);
    case BlockOp::kCompareAndWrite:
      if (!Emulation::wanted(block, view_)) {
        request.op = TCMUD_OP_COMPARE_AND_WRITE;
        slot.iov = slot.iov.first(trim(slot.iov, 2 * block.length));
        request.iov = slot.iov.data();
        request.iovcnt = static_cast<uint32_t>(slot.iov.size());
        slot.plan.flush_at_end = durable && view_.props.flush != TCMUD_NONE;
        return Next::kSubmit;
      }
      [[fallthrough]];
    case BlockOp::kVerify:
    case BlockOp::kVerifyData:
    case BlockOp::kWriteAndVerify:
    case BlockOp::kOrWrite:
    case BlockOp::kPrefetch:
    case BlockOp::kLbaStatus:
      slot.plan.then = Plan::Then::kEmulation;
      return act(slot, emulation_.begin(slot, view_));
  }
  if (durable) {
    if (view_.props.fua == TCMUD_NATIVE) {
      request.flags = TCMUD_FLAG_FUA;
    } else if (view_.props.flush != TCMUD_NONE) {
      slot.plan.flush_at_end = true;
    }
  }
  return Next::kSubmit;
}

Dispatcher::Next Dispatcher::act(Slot& slot, Emulation::Step step) {
  switch (step) {
    case Emulation::Step::kSubmit:
      return Next::kSubmit;
    case Emulation::Step::kWait:
      slot.wait = Slot::Wait::kScratch;
      return Next::kWait;
    case Emulation::Step::kFailed:
      return fail(slot);
    case Emulation::Step::kDone:
      break;
  }
  emulation_.end(slot);
  return slot.answered ? Next::kDone : answer_good(slot, slot.answer_length);
}

Dispatcher::Next Dispatcher::fail(Slot& slot) {
  emulation_.end(slot);
  if (lacks_lock(slot)) {
    return wait_for_lock(slot);
  }
  const Verdict verdict = verdict_of_status(slot.status, slot.info, view_.lun->block_size);
  if (slot.internal != nullptr) {
    slot.internal->verdict = verdict;
    return Next::kAnswered;
  }
  completion_ = make_completion(verdict.status, verdict.sense);
  if (!slot.answered) {
    return Next::kAnswered;
  }
  if (slot.block.op == BlockOp::kFlush) {
    // The next command is told what its predecessor no longer can be (SPC-5 4.4.7).
    if (completion_.sense_length > 0) {
      defer(completion_);
    }
  }
  return Next::kDone;
}

void Dispatcher::defer(const kernel::Completion& completion) {
  deferred_ = completion;
  deferred_.sense[0] |= 1;  // 71h, 73h: deferred errors
  has_deferred_ = true;
  attention_ = true;
}

Dispatcher::Next Dispatcher::go_on(Slot& slot) {
  switch (slot.wait) {
    case Slot::Wait::kExtent:
      if (is_operation(slot)) {
        advance_operation();
        return Next::kWait;
      }
      if (guarding_) {
        before_launch(slot, slot.block);
      }
      return launch(slot, slot.block);
    case Slot::Wait::kScratch:
      return act(slot, emulation_.go_on(slot, view_));
    case Slot::Wait::kMode:
      return mode_in_force(slot);
    case Slot::Wait::kStatesNotSet:
      completion_ = make_completion(
          Status::kCheckCondition,
          {.key = scsi::SenseKey::kHardwareError, .code = scsi::asc::kSetTargetPortGroupsFailed});
      return Next::kAnswered;
    case Slot::Wait::kModeRefused:
      completion_ = make_completion(Status::kBusy, {});
      return Next::kAnswered;
    case Slot::Wait::kToken:
      return make_token(slot);
    case Slot::Wait::kLockless:
      if (slot.internal != nullptr) {
        slot.internal->verdict = slot.verdict;
      } else {
        completion_ = make_completion(slot.verdict.status, slot.verdict.sense);
      }
      return Next::kAnswered;
    case Slot::Wait::kInternal:
      return begin_internal(slot);
    case Slot::Wait::kHeld:
      if (slot.answered) {
        return Next::kDone;
      }
      if (slot.verdict.good()) {
        return answer_good(slot, slot.answer_length);
      }
      completion_ = make_completion(slot.verdict.status, slot.verdict.sense);
      return Next::kAnswered;
  }
  return Next::kAnswered;
}

bool Dispatcher::end_specially(Slot& slot) {
  if (locks_.engaged()) {
    locks_.release(slot);
  }
  special_ -= slot.special;
  slot.special = false;
  slot.answered = false;
  slot.extent = {};
  slot.copier.reset();
  slot.populate.reset();
  if (slot.internal != nullptr) {
    end_internal(slot);
  }
  return true;
}

void Dispatcher::release(Slot& slot, Slot::Wait how) {
  slot.wait = how;
  slot.next_completed = released_;
  released_ = &slot;
}

Dispatcher::Next Dispatcher::hold(Slot& slot) {
  slot.answer_length = kNoDataIn;
  special_ += !slot.special;
  slot.special = true;
  return Next::kWait;
}

void Dispatcher::finish(Slot& slot, const Verdict& verdict) {
  slot.verdict = verdict;
  release(slot, Slot::Wait::kHeld);
}

Slot* Dispatcher::take_released() {
  tell_ended();
  if (Slot* slot = locks_.take_admitted(); slot != nullptr) {
    return slot;
  }
  if (Slot* slot = scratch_->take_served(); slot != nullptr) {
    return slot;
  }
  if (Slot* slot = released_; slot != nullptr) {
    released_ = slot->next_completed;
    return slot;
  }
  return take_internal();
}

Dispatcher::Next Dispatcher::resume(Slot& slot) {
  if (slot.status != TCMUD_OK) {
    return fail(slot);
  }
  tcmud_request& request = slot.request.c;
  switch (slot.plan.then) {
    case Plan::Then::kNextPiece:
      request.offset += request.length;
      next_piece(slot);
      return Next::kSubmit;
    case Plan::Then::kNextRanges:
      next_ranges(slot);
      return Next::kSubmit;
    case Plan::Then::kRead:
      request.op = TCMUD_OP_READ;
      request.offset = slot.plan.offset;
      request.length = slot.plan.remaining;
      request.iov = slot.iov.data();
      request.iovcnt = static_cast<uint32_t>(slot.iov.size());
      slot.plan.then = Plan::Then::kAnswer;
      return Next::kSubmit;
    case Plan::Then::kEmulation:
      return act(slot, emulation_.resume(slot, view_));
    case Plan::Then::kModeFlushed:
      return ask_for_mode(slot);
    case Plan::Then::kAnswered:
      return Next::kDone;
    case Plan::Then::kAnswer:
      break;
  }
  if (!slot.plan.flush_at_end || request.op == TCMUD_OP_FLUSH) {
    return answer_good(slot, slot.answer_length);
  }
  make_flush(request);
  slot.plan.then = Plan::Then::kAnswer;
  return Next::kSubmit;
}

}  // namespace tcmud::device
