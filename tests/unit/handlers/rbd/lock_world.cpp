// SPDX-License-Identifier: Apache-2.0
#include "lock_world.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tcmud::rbd::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerTime(3000);

const tcmud_host kHost = {
    .size = sizeof(tcmud_host),
    .abi = TCMUD_ABI,
    .complete = nullptr,
    .log =
        [](tcmud_device* device, int32_t, const char* message) {
          reinterpret_cast<Gateway*>(device)->log.emplace_back(message);
        },
    .event = [](tcmud_device* device, int32_t) { reinterpret_cast<Gateway*>(device)->events += 1; },
    .find_handler = nullptr,
    .backend_state = nullptr};

}  // namespace

// ---- The world ----

LockWorld::~LockWorld() {
  EXPECT_EQ(take_broken(), "");
}

void LockWorld::pass(milliseconds time) {
  const Clock::time_point limit = now_ + time;
  while (run_one(limit)) {
  }
  now_ = limit;
}

bool LockWorld::pass_until(milliseconds limit, const std::function<bool()>& condition) {
  const Clock::time_point end = now_ + limit;
  while (!condition()) {
    if (!run_one(end)) {
      now_ = std::max(now_, end);
      return condition();
    }
  }
  return true;
}

bool LockWorld::wait(Gateway& waiting, milliseconds limit, const std::function<bool()>& condition) {
  const bool before = std::exchange(waiting.blocked_, true);
  const bool held = pass_until(limit, condition);
  waiting.blocked_ = before;
  return held;
}

bool LockWorld::run_one(Clock::time_point limit) {
  Gateway* first = nullptr;
  for (Gateway* gateway : gateways) {
    if (gateway->alive && !gateway->blocked_ && !gateway->tasks_.empty() &&
        gateway->tasks_.begin()->first <= limit &&
        (first == nullptr || gateway->tasks_.begin()->first < first->tasks_.begin()->first)) {
      first = gateway;
    }
  }
  if (!others_.empty() && others_.begin()->first <= limit &&
      (first == nullptr || others_.begin()->first <= first->tasks_.begin()->first)) {
    const auto begin = others_.begin();
    now_ = std::max(now_, begin->first);
    const std::function<void()> what = std::move(begin->second);
    others_.erase(begin);
    what();
    check();
    return true;
  }
  if (first == nullptr) {
    return false;
  }
  const auto begin = first->tasks_.begin();
  now_ = std::max(now_, begin->first);
  const std::function<void()> task = std::move(begin->second);
  first->tasks_.erase(begin);
  first->blocked_ = true;  // one task of a gateway's at a time
  task();
  first->blocked_ = false;
  check();
  return true;
}

void LockWorld::require(bool holds, const char* rule) {
  if (!holds) {
    broken_.emplace_back(rule);
  }
}

std::string LockWorld::take_broken() {
  std::string all;
  for (const std::string& rule : std::exchange(broken_, {})) {
    all += rule + "\n";
  }
  return all;
}

void LockWorld::check() {
  int writers = 0;
  for (const Gateway* gateway : gateways) {
    if (gateway->can_write()) {
      ++writers;
      require(owner == gateway->address(), "who writes has the lock");
      require(gateway->known_map >= gateway->needed_map,
              "who writes knows that the owner before it is shut out");
    }
  }
  require(writers <= 1, "one at a time writes");
}

void LockWorld::fence(const std::string& address) {
  if (fenced.insert(address).second) {
    ++map;
  }
}

// ---- A gateway ----

Gateway::Gateway(LockWorld& world, const std::string& name, milliseconds hold)
    : world_(world),
      name_(name),
      address_(name + "/1"),
      keeper("rbd/" + name, hold, api::Device(&kHost, reinterpret_cast<tcmud_device*>(this)), gate,
             *this) {
  world_.gateways.push_back(this);
  keeper.attach(*this);
}

Gateway::~Gateway() {
  tasks_.clear();
  if (alive) {
    keeper.close();
  }
  world_.gateways.erase(std::find(world_.gateways.begin(), world_.gateways.end(), this));
  world_.check();
}

tcmud_lock_status Gateway::status() {
  tcmud_lock_status status{};
  status.size = sizeof(status);
  keeper.get_status(status);
  return status;
}

bool Gateway::get(milliseconds limit) {
  const uint64_t attempts = status().attempts;
  keeper.acquire(name_[0] - 'A' + 1);
  (void)world_.pass_until(limit, [&] { return status().attempts > attempts; });
  keeper.enable();
  world_.check();
  return status().state == TCMUD_LOCK_ENABLED;
}

void Gateway::reopen() {
  keeper.detach();
  address_ = name_ + "/" + std::to_string(++incarnation_);
  uncertain_write = false;
  known_map = world_.map;
  keeper.attach(*this);
}

void Gateway::post_after(milliseconds delay, std::function<void()> task) {
  tasks_.emplace(world_.now() + delay, std::move(task));
}

bool Gateway::fails(int& r) {
  ++calls;
  late_error_ = 0;
  r = 0;
  take_time();
  if (!alive) {
    r = -EIO;
    return true;
  }
  if (fenced()) {
    r = -ESHUTDOWN;
    return true;
  }
  if (fail_call > 0 && --fail_call == 0) {
    if (!fail_late) {
      r = fail_with;
      return true;
    }
    late_error_ = fail_with;
  }
  return false;
}

int Gateway::late(int r) {
  const int error = std::exchange(late_error_, 0);
  take_time();
  return error != 0 ? error : r;
}

// Others do something meanwhile.
void Gateway::take_time() {
  if (latency.count() > 0) {
    (void)world_.wait(*this, latency, [] { return false; });
  }
}

int Gateway::is_owner(bool& yes) {
  int r = 0;
  yes = false;
  if (fails(r)) {
    return r;
  }
  yes = world_.owner == address_;
  return late(0);
}

int Gateway::owner(std::string& address) {
  int r = 0;
  address.clear();
  if (fails(r)) {
    return r;
  }
  address = world_.owner;
  return late(0);
}

int Gateway::acquire() {
  int r = 0;
  if (fails(r)) {
    return r;
  }
  if (!world_.owner.empty() && world_.owner != address_) {
    return -EROFS;
  }
  if (world_.owner.empty()) {
    world_.owner = address_;
    needed_map = world_.map;
    if (world_.last_owner != address_) {
      ++world_.moves;
      world_.last_owner = address_;
    }
  }
  return late(0);
}

int Gateway::await_fences() {
  int r = 0;
  if (fails(r)) {
    return r;
  }
  known_map = world_.map;
  return late(0);
}

int Gateway::release() {
  int r = 0;
  if (fails(r)) {
    return r;
  }
  if (world_.owner != address_) {
    return -EINVAL;
  }
  world_.require(gate.under_way() == 0, "no write is under way when the lock is released");
  world_.require(!uncertain_write, "no write can still come when the lock is released");
  world_.owner.clear();
  return late(0);
}

int Gateway::break_lock(const std::string& owner) {
  int r = 0;
  if (fails(r)) {
    return r;
  }
  if (world_.owner.empty()) {
    return -ENOENT;
  }
  if (world_.owner != owner) {
    return -EBUSY;
  }
  world_.fence(owner);
  world_.owner.clear();
  return late(0);
}

int Gateway::get_tag(std::string& tag) {
  int r = 0;
  if (fails(r)) {
    return r;
  }
  tag = world_.tag;
  return tag.empty() ? -ENOENT : late(0);
}

int Gateway::set_tag(const std::string& tag) {
  int r = 0;
  if (fails(r)) {
    return r;
  }
  if (world_.owner != address_) {
    return -EROFS;
  }
  world_.tag = tag;
  return late(0);
}

int Gateway::listen(LockListener& listener) {
  int r = 0;
  if (fails(r)) {
    return r;
  }
  listener_ = &listener;
  return late(0);
}

int Gateway::ask(const LockMessage& message, std::vector<LockAnswer>& answers) {
  int r = 0;
  if (fails(r)) {
    return r;
  }
  EXPECT_EQ(message.kind, LockMessage::Kind::kWant);
  const uint64_t question = next_question_++;
  size_t asked = 0;
  for (Gateway* other : world_.gateways) {
    if (other == this || other->listener_ == nullptr || other->fenced() ||
        (other->mute && other->alive)) {
      continue;
    }
    ++asked;  // the dead one, too, is asked and waited for
    if (other->alive) {
      other->listener_->asked(*other, {question, reinterpret_cast<uint64_t>(this)});
    }
  }
  const auto all = [&] {
    return static_cast<size_t>(std::count_if(answers_.begin(), answers_.end(), [&](const auto& a) {
             return a.first >> 8 == question;
           })) == asked;
  };
  (void)world_.wait(*this, kAnswerTime, all);
  for (const auto& [key, answer] : answers_) {
    if (key >> 8 == question) {
      answers.push_back(answer.second);
    }
  }
  return fenced() ? -ESHUTDOWN : late(0);
}

void Gateway::tell(const LockMessage& message) {
  for (Gateway* other : world_.gateways) {
    if (other != this && other->alive && !other->mute && other->listener_ != nullptr &&
        !other->fenced() && !fenced()) {
      other->listener_->told(message);
    }
  }
}

void Gateway::answer(const LockQuestion& question, const LockAnswer& answer) {
  auto* asker = reinterpret_cast<Gateway*>(question.watch);
  if (std::find(world_.gateways.begin(), world_.gateways.end(), asker) != world_.gateways.end() &&
      !fenced()) {
    asker->answers_[question.id << 8 | static_cast<uint64_t>(name_[0])] = {this, answer};
  }
}

int Gateway::fence_self() {
  world_.fence(address_);
  return 0;
}

}  // namespace tcmud::rbd::test
