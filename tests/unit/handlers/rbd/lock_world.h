// SPDX-License-Identifier: Apache-2.0
//
// A model of one image's exclusive lock and of the gateways that want it, on one thread and with a
// clock of its own: whatever can happen between gateways happens in an order that the test decides.
// After each step it is checked that no two gateways could write, and that one that can has the
// lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tcmud/handler.hpp>

#include "rbd/lock_keeper.h"

namespace tcmud::rbd::test {

class Gateway;

// What the cluster knows.
class LockWorld {
 public:
  using Clock = LockTasks::Clock;

  LockWorld() = default;
  ~LockWorld();  // fails the test if a rule was broken
  LockWorld(const LockWorld&) = delete;
  LockWorld& operator=(const LockWorld&) = delete;

  // Does something at that time, in the middle of a gateway's call if need be.
  void later(std::chrono::milliseconds delay, std::function<void()> what) {
    others_.emplace(now_ + delay, std::move(what));
  }
  // Lets all of the gateways' work be done that is due within that time.
  void pass(std::chrono::milliseconds time);
  // The same until the condition holds; false: it never did.
  bool pass_until(std::chrono::milliseconds limit, const std::function<bool()>& condition);
  // As pass_until, without the work of one of them, which waits for the condition.
  bool wait(Gateway& waiting, std::chrono::milliseconds limit,
            const std::function<bool()>& condition);
  void check();
  void require(bool holds, const char* rule);
  // What does not hold, one a line; nothing is left for the end to complain about.
  std::string take_broken();
  void fence(const std::string& address);

  [[nodiscard]] Clock::time_point now() const { return now_; }

  std::string owner;  // "" = nobody
  std::string tag;
  std::set<std::string> fenced;
  uint64_t map = 1;  // epoch of the cluster's map: counts fences
  std::vector<Gateway*> gateways;
  uint64_t moves = 0;  // how often the lock came to another owner than before
  std::string last_owner;

 private:
  friend class Gateway;
  bool run_one(Clock::time_point limit);

  std::multimap<Clock::time_point, std::function<void()>> others_;
  std::vector<std::string> broken_;
  Clock::time_point now_{std::chrono::hours(1)};
};

// One gateway: a keeper, and what it stands on.
class Gateway final : public LockTasks, public LockClient {
 public:
  Gateway(LockWorld& world, const std::string& name, std::chrono::milliseconds hold);
  ~Gateway() override;
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  tcmud_lock_status status();
  // As the core does: acquire, and enable once it is ours.
  bool get(std::chrono::milliseconds limit = std::chrono::seconds(20));
  void kill() { alive = false; }  // as by kill -9
  void reopen();                  // another client of the cluster, as after a fence
  [[nodiscard]] bool fenced() const { return world_.fenced.contains(address_); }
  // Its writes would be done.
  [[nodiscard]] bool can_write() const { return alive && gate.is_open() && !fenced(); }

  // LockTasks
  void post_after(std::chrono::milliseconds delay, std::function<void()> task) override;
  [[nodiscard]] Clock::time_point now() const override { return world_.now(); }

  // LockClient
  [[nodiscard]] const std::string& address() const override { return address_; }
  int is_owner(bool& yes) override;
  int owner(std::string& address) override;
  int acquire() override;
  int await_fences() override;
  int release() override;
  int break_lock(const std::string& owner) override;
  int get_tag(std::string& tag) override;
  int set_tag(const std::string& tag) override;
  int listen(LockListener& listener) override;
  int ask(const LockMessage& message, std::vector<LockAnswer>& answers) override;
  void tell(const LockMessage& message) override;
  void answer(const LockQuestion& question, const LockAnswer& answer) override;
  [[nodiscard]] bool uncertain() const override { return uncertain_write; }
  int fence_self() override;

  // Set by tests.
  bool alive = true;
  std::chrono::milliseconds latency{0};  // before and after what a call does
  bool mute = false;                     // hears nothing, and says nothing
  bool uncertain_write = false;
  int fail_call = 0;  // the how-manieth call from now on fails, 1 = the next
  int fail_with = -EIO;
  bool fail_late = false;  // and is done all the same

  int calls = 0;
  int events = 0;
  std::vector<std::string> log;
  WriteGate gate;
  uint64_t known_map = 1;   // epoch of the map that this client has
  uint64_t needed_map = 1;  // that it must have to write

 private:
  friend class LockWorld;

  // Does this call fail before it is done (true), and what shall it return if not 0.
  bool fails(int& r);
  int late(int r);
  void take_time();

  LockWorld& world_;
  const std::string name_;
  int incarnation_ = 1;
  std::string address_;
  bool blocked_ = false;  // it waits in a call
  std::multimap<Clock::time_point, std::function<void()>> tasks_;
  LockListener* listener_ = nullptr;
  uint64_t next_question_ = 1;
  std::map<uint64_t, std::pair<Gateway*, LockAnswer>> answers_;  // to my questions
  int late_error_ = 0;

 public:
  LockKeeper keeper;
};

}  // namespace tcmud::rbd::test
