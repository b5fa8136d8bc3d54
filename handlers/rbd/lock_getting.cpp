// SPDX-License-Identifier: Apache-2.0
//
// How the keeper gets the lock.
#include <cerrno>
#include <cstring>
#include <utility>

#include "lock_keeper.h"

namespace tcmud::rbd {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxRounds = 8;        // of one attempt: others may be quicker again and again
constexpr milliseconds kRetry(500);  // after an attempt that failed
constexpr milliseconds kLongestAttempt(10'000);  // others may be quicker for ever

// Of several answers the one that counts.
LockAnswer weightiest(const std::vector<LockAnswer>& answers) {
  // Only the owner releases or holds. It goes before one who only tries to become it.
  const auto weight = [](const LockAnswer& answer) {
    switch (answer.kind) {
      case LockAnswer::Kind::kReleased:
        return 4;
      case LockAnswer::Kind::kHold:
        return 3;
      case LockAnswer::Kind::kFence:
        return 2;
      case LockAnswer::Kind::kTaking:
        return 1;
      case LockAnswer::Kind::kNotMine:
        break;
    }
    return 0;
  };
  LockAnswer best;
  for (const LockAnswer& answer : answers) {
    if (weight(answer) > weight(best)) {
      best = answer;
    }
  }
  return best;
}

}  // namespace

void LockKeeper::attempt() {
  for (int round = 0;; ++round) {
    {
      const std::lock_guard lock(mutex_);
      if (!pending_ || client_ == nullptr || state_ == State::kReleasing) {
        return;  // a new session, or the end of the release, takes it up again
      }
      if (ours()) {
        break;
      }
    }
    const Step step = round < kMaxRounds ? try_once() : wait(LockAnswer::kTakingMs);
    if (step == Step::kEnd) {
      break;
    }
    if (step == Step::kWait) {
      device_.event(TCMUD_EVENT_LOCK);  // how long its holder keeps it
      return;
    }
  }
  end_attempt();
}

LockKeeper::Step LockKeeper::try_once() {
  bool mine = false;
  if (const int r = client_->is_owner(mine); r < 0) {
    return fail("cannot ask for it", r);
  }
  std::string owner;
  if (!mine) {
    if (const int r = client_->owner(owner); r < 0) {
      return fail("cannot find out who has it", r);
    }
  }
  if (owner.empty() || owner == client_->address()) {
    return take();
  }
  look_at(owner);
  return ask(owner);
}

LockKeeper::Step LockKeeper::take() {
  {
    const std::lock_guard lock(mutex_);
    state_ = State::kTaking;
  }
  int r = client_->acquire();
  if (r >= 0) {
    r = client_->await_fences();
    if (r < 0) {
      (void)client_->release();
    }
  }
  const std::lock_guard lock(mutex_);
  if (r >= 0) {
    state_ = State::kAcquired;
    ++acquired_;
    acquired_at_ = tasks_.now();
    introduced_.reset();
    (void)set_holder("", -1);
    return Step::kEnd;
  }
  state_ = State::kNone;
  if (r == -EROFS || r == -EBUSY || r == -EAGAIN) {
    return Step::kAgain;  // another one was quicker
  }
  wait_until_ = tasks_.now() + kRetry;
  log(TCMUD_LOG_WARNING, std::string("cannot take it: ") + std::strerror(-r));
  return Step::kEnd;
}

LockKeeper::Step LockKeeper::ask(const std::string& owner) {
  LockMessage want{LockMessage::Kind::kWant, -1, client_->address()};
  {
    const std::lock_guard lock(mutex_);
    want.group = group_;
  }
  std::vector<LockAnswer> answers;
  if (const int r = client_->ask(want, answers); r < 0) {
    // Its owner may be well, and the cluster slow.
    return fail("cannot ask " + owner + " for it", r);
  }
  const LockAnswer best = weightiest(answers);
  switch (best.kind) {
    case LockAnswer::Kind::kReleased:
      return Step::kAgain;
    case LockAnswer::Kind::kHold:
    case LockAnswer::Kind::kTaking:
      return wait(best.wait_ms);
    case LockAnswer::Kind::kFence:
    case LockAnswer::Kind::kNotMine:
      break;
  }
  return fence(owner);
}

LockKeeper::Step LockKeeper::fence(const std::string& owner) {
  // While it was asked it may have let go, and another one have the lock now.
  std::string still;
  if (const int r = client_->owner(still); r < 0) {
    return fail("cannot find out who has it", r);
  }
  if (still != owner) {
    return Step::kAgain;
  }
  log(TCMUD_LOG_WARNING, owner + " has it and does not give it up; fencing it (osd blocklist)");
  const Clock::time_point begin = tasks_.now();
  const int r = client_->break_lock(owner);
  if (r >= 0) {
    const auto took = std::chrono::ceil<milliseconds>(tasks_.now() - begin).count();
    log(TCMUD_LOG_WARNING, owner + " was fenced in " + std::to_string(took) + " ms");
    return Step::kAgain;
  }
  if (r == -EBUSY || r == -EAGAIN || r == -ENOENT) {
    return Step::kAgain;
  }
  return fail("cannot fence " + owner +
                  ", which has it (does this client have the capabilities mon 'profile rbd'?)",
              r);
}

LockKeeper::Step LockKeeper::fail(const std::string& what, int error) {
  log(TCMUD_LOG_WARNING, what + ": " + std::strerror(-error));
  const std::lock_guard lock(mutex_);
  wait_until_ = tasks_.now() + kRetry;
  return Step::kEnd;
}

LockKeeper::Step LockKeeper::wait(uint32_t wait_ms) {
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = tasks_.now();
  wait_until_ = now + milliseconds(wait_ms);
  if (wait_until_ - attempt_began_ > kLongestAttempt) {
    return Step::kEnd;
  }
  post(milliseconds(wait_ms), &LockKeeper::attempt);
  return Step::kWait;
}

void LockKeeper::end_attempt() {
  {
    const std::lock_guard lock(mutex_);
    pending_ = false;
    ++attempts_;
    if (ours() && introduced_ != group_) {
      post(milliseconds(0), &LockKeeper::introduce);
    }
    if (ours() && std::exchange(unwanted_, false)) {
      begin_release();
    }
  }
  device_.event(TCMUD_EVENT_LOCK);
}

// Others shall know by which target port group we are reached.
void LockKeeper::introduce() {
  int32_t group = -1;
  {
    const std::lock_guard lock(mutex_);
    if (client_ == nullptr || !ours() || introduced_ == group_) {
      return;
    }
    group = group_;
    introduced_ = group;
    busy_ = true;  // it may last: another client of the image that is hung is waited for
  }
  client_->tell({LockMessage::Kind::kTaken, group, client_->address()});
  const int r = group < 0 ? 0 : client_->set_tag(lock_tag(group, client_->address()));
  if (r < 0) {
    log(TCMUD_LOG_DEBUG,
        std::string("cannot set image metadata ") + kLockTagKey + ": " + std::strerror(-r));
  }
  const std::lock_guard lock(mutex_);
  busy_ = false;
}

}  // namespace tcmud::rbd
