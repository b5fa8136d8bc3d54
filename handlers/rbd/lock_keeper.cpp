// SPDX-License-Identifier: Apache-2.0
#include "lock_keeper.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace tcmud::rbd {
namespace {

using std::chrono::milliseconds;

constexpr uint32_t kNotNowMs = 500;      // what an owner answers that can't let go yet
constexpr milliseconds kPatience(1500);  // for writes under way; less than who asks waits for us
constexpr milliseconds kListenAgain(1000);

}  // namespace

LockKeeper::LockKeeper(std::string image, milliseconds hold, api::Device device, WriteGate& gate,
                       LockTasks& tasks)
    : image_(std::move(image)), hold_(hold), device_(device), gate_(gate), tasks_(tasks) {}

void LockKeeper::post(milliseconds delay, void (LockKeeper::*task)()) {
  tasks_.post_after(delay, [this, task] { (this->*task)(); });
}

void LockKeeper::log(tcmud_log_level level, const std::string& message) const {
  device_.log(level, "rbd: lock of image " + image_ + ": " + message);
}

void LockKeeper::acquire(int32_t group) {
  const std::lock_guard lock(mutex_);
  group_ = group;
  unwanted_ = false;
  if (!pending_) {
    pending_ = true;
    attempt_began_ = tasks_.now();
    // Not sooner than it makes sense after the last one.
    const auto delay = std::chrono::ceil<milliseconds>(wait_until_ - attempt_began_);
    post(std::max(delay, milliseconds(0)), &LockKeeper::attempt);
  }
}

void LockKeeper::enable() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kAcquired) {
    state_ = State::kEnabled;
    gate_.open();
  }
}

void LockKeeper::release() {
  const std::lock_guard lock(mutex_);
  unwanted_ = pending_;
  if (state_ == State::kAcquired || state_ == State::kEnabled) {
    begin_release();
  }
}

void LockKeeper::get_status(tcmud_lock_status& status) {
  const std::lock_guard lock(mutex_);
  status.attempts = attempts_;
  status.acquired = acquired_;
  status.lost = lost_;
  status.group = -1;
  status.wait_ms = 0;
  status.holder[0] = '\0';
  if (state_ == State::kAcquired || state_ == State::kEnabled) {
    status.state = state_ == State::kEnabled ? TCMUD_LOCK_ENABLED : TCMUD_LOCK_ACQUIRED;
    return;
  }
  const auto left = std::chrono::ceil<milliseconds>(wait_until_ - tasks_.now()).count();
  status.wait_ms = static_cast<uint32_t>(std::clamp<int64_t>(left, 0, UINT32_MAX));
  status.state = holder_.empty() ? TCMUD_LOCK_FREE : TCMUD_LOCK_FOREIGN;
  status.group = holder_group_;
  std::snprintf(status.holder, sizeof(status.holder), "%s", holder_.c_str());
}

LockCounts LockKeeper::counts() {
  const std::lock_guard lock(mutex_);
  return {.owner = ours(), .lost = lost_};
}

// ---- Sessions ----

void LockKeeper::attach(LockClient& client) {
  {
    const std::lock_guard lock(mutex_);
    client_ = &client;
    if (pending_) {
      post(milliseconds(0), &LockKeeper::attempt);
    }
  }
  listen();
}

void LockKeeper::detach() {
  lose("this client is fenced");
  const std::lock_guard lock(mutex_);
  client_ = nullptr;
  questions_.clear();
}

void LockKeeper::close() {
  bool release = false;
  {
    const std::lock_guard lock(mutex_);
    release = ours();
    state_ = State::kNone;
    gate_.close();
  }
  if (release) {
    if (client_->uncertain()) {
      (void)client_->fence_self();
    } else {
      (void)client_->release();
    }
  }
  answer_all({LockAnswer::Kind::kReleased, 0});
  const std::lock_guard lock(mutex_);
  client_ = nullptr;
}

void LockKeeper::listen() {
  if (client_ == nullptr) {
    return;
  }
  if (const int r = client_->listen(*this); r < 0) {
    log(TCMUD_LOG_DEBUG, std::string("no way to hear who asks for it: ") + std::strerror(-r));
    post(kListenAgain, &LockKeeper::listen);
    return;
  }
  look();  // what was said meanwhile went unheard
}

// ---- Giving it up ----

void LockKeeper::asked(LockClient& from, const LockQuestion& question) {
  LockAnswer answer;
  {
    const std::lock_guard lock(mutex_);
    if (&from == client_) {
      switch (state_) {
        case State::kNone:
          break;
        case State::kTaking:
          answer = {LockAnswer::Kind::kTaking, LockAnswer::kTakingMs};
          break;
        case State::kAcquired:
        case State::kEnabled: {
          const auto left =
              std::chrono::ceil<milliseconds>(acquired_at_ + hold_ - tasks_.now()).count();
          if (left > 0 || busy_) {
            answer = {LockAnswer::Kind::kHold, left > 0 ? static_cast<uint32_t>(left) : kNotNowMs};
            break;
          }
          begin_release();
          [[fallthrough]];
        }
        case State::kReleasing:
          questions_.push_back(question);
          return;
      }
    }
  }
  from.answer(question, answer);
}

void LockKeeper::begin_release() {
  state_ = State::kReleasing;
  gate_.close();
  drain_began_ = tasks_.now();
  post(milliseconds(0), &LockKeeper::drain);
}

void LockKeeper::drain() {
  milliseconds waited;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kReleasing) {
      return;
    }
    waited = std::chrono::floor<milliseconds>(tasks_.now() - drain_began_);
  }
  if (gate_.under_way() > 0) {
    if (waited >= kPatience) {
      answer_all({LockAnswer::Kind::kHold, kNotNowMs});
    }
    post(milliseconds(waited < milliseconds(50) ? 1 : 20), &LockKeeper::drain);
    return;
  }
  finish_release();
}

void LockKeeper::finish_release() {
  int r = 0;
  const bool uncertain = client_->uncertain();
  if (uncertain) {
    // Where that write is, nobody knows. Who takes the lock has to fence us first.
    log(TCMUD_LOG_WARNING, "a write had no end in time, so it is given up by a fence alone");
  } else {
    r = client_->release();
  }
  bool kept = uncertain;
  if (r < 0) {
    kept = client_->is_owner(kept) >= 0 && kept;
    log(TCMUD_LOG_WARNING, std::string("cannot release it: ") + std::strerror(-r));
  }
  if (r < 0 && !kept) {
    answer_all({LockAnswer::Kind::kFence, 0});
    lose("it was gone when it was to be released");
  } else {
    {
      const std::lock_guard lock(mutex_);
      state_ = kept ? State::kAcquired : State::kNone;
    }
    answer_all({kept ? LockAnswer::Kind::kFence : LockAnswer::Kind::kReleased, 0});
    device_.event(TCMUD_EVENT_LOCK);
  }
  const std::lock_guard lock(mutex_);
  if (pending_) {
    post(milliseconds(0), &LockKeeper::attempt);
  }
}

void LockKeeper::answer_all(LockAnswer answer) {
  std::vector<LockQuestion> questions;
  {
    const std::lock_guard lock(mutex_);
    questions.swap(questions_);
  }
  for (const LockQuestion& question : questions) {
    client_->answer(question, answer);
  }
}

// ---- Watching it ----

void LockKeeper::told(const LockMessage& message) {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    if (client_ == nullptr || message.sender == client_->address()) {
      return;
    }
    if (ours()) {
      post(milliseconds(0), &LockKeeper::verify);
    } else {
      news = set_holder(message.sender, message.group);
    }
  }
  if (news) {
    device_.event(TCMUD_EVENT_LOCK);
  }
}

void LockKeeper::deaf() {
  post(milliseconds(0), &LockKeeper::listen);
}

void LockKeeper::look() {
  verify();
  {
    const std::lock_guard lock(mutex_);
    if (client_ == nullptr || ours()) {
      return;
    }
  }
  std::string owner;
  if (client_->owner(owner) >= 0 && owner != client_->address()) {
    look_at(owner);
  }
}

void LockKeeper::look_at(const std::string& owner) {
  std::string tag;
  const int r = owner.empty() ? -ENOENT : client_->get_tag(tag);
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    int32_t group = r < 0 ? -1 : group_of_tag(tag, owner);
    if (group < 0 && owner == holder_) {
      group = holder_group_;  // it said so itself, and has not written it down yet
    }
    news = set_holder(owner, group);
  }
  if (news) {
    device_.event(TCMUD_EVENT_LOCK);
  }
}

bool LockKeeper::set_holder(const std::string& owner, int32_t group) {
  const bool news = owner != holder_ || group != holder_group_;
  holder_ = owner;
  holder_group_ = group;
  return news;
}

void LockKeeper::suspect() {
  verify();
}

void LockKeeper::verify() {
  {
    const std::lock_guard lock(mutex_);
    if (client_ == nullptr || !ours() || state_ == State::kReleasing) {
      return;
    }
    busy_ = true;
  }
  bool mine = false;
  const int r = client_->is_owner(mine);
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
  }
  if (r == -ESHUTDOWN) {
    lose("this client is fenced");
  } else if (r >= 0 && !mine) {
    lose("another client has taken it");
  }
}

void LockKeeper::lose(const std::string& how) {
  {
    const std::lock_guard lock(mutex_);
    if (!ours()) {
      return;
    }
    state_ = State::kNone;
    gate_.close();
    ++lost_;
    post(milliseconds(0), &LockKeeper::look);
  }
  log(TCMUD_LOG_WARNING, "lost: " + how);
  device_.event(TCMUD_EVENT_LOCK);
}

}  // namespace tcmud::rbd
