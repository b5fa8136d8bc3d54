// SPDX-License-Identifier: Apache-2.0
#include "device/lun_status.h"

#include <utility>

#include <fmt/format.h>
#include <time.h>

#include "base/log.h"

namespace tcmud::device {

namespace {

using namespace std::chrono_literals;

uint64_t realtime_us() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

std::chrono::milliseconds passed_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               then);
}

BackendState known(tcmud_backend_state state) {
  switch (state) {
    case TCMUD_BACKEND_UP:
      return BackendState::kUp;
    case TCMUD_BACKEND_SLOW:
      return BackendState::kSlow;
    case TCMUD_BACKEND_RECOVERING:
      return BackendState::kRecovering;
    case TCMUD_BACKEND_GONE:
      break;
  }
  return BackendState::kGone;
}

}  // namespace

const char* to_string(State state) {
  switch (state) {
    case State::kOpening:
      return "opening";
    case State::kRunning:
      return "running";
    case State::kRetrying:
      return "retrying";
    case State::kRemoving:
      return "removing";
    case State::kClosed:
      return "closed";
  }
  return "unknown";
}

const char* to_string(BackendState state) {
  switch (state) {
    case BackendState::kClosed:
      return "closed";
    case BackendState::kUp:
      return "up";
    case BackendState::kSlow:
      return "slow";
    case BackendState::kRecovering:
      return "recovering";
    case BackendState::kGone:
      return "gone";
  }
  return "unknown";
}

const char* to_string(tcmud_lock_state state) {
  switch (state) {
    case TCMUD_LOCK_FREE:
      return "free";
    case TCMUD_LOCK_FOREIGN:
      return "foreign";
    case TCMUD_LOCK_ACQUIRED:
      return "acquired";
    case TCMUD_LOCK_ENABLED:
      return "enabled";
  }
  return "unknown";
}

std::string duration_text(std::chrono::milliseconds duration) {
  const int64_t ms = duration.count();
  const int64_t s = ms / 1000;
  if (duration < 1s) {
    return fmt::format("{} ms", ms);
  }
  if (duration < 2min) {
    return fmt::format("{} s", s);
  }
  if (duration < 2h) {
    return fmt::format("{} min {} s", s / 60, s % 60);
  }
  if (duration < 48h) {
    return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  }
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

StatusBoard::StatusBoard(std::string lun, Changed changed)
    : lun_(std::move(lun)), changed_(std::move(changed)) {
  status_.state_since = status_.backend_since = realtime_us();
}

template <class Change>
void StatusBoard::change(const Change& apply) {
  {
    const std::lock_guard lock(mutex_);
    const LunStatus before = status_;
    apply();
    if (status_ == before || std::exchange(unread_, true)) {
      return;
    }
  }
  if (changed_) {
    changed_();
  }
}

LunStatus StatusBoard::read() {
  const std::lock_guard lock(mutex_);
  unread_ = false;
  return status_;
}

State StatusBoard::state() const {
  const std::lock_guard lock(mutex_);
  return status_.state;
}

void StatusBoard::set_state(State next, std::string reason) {
  change([&] {
    if (std::exchange(status_.state, next) != next) {
      status_.state_since = realtime_us();
    }
    status_.state_reason = std::move(reason);
    status_.retry_at = 0;
    not_served_.reset();
  });
}

void StatusBoard::set_size(uint64_t bytes, uint32_t block_size) {
  change([&] {
    status_.size = bytes;
    status_.block_size = block_size;
  });
}

void StatusBoard::set_task(const char* what) {
  change([&] {
    status_.task = what;
    if (*what != '\0') {
      status_.retry_at = 0;
    }
  });
}

void StatusBoard::will_retry(const std::string& why, std::chrono::milliseconds after) {
  change([&] {
    const bool news = status_.state != State::kRetrying || status_.state_reason != why;
    const auto wait = std::chrono::duration_cast<std::chrono::seconds>(after).count();
    log::at(news ? log::Level::kError : log::Level::kDebug, lun_,
            "cannot be served: {}; initiators get BUSY, next try in {} s", why, wait);
    if (std::exchange(status_.state, State::kRetrying) != State::kRetrying) {
      status_.state_since = realtime_us();
      not_served_ = Clock::now();
    }
    status_.state_reason = why;
    status_.retry_at =
        realtime_us() + static_cast<uint64_t>(std::chrono::microseconds(after).count());
  });
}

std::string StatusBoard::outage() const {
  const std::lock_guard lock(mutex_);
  return not_served_ ? fmt::format("; it could not be served for {}",
                                   duration_text(passed_since(*not_served_)))
                     : "";
}

void StatusBoard::opened() {
  change([&] {
    if (status_.backend == BackendState::kClosed) {
      status_.backend = BackendState::kUp;
      status_.backend_since = realtime_us();
    }
  });
}

void StatusBoard::closed() {
  change([&] {
    if (std::exchange(status_.backend, BackendState::kClosed) != BackendState::kClosed) {
      status_.backend_since = realtime_us();
    }
    status_.backend_reason.clear();
    status_.lock.reset();
    not_up_.reset();
  });
}

void StatusBoard::backend_told(tcmud_backend_state now, const char* why) {
  change([&] {
    const BackendState next = known(now);
    const bool same_state = status_.backend == next;
    if (same_state && status_.backend_reason == why) {
      return;
    }
    const bool up = next == BackendState::kUp;
    const std::string reason = *why != '\0' ? fmt::format(": {}", why) : "";
    if (up && not_up_) {
      log::info(lun_, "the backend is up again after {}{}", duration_text(passed_since(*not_up_)),
                reason);
    } else if (up) {
      log::debug(lun_, "the backend is up{}", reason);
    } else {
      log::at(next == BackendState::kGone ? log::Level::kError : log::Level::kWarning, lun_,
              "the backend is {}{}", to_string(next),
              reason.empty() ? ", for no reason that its handler gives" : reason);
    }
    if (up) {
      not_up_.reset();
    } else if (!not_up_) {
      not_up_ = Clock::now();
    }
    status_.backend = next;
    status_.backend_reason = why;
    if (!same_state) {
      status_.backend_since = realtime_us();
    }
  });
}

void StatusBoard::lock_told(const tcmud_lock_status& now) {
  change([&] {
    LockStatus next;
    next.state = static_cast<tcmud_lock_state>(now.state);
    next.since =
        status_.lock && status_.lock->state == next.state ? status_.lock->since : realtime_us();
    next.holder = now.holder;
    next.group = now.group;
    next.acquired = now.acquired;
    next.lost = now.lost;
    status_.lock = std::move(next);
  });
}

}  // namespace tcmud::device
