// SPDX-License-Identifier: Apache-2.0
// The way back: what the daemon has written into the slots behind cmd_tail, and whether it was
// allowed to.
#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "support/kernel_ring.h"
#include "support/kernel_ring_command.h"
#include "support/ring_layout.h"

namespace tcmud::test {
namespace {

constexpr uint8_t kKnownFlags =
    layout::kFlagUnknownOp | layout::kFlagReadLength | layout::kFlagKeepBuffer;

}  // namespace

void KernelRing::broken(Violation what, const std::string& text) {
  broken_ = true;
  violations_.record(what, text);
}

void KernelRing::handle_completions(Clock::time_point now) {
  if (!broken_) {
    check_mailbox();
  }
  bool freed = false;
  // More may be published while this runs.
  while (!broken_) {
    const uint32_t tail = load_tail();
    if (tail == cleaned_ || !tail_is_sound(tail)) {
      break;
    }
    while (cleaned_ != tail && take_slot(slots_.front())) {
      cleaned_ = (cleaned_ + slots_.front().length) % ring_size_;
      slots_.pop_front();
      freed = true;
    }
  }
  if (freed) {
    run_queue(false, now);
  }
}

bool KernelRing::tail_is_sound(uint32_t tail) {
  const bool known = std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
    return (slot.offset + slot.length) % ring_size_ == tail;
  });
  if (known) {
    return true;
  }
  const uint32_t distance = (tail + ring_size_ - cleaned_) % ring_size_;
  const uint32_t used = (head_ + ring_size_ - cleaned_) % ring_size_;
  if (tail < ring_size_ && distance < used) {
    broken(Violation::kTailOffBoundary,
           fmt::format("cmd_tail {} is inside an entry (taken back up to {}, head {})", tail,
                       cleaned_, head_));
  } else {
    broken(Violation::kTailPastHead,
           fmt::format("cmd_tail {} is where no entry was published (taken back up to {}, head {})",
                       tail, cleaned_, head_));
  }
  return false;
}

// False: the ring is broken.
bool KernelRing::take_slot(const Slot& slot) {
  const std::byte* entry = ring() + slot.offset;
  layout::Header header;
  mirror_.read(entry, sizeof header);
  std::memcpy(&header, entry, sizeof header);
  if (header.len_op != slot.len_op) {
    broken((header.len_op & ~layout::kOpMask) == 0 ? Violation::kZeroLengthSlot
                                                   : Violation::kLenOpModified,
           fmt::format("slot at {}: len_op is {:#x}, was {:#x}", slot.offset, header.len_op,
                       slot.len_op));
    return false;
  }
  if (header.kflags != 0 || (header.uflags & ~kKnownFlags) != 0) {
    broken(Violation::kHeaderModified, fmt::format("slot at {}: kflags {:#x}, uflags {:#x}",
                                                   slot.offset, header.kflags, header.uflags));
    return false;
  }
  if (slot.id == 0) {
    return true;  // PAD, TMR: passed over
  }
  const uint16_t id = header.cmd_id;
  Command* command = find(id);
  if (command == nullptr || command->kept) {
    const bool was_used = id != 0 && id < by_id_.size();
    broken(was_used ? Violation::kDoubleCompletion : Violation::kUnknownId,
           fmt::format("slot at {}: completes id {}, which is not live{}", slot.offset, id,
                       command != nullptr ? " (its buffer is kept)"
                       : was_used         ? " any more"
                                          : ""));
    return false;
  }
  if (id != slot.id && (options_.geometry.mailbox_flags & layout::kCapOutOfOrder) == 0) {
    broken(Violation::kMissingCapability,
           fmt::format("slot at {}: completes id {} out of order, before id {}, without CAP_OOOC",
                       slot.offset, id, slot.id));
    return false;
  }
  const bool keep = (header.uflags & layout::kFlagKeepBuffer) != 0;
  if (!finish(*command, entry, keep)) {
    return false;
  }
  if (keep) {
    command->kept = true;
  } else {
    drop(id);
  }
  return true;
}

bool KernelRing::finish(Command& command, const std::byte* at, bool keep) {
  layout::CommandResponse entry;
  mirror_.read(at, sizeof entry);
  std::memcpy(&entry, at, sizeof entry);
  const uint8_t flags = entry.header.uflags;
  const uint16_t capabilities = options_.geometry.mailbox_flags;
  if ((keep && (capabilities & layout::kCapKeepBuffer) == 0) ||
      ((flags & layout::kFlagReadLength) != 0 && (capabilities & layout::kCapReadLength) == 0)) {
    broken(Violation::kMissingCapability,
           fmt::format("uflags {:#x} where the mailbox's flags are {:#x}", flags, capabilities));
    return false;
  }
  if (command.expired) {
    return true;  // too late, but in order: nothing is copied
  }
  if ((flags & layout::kFlagUnknownOp) != 0) {
    answer_sense(command, 0x02, 0x08, 0x00);
    return true;
  }
  RingAnswer answer_to;
  answer_to.status = entry.scsi_status;
  auto data_in = static_cast<uint32_t>(command.data_in.size());
  const bool is_read = command.data_out.empty() && !command.data_in.empty();
  const bool short_read = is_read && (flags & layout::kFlagReadLength) != 0 && entry.read_len != 0;
  if (short_read) {
    data_in = std::min(data_in, entry.read_len);
  }
  if (answer_to.status == kStatusCheckCondition) {
    std::memcpy(answer_to.sense.data(), entry.sense, kSenseBytes);
    if (!short_read) {
      data_in = 0;
    }
  }
  if (options_.check_data_in && answer_to.status == kStatusGood) {
    check_written(command, data_in);
  }
  blocks_.gather(command.in_blocks(), command.data_in.first(data_in));
  answer_to.data_in_length = data_in;
  answer(command, answer_to);
  return true;
}

void KernelRing::check_written(const Command& command, uint32_t length) {
  const uint32_t words = region_.geometry().block_bytes() / 8;
  for (uint64_t index = 0; index < length / 8; ++index) {
    const uint32_t block = command.in_blocks()[index / words];
    uint64_t word;
    std::memcpy(&word, blocks_.block(block) + index % words * 8, sizeof word);
    if (word == unwritten_pattern(command.tag, index)) {
      violations_.record(
          Violation::kUnwrittenData,
          fmt::format(
              "GOOD for operation code {:#04x}, but byte {} of {} of its data-in was never written",
              command.cdb[0], index * 8, length));
      return;
    }
  }
}

void KernelRing::answer(Command& command, const RingAnswer& answer) {
  initiator_.answered(command.tag, answer);
}

void KernelRing::answer(Command& command, uint8_t status) {
  RingAnswer plain;
  plain.status = status;
  answer(command, plain);
}

// Sense data of the target core itself: fixed format, current.
void KernelRing::answer_sense(Command& command, uint8_t key, uint8_t asc, uint8_t ascq) {
  RingAnswer check;
  check.status = kStatusCheckCondition;
  check.sense[0] = 0x70;
  check.sense[2] = key;
  check.sense[7] = 10;
  check.sense[12] = asc;
  check.sense[13] = ascq;
  answer(command, check);
}

void KernelRing::release(Command& command) {
  blocks_.free(command.blocks);
  blocks_.free(command.bidi_in_blocks);
}

// Id and blocks are free again.
void KernelRing::drop(uint16_t id) {
  release(*by_id_[id]);
  spare_.push_back(std::move(by_id_[id]));
  id_in_use_[id / 64] &= ~(uint64_t{1} << (id % 64));
  --in_flight_;
}

}  // namespace tcmud::test
