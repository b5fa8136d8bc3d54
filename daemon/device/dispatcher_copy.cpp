// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "device/dispatcher.h"
#include "device/iovec_ops.h"
#include "device/status_map.h"

// Third-party copies: their commands, and the tokens that writes put an end to.
namespace tcmud::device {

using scsi::BlockOp;
using scsi::Status;
using Kind = scsi::Outcome::Kind;

void Dispatcher::set_copies(std::unique_ptr<copy::LunCopies> copies,
                            std::shared_ptr<PostBox> posts) {
  copies_ = std::move(copies);
  posts_ = std::move(posts);
}

void Dispatcher::set_ways(std::shared_ptr<const copy::Ways> ways) {
  ++ways_told_;
  if (copies_ != nullptr) {
    copies_->set_ways(std::move(ways));
  }
}

void Dispatcher::set_copy_patience(uint64_t ns) {
  if (copies_ != nullptr) {
    copies_->set_patience(ns);
  }
}

void Dispatcher::refuse_copies(bool refuse) {
  refuse_copies_ = refuse;
  if (refuse && copies_ != nullptr) {
    copies_->close();
    guard();
  }
}

void Dispatcher::cancel_copies(std::span<const uint16_t> command_ids) {
  for (const Slot& slot : slab_.slots()) {
    if (slot.copier != nullptr &&
        std::find(command_ids.begin(), command_ids.end(), slot.command_id) != command_ids.end()) {
      slot.copier->cancel();
    }
  }
}

Dispatcher::Next Dispatcher::begin_copy(Slot& slot, const scsi::Outcome& outcome,
                                        std::span<const uint8_t> list) {
  const uint64_t waited_since = std::exchange(slot.awaits_ways, 0);
  if (copies_ == nullptr) {
    return answer_copy(slot, {.status = Status::kCheckCondition,
                              .sense = {.key = scsi::SenseKey::kIllegalRequest,
                                        .code = scsi::asc::kInvalidOperationCode}});
  }
  if (refuse_copies_) {
    return answer_copy(slot, {.status = Status::kBusy});
  }
  // Whose slot it is stays so until finish(), and the post is taken while there is such a slot.
  auto done = [this, &slot](const copy::LunCopies::Answer& answer) {
    posts_->post([this, &slot, verdict = Verdict{answer.status, answer.sense}](Dispatcher&) {
      finish(slot, verdict);
    });
  };
  const scsi::Lun& lun = *view_.lun;
  copy::LunCopies::Begun begun;
  switch (outcome.kind) {
    case Kind::kPopulateToken:
      return begin_token(slot, outcome.copy.list_identifier, list);
    case Kind::kReceiveCopyResults:
      begun.answer = copies_->receive_copy_results(outcome.copy, response_);
      break;
    case Kind::kReceiveRodTokenInformation:
      begun.answer = copies_->receive_rod_token_information(lun, outcome.copy, response_);
      break;
    case Kind::kWriteUsingToken:
      begun = copies_->write_using_token(lun, outcome.copy.list_identifier, list, std::move(done));
      break;
    default: {
      const uint64_t came = waited_since != 0 ? waited_since : monotonic_ns();
      // What is told may have been asked for by a command that came before; but that nothing can be
      // told is the answer.
      if (copies_->wants_ways(list, came) && (waited_since == 0 || copies_->knows_ways())) {
        slot.awaits_ways = came;
        slot.ways_told = ways_told_;
        return Next::kWays;
      }
      begun = copies_->extended_copy(list, came, std::move(done));
      break;
    }
  }
  if (begun.answer) {
    return answer_copy(slot, *begun.answer);
  }
  slot.copier = std::move(begun.copier);
  return hold(slot);
}

Dispatcher::Next Dispatcher::answer_copy(Slot& slot, const copy::LunCopies::Answer& answer) {
  if (answer.status != Status::kGood) {
    completion_ = make_completion(answer.status, answer.sense);
    return Next::kAnswered;
  }
  const std::span<const uint8_t> data = std::span(response_).first(answer.length);
  copy_to(slot.iov, data);
  return answer_good(slot, data.empty() ? slot.answer_length : data.size());
}

// A token stands for what is there when nobody is writing it: those who are end first, those to
// come wait, and put an end to the token then.
Dispatcher::Next Dispatcher::begin_token(Slot& slot, uint32_t list_identifier,
                                         std::span<const uint8_t> list) {
  slot.populate = std::make_unique<scsi::PopulateToken>();
  static_cast<void>(scsi::decode_populate_token(*view_.lun, list, *slot.populate));
  slot.token_identifier = list_identifier;
  slot.answer_length = kNoDataIn;
  const auto& ranges = slot.populate->ranges;
  slot.extent = {};
  for (const scsi::Range& range : std::span(ranges.range).first(ranges.count)) {
    const uint64_t end = range.offset + range.length;
    slot.extent = slot.extent.end == 0 ? Extent{range.offset, end}
                                       : Extent{std::min(slot.extent.begin, range.offset),
                                                std::max(slot.extent.end, end)};
  }
  slot.exclusive = true;
  slot.special = true;
  ++special_;
  if (!locks_.admit(slot)) {
    slot.wait = Slot::Wait::kToken;
    return Next::kWait;
  }
  return make_token(slot);
}

Dispatcher::Next Dispatcher::make_token(Slot& slot) {
  const auto answer = refuse_copies_
                          ? copy::LunCopies::Answer{.status = Status::kBusy}
                          : copies_->populate_token(slot.token_identifier, *slot.populate);
  guard();
  return answer_copy(slot, answer);
}

// While tokens stand for data of this LUN, every command goes the way of the special ones.
void Dispatcher::guard() {
  if (copies_->guards() != guarding_) {
    guarding_ = !guarding_;
    guarding_ ? ++special_ : --special_;
  }
}

void Dispatcher::before_launch(const Slot& slot, const scsi::BlockRequest& block) {
  copies_->look_after_tokens();
  if (scsi::writes(block.op)) {
    const scsi::Range extent{block.offset, block.length};
    copies_->before_write(
        block.op == BlockOp::kUnmap
            ? std::span(reinterpret_cast<const scsi::Range*>(slab_.iovecs(slot).data()),
                        block.ranges)
            : std::span(&extent, 1));
    copies_->look_after_tokens();
  }
  guard();
}

}  // namespace tcmud::device
