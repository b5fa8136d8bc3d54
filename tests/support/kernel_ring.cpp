// SPDX-License-Identifier: Apache-2.0
// The way into the ring: space, ids, entries, the queue of what finds no room.
#include "support/kernel_ring.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include <fmt/core.h>

#include "support/kernel_ring_command.h"
#include "support/ring_layout.h"

namespace tcmud::test {
namespace {

constexpr uint32_t kHeadOffset = offsetof(layout::Mailbox, cmd_head);
constexpr uint32_t kTailOffset = offsetof(layout::Mailbox, cmd_tail);
constexpr uint32_t kMaxId = 0xffff;
constexpr auto kDefaultQueueFullTimeout = std::chrono::seconds(30);

std::atomic_ref<uint32_t> shared_word(std::byte* at) {
  return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(at));
}

uint32_t round_up_8(size_t bytes) {
  return static_cast<uint32_t>((bytes + 7) / 8 * 8);
}

}  // namespace

KernelRing::KernelRing(SharedRegion& region, const RingOptions& options, Initiator& initiator,
                       Violations& violations)
    : region_(region),
      options_(options),
      initiator_(initiator),
      violations_(violations),
      blocks_(region.data(), region.geometry(), options.reuse, options.poison, violations),
      ring_size_(region.geometry().command_ring_size()),
      by_id_(1),
      id_in_use_((kMaxId + 1) / 64) {
  id_in_use_[0] = 1;  // there is no id 0
  std::memcpy(mailbox_.data(), region_.base(), kMailboxSize);
}

KernelRing::~KernelRing() = default;

uint32_t KernelRing::load_tail() const {
  // Pairs with the daemon's store-release of cmd_tail: the answers before it are visible.
  const uint32_t tail = shared_word(region_.base() + kTailOffset).load(std::memory_order_acquire);
  mirror_.acquired(region_.base() + kTailOffset);
  return tail;
}

void KernelRing::clear_tail() {
  mirror_.releasing(region_.base() + kTailOffset);
  shared_word(region_.base() + kTailOffset).store(0, std::memory_order_release);
}

void KernelRing::store_head(uint32_t head) {
  head_ = head;
  std::memcpy(mailbox_.data() + kHeadOffset, &head, sizeof head);
  // Pairs with the daemon's load-acquire of cmd_head: entry and data-out before it are visible.
  mirror_.releasing(region_.base() + kHeadOffset);
  shared_word(region_.base() + kHeadOffset).store(head, std::memory_order_release);
}

bool KernelRing::tail_moved() const {
  return !broken_ && load_tail() != cleaned_;
}

void KernelRing::check_mailbox() {
  std::array<std::byte, kMailboxSize> now;
  std::memcpy(now.data(), region_.base(), kTailOffset);
  std::memcpy(now.data() + kTailOffset + 4, region_.base() + kTailOffset + 4,
              kMailboxSize - kTailOffset - 4);
  std::memcpy(now.data() + kTailOffset, mailbox_.data() + kTailOffset, 4);
  if (now == mailbox_) {
    return;
  }
  const auto bad = std::mismatch(now.begin(), now.end(), mailbox_.begin()).first - now.begin();
  broken(Violation::kMailboxModified,
         fmt::format("byte {} of the mailbox was written; only cmd_tail is the daemon's", bad));
  std::memcpy(region_.base(), mailbox_.data(), kTailOffset);
  std::memcpy(region_.base() + kTailOffset + 4, mailbox_.data() + kTailOffset + 4,
              kMailboxSize - kTailOffset - 4);
}

// The kernel never fills the ring to the last byte: head == tail must mean "empty".
bool KernelRing::has_room(uint32_t bytes) const {
  const uint32_t to_end = ring_size_ - head_;
  const uint32_t needed = to_end >= bytes ? bytes : bytes + to_end;
  const uint32_t used = head_ >= cleaned_ ? head_ - cleaned_ : ring_size_ - cleaned_ + head_;
  return ring_size_ - used - 1 >= needed;
}

// Makes `bytes` in a row available at the head, behind a PAD if need be.
bool KernelRing::reserve(uint32_t bytes) {
  if (!has_room(bytes)) {
    return false;
  }
  const uint32_t to_end = ring_size_ - head_;
  if (to_end < bytes) {
    layout::Header header{};
    header.len_op = to_end | layout::kOpPad;
    std::memcpy(ring() + head_, &header, sizeof header);
    publish(to_end, header.len_op, 0);
  }
  return true;
}

void KernelRing::publish(uint32_t length, uint32_t len_op, uint16_t id) {
  slots_.push_back({head_, length, len_op, id});
  mirror_.written(ring() + head_, length);
  store_head((head_ + length) % ring_size_);
}

// 0: all ids are taken.
uint32_t KernelRing::take_id() {
  uint32_t id = options_.reuse == Reuse::kLowestFirst ? 1 : id_hint_;
  for (uint32_t words = 0; words <= id_in_use_.size(); ++words) {
    const uint64_t free_bits = ~id_in_use_[id / 64] >> (id % 64);
    if (free_bits != 0) {
      id += static_cast<uint32_t>(std::countr_zero(free_bits));
      id_in_use_[id / 64] |= uint64_t{1} << (id % 64);
      id_hint_ = id % kMaxId + 1;
      by_id_.resize(std::max<size_t>(by_id_.size(), id + 1));
      return id;
    }
    id = (id / 64 + 1) * 64 % (kMaxId + 1);
  }
  return 0;
}

std::unique_ptr<KernelRing::Command> KernelRing::take_spare() {
  if (spare_.empty()) {
    return std::make_unique<Command>();
  }
  auto command = std::move(spare_.back());
  spare_.pop_back();
  command->id = 0;
  command->expired = false;
  command->kept = false;
  command->deadline = Clock::time_point::max();
  return command;
}

void KernelRing::submit(const RingRequest& request, Clock::time_point now) {
  auto command = take_spare();
  command->tag = request.tag;
  command->cdb_length = static_cast<uint16_t>(std::min(request.cdb.size(), kMaxCdbBytes));
  command->cdb.fill(0);
  std::copy_n(request.cdb.begin(), command->cdb_length, command->cdb.begin());
  command->data_out = request.data_out;
  command->data_in = request.data_in;
  command->ring_opcode = request.ring_opcode;
  if (blocked_) {
    answer(*command, kStatusBusy);
  } else if (broken_) {
    answer_sense(*command, 0x02, 0x08, 0x00);
  } else if (!queue_full_.empty() || !queued_tmrs_.empty()) {
    enqueue(std::move(command), now);
    return;
  } else {
    switch (place(*command)) {
      case Placed::kYes:
        if (options_.command_timeout.count() > 0) {
          command->deadline = now + options_.command_timeout;
        }
        by_id_[command->id] = std::move(command);
        event_ = true;
        return;
      case Placed::kNoRoom:
        enqueue(std::move(command), now);
        return;
      case Placed::kNever:
        answer_sense(*command, 0x05, 0x24, 0x00);
        break;
    }
  }
  spare_.push_back(std::move(command));
  return;
}

void KernelRing::enqueue(std::unique_ptr<Command> command, Clock::time_point now) {
  if (options_.queue_full_timeout_s == 0) {
    answer(*command, kStatusTaskSetFull);
    spare_.push_back(std::move(command));
    return;
  }
  if (options_.queue_full_timeout_s > 0) {
    command->deadline = now + std::chrono::seconds(options_.queue_full_timeout_s);
  } else if (options_.command_timeout.count() > 0) {
    command->deadline = now + options_.command_timeout;
  } else {
    command->deadline = now + kDefaultQueueFullTimeout;
  }
  queue_full_.push_back(std::move(command));
}

// Data blocks, an id, the entry, the head: or nothing.
KernelRing::Placed KernelRing::place(Command& command) {
  const bool bidi = command.bidirectional();
  const std::span<const uint8_t> first =
      command.data_out.empty() ? command.data_in : command.data_out;
  const uint64_t first_blocks = blocks_.blocks_for(first.size());
  const uint64_t second_blocks = bidi ? blocks_.blocks_for(command.data_in.size()) : 0;
  if (first_blocks + second_blocks > region_.geometry().blocks()) {
    return Placed::kNever;
  }
  if (region_.geometry().blocks() - blocks_.in_use() < first_blocks + second_blocks) {
    return Placed::kNoRoom;
  }
  blocks_.allocate(first_blocks, first.size(), command.blocks);
  if (bidi) {
    blocks_.allocate(second_blocks, command.data_in.size(), command.bidi_in_blocks);
  }
  iovecs_.clear();
  blocks_.append_iovecs(command.blocks, first.size(), iovecs_);
  const auto first_iovecs = static_cast<uint32_t>(iovecs_.size());
  blocks_.append_iovecs(command.bidi_in_blocks, command.data_in.size(), iovecs_);

  const auto base = static_cast<uint32_t>(
      std::max(sizeof(layout::CommandRequest) + iovecs_.size() * sizeof(iovec),
               sizeof(layout::CommandResponse)));
  const uint32_t length = base + round_up_8(command.cdb_length);
  if (length > ring_size_ / 2) {
    release(command);
    return Placed::kNever;
  }
  const uint32_t id = has_room(length) ? take_id() : 0;
  if (id == 0) {
    release(command);
    return Placed::kNoRoom;
  }
  command.id = static_cast<uint16_t>(id);
  prepare_data(command);
  reserve(length);
  write_command_entry(command, length, base, first_iovecs);
  ++in_flight_;
  return Placed::kYes;
}

void KernelRing::prepare_data(Command& command) {
  if (!command.data_out.empty()) {
    blocks_.scatter(command.blocks, command.data_out);
  }
  if (!options_.check_data_in || command.data_in.empty()) {
    return;
  }
  const uint32_t words = region_.geometry().block_bytes() / 8;
  uint64_t remaining = (command.data_in.size() + 7) / 8;
  uint64_t index = 0;
  for (const uint32_t block : command.in_blocks()) {
    auto* word = reinterpret_cast<uint64_t*>(blocks_.block(block));
    mirror_.written(word, std::min<uint64_t>(words, remaining) * 8);
    for (uint32_t i = 0; i < words && remaining > 0; ++i, --remaining) {
      word[i] = unwritten_pattern(command.tag, index++);
    }
  }
}

void KernelRing::write_command_entry(const Command& command, uint32_t length, uint32_t base,
                                     uint32_t first_iovecs) {
  std::byte* at = ring() + head_;
  std::memset(at, 0, length);
  layout::CommandRequest entry{};
  entry.header.len_op = length | command.ring_opcode;
  entry.header.cmd_id = command.id;
  entry.iov_cnt = first_iovecs;
  entry.iov_bidi_cnt = static_cast<uint32_t>(iovecs_.size()) - first_iovecs;
  entry.cdb_off = kMailboxSize + head_ + base;
  std::memcpy(at, &entry, sizeof entry);
  std::ranges::copy(std::as_bytes(std::span(iovecs_)), at + sizeof entry);
  std::memcpy(at + base, command.cdb.data(), command.cdb_length);
  publish(length, entry.header.len_op, command.id);
}

void KernelRing::task_management(uint8_t type, std::span<const CommandTag> commands) {
  const auto listed = [&](const Command& command) {
    return std::find(commands.begin(), commands.end(), command.tag) != commands.end();
  };
  // What never reached the ring is over at once.
  for (auto it = queue_full_.begin(); it != queue_full_.end();) {
    if (listed(**it)) {
      answer(**it, kStatusTaskAborted);
      spare_.push_back(std::move(*it));
      it = queue_full_.erase(it);
    } else {
      ++it;
    }
  }
  if (!options_.tmr_notification) {
    return;
  }
  QueuedTmr tmr{type, {}};
  for (const auto& command : by_id_) {
    if (command && !command->expired && !command->kept && listed(*command)) {
      tmr.ids.push_back(command->id);
    }
  }
  if (!queued_tmrs_.empty() || !place_tmr(tmr)) {
    queued_tmrs_.push_back(std::move(tmr));
  }
}

bool KernelRing::place_tmr(const QueuedTmr& tmr) {
  const uint32_t length = round_up_8(sizeof(layout::Tmr) + tmr.ids.size() * sizeof(uint16_t));
  if (!reserve(length)) {
    return false;
  }
  std::byte* at = ring() + head_;
  std::memset(at, 0, length);
  layout::Tmr entry{};
  entry.header.len_op = length | layout::kOpTmr;
  entry.tmr_type = tmr.type;
  entry.cmd_cnt = static_cast<uint32_t>(tmr.ids.size());
  std::memcpy(at, &entry, sizeof entry);
  std::ranges::copy(std::as_bytes(std::span(tmr.ids)), at + sizeof entry);
  publish(length, entry.header.len_op, 0);
  event_ = true;
  urgent_event_ = true;
  return true;
}

bool KernelRing::publish_raw(std::span<const std::byte> entry) {
  const auto length = static_cast<uint32_t>(entry.size());
  if (!reserve(length)) {
    return false;
  }
  std::memcpy(ring() + head_, entry.data(), length);
  uint32_t len_op = 0;
  std::memcpy(&len_op, entry.data(), sizeof len_op);
  publish(length, len_op, 0);
  event_ = true;
  return true;
}

// Room has come free: notifications first, then commands in the order of their arrival.
void KernelRing::run_queue(bool fail, Clock::time_point now) {
  while (!fail && !queued_tmrs_.empty()) {
    if (!place_tmr(queued_tmrs_.front())) {
      return;
    }
    queued_tmrs_.pop_front();
  }
  while (!queue_full_.empty()) {
    auto& command = queue_full_.front();
    const Placed placed = fail ? Placed::kNever : place(*command);
    if (placed == Placed::kNoRoom) {
      return;
    }
    if (placed == Placed::kYes) {
      command->deadline = options_.command_timeout.count() > 0 ? now + options_.command_timeout
                                                               : Clock::time_point::max();
      by_id_[command->id] = std::move(command);
      event_ = true;
    } else {
      if (fail) {
        answer(*command, kStatusBusy);
      } else {
        answer_sense(*command, 0x05, 0x24, 0x00);
      }
      spare_.push_back(std::move(command));
    }
    queue_full_.pop_front();
  }
}

bool KernelRing::take_event(bool plugged) {
  if (plugged && !urgent_event_) {
    return false;
  }
  urgent_event_ = false;
  return std::exchange(event_, false);
}

}  // namespace tcmud::test
