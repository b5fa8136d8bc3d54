// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "device/dispatcher.h"
#include "device/status_map.h"

// FORMAT UNIT and SANITIZE. The command has the whole LUN to itself, from its first block to behind
// its last: it waits for every command that came before it, and those that come later are refused
// by what the LUN says of itself. It keeps its slot, answered or not, so that a LUN that closes
// waits for the requests under way, and for no others: these are refused then.
//
// No task management function ends it: an initiator's LOGICAL UNIT RESET only means that nobody
// waits for its answer any more. The kernel does, though, and the initiator for the kernel: the
// answer goes out at once then.
namespace tcmud::device {

using scsi::SanitizeRequest;
using scsi::SenseKey;
using scsi::Status;
using Kind = LongOperation::Kind;

namespace {

constexpr size_t kLargestBlock = 4096;

const char* name_of(Kind kind) {
  return kind == Kind::kFormat ? "FORMAT UNIT" : "SANITIZE";
}

// A block full of the pattern, from its beginning.
std::span<const uint8_t> block_of(const scsi::Pattern& pattern, std::span<const uint8_t> parameters,
                                  std::span<uint8_t> block) {
  for (size_t at = 0; pattern.length > 0 && at < block.size(); at += pattern.length) {
    const auto piece =
        parameters.subspan(pattern.offset, std::min<size_t>(pattern.length, block.size() - at));
    std::copy(piece.begin(), piece.end(), block.begin() + static_cast<ptrdiff_t>(at));
  }
  return pattern.length > 0 ? block : std::span<const uint8_t>();
}

}  // namespace

Dispatcher::Next Dispatcher::begin_format(Slot& slot, const scsi::FormatRequest& format) {
  std::array<uint8_t, kLargestBlock> block;
  LongOperation::Work work{.kind = Kind::kFormat};
  work.pattern =
      block_of(format.pattern, parameters_, std::span(block).first(view_.lun->block_size));
  work.may_unmap = view_.lun->can_unmap && view_.lun->unmap_zeroes;
  return begin_operation(slot, work, format.immediate);
}

Dispatcher::Next Dispatcher::begin_sanitize(Slot& slot, const SanitizeRequest& sanitize) {
  std::array<uint8_t, kLargestBlock> block;
  LongOperation::Work work{.kind = Kind::kSanitize,
                           .unrestricted_exit = sanitize.unrestricted_exit};
  switch (sanitize.kind) {
    case SanitizeRequest::Kind::kOverwrite:
      work.pattern =
          block_of(sanitize.pattern, parameters_, std::span(block).first(view_.lun->block_size));
      work.passes = sanitize.passes;
      work.invert = sanitize.invert;
      break;
    case SanitizeRequest::Kind::kBlockErase:
      work.may_unmap = view_.lun->can_unmap && view_.lun->unmap_zeroes;
      break;
    case SanitizeRequest::Kind::kExitFailureMode:
      log::warning(lun_, "an initiator left the failure mode of a SANITIZE that did not succeed");
      medium_.sanitize_failure = scsi::SanitizeFailure::kNone;
      tell_medium_state();
      slot.extent = {};
      return answer_good(slot, kNoDataIn);
  }
  return begin_operation(slot, work, sanitize.immediate);
}

Dispatcher::Next Dispatcher::begin_operation(Slot& slot, const LongOperation::Work& work,
                                             bool immediate) {
  auto created = LongOperation::create(work, slot);
  if (!created) {
    log::error(lun_, "{}: {}", name_of(work.kind), created.error().message);
    completion_ = make_completion(Status::kTaskSetFull, {});
    return Next::kAnswered;
  }
  operation_ = std::move(*created);
  log::info(lun_, "{} begins", name_of(work.kind));
  medium_.progress = 0;
  medium_.progress_code =
      work.kind == Kind::kFormat ? scsi::asc::kFormatInProgress : scsi::asc::kSanitizeInProgress;
  tell_medium_state();
  slot.extent = {0, UINT64_MAX};
  slot.exclusive = true;
  hold(slot);
  if (immediate) {
    slot.answered = true;
    answer_good(slot, slot.answer_length);
    return Next::kAnsweredAhead;
  }
  return lock_for_operation(slot);
}

Dispatcher::Next Dispatcher::lock_for_operation(Slot& slot) {
  if (locks_.admit(slot)) {
    advance_operation();
  } else {
    slot.wait = Slot::Wait::kExtent;
  }
  return Next::kWait;
}

const Slot* Dispatcher::answer_operation(std::span<const uint16_t> command_ids) {
  if (operation_ == nullptr) {
    return nullptr;
  }
  Slot& slot = operation_->slot();
  if (slot.answered ||
      std::find(command_ids.begin(), command_ids.end(), slot.command_id) == command_ids.end()) {
    return nullptr;
  }
  slot.answered = true;
  completion_ = make_completion(Status::kTaskAborted, {});
  return &slot;
}

void Dispatcher::advance_operation() {
  if (operation_->advance(*this)) {
    end_operation();
    return;
  }
  medium_.progress = operation_->progress(lun_told_->blocks * lun_told_->block_size);
  marked_lun_->progress = medium_.progress;
}

void Dispatcher::end_operation() {
  const std::unique_ptr<LongOperation> operation = std::move(operation_);
  Slot& slot = operation->slot();
  const bool good = operation->verdict().good();
  const bool format = operation->kind() == Kind::kFormat;
  medium_.progress.reset();
  if (format || (good && operation->overwrites())) {
    medium_.format_corrupt = !good;
  }
  if (!format) {
    medium_.sanitize_failure = good ? scsi::SanitizeFailure::kNone
                               : operation->unrestricted_exit()
                                   ? scsi::SanitizeFailure::kUnrestricted
                                   : scsi::SanitizeFailure::kRestricted;
  }
  tell_medium_state();
  if (good) {
    log::info(lun_, "{} has ended", name_of(operation->kind()));
    finish(slot, {});
    return;
  }
  const scsi::Sense& cause = operation->verdict().sense;
  log::error(
      lun_, "{} did not succeed (sense {:x}/{:04x}); the LUN serves no data until another one does",
      name_of(operation->kind()), static_cast<unsigned>(cause.key), cause.code);
  // A LUN that closes says so; whatever else it was is a format, or sanitize, that failed.
  const Verdict verdict = refuse_internal_
                              ? operation->verdict()
                              : Verdict{Status::kCheckCondition,
                                        {.key = SenseKey::kMediumError,
                                         .code = format ? scsi::asc::kFormatCommandFailed
                                                        : scsi::asc::kSanitizeFailed}};
  if (slot.answered && format) {
    defer(make_completion(verdict.status, verdict.sense));
  }
  finish(slot, verdict);
}

void Dispatcher::tell_medium_state() {
  if (!medium_.progress && !medium_.format_corrupt &&
      medium_.sanitize_failure == scsi::SanitizeFailure::kNone) {
    marked_lun_.reset();
    view_.lun = lun_told_;
    return;
  }
  marked_lun_ = std::make_shared<scsi::Lun>(*lun_told_);
  marked_lun_->progress = medium_.progress;
  marked_lun_->progress_code = medium_.progress_code;
  marked_lun_->sanitize_failure = medium_.sanitize_failure;
  marked_lun_->format_corrupt = medium_.format_corrupt;
  view_.lun = marked_lun_;
}

}  // namespace tcmud::device
