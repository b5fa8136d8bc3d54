// SPDX-License-Identifier: Apache-2.0
// What comes from neither side of the ring: configfs, timers, closing, the end of the device.
#include <algorithm>

#include "support/kernel_ring.h"
#include "support/kernel_ring_command.h"

namespace tcmud::test {

void KernelRing::reset(int how, Clock::time_point now) {
  for (auto& command : by_id_) {
    if (!command) {
      continue;
    }
    if (!command->expired && !command->kept) {
      if (how == 1) {
        answer(*command, kStatusBusy);
      } else {
        answer_sense(*command, 0x02, 0x08, 0x00);
      }
    }
    drop(command->id);
  }
  slots_.clear();
  queued_tmrs_.clear();
  cleaned_ = 0;
  clear_tail();
  store_head(0);
  broken_ = false;
  run_queue(false, now);
}

void KernelRing::set_blocked(bool blocked, Clock::time_point now) {
  if (blocked && !blocked_) {
    handle_completions(now);
    run_queue(true, now);
  }
  blocked_ = blocked;
}

bool KernelRing::free_kept_buffer(uint16_t id) {
  const Command* command = find(id);
  if (command == nullptr || !command->kept) {
    return false;
  }
  drop(id);
  return true;
}

void KernelRing::closed() {
  for (const auto& command : by_id_) {
    if (command && command->kept) {
      drop(command->id);
    }
  }
  blocks_.forget_daemon_view();
  set_daemon_view(nullptr);
}

void KernelRing::set_daemon_view(std::byte* daemon_base) {
  mirror_.set(region_.base(), daemon_base);
  blocks_.mirror() = mirror_;
}

void KernelRing::fail_all() {
  // User space is not asked, so what it still does to the blocks is not its fault.
  set_daemon_view(nullptr);
  blocks_.stop_watching();
  run_queue(true, {});
  for (const auto& command : by_id_) {
    if (command) {
      if (!command->expired && !command->kept) {
        answer_sense(*command, 0x02, 0x08, 0x00);
      }
      drop(command->id);
    }
  }
  broken_ = true;
}

void KernelRing::run_timers(Clock::time_point now) {
  if (options_.command_timeout.count() > 0) {
    for (const auto& command : by_id_) {
      if (command && !command->expired && !command->kept && command->deadline <= now) {
        // User space is not told and keeps slot, id and blocks until it answers.
        answer_sense(*command, 0x02, 0x08, 0x00);
        command->expired = true;
      }
    }
  }
  while (!queue_full_.empty() && queue_full_.front()->deadline <= now) {
    answer(*queue_full_.front(), kStatusTaskSetFull);
    spare_.push_back(std::move(queue_full_.front()));
    queue_full_.pop_front();
  }
}

std::optional<Clock::time_point> KernelRing::next_deadline() const {
  auto first = Clock::time_point::max();
  if (options_.command_timeout.count() > 0 && in_flight_ > 0) {
    for (const auto& command : by_id_) {
      if (command && !command->expired && !command->kept) {
        first = std::min(first, command->deadline);
      }
    }
  }
  if (!queue_full_.empty()) {
    first = std::min(first, queue_full_.front()->deadline);
  }
  return first == Clock::time_point::max() ? std::nullopt : std::optional(first);
}

}  // namespace tcmud::test
